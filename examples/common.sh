# What the scripts of the examples share; each of them begins with it. They run in a folder of their own that is removed at the end,
# with everything that was started. `TELSEAL` names a binary; without it one is built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
export OTLP_GRPC=${OTLP_GRPC:-127.0.0.1:4317} OTLP_HTTP=${OTLP_HTTP:-127.0.0.1:4318} ADMIN=${ADMIN:-127.0.0.1:8888}
work=$(mktemp -d)
export DATA=$work/data
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done; rm -rf "$work"' EXIT

telseal=${TELSEAL:-}
if [ -z "$telseal" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    telseal=$root/target/release/telseal
fi

until_ready() {
    for _ in $(seq 300); do curl -fs -o /dev/null "$1" && return; sleep 0.1; done
    echo "not ready: $1" >&2
    return 1
}

# Starts VictoriaLogs on a port: it is built from source once, which needs Go.
start_victoria_logs() {
    local store
    store=$("$root/tests/backends/fetch" victoria-logs)
    "$store/victoria-logs" -httpListenAddr="127.0.0.1:$1" -storageDataPath="$work/store" -retentionPeriod=100y 2>"$work/store.log" &
    started+=($!)
    until_ready "http://127.0.0.1:$1/health"
    victoria_logs=http://127.0.0.1:$1
}

# What VictoriaLogs answers to a query.
ask() { curl -fsS "$victoria_logs/select/logsql/query" --data-urlencode "query=$1"; }

# A store shows what it got after a moment: waits until VictoriaLogs has so many records.
until_shown() { for _ in $(seq 100); do [ "$(ask '*' | wc -l)" -ge "$1" ] && break; sleep 0.1; done; }

# Starts telseal with the example's configuration, last of all that is started.
start_telseal() {
    "$telseal" run --config "$here/telseal.yaml" 2>"$work/telseal.log" &
    started+=($!)
    until_ready "http://$ADMIN/readyz" || { cat "$work/telseal.log" >&2; exit 1; }
}

# Ends telseal in order: it closes what it gathers, and waits for its destinations.
stop_telseal() {
    kill "${started[-1]}"
    wait "${started[-1]}"
}

# Sends these signals of the recorded session.
send() {
    local signal
    for signal in "$@"; do
        curl -fsS -o /dev/null -H 'content-type: application/json' --data-binary "@$root/examples/session/$signal.json" "http://$OTLP_HTTP/v1/$signal"
    done
}

# The sum of a metric over the lines that match a pattern after its name.
metric() { curl -fs "http://$ADMIN/metrics" | awk -v pattern="^$1.*${2:-}" '$0 ~ pattern {sum += $2} END {print sum + 0}'; }

until_delivered() { for _ in $(seq 300); do [ "$(metric telseal_exporter_lag_records)" = 0 ] && break; sleep 0.1; done; }

show_delivered() {
    echo "delivered:"
    curl -fs "http://$ADMIN/metrics" | grep '^telseal_exporter_delivered_records_total'
}
