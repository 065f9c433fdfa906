#!/usr/bin/env bash
# Sends the recorded session of an agent to a store on this machine that speaks Splunk's HTTP Event Collector (VictoriaLogs, built from
# source; needs Go and jq), reads it back, and compares the copy with the ledger. VictoriaLogs acknowledges nothing; to send to
# Splunk itself, run telseal with telseal.yaml. Nothing is left behind but the store's build in the cache of tests/backends.
. "$(dirname "$0")/../common.sh"

start_victoria_logs "${STORE_PORT:-9428}"
export SPLUNK_HEC_URL=$victoria_logs/insert/splunk/services/collector/event SPLUNK_HEC_TOKEN=not-checked-here SPLUNK_ACK=false
start_telseal
send logs traces
until_delivered
show_delivered
until_shown "$(metric telseal_exporter_delivered_records_total)"
echo "what the store holds, compared with the ledgers:"
ask '* | fields _msg' | jq -r ._msg >"$work/copy.ndjson"
for signal in logs traces; do "$telseal" reconcile --copy "$work/copy.ndjson" "$DATA/$signal"; done
echo "the riskiest commands:"
jq -c '.attributes | select(."risk.score" > 50) | {"risk.level", "risk.rules", "risk.reasons"}' "$work/copy.ndjson" | head -3
