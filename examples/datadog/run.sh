#!/usr/bin/env bash
# Sends the logs and metrics of a recorded agent session to stores on this machine that speak Datadog's protocols (VictoriaLogs and
# VictoriaMetrics, built from source; needs Go), and shows what arrived. To send to Datadog itself, run telseal with telseal.yaml.
# Nothing is left behind but the stores' builds in the cache of tests/backends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
logs_port=${LOGS_PORT:-9428} metrics_port=${METRICS_PORT:-8428}
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}

work=$(mktemp -d)
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT
until_ready() { for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done; echo "not ready: $1" >&2; return 1; }

logs=$("$root/tests/backends/fetch" victoria-logs)
metrics=$("$root/tests/backends/fetch" victoria-metrics)
"$logs/victoria-logs" -httpListenAddr="127.0.0.1:$logs_port" -storageDataPath="$work/logs" -retentionPeriod=100y 2>"$work/logs.log" &
started+=($!)
"$metrics/victoria-metrics" -httpListenAddr="127.0.0.1:$metrics_port" -storageDataPath="$work/metrics" -retentionPeriod=100y 2>"$work/metrics.log" &
started+=($!)
until_ready "http://127.0.0.1:$logs_port/health"
until_ready "http://127.0.0.1:$metrics_port/health"

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
export DATA=$work/data DD_API_KEY=not-checked-here DD_STRINGS_ONLY=true
export DD_LOGS_ENDPOINT=http://127.0.0.1:$logs_port/insert/datadog/api/v2/logs DD_METRICS_ENDPOINT=http://127.0.0.1:$metrics_port/datadog
"$telseal" run --config "$here/telseal.yaml" 2>"$work/telseal.log" &
started+=($!)
until_ready "http://$ADMIN/readyz" || { cat "$work/telseal.log" >&2; exit 1; }

for signal in logs metrics; do
    curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/$signal.json" "http://$OTLP_HTTP/v1/$signal"
done
for _ in $(seq 300); do
    lag=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_lag_records/ {sum += $2} END {print sum + 0}')
    [ "$lag" = 0 ] && break
    sleep 0.1
done
echo "delivered:"
curl -fs "http://$ADMIN/metrics" | grep '^telseal_exporter_delivered_records_total'
ask() { curl -fsS "http://127.0.0.1:$logs_port/select/logsql/query" --data-urlencode "query=$1"; }
# A store shows what it got after a moment.
sent=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_delivered_records_total.*pipeline="logs"/ {sum += $2} END {print sum + 0}')
for _ in $(seq 100); do [ "$(ask '*' | wc -l)" -ge "$sent" ] && break; sleep 0.1; done
echo "log records by status and risk:"
ask '* | stats by (status, risk.level) count() records'
echo "series:"
curl -fs "http://127.0.0.1:$metrics_port/internal/force_flush"
curl -fsG "http://127.0.0.1:$metrics_port/api/v1/export" --data-urlencode 'match[]={__name__!=""}' -d start=0 | grep -o '"__name__":"[^"]*"' | sort | uniq -c
