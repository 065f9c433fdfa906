# rsyslog: RFC 5424 over UDP, TCP and TLS. Debian's packages, unpacked into the folder and not installed. A second.
version=$(apt-cache policy rsyslog 2>/dev/null | awk '/Candidate/ {print $2}')
install() {
    command -v apt-get >/dev/null || { echo "needs apt-get, of Debian or Ubuntu" >&2; return 1; }
    (
        cd "$1"
        apt-get download --quiet rsyslog rsyslog-gnutls libestr0 libfastjson4
        for package in *.deb; do dpkg -x "$package" .; done
        rm -- *.deb
    )
    cat >"$1/rsyslog" <<'SCRIPT'
#!/bin/sh
here=$(dirname "$0")
lib=$(echo "$here"/usr/lib/*-linux-gnu)
LD_LIBRARY_PATH=$lib exec "$here/usr/sbin/rsyslogd" -n -M "$lib/rsyslog" "$@"
SCRIPT
    chmod +x "$1/rsyslog"
}
