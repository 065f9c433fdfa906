//! `datadog`: where every field goes, by the tables in its reference page, and what is sent when.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "support/fake.rs"]
mod fake;
#[path = "datadog/intake.rs"]
mod intake;

use std::sync::{Arc, Mutex};

use fake::{Requests, fake};
use intake::{Sketch, logs_of, points_of, sketches_of};
use serde_json::{Value, json};
use telseal::exporter::datadog::{Config, Datadog};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use telseal::otlp::json::to_protobuf;
use telseal::stdx::clock;

const KEY: &str = "key-hunter2";
const SECOND: u64 = 1_000_000_000;
const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";
const SPAN: &str = "0102030405060708";

fn datadog(url: &str, settings: Value) -> Datadog {
    let mut all = json!({
        "api": {"key": KEY}, "logs": {"endpoint": url}, "traces": {"endpoint": url}, "metrics": {"endpoint": url},
    });
    for (key, value) in settings.as_object().unwrap() {
        match (all.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
            (Some(own), Some(more)) => own.extend(more.clone()),
            _ => drop(all.as_object_mut().unwrap().insert(key.clone(), value.clone())),
        }
    }
    Datadog::new("datadog", &serde_json::from_value::<Config>(all).unwrap()).unwrap()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn payload(signal: Signal, request: &Value) -> Payload {
    let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
    let records = telseal::otlp::count(signal, &bytes).unwrap();
    Payload::from_otlp(signal, vec![bytes.into()], records)
}

fn logs(resource: &[Value], records: &[Value]) -> Payload {
    let request =
        json!({"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": records}]}]});
    payload(Signal::Logs, &request)
}

/// An intake that takes everything.
async fn taken(settings: Value, payload: &Payload) -> Requests {
    let (url, requests) = fake(|_| (202, "{}".to_owned())).await;
    datadog(&url, settings).export(payload).await.unwrap();
    requests
}

async fn sent_logs(settings: Value, payload: &Payload) -> Vec<Value> {
    taken(settings, payload).await.lock().unwrap().iter().flat_map(|asked| logs_of(asked, KEY)).collect()
}

/// The rows of the first table below a heading.
fn table(below: &str) -> Vec<(String, String)> {
    let page = include_str!("../docs/exporters/datadog.md");
    let rows = page.split_once(below).unwrap().1.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.map(|row| (cells(row)[0].clone(), cells(row)[1].clone())).collect()
}

#[tokio::test]
async fn every_field_of_a_log_record_goes_where_the_table_says() {
    let request = json!({"resourceLogs": [{
        "resource": {
            "attributes": [text("service.name", "shop"), text("service.version", "7"), text("host.name", "h1"), text("deployment.environment.name", "a,b")],
            "droppedAttributesCount": 11,
        },
        "schemaUrl": "resource-url",
        "scopeLogs": [{
            "scope": {"name": "lib", "version": "1.2", "attributes": [text("k", "v")], "droppedAttributesCount": 12},
            "schemaUrl": "scope-url",
            "logRecords": [{
                "timeUnixNano": "1700000000123456789", "observedTimeUnixNano": "1700000001000000000",
                "severityNumber": 13, "severityText": "warned", "body": {"stringValue": "the body"},
                "traceId": TRACE, "spanId": SPAN, "flags": 1, "eventName": "login", "droppedAttributesCount": 13,
                "attributes": [text("user.id", "u1"), text("status", "own"), text("otel.flags", "own")],
            }],
        }],
    }]});
    let found = sent_logs(json!({"tags": ["team:core"]}), &payload(Signal::Logs, &request)).await.remove(0);
    let wanted = json!({
        "message": "the body", "timestamp": 1_700_000_000_123_u64, "status": "warning", "service": "shop", "hostname": "h1",
        "ddtags": "env:a_b,service:shop,version:7,team:core", "ddsource": "otlp",
        "resource": {
            "attributes": {"service.name": "shop", "service.version": "7", "host.name": "h1", "deployment.environment.name": "a,b"},
            "schema_url": "resource-url", "dropped_attributes_count": 11,
        },
        "scope": {"name": "lib", "version": "1.2", "attributes": {"k": "v"}, "schema_url": "scope-url", "dropped_attributes_count": 12},
        "otel.timestamp": "1700000000123456789", "otel.observed_timestamp": "1700000001000000000",
        "otel.severity_number": 13, "otel.severity_text": "warned", "otel.event_name": "login", "otel.flags": 1,
        "otel.dropped_attributes_count": 13,
        "otel.trace_id": TRACE, "dd.trace_id": "651345242494996240", "otel.span_id": SPAN, "dd.span_id": "72623859790382856",
        "user.id": "u1", "attribute.status": "own", "attribute.otel.flags": "own",
    });
    assert_eq!(found, wanted);
    // The page says the same of each field: where its value is, by the first name in the cell.
    let object =
        |name: &str| wanted.get(name).or_else(|| wanted[name.split('.').next().unwrap()].get(name.split_once('.')?.1));
    for (left, right) in table("A log record is one JSON object:") {
        let name = right.split('`').nth(1).unwrap_or_default();
        let is_elsewhere =
            left.starts_with("`body`, ") || left == "neither time" || left == "the seal" || left == "`attributes`";
        assert!(is_elsewhere || object(name).is_some(), "{left}: {right}");
    }
}

#[tokio::test]
async fn every_type_of_value_is_json_and_of_bodies_text() {
    let values = [
        (json!({"stringValue": "a\"b\nc"}), "a\"b\nc", json!("a\"b\nc")),
        (json!({"boolValue": true}), "true", json!(true)),
        (json!({"intValue": "-9223372036854775808"}), "-9223372036854775808", json!(i64::MIN)),
        (json!({"doubleValue": 1.5}), "1.5", json!(1.5)),
        (json!({"doubleValue": "NaN"}), "NaN", json!("NaN")),
        (json!({"bytesValue": "AAE="}), "AAE=", json!("AAE=")),
        (json!({"arrayValue": {"values": [{"intValue": "1"}]}}), "[1]", json!([1])),
        (json!({"kvlistValue": {"values": [text("k", "v")]}}), r#"{"k":"v"}"#, json!({"k": "v"})),
        (json!({}), "", json!(null)),
    ];
    let record = |(value, ..): &(Value, &str, Value)| json!({"timeUnixNano": "1000000", "body": value, "attributes": [{"key": "k", "value": value}]});
    let records: Vec<_> = values.iter().map(record).collect();
    let found = sent_logs(json!({"hostname": "default"}), &logs(&[], &records)).await;
    for (found, (_, message, value)) in found.iter().zip(&values) {
        assert_eq!((found["message"].as_str(), &found["k"]), (Some(*message), value));
        assert_eq!((found["hostname"].as_str(), found["timestamp"].as_u64()), (Some("default"), Some(1)));
    }
    assert_eq!(found.len(), values.len());
}

#[tokio::test]
async fn severities_have_datadogs_names_and_records_without_body_or_time_are_sent() {
    let record = |number: u64| json!({"severityNumber": number, "severityText": "own", "eventName": "e"});
    let records: Vec<_> = [0, 1, 5, 9, 13, 17, 21, 24].into_iter().map(record).collect();
    let before = clock::unix_nanos() / 1_000_000;
    let found = sent_logs(json!({}), &logs(&[], &records)).await;
    let statuses: Vec<_> = found.iter().map(|entry| entry["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["own", "trace", "debug", "info", "warning", "error", "critical", "critical"]);
    assert!(found.iter().all(|entry| entry["message"] == "e" && entry["timestamp"].as_u64().unwrap() >= before));
}

fn numbered(count: u64, bytes: impl Fn(u64) -> usize) -> Payload {
    let record =
        |n: u64| json!({"timeUnixNano": "1", "body": {"stringValue": format!("{n}:{}", "x".repeat(bytes(n)))}});
    logs(&[], &(0..count).map(record).collect::<Vec<_>>())
}

#[tokio::test]
async fn requests_stay_within_datadogs_limits_and_a_record_that_it_would_cut_off_is_put_aside() {
    let sizes = |requests: &Requests| {
        requests.lock().unwrap().iter().map(|asked| logs_of(asked, KEY).len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&taken(json!({}), &numbered(2500, |_| 10)).await), [1000, 1000, 500]);
    let large = taken(json!({"compression": "zstd"}), &numbered(12, |_| 900_000)).await;
    assert_eq!(sizes(&large), [5, 5, 2]);
    let (url, requests) = fake(|_| (202, "{}".to_owned())).await;
    let error =
        datadog(&url, json!({})).export(&numbered(3, |n| if n == 1 { 1_000_001 } else { 1 })).await.unwrap_err();
    let ExportError::Partial { refused } = error else { panic!("{error:?}") };
    assert_eq!((refused.len(), refused[0].records.as_slice(), sizes(&requests)), (1, [1].as_slice(), vec![2]));
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again_when_a_later_request_has_to_wait() {
    let mut turn = 0;
    let (url, requests) = fake(move |_| {
        turn += 1;
        if turn == 2 { (429, String::new()) } else { (202, "{}".to_owned()) }
    })
    .await;
    let (datadog, payload) = (datadog(&url, json!({})), numbered(1500, |_| 1));
    assert!(matches!(datadog.export(&payload).await, Err(ExportError::Retry { .. })));
    datadog.export(&payload).await.unwrap();
    let firsts: Vec<String> = requests
        .lock()
        .unwrap()
        .iter()
        .map(|asked| logs_of(asked, KEY)[0]["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(firsts, ["0:x", "1000:x", "1000:x"]);
}

#[tokio::test]
async fn the_key_is_checked_at_the_start_and_stands_in_no_message() {
    for (status, is_pause) in [(200, false), (403, true)] {
        let (url, requests) = fake(move |_| (status, KEY.to_owned())).await;
        let datadog = datadog(&url, json!({}));
        let answer = datadog.begin().await;
        assert_eq!(matches!(answer, Err(ExportError::Pause { .. })), is_pause, "{answer:?}");
        assert!(!format!("{datadog:?} {answer:?}").contains(KEY));
        let requests = requests.lock().unwrap();
        assert_eq!(
            (requests[0].line.as_str(), requests[0].headers["dd-api-key"].as_str()),
            ("GET /api/v1/validate", KEY)
        );
    }
}

#[tokio::test]
async fn spans_arrive_as_otlp_whole() {
    let span = json!({"traceId": TRACE, "spanId": SPAN, "name": "n", "events": [{"name": "e"}], "links": [{"traceId": TRACE}]});
    let payload = payload(Signal::Traces, &json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}));
    let requests = taken(json!({}), &payload).await;
    let asked = requests.lock().unwrap()[0].clone();
    assert_eq!(asked.line, "POST /v1/traces");
    assert_eq!(asked.body, payload.otlp().unwrap());
    assert_eq!(
        (asked.headers["content-type"].as_str(), asked.headers["compute_stats"].as_str()),
        ("application/x-protobuf", "true")
    );
}

// Metrics.

/// One metric of one resource.
fn metric(name: &str, unit: &str, kind: &str, data: Value) -> Payload {
    let mut own = json!({"name": name, "unit": unit});
    own[kind] = data;
    let resource = json!({"attributes": [text("service.name", "shop"), text("host.name", "h1"), text("other", "o")]});
    let scope = json!({"name": "lib", "version": "2"});
    payload(
        Signal::Metrics,
        &json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": [own]}]}]}),
    )
}

/// Exports payloads one after the other to one exporter: what comes of each.
struct Rig {
    datadog: Datadog,
    requests: Requests,
    status: Arc<Mutex<u16>>,
}

impl Rig {
    async fn new(settings: Value) -> Self {
        let status = Arc::new(Mutex::new(202));
        let own = status.clone();
        let (url, requests) = fake(move |_| (*own.lock().unwrap(), "{}".to_owned())).await;
        Self { datadog: datadog(&url, settings), requests, status }
    }

    async fn series(&self, payload: &Payload) -> Vec<Value> {
        self.datadog.export(payload).await.unwrap();
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests
            .iter()
            .filter(|asked| asked.line.ends_with("/series"))
            .flat_map(|asked| points_of(asked, KEY))
            .collect()
    }

    async fn sketches(&self, payload: &Payload) -> Vec<Sketch> {
        self.datadog.export(payload).await.unwrap();
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests
            .iter()
            .filter(|asked| asked.line.ends_with("/sketches"))
            .flat_map(|asked| sketches_of(asked, KEY))
            .collect()
    }

    /// The type and value of the only series.
    async fn value(&self, payload: &Payload) -> Option<(u64, f64)> {
        let series = self.series(payload).await;
        assert!(series.len() < 2, "{series:?}");
        series.first().map(|one| (one["type"].as_u64().unwrap(), one["points"][0]["value"].as_f64().unwrap()))
    }
}

const COUNT: u64 = 1;
const GAUGE: u64 = 3;

fn number(start: u64, time: u64, value: f64) -> Value {
    json!({"startTimeUnixNano": (start * SECOND).to_string(), "timeUnixNano": (time * SECOND).to_string(), "asDouble": value, "attributes": [text("k", "v")]})
}

fn sum(temporality: u64, monotonic: bool, start: u64, time: u64, value: f64) -> Payload {
    metric(
        "m",
        "By",
        "sum",
        json!({"aggregationTemporality": temporality, "isMonotonic": monotonic, "dataPoints": [number(start, time, value)]}),
    )
}

#[tokio::test]
async fn a_series_has_all_that_identifies_it() {
    let rig = Rig::new(json!({"tags": ["team:core"]})).await;
    let series = rig.series(&sum(1, true, 100, 130, 5.0)).await;
    let wanted = json!([{
        "metric": "m", "type": 1, "interval": 30, "points": [{"timestamp": 130, "value": 5.0}], "unit": "byte",
        "resources": [{"type": "host", "name": "h1"}],
        "tags": ["service:shop", "instrumentation_scope:lib", "instrumentation_scope_version:2", "team:core", "k:v"],
    }]);
    assert_eq!(Value::from(series), wanted);
    let rig = Rig::new(
        json!({"metrics": {"resource_attributes_as_tags": true, "instrumentation_scope_metadata_as_tags": false}}),
    )
    .await;
    let series = rig.series(&sum(1, true, 100, 130, 5.0)).await;
    assert_eq!(series[0]["tags"], json!(["service:shop", "service.name:shop", "host.name:h1", "other:o", "k:v"]));
}

#[tokio::test]
async fn every_kind_of_metric_becomes_what_the_table_says() {
    let rows: Vec<String> = table("Metrics, by Datadog's").into_iter().map(|(left, _)| left).collect();
    let tested = [
        "gauge",
        "sum, delta",
        "sum, cumulative, monotonic",
        "sum, cumulative, not monotonic",
        "histogram",
        "exponential histogram",
        "summary",
    ];
    assert_eq!(rows, tested, "the rest of this file tests these");
    let rig = Rig::new(json!({})).await;
    let gauge =
        metric("g", "1", "gauge", json!({"dataPoints": [{"timeUnixNano": (5 * SECOND).to_string(), "asInt": "-7"}]}));
    assert_eq!(rig.value(&gauge).await, Some((GAUGE, -7.0)));
    assert_eq!(rig.value(&sum(1, true, 1, 5, 2.0)).await, Some((COUNT, 2.0)));
    assert_eq!(rig.value(&sum(1, false, 1, 5, -2.0)).await, Some((COUNT, -2.0)));
    assert_eq!(rig.value(&sum(2, false, 1, 5, 9.0)).await, Some((GAUGE, 9.0)));
    let raw = Rig::new(json!({"metrics": {"sums": {"cumulative_monotonic_mode": "raw_value"}}})).await;
    assert_eq!(raw.value(&sum(2, true, 1, 5, 9.0)).await, Some((GAUGE, 9.0)));
}

#[tokio::test]
async fn cumulative_counters_are_counted_exactly_over_resets_and_repeated_tries() {
    let rig = Rig::new(json!({})).await;
    let now = clock::unix_nanos() / SECOND;
    let at = |start: u64, time: u64, value: f64| sum(2, true, start, now + time, value);
    assert_eq!(rig.value(&at(now - 500, 10, 100.0)).await, None, "it began before telseal did");
    assert_eq!(rig.value(&at(now - 500, 20, 107.0)).await, Some((COUNT, 7.0)));
    *rig.status.lock().unwrap() = 503;
    let next = at(now - 500, 30, 110.0);
    for _ in 0..3 {
        assert!(matches!(rig.datadog.export(&next).await, Err(ExportError::Retry { .. })));
    }
    rig.requests.lock().unwrap().clear();
    *rig.status.lock().unwrap() = 202;
    assert_eq!(rig.value(&next).await, Some((COUNT, 3.0)), "as if it had been sent once");
    assert_eq!(rig.value(&next).await, None, "it is no newer than the one before");
    assert_eq!(rig.value(&at(now + 35, 40, 4.0)).await, Some((COUNT, 4.0)), "the producer began anew");
    let other = metric(
        "m",
        "By",
        "sum",
        json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": ((now + 5) * SECOND).to_string(), "timeUnixNano": ((now + 50) * SECOND).to_string(), "asInt": "3", "attributes": [text("k", "w")]},
        ]}),
    );
    assert_eq!(rig.value(&other).await, Some((COUNT, 3.0)), "another series, which began after telseal did");
}

fn histogram(temporality: u64, time: u64, counts: [u64; 3], sum: f64) -> Payload {
    let point = json!({
        "startTimeUnixNano": SECOND.to_string(), "timeUnixNano": (time * SECOND).to_string(), "count": counts.iter().sum::<u64>().to_string(),
        "sum": sum, "min": 1.0, "max": 30.0, "explicitBounds": [10.0, 20.0], "bucketCounts": counts.map(|count| count.to_string()),
        "attributes": [text("k", "v")],
    });
    metric("h", "s", "histogram", json!({"aggregationTemporality": temporality, "dataPoints": [point]}))
}

#[tokio::test]
async fn histograms_are_distributions() {
    let rig = Rig::new(json!({})).await;
    let sketch = rig.sketches(&histogram(1, 5, [10, 20, 10], 600.0)).await.remove(0);
    assert_eq!(
        (sketch.metric.as_str(), sketch.host.as_str(), sketch.tags.last().unwrap().as_str()),
        ("h", "h1", "k:v")
    );
    let dog = &sketch.dogsketches[0];
    assert_eq!((dog.ts, dog.cnt, dog.min, dog.max, dog.avg, dog.sum), (5, 40, 1.0, 30.0, 15.0, 600.0));
    assert_eq!((dog.k.len(), dog.n.iter().sum::<u32>()), (dog.n.len(), 40));
    assert!((dog.quantile(0.5) - 15.0).abs() < 0.5, "{}", dog.quantile(0.5));
    assert_eq!(rig.sketches(&histogram(2, 10, [10, 20, 10], 600.0)).await.len(), 0, "the first of a cumulative one");
    let dog = rig.sketches(&histogram(2, 20, [10, 25, 10], 675.0)).await.remove(0).dogsketches.remove(0);
    assert_eq!((dog.cnt, dog.sum, dog.min, dog.max), (5, 75.0, 10.0, 20.0));
}

#[tokio::test]
async fn aggregates_are_sent_beside_distributions_or_alone() {
    for (settings, sketches) in [(json!({"send_aggregation_metrics": true}), 1), (json!({"mode": "nobuckets"}), 0)] {
        let rig = Rig::new(json!({"metrics": {"histograms": settings}})).await;
        rig.datadog.export(&histogram(1, 5, [10, 20, 10], 600.0)).await.unwrap();
        let requests = rig.requests.lock().unwrap().clone();
        let found: Vec<_> = requests
            .iter()
            .filter(|asked| asked.line.ends_with("/series"))
            .flat_map(|asked| points_of(asked, KEY))
            .collect();
        let names: Vec<_> = found
            .iter()
            .map(|one| (one["metric"].as_str().unwrap(), one["points"][0]["value"].as_f64().unwrap()))
            .collect();
        assert_eq!(names, [("h.count", 40.0), ("h.sum", 600.0), ("h.min", 1.0), ("h.max", 30.0)]);
        assert_eq!(requests.iter().filter(|asked| asked.line.ends_with("/sketches")).count(), sketches);
    }
}

#[tokio::test]
async fn exponential_histograms_are_distributions() {
    let point = json!({
        "timeUnixNano": (5 * SECOND).to_string(), "count": "13", "sum": 100.0, "scale": 2, "zeroCount": "3",
        "positive": {"offset": 8, "bucketCounts": ["0", "8"]}, "negative": {"offset": 0, "bucketCounts": ["2"]},
    });
    let payload =
        metric("e", "ms", "exponentialHistogram", json!({"aggregationTemporality": 1, "dataPoints": [point]}));
    let dog = Rig::new(json!({})).await.sketches(&payload).await.remove(0).dogsketches.remove(0);
    assert_eq!((dog.cnt, dog.n.iter().sum::<u32>(), dog.sum), (13, 13, 100.0));
    // Bucket 9 at scale 2 is from 2^(9/4) to 2^(10/4).
    assert!((dog.quantile(0.9) - 5.1).abs() < 0.6, "{}", dog.quantile(0.9));
    assert!((dog.min - -(2_f64.powf(0.25))).abs() < 1e-9, "{}", dog.min);
}

#[tokio::test]
async fn summaries_are_counts_and_quantiles() {
    let summary = |time: u64, count: u64, sum: f64| {
        let point = json!({
            "startTimeUnixNano": SECOND.to_string(), "timeUnixNano": (time * SECOND).to_string(), "count": count.to_string(), "sum": sum,
            "quantileValues": [{"quantile": 0.5, "value": 3.0}, {"quantile": 1.0, "value": 9.0}],
        });
        metric("s", "", "summary", json!({"dataPoints": [point]}))
    };
    let rig = Rig::new(json!({})).await;
    assert_eq!(rig.series(&summary(10, 4, 20.0)).await.len(), 0);
    let series = rig.series(&summary(20, 6, 32.0)).await;
    let found: Vec<_> = series
        .iter()
        .map(|one| {
            (
                one["metric"].as_str().unwrap(),
                one["type"].as_u64().unwrap(),
                one["points"][0]["value"].as_f64().unwrap(),
                one["tags"].as_array().unwrap().last().unwrap().as_str().unwrap(),
            )
        })
        .collect();
    let version = "instrumentation_scope_version:2";
    assert_eq!(
        found,
        [
            ("s.count", COUNT, 2.0, version),
            ("s.sum", COUNT, 12.0, version),
            ("s.quantile", GAUGE, 3.0, "quantile:0.5"),
            ("s.quantile", GAUGE, 9.0, "quantile:1.0")
        ]
    );
}

#[tokio::test]
async fn a_point_that_datadog_refuses_costs_one_point() {
    let (url, requests) = fake(|asked| {
        let is_bad = String::from_utf8_lossy(&asked.body).contains("666");
        if is_bad { (400, String::new()) } else { (202, "{}".to_owned()) }
    })
    .await;
    let points: Vec<_> = (0..8).map(|n| number(1, 5 + n, if n == 3 { 666.0 } else { 1.0 })).collect();
    let own = metric("m", "", "sum", json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": points}));
    let datadog = datadog(&url, json!({}));
    // Halved by the delivery loop, as long as nothing is settled.
    let mut pending = vec![own];
    let mut bad = 0;
    while let Some(payload) = pending.pop() {
        match datadog.export(&payload).await {
            Ok(()) => {}
            Err(ExportError::Permanent { .. }) => match payload.split().unwrap() {
                Some((first, second)) => pending.extend([second, first]),
                None => bad += payload.records(),
            },
            Err(ExportError::Partial { refused }) => bad += telseal::exporter::refused_records(&refused),
            Err(other) => panic!("{other:?}"),
        }
    }
    let taken = requests
        .lock()
        .unwrap()
        .iter()
        .filter(|asked| !String::from_utf8_lossy(&asked.body).contains("666"))
        .flat_map(|asked| points_of(asked, KEY))
        .count();
    assert_eq!(taken as u64 + bad, 8);
}
