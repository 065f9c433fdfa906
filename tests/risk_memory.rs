//! What the memory of a hundred thousand sessions takes, measured in pages of this process. Alone in its file, because another
//! test would be measured with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use telseal::otlp::Signal;
use telseal::otlp::model::Batch;
use telseal::processor::Processor;
use telseal::processor::risk::{Config, RiskTag};

const SESSIONS: usize = 100_000;
const BYTES_MAX: usize = 64 << 20;
const RECORDS: usize = 1_000;
/// Secrets that are read, tools that are refused: what correlations remember of a session.
const COMMANDS: [&str; 3] = ["cat ~/.aws/credentials", "cat .env", "git status"];

fn pair(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// One record of each of these sessions, each with a number behind one that does not come.
fn request(sessions: std::ops::Range<usize>) -> Vec<u8> {
    let resource = Some(Resource { attributes: vec![pair("service.name", "claude-code")], ..Resource::default() });
    let record = |session: usize| LogRecord {
        time_unix_nano: 1_795_166_042_000_000_000 + session as u64,
        attributes: vec![
            pair("event.name", "tool_result"),
            pair("session.id", &format!("3b9402b2-fca1-5184-907a-{session:012}")),
            pair("event.sequence", "7"),
            pair("tool_name", "Bash"),
            pair("tool_parameters", &format!(r#"{{"full_command":"{}"}}"#, COMMANDS[session % COMMANDS.len()])),
        ],
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: sessions.map(record).collect(), ..ScopeLogs::default() }];
    let group = ResourceLogs { resource, scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
}

fn feed(tag: &RiskTag, sessions: std::ops::Range<usize>) {
    for first in sessions.step_by(RECORDS) {
        let (bytes, arena) = (request(first..first + RECORDS), Bump::new());
        let mut batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
        tag.process(&mut batch).unwrap();
    }
}

/// Bytes of memory that this process has in use.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_hundred_thousand_sessions_fit_and_more_make_the_oldest_go() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let tag = RiskTag::new(&Config::default());
    feed(&tag, SESSIONS..SESSIONS + 2 * RECORDS);
    let before = resident();
    feed(&tag, 0..SESSIONS - 2 * RECORDS);
    let (windows, sessions) = tag.memory().open();
    let taken = resident().saturating_sub(before);
    println!("{sessions} sessions and {windows} windows: {taken} bytes");
    assert_eq!(sessions, SESSIONS);
    assert!(windows >= SESSIONS / 2, "{windows} windows: the records open too few to measure anything");
    assert!(taken <= BYTES_MAX, "{taken} bytes for {sessions} sessions and {windows} windows");
    feed(&tag, 2 * SESSIONS..3 * SESSIONS);
    let (windows, sessions) = tag.memory().open();
    let taken = resident().saturating_sub(before);
    println!("{sessions} sessions and {windows} windows after twice as many: {taken} bytes");
    assert!((SESSIONS / 2..=SESSIONS).contains(&sessions), "{sessions} sessions");
    assert!(taken <= BYTES_MAX, "{taken} bytes for {sessions} sessions and {windows} windows");
}
