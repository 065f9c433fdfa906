#!/usr/bin/env bash
# Sends the logs of a recorded agent session to an rsyslog on this machine (Debian's package, unpacked and not installed), shows the
# alerts, and compares rsyslog's copy with the ledger. Nothing is left behind but rsyslog in the cache of tests/backends.
. "$(dirname "$0")/../common.sh"

port=${SIEM_PORT:-6514}
rsyslog=$("$root/tests/backends/fetch" rsyslog)
cat >"$work/rsyslog.conf" <<CONF
global(workDirectory="$work" maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="$port")
template(name="message" type="string" string="%msg%\n")
if \$msg startswith "CEF:" then { action(type="omfile" file="$work/alerts" template="message") stop }
action(type="omfile" file="$work/evidence.ndjson" template="message")
CONF
"$rsyslog/rsyslog" -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" 2>"$work/rsyslog.log" &
started+=($!)

export SIEM=127.0.0.1:$port SIEM_IN_CLEAR=true
start_telseal
send logs
until_delivered
sent=$(metric telseal_exporter_delivered_records_total evidence)
# rsyslog writes after a moment.
for _ in $(seq 100); do [ "$(wc -l <"$work/evidence.ndjson")" -ge "$sent" ] && break; sleep 0.1; done
echo "alerts:"
cut -c1-200 "$work/alerts"
echo "rsyslog's copy, compared with the ledger:"
"$telseal" reconcile --copy "$work/evidence.ndjson" "$DATA/logs"
