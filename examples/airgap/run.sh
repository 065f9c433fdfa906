#!/usr/bin/env bash
# Writes a disk on one side, carries it, checks it, and reads it on the other side. Nothing is left behind.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
export OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}

work=$(mktemp -d)
running=
trap '[ -z "$running" ] || { kill "$running" && wait "$running" || true; }; rm -rf "$work"' EXIT
telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
start() {
    "$telseal" run --config "$here/$1.yaml" 2>>"$work/$1.log" &
    running=$!
    for _ in $(seq 300); do curl -fs -o /dev/null "http://$ADMIN/readyz" && return; sleep 0.1; done
    cat "$work/$1.log" >&2
    exit 1
}
stop() {
    kill "$running"
    wait "$running"
    running=
}
metric() { curl -fs "http://$ADMIN/metrics" | awk -v name="$1" 'index($1, name "{") == 1 {sum += $2} END {print sum + 0}'; }

DATA=$work/inside DISK=$work/disk start inside
for signal in logs traces; do
    curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/$signal.json" "http://$OTLP_HTTP/v1/$signal"
done
sent=$(metric telseal_pipeline_received_records_total)
stop
echo "inside: $sent records on the disk:"
ls "$work/disk"

mv "$work/disk" "$work/carried"
(cd "$work/carried" && sha256sum -c -- *.sha256)
for signal in logs traces; do
    zstd -qdc "$work/carried/$signal"-*.zst >"$work/$signal.ndjson"
    "$telseal" reconcile --copy "$work/$signal.ndjson" "$work/inside/$signal"
done

export DATA=$work/outside DISK=$work/carried BACKEND=$work/backend
start outside
for _ in $(seq 300); do [ "$(metric telseal_pipeline_received_records_total)" = "$sent" ] && break; sleep 0.1; done
stop
start outside
sleep 2
echo "outside, after a restart: $(metric telseal_pipeline_received_records_total) records read again"
stop
echo "outside: $(cat "$work"/backend/*.ndjson | wc -l) records at the backend, each with the seal of the inside:"
cat "$work"/backend/*.ndjson | grep -c audit.upstream
