//! `loki`: where every field goes, by the table in its reference page, and what becomes of lines that Loki refuses.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "support/fake.rs"]
mod fake;
#[path = "loki/server.rs"]
mod server;

use std::collections::BTreeMap;

use fake::{Requests, fake};
use serde_json::{Value, json};
use server::{Line, Server, lines_of};
use telseal::exporter::loki::{Config, Loki};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use telseal::otlp::json::to_protobuf;

const SECOND: u64 = 1_000_000_000;
const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";
const SPAN: &str = "0102030405060708";

fn loki(url: &str, settings: Value) -> Loki {
    let mut all = json!({"endpoint": url});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    Loki::new("loki", &serde_json::from_value::<Config>(all).unwrap()).unwrap()
}

fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

fn text(key: &str, value: &str) -> Value {
    attribute(key, json!({"stringValue": value}))
}

/// A payload of one resource and scope.
fn logs(resource: &[Value], records: &[Value]) -> Payload {
    let request =
        json!({"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": records}]}]});
    payload(Signal::Logs, &request, records.len() as u64)
}

fn payload(signal: Signal, request: &Value, records: u64) -> Payload {
    let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
    Payload::from_otlp(signal, vec![bytes.into()], records)
}

/// What a server that takes everything got of a payload.
async fn sent(settings: Value, payload: &Payload) -> Vec<Line> {
    let (url, requests) = fake(|_| (204, String::new())).await;
    loki(&url, settings).export(payload).await.unwrap();
    all(&requests)
}

fn all(requests: &Requests) -> Vec<Line> {
    requests.lock().unwrap().iter().flat_map(lines_of).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The rows of the first table below a heading: what stands left, and right.
fn table(below: &str) -> Vec<(String, String)> {
    let page = include_str!("../docs/exporters/loki.md");
    let rows = page.split_once(below).unwrap().1.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.map(|row| (cells(row)[0].clone(), cells(row)[1].clone())).collect()
}

/// A record with every field, each told apart by its value.
fn full() -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": [text("service.name", "shop"), text("host.name", "h1")], "droppedAttributesCount": 11},
        "schemaUrl": "resource-url",
        "scopeLogs": [{
            "scope": {"name": "lib", "version": "1.2", "attributes": [text("scope.kind", "test")], "droppedAttributesCount": 12},
            "schemaUrl": "scope-url",
            "logRecords": [{
                "timeUnixNano": "1700000000123456789", "observedTimeUnixNano": "1700000001000000000",
                "severityNumber": 13, "severityText": "warning", "body": {"stringValue": "the body"},
                "traceId": TRACE, "spanId": SPAN, "flags": 1, "eventName": "login", "droppedAttributesCount": 13,
                "attributes": [text("user.id", "u1")],
            }],
        }],
    }]})
}

#[tokio::test]
async fn every_field_of_a_log_record_goes_where_the_table_says() {
    let line = sent(json!({}), &payload(Signal::Logs, &full(), 1)).await.remove(0);
    assert_eq!(line.labels, map(&[("service_name", "shop")]));
    assert_eq!((line.text.as_str(), line.time), ("the body", 1_700_000_000_123_456_789));
    let by_row = [
        ("`observed_time_unix_nano`", "observed_timestamp", "1700000001000000000"),
        ("`severity_number`", "severity_number", "13"),
        ("`severity_text`", "severity_text", "warning"),
        ("`trace_id`", "trace_id", TRACE),
        ("`span_id`", "span_id", SPAN),
        ("`flags`", "flags", "1"),
        ("`event_name`", "event_name", "login"),
        ("`dropped_attributes_count`", "dropped_attributes_count", "13"),
        ("`attributes`", "user_id", "u1"),
        ("`resource.attributes`", "host_name", "h1"),
        ("`resource.dropped_attributes_count`", "resource_dropped_attributes_count", "11"),
        ("`resource.schema_url`", "resource_schema_url", "resource-url"),
        ("`scope.name`", "scope_name", "lib"),
        ("`scope.version`", "scope_version", "1.2"),
        ("`scope.attributes`", "scope_kind", "test"),
        ("`scope.dropped_attributes_count`", "scope_dropped_attributes_count", "12"),
        ("`scope.schema_url`", "scope_schema_url", "scope-url"),
    ];
    assert_eq!(
        line.metadata,
        by_row.iter().map(|(_, name, value)| (String::from(*name), String::from(*value))).collect()
    );
    // The page says the same, row by row, and has no row that nothing here checks.
    let elsewhere = ["`body`, a string", "`body`, of another type", "`body`, none", "`time_unix_nano`", "neither time"];
    for (left, right) in table("An unsealed log record:") {
        let row = by_row.iter().find(|(row, ..)| *row == left);
        match row {
            Some((_, name, _)) if !left.contains("attributes`") || left.contains("count") => {
                assert!(right.contains(&format!("`{name}`")), "{left}: {right}");
            }
            Some(_) => assert!(right.contains("their own names"), "{left}: {right}"),
            None => assert!(elsewhere.contains(&left.as_str()), "{left} is not tested"),
        }
    }
}

#[tokio::test]
async fn json_says_the_same_as_protobuf() {
    let payload = payload(Signal::Logs, &full(), 1);
    let protobuf = sent(json!({}), &payload).await;
    assert_eq!(sent(json!({"encoding": "json"}), &payload).await, protobuf);
    assert_eq!(sent(json!({"encoding": "json", "compression": "none"}), &payload).await, protobuf);
}

#[tokio::test]
async fn every_type_of_value_is_text_and_of_bodies_the_line() {
    let values = [
        (json!({"stringValue": "a\"b\nc"}), "a\"b\nc"),
        (json!({"boolValue": true}), "true"),
        (json!({"intValue": "-9223372036854775808"}), "-9223372036854775808"),
        (json!({"doubleValue": 1.5}), "1.5"),
        (json!({"doubleValue": "NaN"}), "NaN"),
        (json!({"doubleValue": "-Infinity"}), "-Infinity"),
        (json!({"bytesValue": "AAE="}), "AAE="),
        (json!({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}}), r#"[1,"x"]"#),
        (json!({"kvlistValue": {"values": [text("k", "v")]}}), r#"{"k":"v"}"#),
        (json!({}), ""),
    ];
    let record = |(value, _): &(Value, &str)| json!({"timeUnixNano": "1", "body": value, "attributes": [attribute("k", value.clone())]});
    let records: Vec<_> = values.iter().map(record).collect();
    let lines = sent(json!({}), &logs(&[], &records)).await;
    assert_eq!(lines.len(), values.len());
    for (line, (_, wanted)) in lines.iter().zip(&values) {
        assert_eq!((line.text.as_str(), line.metadata["k"].as_str()), (*wanted, *wanted));
        assert_eq!(line.labels, map(&[("service_name", "unknown_service")]));
    }
}

#[tokio::test]
async fn a_record_without_body_or_time_is_sent_all_the_same() {
    let before = telseal::stdx::clock::unix_nanos();
    let records = [json!({"eventName": "login", "observedTimeUnixNano": "7"}), json!({"attributes": [text("a", "1")]})];
    let lines = sent(json!({}), &logs(&[], &records)).await;
    assert_eq!((lines[0].text.as_str(), lines[0].time), ("login", 7));
    assert!(!lines[0].metadata.contains_key("observed_timestamp"), "it is the time of the entry");
    assert_eq!((lines[1].text.as_str(), lines[1].metadata.clone()), ("", map(&[("a", "1")])));
    assert!(lines[1].time >= before);
}

#[tokio::test]
async fn names_that_would_collide_keep_all_their_values() {
    let attributes = [
        text("a.b", "1"),
        text("a_b", "2"),
        text("trace_id", "3"),
        text("service_name", "4"),
        text("a.b", "5"),
        text("event.name", "7"),
    ];
    let record = json!({"timeUnixNano": "1", "traceId": TRACE, "attributes": attributes});
    let lines = sent(json!({}), &logs(&[text("service.name", "s"), text("a-b", "6")], &[record])).await;
    // `event_name` is free: the record has no such field.
    let wanted = [
        ("event_name", "7"),
        ("a_b", "6"),
        ("a_b_2", "2"),
        ("a_b_3", "5"),
        ("trace_id", TRACE),
        ("trace_id_2", "3"),
        ("service_name_2", "4"),
    ];
    assert_eq!(lines[0].metadata, map(&wanted));
}

#[tokio::test]
async fn a_record_with_more_metadata_than_loki_takes_is_a_line_that_has_everything() {
    let many: Vec<_> = (0..200).map(|n| text(&format!("k{n}"), "v")).collect();
    let large = [text("k", &"v".repeat(70_000))];
    let record = |attributes: &[Value]| json!({"timeUnixNano": "1", "severityNumber": 9, "body": {"stringValue": "b"}, "attributes": attributes});
    let payload = logs(&[], &[record(&many), record(&large), record(&[text("k", "v")])]);
    let lines = sent(json!({}), &payload).await;
    let canonical = String::from_utf8(payload.to_lines().unwrap().to_vec()).unwrap();
    for (line, wanted) in lines.iter().zip(canonical.lines()).take(2) {
        assert_eq!(line.text, wanted);
        assert_eq!(line.metadata, map(&[("severity_number", "9")]));
    }
    assert_eq!(lines[2].text, "b");
}

#[tokio::test]
async fn spans_are_canonical_lines() {
    let span = json!({
        "traceId": TRACE, "spanId": SPAN, "parentSpanId": "1112131415161718", "name": "GET /", "kind": 2,
        "startTimeUnixNano": "5", "endTimeUnixNano": "9", "status": {"code": 2, "message": "no"},
        "attributes": [text("a", "1")], "events": [{"name": "e", "timeUnixNano": "6"}],
    });
    let request = json!({"resourceSpans": [{"resource": {"attributes": [text("service.name", "s")]}, "scopeSpans": [{"spans": [span]}]}]});
    let payload = payload(Signal::Traces, &request, 1);
    let line = sent(json!({}), &payload).await.remove(0);
    assert_eq!(line.text.as_bytes(), payload.to_lines().unwrap().strip_suffix(b"\n").unwrap());
    assert_eq!((line.time, line.labels), (5, map(&[("service_name", "s")])));
    let wanted = [
        ("trace_id", TRACE),
        ("span_id", SPAN),
        ("parent_span_id", "1112131415161718"),
        ("span_name", "GET /"),
        ("span_kind", "server"),
        ("span_status", "error"),
    ];
    assert_eq!(line.metadata, map(&wanted));
}

/// Records of one stream, `bad` of them with another time or body.
fn numbered(count: u64, bad: &[u64], spoil: impl Fn(&mut Value)) -> Payload {
    let now = telseal::stdx::clock::unix_nanos();
    let record = |n: u64| {
        let mut record = json!({"timeUnixNano": (now + n).to_string(), "body": {"stringValue": format!("line {n}")}});
        if bad.contains(&n) {
            spoil(&mut record);
        }
        record
    };
    logs(&[text("service.name", "s")], &(0..count).map(record).collect::<Vec<_>>())
}

/// Exports to a strict Loki; the places that were refused, and how many requests it took. All others are there, once.
async fn refused(settings: Value, payload: &Payload) -> (Vec<u64>, usize) {
    let server = Server::default();
    let (url, requests) = server.clone().start().await;
    let refused: Vec<u64> = match loki(&url, settings).export(payload).await {
        Ok(()) => vec![],
        Err(ExportError::Partial { refused }) => refused.into_iter().flat_map(|refusal| refusal.records).collect(),
        Err(other) => panic!("{other:?}"),
    };
    let there = server.lines();
    let wanted: Vec<String> =
        (0..payload.records()).filter(|n| !refused.contains(n)).map(|n| format!("line {n}")).collect();
    assert_eq!(there, wanted);
    let count = requests.lock().unwrap().len();
    (refused, count)
}

#[tokio::test]
async fn a_line_that_loki_refuses_costs_one_line() {
    let now = telseal::stdx::clock::unix_nanos();
    let at = |time: u64| move |record: &mut Value| record["timeUnixNano"] = json!(time.to_string());
    let body = |record: &mut Value| record["body"] = json!({"stringValue": "x".repeat(300_000)});
    let unlimited = json!({"limits": {"max_line_size": 0}});
    for (case, payload, settings, bad, most) in [
        ("too old", numbered(100, &[3, 50], at(SECOND)), json!({}), vec![3, 50], 2),
        ("in the future", numbered(100, &[7], at(now + 3600 * SECOND)), json!({}), vec![7], 2),
        ("too long for Loki", numbered(10, &[0, 9], body), unlimited, vec![0, 9], 2),
        ("known to be too long", numbered(10, &[5], body), json!({}), vec![5], 1),
        ("far behind", numbered(100, &[99], at(now - 7200 * SECOND)), json!({}), vec![99], 2),
        ("nothing", numbered(10, &[], at(0)), json!({}), vec![], 1),
        ("all of them", numbered(3, &[0, 1, 2], at(SECOND)), json!({}), vec![0, 1, 2], 1),
    ] {
        let (refused, requests) = refused(settings, &payload).await;
        assert_eq!(refused, bad, "{case}");
        assert!(requests <= most, "{case}: {requests} requests");
    }
}

#[tokio::test]
async fn a_tenant_that_is_busy_does_not_make_the_others_lines_come_twice() {
    let mut busy = true;
    let (url, requests) = fake(move |asked| {
        let is_busy = busy && asked.headers["x-scope-orgid"] == "team-b";
        busy &= !is_busy;
        if is_busy { (429, String::new()) } else { (204, String::new()) }
    })
    .await;
    let group = |team: &str, n: u64| {
        let record = json!({"timeUnixNano": n.to_string(), "body": {"stringValue": format!("{team}{n}")}});
        json!({"resource": {"attributes": [text("team", team)]}, "scopeLogs": [{"logRecords": [record]}]})
    };
    let groups = json!({"resourceLogs": [group("a", 1), group("b", 2), group("a", 3), group("../c", 4)]});
    let settings = json!({"tenant_id": "shared", "tenant_from": {"attribute": "team", "prefix": "team-"}});
    let (loki, payload) = (loki(&url, settings), payload(Signal::Logs, &groups, 4));
    assert!(matches!(loki.export(&payload).await, Err(ExportError::Retry { .. })));
    loki.export(&payload).await.unwrap();
    let mut by_tenant: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for asked in requests.lock().unwrap().iter() {
        by_tenant
            .entry(asked.headers["x-scope-orgid"].clone())
            .or_default()
            .extend(lines_of(asked).into_iter().map(|line| line.text));
    }
    let of = |tenant: &str| by_tenant[tenant].join(" ");
    assert_eq!((of("team-a"), of("team-b"), of("shared")), ("a1 a3".into(), "b2 b2".into(), "../c4".into()));
}
