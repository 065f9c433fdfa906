//! The demo's agent session through `risk_tag`: what a security engineer would expect to see.

use bumpalo::Bump;
use telseal::otlp::model::Batch;
use telseal::otlp::value::Value;
use telseal::otlp::{self, Signal, json};
use telseal::processor::Processor as _;
use telseal::processor::risk::RiskTag;

fn session(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/examples/session/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Level and rules of each record that has a verdict, as words.
fn verdicts(signal: Signal) -> Vec<String> {
    let risk = RiskTag::new(&serde_saphyr::from_str("{}").unwrap());
    let (request, arena) = (json::to_protobuf(signal, &session(signal.name())).unwrap(), Bump::new());
    let mut batch = Batch::open(signal, &request, &arena).unwrap();
    risk.process(&mut batch).unwrap();
    batch.records().filter_map(|record| Some(line(record.get("risk.level")?, record.get("risk.rules")))).collect()
}

fn line(level: Value<'_>, rules: Option<Value<'_>>) -> String {
    let mut line = level.as_str().unwrap().to_owned();
    for rule in rules.into_iter().flat_map(Value::items) {
        line += &format!(" {}", rule.unwrap().as_str().unwrap());
    }
    line
}

#[test]
fn the_commands_of_the_session_are_tagged_as_expected() {
    assert_eq!(
        verdicts(Signal::Logs),
        [
            "info AG-MCP-002",
            "info",
            "info",
            "info",
            "info",
            "info",
            "info",
            "info",
            "high AG-SECRET-001 AG-GUARD-006",
            "high AG-SECRET-001 AG-GUARD-006",
            "info",
            "high AG-GUARD-002",
            "high AG-SHELL-008",
            "info",
            "low AG-SHELL-003",
            "medium AG-CODE-001 AG-EXFIL-004",
            "critical AG-SHELL-001 AG-SHELL-002",
            "info",
        ]
    );
}

#[test]
fn the_spans_of_the_session_are_tagged_as_expected() {
    assert_eq!(
        verdicts(Signal::Traces),
        [
            "info",
            "info",
            "medium AG-SECRET-002",
            "info",
            "medium AG-CODE-003",
            "info",
            "high AG-CLOUD-001",
            "info",
            "info",
            "info"
        ]
    );
}

#[test]
fn the_session_is_a_whole_of_three_signals() {
    let count =
        |signal: Signal| otlp::count(signal, &json::to_protobuf(signal, &session(signal.name())).unwrap()).unwrap();
    assert_eq!(Signal::ALL.map(count), [24, 20, 12]);
}
