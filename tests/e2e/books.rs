//! The books balance: every record that came in is stored, dropped for a reason, or given back to its sender.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, assert_verified};
use crate::sender::send;
use crate::telemetry::{attribute, numbers, text};

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {filter: {drop: [{key: kind, equals: noise}]}, seal: {}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [filter, seal], exporters: [otlp_http/next]}
";

fn log(body: AnyValue, kind: &str) -> LogRecord {
    let attributes = vec![attribute("kind", Some(Value::StringValue(kind.to_owned())))];
    LogRecord { body: Some(body), attributes, ..LogRecord::default() }
}

fn request(log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// A list in a list in a list.
fn nested(levels: usize) -> AnyValue {
    (0..levels)
        .fold(text("deep"), |inner, _| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![inner] })) })
}

#[test]
fn every_record_is_delivered_dropped_for_a_reason_or_given_back() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let telseal = site.start();
    let mixed = vec![
        log(text("record 0"), "kept"),
        log(text("record 1"), "noise"),
        log(nested(120), "kept"),
        log(text("record 2"), "kept"),
    ];
    let answer = send(site.http, Signal::Logs, &request(mixed)).expect("an answer");
    assert_eq!(answer.status, 200);
    let partial =
        ExportLogsServiceResponse::decode(&answer.body[..]).unwrap().partial_success.expect("one was refused");
    assert_eq!(partial.rejected_log_records, 1, "{partial:?}");
    assert!(partial.error_message.contains("nest") || partial.error_message.contains("deep"), "{partial:?}");
    let noise = vec![log(text("record 3"), "noise"), log(text("record 4"), "noise")];
    let answer = send(site.http, Signal::Logs, &request(noise)).expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 0), "what the operator drops is no business of the sender");
    let mut cut = request(vec![log(text("record 5"), "kept")]);
    cut.truncate(cut.len() - 3);
    assert_eq!(send(site.http, Signal::Logs, &cut).expect("an answer").status, 400);
    assert_eq!(send(site.http, Signal::Logs, b"").expect("an answer").status, 200, "nothing is not wrong");

    site.wait_until_delivered();
    let arrived: Vec<u64> = next.got().iter().flat_map(|got| numbers(&got.body)).collect();
    assert_eq!(arrived, [0, 2]);
    let count = |name: &str| site.metric(&format!("telseal_{name}"));
    let close =
        |name: &str, wanted: f64| assert!((count(name) - wanted).abs() < f64::EPSILON, "{name}: {}", count(name));
    close("pipeline_received_records_total", 6.0);
    close("pipeline_appended_records_total", 2.0);
    close("pipeline_dropped_records_total", 4.0);
    close("exporter_delivered_records_total", 2.0);
    close("pipeline_unaccounted_records", 0.0);
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_verified(&site);
}
