#!/usr/bin/env bash
# Sends the recorded session of an agent through telseal into a bucket with Object Lock on this machine, and checks what is there.
# Nothing is left behind but MiniStack in the cache of tests/backends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
s3_port=${S3_PORT:-9000}
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test S3_ENDPOINT=http://127.0.0.1:$s3_port

work=$(mktemp -d)
export DATA=$work/data
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT
until_ready() { for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done; echo "not ready: $1" >&2; exit 1; }

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
store=$("$root/tests/backends/fetch" ministack)
"$store/ministack" -H 127.0.0.1 -p "$s3_port" >"$work/store.log" 2>&1 &
started+=($!)
until_ready "$S3_ENDPOINT/"
curl -fsS -o /dev/null -X PUT -H 'x-amz-bucket-object-lock-enabled: true' "$S3_ENDPOINT/evidence"

"$telseal" run --config "$here/telseal.yaml" 2>"$work/telseal.log" &
running=$!
started+=("$running")
until_ready "http://$ADMIN/readyz"
for signal in logs traces; do
    curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/$signal.json" "http://$OTLP_HTTP/v1/$signal"
done
# An orderly end closes what is gathered and waits for the bucket.
kill "$running"
wait "$running"

keys() { curl -fsS "$S3_ENDPOINT/evidence?list-type=2" | grep -o '<Key>[^<]*' | cut -c6-; }
echo "in the bucket:"
keys
object=$(keys | grep -m 1 ndjson)
version=$(curl -fsS "$S3_ENDPOINT/evidence?versions&prefix=$object" | grep -o '<VersionId>[^<]*' | head -n 1 | cut -c12-)
status=$(curl -s -o "$work/denied" -w '%{http_code}' -X DELETE "$S3_ENDPOINT/evidence/$object?versionId=$version")
echo "deleting $object: HTTP $status $(grep -o '<Code>[^<]*' "$work/denied" | cut -c7-)"

mkdir "$work/copy"
keys | while read -r key; do curl -fsS -o "$work/copy/${key##*/}" "$S3_ENDPOINT/evidence/$key"; done
for signal in logs traces; do
    zstd -qdc "$work/copy/$signal"_*.ndjson.zst >"$work/$signal.ndjson"
    "$telseal" reconcile --copy "$work/$signal.ndjson" "$DATA/$signal"
    "$telseal" verify --anchor "$(find "$work/copy" -name "${signal}_*.checkpoint" | sort | tail -n 1)" "$DATA/$signal"
done
