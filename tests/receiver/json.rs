//! OTLP/HTTP with JSON: the same answers, in JSON.

use std::io::Write;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use telseal::otlp::{Signal, count};
use telseal::pipeline::{Receipt, Refused};

use crate::support::*;

const LOGS: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"agent"}}]},
    "scopeLogs":[{"logRecords":[{"timeUnixNano":"1761000000000000000","severityNumber":9,"body":{"stringValue":"hello"}},{}]}]}]}"#;
const TRACES: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",
    "spanId":"eee19b7ec3c1b174","name":"a span","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":2}]}]}]}"#;
const METRICS: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a.metric",
    "sum":{"dataPoints":[{"asInt":"5"},{"asDouble":1.5},{}],"aggregationTemporality":2,"isMonotonic":true}}]}]}]}"#;

fn all() -> [(Signal, &'static str, &'static str, u64); 3] {
    [
        (Signal::Logs, "/v1/logs", LOGS, 2),
        (Signal::Traces, "/v1/traces", TRACES, 1),
        (Signal::Metrics, "/v1/metrics", METRICS, 3),
    ]
}

#[tokio::test]
async fn each_signal_arrives_as_protobuf_and_the_answer_is_an_empty_object() {
    let (id, script) = (unique("json"), Script::new([]));
    let receiver = start(&id, "", "", &script);
    for (signal, path, body, records) in all() {
        let headers = "content-type: application/json; charset=utf-8\r\n";
        let answer = send(receiver.http, post(path, headers, body.as_bytes())).await;
        assert_eq!((answer.status, answer.text()), (200, "{}"), "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let seen = script.seen().pop().expect("seen");
        assert_eq!((seen.signal, count(signal, &seen.body)), (signal, Ok(records)));
        assert!(seen.permit >= seen.body.len());
        assert_eq!(counter("telseal_receiver_accepted_records_total", &[&id, "http", signal.name()]), records);
    }
    let traces = script.seen().into_iter().find(|seen| seen.signal == Signal::Traces).expect("traces");
    let request = ExportTraceServiceRequest::decode(traces.body).expect("protobuf");
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.trace_id, 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128.to_be_bytes());
    assert_eq!((span.kind, span.end_time_unix_nano, span.name.as_str()), (2, 2, "a span"));
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn json_may_be_compressed_and_zero_records_are_a_success() {
    let script = Script::new([]);
    let receiver = start(&unique("packed"), "", "", &script);
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(LOGS.as_bytes()).expect("written");
    let headers = format!("{JSON}content-encoding: gzip\r\n");
    let answer = send(receiver.http, post("/v1/logs", &headers, &gzip.finish().expect("finished"))).await;
    assert_eq!((answer.status, script.seen().len()), (200, 1));
    for body in ["{}", "", r#"{"resourceLogs":[]}"#, r#"{"resourceLogs":[{"scopeLogs":[{}]}]}"#] {
        let answer = send(receiver.http, post("/v1/logs", JSON, body.as_bytes())).await;
        assert_eq!((answer.status, answer.text()), (200, "{}"), "{body}");
    }
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_json() {
    let full = Refused::Full { retry_after: Duration::from_secs(9), reason: "no \"room\"".to_owned() };
    let script = Script::new([Err(full), Err(Refused::Closed)]);
    let receiver = start(&unique("wrong"), "max_request_body_size: 4096,", "", &script);
    let logs = LOGS.as_bytes();
    let cases = [
        (post("/v1/logs", JSON, logs), 429, 8, Some("9")),
        (post("/v1/logs", JSON, logs), 503, 14, Some("5")),
        (post("/v1/logs", JSON, &logs[..logs.len() / 2]), 400, 3, None),
        (post("/v1/logs", JSON, b"\x0a\x00"), 400, 3, None),
        (post("/v1/logs", JSON, &vec![b' '; 5000]), 413, 3, None),
        (post("/v1/logs", &format!("{JSON}content-encoding: br\r\n"), logs), 415, 12, None),
    ];
    for (request, status, code, retry_after) in cases {
        let answer = send(receiver.http, request).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after), "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let (said, message) = answer.rpc_status();
        assert_eq!(said, code, "{message}");
        assert!(!message.is_empty());
    }
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn a_partial_success_names_what_was_rejected_of_its_signal() {
    let receipt = Receipt { rejected: 2, reason: Some("too \"deep\"".to_owned()) };
    let script = Script::new(vec![Ok(receipt); 3]);
    let receiver = start(&unique("partial"), "", "", &script);
    let names = ["rejectedLogRecords", "rejectedSpans", "rejectedDataPoints"];
    for ((_, path, body, _), name) in all().into_iter().zip(names) {
        let answer = send(receiver.http, post(path, JSON, body.as_bytes())).await;
        let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(value, serde_json::json!({"partialSuccess": {name: "2", "errorMessage": "too \"deep\""}}));
    }
}
