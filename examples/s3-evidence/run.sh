#!/usr/bin/env bash
# Sends the recorded session of an agent through telseal into a bucket with Object Lock on this machine, and checks what is there.
# Nothing is left behind but MiniStack in the cache of tests/backends.
. "$(dirname "$0")/../common.sh"

s3_port=${S3_PORT:-9000}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test S3_ENDPOINT=http://127.0.0.1:$s3_port
store=$("$root/tests/backends/fetch" ministack)
"$store/ministack" -H 127.0.0.1 -p "$s3_port" >"$work/store.log" 2>&1 &
started+=($!)
until_ready "$S3_ENDPOINT/"
curl -fsS -o /dev/null -X PUT -H 'x-amz-bucket-object-lock-enabled: true' "$S3_ENDPOINT/evidence"

start_telseal
send logs traces
stop_telseal

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
