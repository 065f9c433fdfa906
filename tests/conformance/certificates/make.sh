#!/bin/sh
# Makes the certificates of the TLS tests. They are valid for a hundred years and for nothing else than the tests.
set -eu
cd "$(dirname "$0")"
make() { # name, subject, extensions
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2"
    printf '%s\n' "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -days 36500 -extfile "$1.ext" -out "$1.pem" $4
    rm "$1.csr" "$1.ext"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -keyout authority.key -out authority.pem \
    -subj "/CN=telseal test authority" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
signed="-CA authority.pem -CAkey authority.key -CAcreateserial"
make server collector.test "subjectAltName=DNS:collector.test" "$signed"
make client "telseal test client" "extendedKeyUsage=clientAuth" "$signed"
rm -f authority.key authority.srl
