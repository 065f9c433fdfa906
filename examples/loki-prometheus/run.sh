#!/usr/bin/env bash
# Sends the recorded session of an agent through a sidecar to a log store on this machine, and shows what arrived.
# The store is VictoriaLogs, which speaks Loki's push API and is built from source (needs Go); with LOKI=http://host:3100 it
# is yours, and you look there. Nothing is left behind but the store's build in the cache of tests/backends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
store_port=${STORE_PORT:-9428}
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}

work=$(mktemp -d)
export DATA=$work/data
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT
until_ready() { for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done; echo "not ready: $1" >&2; return 1; }

if [ -z "${LOKI:-}" ]; then
    store=$("$root/tests/backends/fetch" victoria-logs)
    "$store/victoria-logs" -httpListenAddr="127.0.0.1:$store_port" -storageDataPath="$work/store" -retentionPeriod=100y \
        2>"$work/store.log" &
    started+=($!)
    until_ready "http://127.0.0.1:$store_port/health"
    # VictoriaLogs would take the JSON of a line apart; the line is what verifies.
    export LOKI="http://127.0.0.1:$store_port/insert/loki/api/v1/push?disable_message_parsing=1"
fi

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
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
[ -z "${store:-}" ] && exit

ask() { curl -fsS "http://127.0.0.1:$store_port/select/logsql/query" --data-urlencode "query=$1"; }
# A store shows what it got after a moment.
sent=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_delivered_records_total/ {sum += $2} END {print sum + 0}')
for _ in $(seq 100); do [ "$(ask '*' | wc -l)" -ge "$sent" ] && break; sleep 0.1; done
echo "in the store, by stream:"
ask '* | stats by (_stream) count() records'
echo "commands of high risk, from the sealed lines:"
ask '_msg:"\"risk.level\":\"high\"" | limit 2'
echo "the ledger they were sent from:"
kill "${started[-1]}" && wait "${started[-1]}" || true
"$telseal" verify "$DATA"
