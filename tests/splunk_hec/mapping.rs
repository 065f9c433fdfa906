//! Where every field goes: `docs/exporters/splunk_hec.md` as a test.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use telseal::otlp::json::to_protobuf;

use crate::hec::{Acks, Hec, TOKEN};
use crate::process::{Site, said, telseal};
use crate::sender::{PROTOBUF, path, post};
use crate::telemetry::request;
use crate::{export, exporter};

const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";
const SPAN: &str = "0102030405060708";

/// A payload of this OTLP/JSON request.
pub(crate) fn payload(signal: Signal, records: u64, request: &Value) -> Payload {
    let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
    Payload::from_otlp(signal, vec![bytes.into()], records)
}

/// What the collector got of a payload.
fn events(config: &Value, payload: &Payload) -> Vec<Value> {
    let hec = Hec::start(Acks::Off);
    export(&exporter(&hec, config), payload).unwrap();
    hec.indexed()
}

fn attributes(pairs: Value) -> Value {
    let pairs = pairs.as_object().unwrap().clone();
    pairs.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn resource() -> Value {
    json!({"attributes": attributes(json!({
        "service.name": {"stringValue": "agent"}, "host.name": {"stringValue": "h1"},
        "com.splunk.source": {"stringValue": "s1"}, "com.splunk.sourcetype": {"stringValue": "t1"},
        "com.splunk.index": {"stringValue": "i1"}, "com.splunk.hec.access_token": {"stringValue": "hunter2"},
        "shared": {"stringValue": "of the resource"},
    })), "droppedAttributesCount": 2})
}

fn scope() -> Value {
    json!({"name": "lib", "version": "1.2", "droppedAttributesCount": 3,
        "attributes": attributes(json!({"name": {"boolValue": true}}))})
}

/// One attribute of each type there is.
fn every_type() -> Value {
    attributes(json!({
        "string": {"stringValue": "a\"b"}, "empty": {"stringValue": ""}, "bool": {"boolValue": false},
        "int": {"intValue": "-9223372036854775808"}, "double": {"doubleValue": 1.5}, "nan": {"doubleValue": "NaN"},
        "bytes": {"bytesValue": "AAE="}, "null": {},
        "list": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}},
        "list.empty": {"arrayValue": {}},
        "list.deep": {"arrayValue": {"values": [{"kvlistValue": {"values": attributes(json!({"k": {"intValue": "1"}}))}}]}},
        "map": {"kvlistValue": {"values": attributes(json!({
            "k": {"stringValue": "v"}, "deep": {"kvlistValue": {"values": attributes(json!({"er": {"intValue": "2"}}))}},
        }))}},
        "map.empty": {"kvlistValue": {}},
        "clash": {"kvlistValue": {"values": attributes(json!({"k": {"intValue": "1"}}))}},
        "clash.k": {"intValue": "2"},
    }))
}

fn every_type_as_fields() -> Value {
    json!({
        "string": "a\"b", "empty": "", "bool": false, "int": i64::MIN, "double": 1.5, "nan": "NaN", "bytes": "AAE=",
        "null": "", "list": [1, "x"], "list.empty": "[]", "list.deep": r#"[{"k":1}]"#, "map": "{\"deep\":{\"er\":2},\"k\":\"v\"}",
        "map.empty": "{}", "clash": r#"{"k":1}"#, "clash.k": 2,
    })
}

fn merged(parts: &[Value]) -> Value {
    parts.iter().flat_map(|part| part.as_object().unwrap().clone()).collect::<serde_json::Map<_, _>>().into()
}

/// What resource and scope give every record.
fn around_as_fields() -> Value {
    json!({
        "service.name": "agent", "host.name": "h1", "shared": "of the resource", "otel.resource.schema_url": "ru",
        "otel.resource.dropped_attributes_count": 2, "otel.scope.name": "lib", "otel.scope.version": "1.2",
        "otel.scope.schema_url": "su", "otel.scope.dropped_attributes_count": 3, "otel.scope.attributes.name": true,
    })
}

fn logs(records: &[Value]) -> Payload {
    let request = json!({"resourceLogs": [{"resource": resource(), "schemaUrl": "ru",
        "scopeLogs": [{"scope": scope(), "schemaUrl": "su", "logRecords": records}]}]});
    payload(Signal::Logs, records.len() as u64, &request)
}

fn full_log() -> Value {
    json!({
        "timeUnixNano": "1700000000123456780", "observedTimeUnixNano": "1700000001000000000", "severityNumber": 17,
        "severityText": "ERROR", "body": {"stringValue": "it broke"}, "attributes": every_type(),
        "droppedAttributesCount": 5, "flags": 257, "traceId": TRACE, "spanId": SPAN, "eventName": "tool.result",
    })
}

#[test]
fn every_field_of_a_log_record_has_its_place() {
    let found = events(&json!({}), &logs(&[full_log()]));
    let own = json!({
        "otel.log.severity.text": "ERROR", "otel.log.severity.number": 17, "otel.log.name": "tool.result",
        "trace_id": TRACE, "span_id": SPAN, "otel.log.observed_time_unix_nano": "1700000001000000000",
        "otel.log.flags": 257, "otel.log.dropped_attributes_count": 5,
    });
    let fields = merged(&[every_type_as_fields(), around_as_fields(), own]);
    let wanted =
        json!({"event": "it broke", "host": "h1", "source": "s1", "sourcetype": "t1", "index": "i1", "fields": fields});
    let mut found = found[0].clone();
    assert_eq!(found["time"].to_string(), "1700000000.1234567");
    found.as_object_mut().unwrap().remove("time");
    // `map` has neighbours that begin like it, so it stays together.
    assert_eq!(found, wanted);
}

#[test]
fn the_digits_of_the_time_are_those_of_the_record() {
    let hec = Hec::start(Acks::Off);
    let times = ["1700000000123456789", "1700000000100000000", "1700000000000000000", "5", "0"];
    let records: Vec<_> =
        times.iter().map(|time| json!({"timeUnixNano": time, "body": {"stringValue": "x"}})).collect();
    export(&exporter(&hec, &json!({})), &logs(&records)).unwrap();
    let text = String::from_utf8(hec.seen()[0].body.clone()).unwrap();
    let written: Vec<_> =
        text.lines().map(|line| line.split("\"time\":").nth(1).and_then(|rest| rest.split(',').next())).collect();
    let wanted = [Some("1700000000.123456789"), Some("1700000000.1"), Some("1700000000"), Some("0.000000005"), None];
    assert_eq!(written, wanted);
}

#[test]
fn maps_become_dotted_names_where_that_is_safe() {
    let map = attributes(json!({"map": {"kvlistValue": {"values": attributes(json!({
        "k": {"stringValue": "v"}, "deep": {"kvlistValue": {"values": attributes(json!({"er": {"intValue": "2"}}))}},
        "empty": {"kvlistValue": {}},
    }))}}}));
    let found = events(&json!({}), &logs(&[json!({"body": {"intValue": "7"}, "attributes": map})]));
    let fields = merged(&[around_as_fields(), json!({"map.k": "v", "map.deep.er": 2, "map.empty": "{}"})]);
    assert_eq!((&found[0]["event"], &found[0]["fields"]), (&json!(7), &fields));
}

#[test]
fn a_name_that_is_there_twice_loses_nothing() {
    let own = attributes(json!({
        "shared": {"stringValue": "of the record"}, "trace_id": {"stringValue": "not the id"}, "host.name": {"stringValue": "h2"},
        "com.splunk.index": {"stringValue": "i2"},
    }));
    let found =
        events(&json!({}), &logs(&[json!({"body": {"stringValue": "x"}, "attributes": own, "traceId": TRACE})]));
    let fields = &found[0]["fields"];
    assert_eq!((&fields["shared"], &fields["resource.shared"]), (&json!("of the record"), &json!("of the resource")));
    assert_eq!((&fields["trace_id"], &fields["attributes.trace_id"]), (&json!(TRACE), &json!("not the id")));
    assert_eq!((&fields["host.name"], &fields["resource.host.name"]), (&json!("h2"), &json!("h1")));
    assert_eq!(
        (&found[0]["host"], &found[0]["index"], &found[0]["source"]),
        (&json!("h2"), &json!("i2"), &json!("s1"))
    );
}

#[test]
fn bodies_of_any_type_arrive_and_records_without_one_too() {
    let bodies = [
        json!({"stringValue": "text"}),
        json!({"intValue": "7"}),
        json!({"doubleValue": 0.5}),
        json!({"boolValue": true}),
        json!({"bytesValue": "AAE="}),
        json!({"arrayValue": {"values": [{"intValue": "1"}, {}]}}),
        json!({"kvlistValue": {"values": attributes(json!({"k": {"kvlistValue": {"values": []}}}))}}),
    ];
    let records: Vec<_> = bodies.iter().map(|body| json!({"body": body})).collect();
    let found: Vec<_> = events(&json!({}), &logs(&records)).into_iter().map(|event| event["event"].clone()).collect();
    let wanted = [json!("text"), json!(7), json!(0.5), json!(true), json!("AAE="), json!([1, null]), json!({"k": {}})];
    assert_eq!(found, wanted);
    let blank = [
        json!({}),
        json!({"stringValue": ""}),
        json!({"stringValue": " \n"}),
        json!({"kvlistValue": {}}),
        json!({"arrayValue": {}}),
    ];
    let mut records: Vec<_> = blank.iter().map(|body| json!({"body": body, "eventName": "e"})).collect();
    records.push(json!({}));
    let found = events(&json!({}), &logs(&records));
    assert_eq!(found.len(), 6);
    for event in &found {
        assert_eq!((&event["event"]["signal"], &event["event"]["scope"]["name"]), (&json!("log"), &json!("lib")));
    }
    assert_eq!((&found[2]["event"]["body"], &found[2]["event"]["event_name"]), (&json!(" \n"), &json!("e")));
}

#[test]
fn the_event_can_be_the_whole_record() {
    for (placement, with_fields) in [("event", false), ("both", true)] {
        for (payload, name) in [(logs(&[full_log()]), "event_name"), (spans(&[full_span()]), "name")] {
            let line: Value = serde_json::from_slice(&payload.to_lines().unwrap()).unwrap();
            let found = events(&json!({"attributes_in": placement}), &payload);
            assert_eq!(found[0]["event"], line);
            assert!(line[name].is_string() && line["attributes"]["string"] == "a\"b", "{line}");
            assert_eq!(found[0]["fields"].get("string").is_some(), with_fields, "{found:?}");
        }
    }
}

fn spans(spans: &[Value]) -> Payload {
    let request = json!({"resourceSpans": [{"resource": resource(), "schemaUrl": "ru",
        "scopeSpans": [{"scope": scope(), "schemaUrl": "su", "spans": spans}]}]});
    payload(Signal::Traces, spans.len() as u64, &request)
}

fn full_span() -> Value {
    json!({
        "traceId": TRACE, "spanId": SPAN, "parentSpanId": "1112131415161718", "traceState": "a=b", "flags": 257, "name": "op",
        "kind": 2, "startTimeUnixNano": "1700000000500000000", "endTimeUnixNano": "1700000001000000000", "attributes": every_type(),
        "droppedAttributesCount": 1, "droppedEventsCount": 2, "droppedLinksCount": 3, "status": {"code": 2, "message": "bad"},
        "events": [{"timeUnixNano": "6", "name": "ev", "droppedAttributesCount": 4, "attributes": attributes(json!({"k": {"intValue": "1"}}))}],
        "links": [{"traceId": TRACE, "spanId": SPAN, "traceState": "c=d", "flags": 1, "droppedAttributesCount": 5,
            "attributes": attributes(json!({"l": {"boolValue": true}}))}],
    })
}

#[test]
fn every_field_of_a_span_has_its_place() {
    let found = events(&json!({}), &spans(&[full_span(), json!({"name": "bare", "kind": 9})]));
    let event = json!({
        "trace_id": TRACE, "span_id": SPAN, "parent_span_id": "1112131415161718", "name": "op", "kind": "SPAN_KIND_SERVER",
        "start_time": 1_700_000_000_500_000_000_u64, "end_time": 1_700_000_001_000_000_000_u64,
        "status": {"code": "STATUS_CODE_ERROR", "message": "bad"}, "trace_state": "a=b", "flags": 257,
        "dropped_attributes_count": 1, "dropped_events_count": 2, "dropped_links_count": 3,
        "attributes": {
            "string": "a\"b", "empty": "", "bool": false, "int": i64::MIN, "double": 1.5, "nan": "NaN", "bytes": "AAE=", "null": null,
            "list": [1, "x"], "list.empty": [], "list.deep": [{"k": 1}], "map": {"k": "v", "deep": {"er": 2}}, "map.empty": {},
            "clash": {"k": 1}, "clash.k": 2,
        },
        "events": [{"attributes": {"k": 1}, "name": "ev", "timestamp": 6, "dropped_attributes_count": 4}],
        "links": [{"attributes": {"l": true}, "trace_id": TRACE, "span_id": SPAN, "trace_state": "c=d", "flags": 1, "dropped_attributes_count": 5}],
    });
    let wanted = json!({"event": event, "time": 1_700_000_000.5, "host": "h1", "source": "s1", "sourcetype": "t1", "index": "i1",
        "fields": around_as_fields()});
    assert_eq!(found[0], wanted);
    let bare = json!({"trace_id": "", "span_id": "", "parent_span_id": "", "name": "bare", "kind": 9, "start_time": 0, "end_time": 0,
        "status": {"code": "STATUS_CODE_UNSET", "message": ""}, "attributes": {}});
    assert_eq!((&found[1]["event"], found[1].get("time")), (&bare, None));
}

#[test]
fn metadata_comes_from_attributes_or_else_from_the_configuration() {
    let config = json!({
        "host": "h0", "source": "s0", "sourcetype": "t0", "index": "i0", "otel_to_hec_fields": {"severity_text": "level"},
        "hec_metadata_to_otel_attrs": {"source": "log.file", "sourcetype": "", "host": "k8s.node.name"},
    });
    let found = events(
        &config,
        &logs(&[json!({"body": {"stringValue": "x"}, "severityText": "WARN",
        "attributes": attributes(json!({"log.file": {"stringValue": "/var/log/x"}, "k8s.node.name": {"intValue": "7"}}))})]),
    );
    let event = &found[0];
    assert_eq!(
        [&event["host"], &event["source"], &event["sourcetype"], &event["index"]],
        ["h0", "/var/log/x", "t0", "i1"]
    );
    assert_eq!((&event["fields"]["level"], &event["fields"]["k8s.node.name"]), (&json!("WARN"), &json!(7)));
    assert_eq!((event["fields"].get("log.file"), &event["fields"]["com.splunk.source"]), (None, &json!("s1")));
}

#[test]
fn raw_requests_carry_bodies_and_their_metadata_in_the_query() {
    let hec = Hec::start(Acks::After(0));
    let blank = json!({"eventName": "only"});
    export(&exporter(&hec, &json!({"export_raw": true, "source": "a b&c"})), &logs(&[full_log(), blank])).unwrap();
    let seen = &hec.seen()[0];
    assert_eq!((&*seen.path, &*seen.query), ("/services/collector/raw", "host=h1&source=s1&sourcetype=t1&index=i1"));
    assert_eq!(seen.events[0]["event"], "it broke");
    let line: Value = serde_json::from_str(seen.events[1]["event"].as_str().unwrap()).unwrap();
    assert_eq!(line["event_name"], "only");
    export(&exporter(&hec, &json!({"export_raw": true})), &spans(&[full_span()])).unwrap();
    assert_eq!(hec.seen()[1].path, "/services/collector/event");
}

fn metrics(metrics: &[Value], points: u64) -> Payload {
    let request = json!({"resourceMetrics": [{"resource": resource(), "schemaUrl": "ru",
        "scopeMetrics": [{"scope": scope(), "schemaUrl": "su", "metrics": metrics}]}]});
    payload(Signal::Metrics, points, &request)
}

/// The fields of each event without those of resource and scope, which must be there.
fn own_fields(events: &[Value]) -> Vec<Value> {
    let own = |event: &Value| {
        assert_eq!(
            (&event["event"], &event["time"], &event["host"]),
            (&json!("metric"), &json!(1_700_000_000.5), &json!("h1"))
        );
        let mut fields = event["fields"].as_object().unwrap().clone();
        for (key, value) in around_as_fields().as_object().unwrap() {
            assert_eq!(fields.remove(key).as_ref(), Some(value), "{key}");
        }
        Value::Object(fields)
    };
    events.iter().map(own).collect()
}

fn point(more: Value) -> Value {
    merged(&[
        json!({"timeUnixNano": "1700000000500000000", "startTimeUnixNano": "5",
        "attributes": attributes(json!({"cpu": {"intValue": "0"}}))}),
        more,
    ])
}

#[test]
fn every_kind_of_metric_has_its_place() {
    let of = |name: &str, kind: &str, data: Value| json!({"name": name, "unit": "By", "description": "d", kind: data});
    let sum = |points: Value| json!({"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true});
    let histogram = point(
        json!({"count": "6", "sum": 9.5, "min": 0.5, "max": 4.0, "bucketCounts": ["1", "2", "3"], "explicitBounds": [1.0, 2.5]}),
    );
    let exponential = point(json!({"count": "7", "sum": 1.0, "scale": 0, "zeroCount": "1", "zeroThreshold": 0.25,
        "positive": {"offset": 0, "bucketCounts": ["2", "0", "3"]}, "negative": {"offset": 1, "bucketCounts": ["1"]}}));
    let summary = point(
        json!({"count": "3", "sum": 6.0, "quantileValues": [{"quantile": 0.5, "value": 2.0}, {"quantile": 0.99, "value": "NaN"}]}),
    );
    let payload = metrics(
        &[
            of("mem.used", "gauge", json!({"dataPoints": [point(json!({"asInt": "7"}))]})),
            of("mem-free", "gauge", json!({"dataPoints": [point(json!({"asDouble": 1.5}))]})),
            of(
                "mem.max",
                "gauge",
                json!({"dataPoints": [point(json!({"asInt": "9"})), point(json!({"asInt": "10"}))]}),
            ),
            of("ops", "sum", sum(json!([point(json!({"asInt": "3"}))]))),
            of("lat", "histogram", json!({"dataPoints": [histogram], "aggregationTemporality": 1})),
            of("exp", "exponentialHistogram", json!({"dataPoints": [exponential], "aggregationTemporality": 2})),
            of("quant", "summary", json!({"dataPoints": [summary]})),
        ],
        8,
    );
    let found = own_fields(&events(&json!({}), &payload));
    let with =
        |kind: &str, more: Value| merged(&[json!({"metric_type": kind, "otel.metric.unit": "By", "cpu": 0}), more]);
    let lat = |more: Value| with("Histogram", merged(&[json!({"otel.metric.temporality": "delta"}), more]));
    let exp =
        |more: Value| with("ExponentialHistogram", merged(&[json!({"otel.metric.temporality": "cumulative"}), more]));
    let wanted = [
        // Two metrics of one time and dimensions are one event, the second value of a name is another.
        with("Gauge", json!({"metric_name:mem.used": 7, "metric_name:mem.max": 9})),
        with("Gauge", json!({"metric_name:mem_free": 1.5, "otel.metric.name": "mem-free"})),
        with("Gauge", json!({"metric_name:mem.max": 10})),
        with(
            "Sum",
            json!({"metric_name:ops": 3, "otel.metric.temporality": "cumulative", "otel.metric.is_monotonic": "true"}),
        ),
        lat(
            json!({"metric_name:lat_count": 6, "metric_name:lat_sum": 9.5, "metric_name:lat_min": 0.5, "metric_name:lat_max": 4.0}),
        ),
        lat(json!({"metric_name:lat_bucket": 1, "le": "1"})),
        lat(json!({"metric_name:lat_bucket": 3, "le": "2.5"})),
        lat(json!({"metric_name:lat_bucket": 6, "le": "+Inf"})),
        exp(json!({"metric_name:exp_count": 7, "metric_name:exp_sum": 1.0})),
        exp(json!({"metric_name:exp_bucket": 1, "le": "-2"})),
        exp(json!({"metric_name:exp_bucket": 2, "le": "0.25"})),
        exp(json!({"metric_name:exp_bucket": 4, "le": "2"})),
        exp(json!({"metric_name:exp_bucket": 7, "le": "8"})),
        exp(json!({"metric_name:exp_bucket": 7, "le": "+Inf"})),
        with("Summary", json!({"metric_name:quant_count": 3, "metric_name:quant_sum": 6.0})),
        with("Summary", json!({"metric_name:quant_0.5": 2.0, "qt": "0.5"})),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn metrics_arrive_whether_sealed_or_not() {
    let points = json!({"dataPoints": [point(json!({"asInt": "7"})), point(json!({"asInt": "8", "flags": 1}))]});
    let unsealed = metrics(&[json!({"name": "m", "gauge": points})], 2);
    let sealed = Payload::from_lines(Signal::Metrics, unsealed.to_lines().unwrap(), 1);
    let found = [unsealed, sealed].map(|payload| events(&json!({}), &payload));
    assert_eq!(found[0].len(), 1);
    assert_eq!(found[0], found[1]);
}

#[test]
fn points_without_a_number_are_counted_and_too_many_buckets_are_put_aside() {
    let hec = Hec::start(Acks::Off);
    let exporter = exporter(&hec, &json!({}));
    let gauge =
        [point(json!({"asDouble": "NaN"})), point(json!({"asInt": "1"})), point(json!({})), point(json!({"flags": 1}))];
    let many: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    let bounds: Vec<_> = (0..1000).map(f64::from).collect();
    let wide = point(json!({"count": "5", "bucketCounts": many, "explicitBounds": bounds}));
    let payload = metrics(
        &[
            json!({"name": "g", "gauge": {"dataPoints": gauge}}),
            json!({"name": "h", "histogram": {"dataPoints": [wide]}}),
        ],
        5,
    );
    let error = export(&exporter, &payload).unwrap_err();
    assert!(matches!(&error, ExportError::Partial { refused } if refused[0].records == [4]), "{error:?}");
    assert_eq!((hec.indexed().len(), exporter.rejected_records()), (1, 3));
}

const SEALED: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters:
  splunk_hec: {endpoint: $NEXT, token: $TOKEN, acknowledgements: {query_interval: 20ms}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [splunk_hec]}
    traces: {receivers: [otlp], processors: [seal], exporters: [splunk_hec]}
";

#[test]
fn a_sealed_record_arrives_byte_for_byte_and_the_copy_is_explained() {
    let hec = Hec::start(Acks::After(0));
    let site = Site::new(SEALED, &[("$NEXT", &*hec.url()), ("$TOKEN", TOKEN)]);
    let running = site.start();
    for signal in [Signal::Logs, Signal::Traces] {
        let answer = post(site.http, &path(signal), &[("content-type", PROTOBUF)], &request(signal)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    site.wait_until_delivered();
    running.terminate();
    let lines: BTreeSet<String> = site
        .files("", ".ndjson")
        .iter()
        .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let found = hec.indexed();
    assert!(found.len() >= 4, "{found:?}");
    for event in &found {
        assert!(lines.contains(event["event"].as_str().unwrap()), "{event}");
        assert!(
            event["fields"]["audit.sequence.number"].is_number()
                && event["fields"]["audit.sequence.stream_id"].is_string()
        );
        assert!(event["fields"].get("audit.seal.salt").is_none(), "{event}");
    }
    let copy = site.dir().join("splunk.ndjson");
    let results = found.iter().map(|event| json!({"result": {"_raw": event["event"]}}).to_string() + "\n");
    std::fs::write(&copy, results.collect::<String>()).unwrap();
    let copy = copy.display().to_string();
    for pipeline in ["logs", "traces"] {
        let data = site.data_dir().join(pipeline).display().to_string();
        let output = telseal(["reconcile", "--copy", &copy, "--exporter", "splunk_hec", &data]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}
