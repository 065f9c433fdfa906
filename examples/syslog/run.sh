#!/usr/bin/env bash
# Sends the logs of a recorded agent session to an rsyslog on this machine (Debian's package, unpacked and not installed), shows the
# alerts, and compares rsyslog's copy with the ledger. Nothing is left behind but rsyslog in the cache of tests/backends.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
port=${SIEM_PORT:-6514}
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}

work=$(mktemp -d)
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT
until_ready() { for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done; echo "not ready: $1" >&2; return 1; }

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

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi
export DATA=$work/data SIEM=127.0.0.1:$port SIEM_IN_CLEAR=true
"$telseal" run --config "$here/telseal.yaml" 2>"$work/telseal.log" &
started+=($!)
until_ready "http://$ADMIN/readyz" || { cat "$work/telseal.log" >&2; exit 1; }

curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/logs.json" "http://$OTLP_HTTP/v1/logs"
for _ in $(seq 300); do
    lag=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_lag_records/ {sum += $2} END {print sum + 0}')
    [ "$lag" = 0 ] && break
    sleep 0.1
done
sent=$(curl -fs "http://$ADMIN/metrics" | awk '/^telseal_exporter_delivered_records_total.*evidence/ {sum += $2} END {print sum + 0}')
# rsyslog writes after a moment.
for _ in $(seq 100); do [ "$(wc -l <"$work/evidence.ndjson")" -ge "$sent" ] && break; sleep 0.1; done
echo "alerts:"
cut -c1-200 "$work/alerts"
echo "rsyslog's copy, compared with the ledger:"
"$telseal" reconcile --copy "$work/evidence.ndjson" "$DATA/logs"
