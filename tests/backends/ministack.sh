# MiniStack: S3 with Object Lock and checksums; no signatures. `ministack -H ADDRESS -p PORT`, as moto has it.
version=1.5.33
install() {
    python_install "ministack==$version" ministack.app ministack.real "$1"
    cat >"$1/ministack" <<'SCRIPT'
#!/bin/sh
BIND_HOST=$2 GATEWAY_PORT=$4 SERVICES=s3 exec "$0.real"
SCRIPT
    chmod +x "$1/ministack"
}
