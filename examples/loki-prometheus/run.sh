#!/usr/bin/env bash
# Sends the recorded session of an agent through a sidecar to a log store on this machine, and shows what arrived.
# The store is VictoriaLogs, which speaks Loki's push API and is built from source (needs Go); with LOKI=http://host:3100 it
# is yours, and you look there. Nothing is left behind but the store's build in the cache of tests/backends.
. "$(dirname "$0")/../common.sh"

if [ -z "${LOKI:-}" ]; then
    start_victoria_logs "${STORE_PORT:-9428}"
    # VictoriaLogs would take the JSON of a line apart; the line is what verifies.
    export LOKI="$victoria_logs/insert/loki/api/v1/push?disable_message_parsing=1"
fi
start_telseal
send logs traces
until_delivered
show_delivered
[ -z "${victoria_logs:-}" ] && exit
until_shown "$(metric telseal_exporter_delivered_records_total)"
echo "in the store, by stream:"
ask '* | stats by (_stream) count() records'
echo "commands of high risk, from the sealed lines:"
ask '_msg:"\"risk.level\":\"high\"" | limit 2'
echo "the ledger they were sent from:"
stop_telseal
"$telseal" verify "$DATA"
