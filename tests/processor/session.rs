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

/// Compares with `tests/processor/session/<signal>.txt`, which `UPDATE=1` rewrites.
#[expect(clippy::disallowed_methods, reason = "the expectation is rewritten on request")]
fn check(signal: Signal) {
    let path = format!("{}/tests/processor/session/{}.txt", env!("CARGO_MANIFEST_DIR"), signal.name());
    let found = verdicts(signal).join("\n") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{path}");
}

#[test]
fn the_commands_of_the_session_are_tagged_as_expected() {
    check(Signal::Logs);
}

#[test]
fn the_spans_of_the_session_are_tagged_as_expected() {
    check(Signal::Traces);
}

#[test]
fn the_session_is_a_whole_of_three_signals() {
    let count =
        |signal: Signal| otlp::count(signal, &json::to_protobuf(signal, &session(signal.name())).unwrap()).unwrap();
    assert_eq!(Signal::ALL.map(count), [24, 20, 12]);
}
