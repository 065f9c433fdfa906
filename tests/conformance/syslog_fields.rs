//! Where `syslog` puts every field of log records and spans, sealed and unsealed, in every format: docs/exporters/syslog.md.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::syslog::{Config, Format, Network, Syslog};
use telseal::exporter::{Exporter, Payload};
use telseal::otlp::Signal;
use telseal::otlp::json::to_protobuf;
use telseal::otlp::record::Record;
use telseal::stdx::bytesize::ByteSize;

use crate::syslog_rfc::{Message, message};

/// The example of docs/seal-format.md.
fn sealed_line() -> String {
    let text = include_str!("../../docs/seal-format.md");
    let line = text.lines().find(|line| line.starts_with(r#"{"attributes""#) && line.contains(r#""v":1}}"#));
    line.expect("the example of a sealed line").to_owned()
}

fn log() -> Payload {
    let values = json!([
        {"key": "string", "value": {"stringValue": "a \"b\" \\ ] é\nnext"}},
        {"key": "true", "value": {"boolValue": true}}, {"key": "int", "value": {"intValue": "-5"}},
        {"key": "large", "value": {"intValue": "9223372036854775807"}},
        {"key": "double", "value": {"doubleValue": 1.5}}, {"key": "nan", "value": {"doubleValue": "NaN"}},
        {"key": "bytes", "value": {"bytesValue": "AAE="}}, {"key": "empty", "value": {}},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x]"}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "1"}}]}}},
        {"key": "a key with spaces", "value": {"intValue": "7"}},
        {"key": "process.pid", "value": {"intValue": "42"}},
    ]);
    let request = json!({"resourceLogs": [{
        "resource": {"droppedAttributesCount": 2, "attributes": [
            {"key": "service.name", "value": {"stringValue": "agent"}},
            {"key": "host.name", "value": {"stringValue": "h1"}},
        ]},
        "schemaUrl": "resource-schema",
        "scopeLogs": [{
            "scope": {"name": "lib", "version": "1", "droppedAttributesCount": 3,
                "attributes": [{"key": "scoped", "value": {"boolValue": false}}]},
            "schemaUrl": "scope-schema",
            "logRecords": [{
                "timeUnixNano": "1769854500123456789", "observedTimeUnixNano": "1769854500123456790",
                "severityNumber": 17, "severityText": "ERROR", "body": {"stringValue": "the body | a=b é"},
                "attributes": values, "droppedAttributesCount": 1, "flags": 1,
                "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "eventName": "tool.call",
            }],
        }],
    }]});
    payload(Signal::Logs, &request)
}

fn span() -> Payload {
    let id = "0102030405060708";
    let request = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": id, "parentSpanId": "1112131415161718",
        "traceState": "a=b", "flags": 257, "name": "run", "kind": 3, "startTimeUnixNano": "1769854500123456789",
        "endTimeUnixNano": "1769854501000000000", "droppedAttributesCount": 1, "droppedEventsCount": 2,
        "droppedLinksCount": 3, "status": {"code": 2, "message": "m"},
        "events": [{"timeUnixNano": "6", "name": "ev"}], "links": [{"spanId": id, "flags": 1}],
    }]}]}]});
    payload(Signal::Traces, &request)
}

fn payload(signal: Signal, request: &Value) -> Payload {
    let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
    Payload::from_otlp(signal, vec![bytes.into()], 1)
}

/// What arrives of a payload of one record.
async fn sent(payload: &Payload, format: Format) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let config = Config {
        endpoint: Endpoints::one(socket.local_addr().unwrap().to_string()),
        network: Network::Udp,
        format,
        max_message_bytes: Some(ByteSize(60_000)),
        ..Config::default()
    };
    Syslog::new("syslog", &config).unwrap().export(payload).await.unwrap();
    let mut buffer = [0; 65_536];
    let len = socket.recv(&mut buffer).unwrap();
    message(&buffer[..len])
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn canonical(payload: &Payload) -> String {
    String::from_utf8(payload.to_lines().unwrap().to_vec()).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn every_field_of_a_log_record_has_its_place() {
    let message = sent(&log(), Format::Plain).await;
    assert_eq!((message.facility, message.severity), (20, 3));
    assert_eq!(message.timestamp.as_deref(), Some("2026-01-31T10:15:00.123456Z"));
    let header = [&message.hostname, &message.app_name, &message.proc_id, &message.msg_id];
    assert_eq!(header.map(|field| field.as_deref().unwrap()), ["h1", "agent", "42", "tool.call"]);
    assert_eq!((message.text.as_str(), message.is_marked), ("the body | a=b é", true));
    let own = map(&[
        ("time_unix_nano", "1769854500123456789"),
        ("observed_time_unix_nano", "1769854500123456790"),
        ("severity_number", "17"),
        ("severity_text", "ERROR"),
        ("event_name", "tool.call"),
        ("dropped_attributes_count", "1"),
        ("flags", "1"),
        ("trace_id", "0102030405060708090a0b0c0d0e0f10"),
        ("span_id", "0102030405060708"),
        ("signal", "log"),
        ("resource.schema_url", "resource-schema"),
        ("scope.name", "lib"),
        ("scope.version", "1"),
        ("scope.schema_url", "scope-schema"),
        ("scope.dropped_attributes_count", "3"),
        ("more", r#"{"resource.dropped_attributes_count":2}"#),
    ]);
    let attributes = map(&[
        ("string", "a \"b\" \\ ] é\\nnext"),
        ("true", "true"),
        ("int", "-5"),
        ("large", "9223372036854775807"),
        ("double", "1.5"),
        ("nan", "NaN"),
        ("bytes", r#"{"$bytes":"AAE="}"#),
        ("empty", "null"),
        ("list", r#"[1,"x]"]"#),
        ("map", r#"{"k":1}"#),
        ("process.pid", "42"),
        ("more", r#"{"a key with spaces":7}"#),
    ]);
    let resource = map(&[("service.name", "agent"), ("host.name", "h1")]);
    assert_eq!(message.data["otel@32473"], own);
    assert_eq!(message.data["otel.attributes@32473"], attributes);
    assert_eq!(message.data["otel.resource@32473"], resource);
    assert_eq!(message.data["otel.scope@32473"], map(&[("scoped", "false")]));
    assert_eq!(message.data.len(), 4);
}

#[tokio::test]
async fn every_field_of_a_span_has_its_place() {
    let message = sent(&span(), Format::Plain).await;
    assert_eq!((message.severity, message.text.as_str(), message.msg_id.as_deref()), (3, "run", Some("run")));
    assert_eq!(message.timestamp.as_deref(), Some("2026-01-31T10:15:00.123456Z"));
    let line = canonical(&span());
    let record = Record::parse(line.as_bytes()).unwrap();
    let own = &message.data["otel@32473"];
    assert_eq!(own.len(), record.members().len());
    for (name, value) in record.members() {
        assert_eq!(own[name], telseal::otlp::record::plain(value), "{name}");
    }
    assert!(own["events"].contains(r#""name":"ev""#) && own["links"].contains("0102030405060708"), "{own:?}");
}

#[tokio::test]
async fn a_record_as_json_is_its_line_sealed_or_not() {
    for payload in [log(), span()] {
        let message = sent(&payload, Format::Json).await;
        assert_eq!((message.text.clone(), message.is_marked), (canonical(&payload), false));
        assert!(message.data.is_empty(), "all of it is in the line");
    }
    let line = sealed_line();
    let sealed = Payload::from_lines(Signal::Logs, format!("{line}\n").into(), 1);
    assert_eq!(sent(&sealed, Format::Json).await.text, line);
}

#[tokio::test]
async fn a_record_as_cef_or_leef_has_the_table_in_the_text_and_the_rest_beside_it() {
    let version = env!("CARGO_PKG_VERSION");
    let message = sent(&log(), Format::Cef).await;
    let wanted = format!(
        r"CEF:0|telseal|telseal|{version}|tool.call|tool.call|8|rt=1769854500123 cs5=agent cs5Label=service.name cs6=0102030405060708090a0b0c0d0e0f10 cs6Label=trace_id dvchost=h1 spid=42 msg=the body | a\=b é"
    );
    assert_eq!(message.text, wanted);
    assert_eq!(message.data, sent(&log(), Format::Plain).await.data);
    let message = sent(&log(), Format::Leef).await;
    let (header, attributes) = message.text.split_once("|x09|").unwrap();
    assert_eq!(header, format!("LEEF:2.0|telseal|telseal|{version}|tool.call"));
    let pairs: Vec<_> = attributes.split('\t').map(|pair| pair.split_once('=').unwrap()).collect();
    assert_eq!(
        pairs,
        [
            ("devTime", "1769854500123"),
            ("sev", "8"),
            ("identHostName", "h1"),
            ("serviceName", "agent"),
            ("traceId", "0102030405060708090a0b0c0d0e0f10"),
            ("msg", "the body | a=b é"),
        ]
    );
}

#[tokio::test]
async fn a_record_as_ocsf_is_an_event_with_its_line() {
    let message = sent(&log(), Format::Ocsf).await;
    let event: Value = serde_json::from_str(&message.text).unwrap();
    assert_eq!((event["class_uid"].clone(), event["severity_id"].clone()), (json!(6003), json!(4)));
    assert_eq!(event["raw_data"], canonical(&log()));
    assert_eq!(event["time"], 1_769_854_500_123_u64);
    assert!(event.get("attestation").is_none());
    let sealed = Payload::from_lines(Signal::Logs, format!("{}\n", sealed_line()).into(), 1);
    let event: Value = serde_json::from_str(&sent(&sealed, Format::Ocsf).await.text).unwrap();
    assert_eq!(event["metadata"]["profiles"], json!(["record_integrity"]));
    assert_eq!(event["attestation"]["uid"], "11");
    assert!(sealed_line().starts_with(event["raw_data"].as_str().unwrap().trim_end_matches('}')));
}

#[tokio::test]
async fn a_sealed_record_says_beside_its_body_where_it_stands() {
    let sealed = Payload::from_lines(Signal::Logs, format!("{}\n", sealed_line()).into(), 1);
    let message = sent(&sealed, Format::Plain).await;
    assert_eq!(message.text, r#"run "ls""#);
    let seal = &message.data["otel.seal@32473"];
    assert_eq!((seal["number"].as_str(), seal["stream"].as_str()), ("11", "76652f01-fc4a-8a26-a42e-6b4cc965bbe6"));
    assert_eq!(seal["leaf"].len(), 64);
    assert!(message.data.values().all(|element| !element.keys().any(|key| key.starts_with("audit."))));
}
