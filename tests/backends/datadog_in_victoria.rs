//! `datadog` into VictoriaLogs (logs) and VictoriaMetrics (series and distributions).

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use telseal::otlp::Signal;
use telseal::stdx::clock;

use crate::process::{Site, files_below};
use crate::{sender, victoria_logs, victoria_metrics};

const CONFIG: &str = "
receivers:
  otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}
processors:
  seal: {}
exporters:
  datadog:
    api: {key: key}
    logs: {endpoint: 'http://127.0.0.1:$PORT/insert/datadog/api/v2/logs', strings_only: true}
    metrics: {endpoint: 'http://127.0.0.1:$PORT$BASE'}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    $SIGNAL: {receivers: [otlp], processors: [seal], exporters: [datadog]}
";

fn site(port: u16, base: &str, signal: Signal) -> Site {
    let port = port.to_string();
    Site::new(CONFIG, &[("$PORT", &port), ("$BASE", base), ("$SIGNAL", signal.name())])
}

fn post(site: &Site, signal: Signal, body: &[u8]) {
    let answer = sender::post(site.http, &sender::path(signal), &[("content-type", sender::JSON)], body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    site.wait_until_delivered();
}

#[test]
fn every_record_of_a_session_is_in_victoria_logs_with_its_sealed_line() {
    let Some(backend) = victoria_logs::start() else { return };
    let site = site(backend.port, "/insert/datadog", Signal::Logs);
    let telseal = site.start();
    let body = fs::read(format!("{}/examples/session/logs.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let request = telseal::otlp::json::to_protobuf(Signal::Logs, &body).unwrap();
    let count = usize::try_from(telseal::otlp::count(Signal::Logs, &request).unwrap()).unwrap();
    post(&site, Signal::Logs, &body);
    let records = victoria_logs::records(&backend, count);
    telseal.terminate();

    let there: BTreeSet<String> =
        records.iter().map(|record| record["audit.line"].as_str().unwrap().to_owned()).collect();
    let segments = files_below(site.data_dir()).into_iter().filter(|path| path.to_string_lossy().ends_with(".ndjson"));
    let ledger: BTreeSet<String> = segments
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("\"audit.seal\":") && line.contains("\"signal\":"))
        .collect();
    assert_eq!(there, ledger);
    for record in &records {
        // What the line says, the fields say, too.
        let line: Value = serde_json::from_str(record["audit.line"].as_str().unwrap()).unwrap();
        assert_eq!(record["_msg"], line["body"]);
        assert_eq!(record["otel.trace_id"], line["trace_id"]);
        for (key, value) in line["attributes"].as_object().unwrap() {
            let found = record.get(key).or_else(|| record.get(format!("attribute.{key}")));
            if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
                assert_eq!(found.and_then(Value::as_str), Some(text), "{key}");
            }
        }
    }
}

#[test]
fn counts_gauges_and_distributions_are_in_victoria_metrics() {
    let Some(backend) = victoria_metrics::start() else { return };
    let site = site(backend.port, "/datadog", Signal::Metrics);
    let telseal = site.start();
    let now = clock::unix_nanos();
    let point = |value: Value| {
        let mut own = json!({
            "timeUnixNano": now.to_string(), "startTimeUnixNano": (now - 10_000_000_000).to_string(),
            "attributes": [{"key": "tool", "value": {"stringValue": "bash"}}],
        });
        own.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        own
    };
    let histogram = point(
        json!({"count": "40", "sum": 600.0, "min": 1.0, "max": 30.0, "explicitBounds": [10.0, 20.0], "bucketCounts": ["10", "20", "10"]}),
    );
    let metrics = json!([
        {"name": "requests", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point(json!({"asInt": "5"}))]}},
        {"name": "temperature", "unit": "Cel", "gauge": {"dataPoints": [point(json!({"asDouble": 21.5}))]}},
        {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 1, "dataPoints": [histogram]}},
    ]);
    let resource = json!({"attributes": [{"key": "host.name", "value": {"stringValue": "h1"}}, {"key": "service.name", "value": {"stringValue": "shop"}}]});
    let request = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]});
    post(&site, Signal::Metrics, request.to_string().as_bytes());
    // A distribution is read as five quantiles, a sum, a count and two extremes.
    let series = victoria_metrics::series(&backend, 11);
    telseal.terminate();

    let value = |name: &str, quantile: Option<&str>| {
        let found = series.iter().find(|(labels, _)| {
            labels["__name__"] == name && quantile.is_none_or(|quantile| labels["quantile"] == quantile)
        });
        let (labels, values) = found.unwrap_or_else(|| panic!("no {name} in {series:?}"));
        assert_eq!(
            (&labels["host"], &labels["service"], &labels["tool"]),
            (&json!("h1"), &json!("shop"), &json!("bash"))
        );
        assert_eq!(values.len(), 1);
        values[0]
    };
    assert_eq!((value("requests", None), value("temperature", None)), (5.0, 21.5));
    assert!((value("latency", Some("0.5")) - 15.0).abs() < 0.5);
    assert!((value("latency", Some("0.99")) - 29.7).abs() < 0.6);
}
