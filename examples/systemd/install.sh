#!/bin/sh
# Installs telseal as a systemd service. Run as root, with the binary as the first argument:
#   ./install.sh ../../target/release/telseal
# Nothing is started; a configuration that is there already is left alone.
set -eu
binary=${1:?usage: install.sh PATH_OF_THE_BINARY}
here=$(dirname "$0")
install -D -m 0755 "$binary" /usr/bin/telseal
install -D -m 0644 "$here/sysusers.conf" /usr/lib/sysusers.d/telseal.conf
install -D -m 0644 "$here/tmpfiles.conf" /usr/lib/tmpfiles.d/telseal.conf
install -D -m 0644 "$here/telseal.service" /usr/lib/systemd/system/telseal.service
systemd-sysusers telseal.conf
systemd-tmpfiles --create telseal.conf
[ -e /etc/telseal/telseal.yaml ] || install -m 0640 -g telseal "$here/telseal.yaml" /etc/telseal/telseal.yaml
systemctl daemon-reload 2>/dev/null || echo "systemd does not run here: reload it where it does"
echo "edit /etc/telseal/telseal.yaml, then: systemctl enable --now telseal"
