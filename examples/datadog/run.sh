#!/usr/bin/env bash
# Sends the logs and metrics of a recorded agent session to stores on this machine that speak Datadog's protocols (VictoriaLogs and
# VictoriaMetrics, built from source; needs Go), and shows what arrived. To send to Datadog itself, run telseal with telseal.yaml.
# Nothing is left behind but the stores' builds in the cache of tests/backends.
. "$(dirname "$0")/../common.sh"

victoria_metrics=http://127.0.0.1:${METRICS_PORT:-8428}
metrics=$("$root/tests/backends/fetch" victoria-metrics)
"$metrics/victoria-metrics" -httpListenAddr="${victoria_metrics#http://}" -storageDataPath="$work/metrics" -retentionPeriod=100y 2>"$work/metrics.log" &
started+=($!)
until_ready "$victoria_metrics/health"
start_victoria_logs "${LOGS_PORT:-9428}"
export DD_API_KEY=not-checked-here DD_STRINGS_ONLY=true
export DD_LOGS_ENDPOINT=$victoria_logs/insert/datadog/api/v2/logs DD_METRICS_ENDPOINT=$victoria_metrics/datadog
start_telseal
send logs metrics
until_delivered
show_delivered
until_shown "$(metric telseal_exporter_delivered_records_total 'pipeline="logs"')"
echo "log records by status and risk:"
ask '* | stats by (status, risk.level) count() records'
echo "series:"
curl -fs "$victoria_metrics/internal/force_flush"
curl -fsG "$victoria_metrics/api/v1/export" --data-urlencode 'match[]={__name__!=""}' -d start=0 | grep -o '"__name__":"[^"]*"' | sort | uniq -c
