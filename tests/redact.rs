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

fn request(attributes: &Value) -> Vec<u8> {
    let request = serde_json::json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "redaction.count", "value": {"intValue": "9"}}]},
        "scopeLogs": [{"logRecords": [{"attributes": attributes}]}]
    }]});
    json::to_protobuf(Signal::Logs, request.to_string().as_bytes()).unwrap()
}

/// The attributes of the only record, by key.
fn attributes(config: &str, attributes: &Value) -> BTreeMap<String, Value> {
    let (out, _) = redacted(config, Signal::Logs, &request(attributes));
    let out = as_json(Signal::Logs, &out);
    let list = &out["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"];
    let pair = |pair: &Value| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone());
    list.as_array().into_iter().flatten().map(pair).collect()
}

fn text(key: &str, text: &str) -> Value {
    serde_json::json!({"key": key, "value": {"stringValue": text}})
}

#[test]
fn a_changed_record_says_what_was_found_and_under_which_policy() {
    let found =
        attributes("{}", &serde_json::json!([text("a", "bob@example.com eve@example.com"), text("password", "x")]));
    assert_eq!(found["redaction.count"]["intValue"], "3");
    let names = serde_json::json!([{"stringValue": "email"}, {"stringValue": "secret-key-name"}]);
    assert_eq!(found["redaction.rules"]["arrayValue"]["values"], names);
    let policy =
        |config, list: &Value| attributes(config, list)["redaction.policy"]["stringValue"].as_str().unwrap().to_owned();
    let mail = serde_json::json!([text("a", "bob@example.com")]);
    assert_eq!(policy("{}", &mail).len(), 16);
    assert_eq!(policy("{}", &mail), policy("{profile: ai-agent}", &mail));
    assert_ne!(policy("{}", &mail), policy("{profile: pii}", &mail));
}

#[test]
fn what_a_sender_claims_about_redaction_is_removed() {
    let claims =
        serde_json::json!([text("redaction.rules", "none"), text("redaction.policy", "trust me"), text("a", "b")]);
    assert_eq!(attributes("{}", &claims).into_keys().collect::<Vec<_>>(), ["a"]);
    let (out, _) = redacted("{}", Signal::Logs, &request(&claims));
    assert!(!as_json(Signal::Logs, &out).to_string().contains("redaction."), "nor does a resource");
}

#[test]
fn pseudonyms_join_and_a_second_pass_leaves_them() {
    let config = "{profile: gdpr, provenance: false, keys: [{id: k3, secret: 0123456789abcdef0123456789abcdef}]}";
    let list = serde_json::json!([text("a", "bob@example.com"), text("b", r#"{"to":"Bob@Example.com"}"#)]);
    let found = attributes(config, &list);
    let pseudonym = found["a"]["stringValue"].as_str().unwrap();
    assert!(pseudonym.starts_with("email:k3:"));
    assert_eq!(found["b"]["stringValue"], format!(r#"{{"to":"{pseudonym}"}}"#));
    let (once, _) = redacted(config, Signal::Logs, &request(&list));
    assert_eq!(redacted(config, Signal::Logs, &once), (once.clone(), "changed=0".to_owned()));
}

#[test]
fn a_payload_is_redacted_for_one_destination() {
    let config = serde_saphyr::from_str("{profile: secrets, provenance: false}").unwrap();
    let redact = Redact::new(&config).unwrap();
    let out = redact
        .payload(Signal::Logs, &request(&serde_json::json!([text("a", "bob@example.com"), text("token", "x y")])))
        .unwrap();
    let out = as_json(Signal::Logs, &out).to_string();
    assert!(out.contains("bob@example.com") && !out.contains("x y"));
    assert!(redact.payload(Signal::Logs, b"\x0a\xff").is_err());
}
