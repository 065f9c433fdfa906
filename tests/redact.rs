//! `redact` from the outside: the fixtures `tests/processor/redact/*.txt` (configuration, OTLP/JSON in, OTLP/JSON out),
//! and the metric that says what was masked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bumpalo::Bump;
use serde_json::Value;
use telseal::otlp::model::Batch;
use telseal::otlp::{Signal, json};
use telseal::processor::Processor;
use telseal::processor::redact::Redact;

/// The sections of a fixture by title.
fn sections(text: &str) -> BTreeMap<&str, &str> {
    text.split("=== ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

fn as_json(signal: Signal, protobuf: &[u8]) -> Value {
    let mut out = vec![];
    json::from_protobuf(signal, protobuf, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// What the processor makes of a request, and what it says about it.
fn redacted(config: &str, signal: Signal, request: &[u8]) -> (Vec<u8>, String) {
    let processor = Redact::new(&serde_saphyr::from_str(config).unwrap()).unwrap();
    let arena = Bump::new();
    let mut batch = Batch::open(signal, request, &arena).unwrap();
    let outcome = processor.process(&mut batch).unwrap();
    let mut out = vec![];
    batch.encode(&mut out);
    (out, format!("changed={}", outcome.changed))
}

fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let sections = sections(&text);
    let input = |signal: &Signal| sections.get(format!("in {signal}").as_str()).copied();
    let signal = Signal::ALL.into_iter().find(|signal| input(signal).is_some());
    let signal = signal.unwrap_or_else(|| panic!("{}: no section `in <signal>`", path.display()));
    let request = json::to_protobuf(signal, input(&signal).unwrap().as_bytes()).unwrap();
    let (out, outcome) = redacted(sections["config"], signal, &request);
    let expected = json::to_protobuf(signal, sections["out"].as_bytes()).unwrap();
    assert_eq!(as_json(signal, &out), as_json(signal, &expected), "{}", path.display());
    assert_eq!(outcome, sections["outcome"].trim(), "{}", path.display());
    let again = redacted(sections["config"], signal, &out);
    assert_eq!(again, (out, "changed=0".to_owned()), "{}: the second time", path.display());
}

#[test]
fn every_fixture_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processor/redact");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3);
    paths.iter().for_each(|path| check(path));
}

#[test]
fn what_was_masked_is_counted_by_rule() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let text = "bob@example.com, eve@example.com, AKIAIOSFODNN7EXAMPLE";
    let request =
        serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]});
    let request = json::to_protobuf(Signal::Logs, request.to_string().as_bytes()).unwrap();
    metrics::with_local_recorder(&recorder, || redacted("{}", Signal::Logs, &request));
    let metrics = recorder.handle().render();
    assert!(metrics.contains("telseal_redactions_total{rule=\"email\",position=\"body\"} 2\n"), "{metrics}");
    assert!(
        metrics.contains("telseal_redactions_total{rule=\"aws-access-key-id\",position=\"body\"} 1\n"),
        "{metrics}"
    );
    assert!(!metrics.contains("example.com"));
}
