# moto: S3 with the rules about parts; no signatures, no checksums. Half a minute to install.
version=5.2.5
install() { python_install "moto[server]==$version" moto.server moto "$1"; }
