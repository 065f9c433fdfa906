#!/usr/bin/env bash
# Sends the recorded session of an agent to a store on this machine that speaks Splunk's HTTP Event Collector (VictoriaLogs, built from
# source; needs Go and jq), reads it back, and compares the copy with the ledger. VictoriaLogs acknowledges nothing; to send to
# Splunk itself, run telseal with telseal.yaml. Nothing is left behind but the store's build in the cache of tests/backends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
store_port=${STORE_PORT:-9428}
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}

work=$(mktemp -d)
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT
until_ready() { for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done; echo "not ready: $1" >&2; return 1; }

store=$("$root/tests/backends/fetch" victoria-logs)
"$store/victoria-logs" -httpListenAddr="127.0.0.1:$store_port" -storageDataPath="$work/store" -retentionPeriod=100y 2>"$work/store.log" &
started+=($!)
until_ready "http://127.0.0.1:$store_port/health"

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
export DATA=$work/data SPLUNK_HEC_TOKEN=not-checked-here SPLUNK_ACK=false
export SPLUNK_HEC_URL=http://127.0.0.1:$store_port/insert/splunk/services/collector/event
"$telseal" run --config "$here/telseal.yaml" 2>"$work/telseal.log" &
started+=($!)
until_ready "http://$ADMIN/readyz" || { cat "$work/telseal.log" >&2; exit 1; }

for signal in logs traces; do
    curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/$signal.json" "http://$OTLP_HTTP/v1/$signal"
done
for _ in $(seq 300); do
    lag=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_lag_records/ {sum += $2} END {print sum + 0}')
    [ "$lag" = 0 ] && break
    sleep 0.1
done
echo "delivered:"
curl -fs "http://$ADMIN/metrics" | grep '^telseal_exporter_delivered_records_total'

ask() { curl -fsS "http://127.0.0.1:$store_port/select/logsql/query" --data-urlencode "query=$1"; }
# A store shows what it got after a moment.
sent=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_delivered_records_total/ {sum += $2} END {print sum + 0}')
for _ in $(seq 100); do [ "$(ask '*' | wc -l)" -ge "$sent" ] && break; sleep 0.1; done
echo "what the store holds, compared with the ledgers:"
ask '* | fields _msg' | jq -r ._msg >"$work/copy.ndjson"
for signal in logs traces; do "$telseal" reconcile --copy "$work/copy.ndjson" "$DATA/$signal"; done
echo "the riskiest commands:"
jq -c '.attributes | select(."risk.score" > 50) | {"risk.level", "risk.rules", "risk.reasons"}' "$work/copy.ndjson" | head -3
