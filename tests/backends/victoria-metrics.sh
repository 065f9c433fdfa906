# VictoriaMetrics: Datadog's series and sketches, Prometheus remote write, OTLP metrics. Half a minute of processor time to build.
version=v1.146.0
install() { go_install "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@$version" "$1"; }
