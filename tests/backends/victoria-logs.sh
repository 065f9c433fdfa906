# VictoriaLogs: Loki's push API, Datadog's logs, OTLP, Splunk's HEC. About a minute of processor time to build.
version=v1.52.1
install() { go_install "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$version" "$1"; }
