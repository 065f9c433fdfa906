//! A real Prometheus holds what was sent: by remote write, and by a scrape. It is asked through its own HTTP API.
//!
//! `prometheus` is taken from the PATH, or Debian's package is unpacked into `target/sdk-cache`. Without either a test is skipped and
//! says so; `REQUIRE_BACKENDS=1` makes that a failure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

#[path = "prometheus/backend.rs"]
mod backend;
#[path = "prometheus/remote_write.rs"]
mod remote_write;
#[path = "prometheus/scrape.rs"]
mod scrape;
#[path = "prometheus/wire.rs"]
mod wire;

use serde_json::{Value, json};
use telseal::exporter::Payload;
use telseal::otlp::Signal;
use telseal::stdx::clock;

/// A payload of these metrics, all of one resource and scope.
fn payload(metrics: &Value, points: u64) -> Payload {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let resource =
        [attribute("service.name", "shop"), attribute("service.instance.id", "i-1"), attribute("host.name", "h1")];
    let scope = json!({"name": "lib", "version": "1.2", "attributes": [attribute("kind", "own")]});
    let request = json!({"resourceMetrics": [{
        "resource": {"attributes": resource},
        "scopeMetrics": [{"scope": scope, "schemaUrl": "http://schema", "metrics": metrics}],
    }]});
    let bytes = telseal::otlp::json::to_protobuf(Signal::Metrics, request.to_string().as_bytes()).unwrap();
    Payload::from_otlp(Signal::Metrics, vec![bytes.into()], points)
}

/// Nanoseconds since 1970, as OTLP/JSON writes them: so many seconds ago.
fn ago(seconds: u64) -> String {
    (clock::unix_nanos() - seconds * 1_000_000_000).to_string()
}

/// One metric of every kind, as the SDKs send them.
fn every_kind(start: u64, end: u64) -> Value {
    let at = |more: Value| {
        let mut point = json!({
            "startTimeUnixNano": ago(start), "timeUnixNano": ago(end),
            "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}, {"key": "n", "value": {"intValue": "7"}}],
        });
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([point])
    };
    let exemplar = |value: f64| {
        json!([{"timeUnixNano": ago(end), "asDouble": value, "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708",
            "filteredAttributes": [{"key": "user", "value": {"stringValue": "u1"}}]}])
    };
    json!([
        {"name": "gauge.int", "unit": "By", "description": "a gauge", "gauge": {"dataPoints": at(json!({"asInt": "-5"}))}},
        {"name": "sum.up", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": true,
            "dataPoints": at(json!({"asDouble": 2.5, "exemplars": exemplar(1.0)}))}},
        {"name": "sum.updown", "sum": {"aggregationTemporality": 2, "dataPoints": at(json!({"asInt": "4"}))}},
        {"name": "delta.up", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": at(json!({"asInt": "3"}))}},
        {"name": "delta.updown", "sum": {"aggregationTemporality": 1, "dataPoints": at(json!({"asInt": "-2"}))}},
        {"name": "hist", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": at(json!({
            "count": "6", "sum": 12.5, "explicitBounds": [1.0, 2.5], "bucketCounts": ["1", "2", "3"], "exemplars": exemplar(2.0)}))}},
        {"name": "delta.hist", "histogram": {"aggregationTemporality": 1, "dataPoints": at(json!({
            "count": "6", "sum": 12.5, "explicitBounds": [1.0, 2.5], "bucketCounts": ["1", "2", "3"]}))}},
        {"name": "exp", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": at(json!({
            "count": "6", "sum": 9.0, "scale": 1, "zeroCount": "1", "positive": {"offset": 0, "bucketCounts": ["2", "3"]}}))}},
        {"name": "delta.exp", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": at(json!({
            "count": "6", "sum": 9.0, "scale": 1, "zeroCount": "1", "positive": {"offset": 0, "bucketCounts": ["2", "3"]}}))}},
        {"name": "summ", "summary": {"dataPoints": at(json!({
            "count": "4", "sum": 8.0, "quantileValues": [{"quantile": 0.5, "value": 1.5}, {"quantile": 0.99, "value": 3.0}]}))}},
    ])
}

/// The number of data points in that.
const KINDS: u64 = 10;

/// What Prometheus must answer after `every_kind`; `deltas`: how many of them were sent.
fn answers(deltas: u32) -> Vec<(&'static str, f64)> {
    let times = |n: f64| n * f64::from(deltas);
    vec![
        ("gauge_int_bytes", -5.0),
        ("sum_up_total", 2.5),
        ("sum_updown", 4.0),
        ("delta_up_total", times(3.0)),
        ("delta_updown", times(-2.0)),
        (r#"hist_seconds_bucket{le=~"1|1.0"}"#, 1.0),
        (r#"hist_seconds_bucket{le="2.5"}"#, 3.0),
        (r#"hist_seconds_bucket{le="+Inf"}"#, 6.0),
        ("hist_seconds_sum", 12.5),
        ("hist_seconds_count", 6.0),
        (r#"delta_hist_bucket{le="2.5"}"#, times(3.0)),
        ("delta_hist_count", times(6.0)),
        ("histogram_count(exp)", 6.0),
        ("histogram_sum(exp)", 9.0),
        ("histogram_fraction(1, 2, exp) * 6", 5.0),
        ("histogram_count(delta_exp)", times(6.0)),
        (r#"summ{quantile="0.99"}"#, 3.0),
        ("summ_sum", 8.0),
        ("summ_count", 4.0),
    ]
}

/// The labels that every series must have.
const LABELS: &str = r#"{job="shop",instance="i-1",otel_scope_name="lib",otel_scope_version="1.2",otel_scope_kind="own",otel_scope_schema_url="http://schema",http_method="GET",n="7"}"#;
