//! Fixtures: `tests/processor/<processor>/*.txt`, each with sections `=== config`, `=== in <signal>`, `=== out` and
//! `=== outcome`; for `enrich` also `=== sender` (a header a line, `client.address` among them) and `=== table` (the file of
//! the first lookup). What they say is what the user reference says. The digest of the ruleset is shown as `sha256:*`: it
//! changes with every word of a rule. `UPDATE=1` rewrites what comes out of those that fail: read the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bumpalo::Bump;
use serde_json::Value;
use telseal::otlp::model::Batch;
use telseal::otlp::sender::Sender;
use telseal::otlp::{Signal, json};
use telseal::processor::enrich::{self, Attributes, Enrich, Findings, Live, Resource};
use telseal::processor::filter::Filter;
use telseal::processor::redaction::Redaction;
use telseal::processor::risk::RiskTag;
use telseal::processor::{Outcome, Processor};
use telseal::stdx::problem::{At, Problems};

/// The sections of a fixture by title; `# ` lines before the first are a comment.
fn sections(text: &str) -> BTreeMap<&str, &str> {
    text.split("=== ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

fn processor(kind: &str, config: &str, table: Option<&&str>) -> Box<dyn Processor> {
    let attributes = |config: &str| serde_saphyr::from_str::<Attributes>(config).unwrap().to_enrich();
    let resource = |config: &str| serde_saphyr::from_str::<Resource>(config).unwrap().to_enrich();
    match kind {
        "enrich" => enrich(&serde_saphyr::from_str(config).unwrap(), table),
        "attributes" => enrich(&attributes(config), table),
        "resource" => enrich(&resource(config), table),
        "redaction" => Box::new(Redaction::new(&serde_saphyr::from_str(config).unwrap()).unwrap()),
        "filter" => Box::new(Filter::new(&serde_saphyr::from_str(config).unwrap()).unwrap()),
        "risk" => Box::new(RiskTag::new(&serde_saphyr::from_str(config).unwrap())),
        other => panic!("no processor named {other}"),
    }
}

fn enrich(config: &enrich::Config, table: Option<&&str>) -> Box<dyn Processor> {
    let mut problems = Problems::default();
    config.check(&At::new(""), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let read = |text: &&str| Arc::new(Live::new(config.lookups[0].read(text.as_bytes()).unwrap()));
    let findings = Findings { tables: table.map(read).into_iter().collect(), ..Findings::default() };
    Box::new(Enrich::new(config, &findings).unwrap())
}

fn sender(text: &str) -> Sender {
    let headers = text.lines().filter_map(|line| line.split_once(": "));
    let (peer, headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| *name == "client.address");
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Sender::new(peer.first().map(|(_, peer)| peer.parse().unwrap()), headers.into_iter().map(own).collect())
}

/// The fixture with what comes out now.
#[expect(clippy::disallowed_methods, reason = "a fixture that is brought up to date")]
fn update(path: &Path, text: &str, found: &Value, outcome: &str) {
    let (kept, _) = text.split_once("=== out\n").unwrap();
    let found = serde_json::to_string_pretty(found).unwrap();
    fs::write(path, format!("{kept}=== out\n{found}\n=== outcome\n{outcome}\n")).unwrap();
}

/// OTLP/JSON in one form, whatever its spacing and member order.
fn normal(signal: Signal, text: &str) -> Value {
    let protobuf = json::to_protobuf(signal, text.as_bytes()).unwrap();
    as_json(signal, &protobuf)
}

fn as_json(signal: Signal, protobuf: &[u8]) -> Value {
    let mut out = vec![];
    json::from_protobuf(signal, protobuf, &mut out).unwrap();
    let digest = regex::bytes::Regex::new("sha256:[0-9a-f]{8}").unwrap();
    serde_json::from_slice(&digest.replace_all(&out, &b"sha256:*"[..])).unwrap()
}

fn outcome(outcome: &Outcome) -> String {
    let dropped: Vec<String> = outcome.dropped.iter().map(|(reason, records)| format!(" {reason}={records}")).collect();
    format!("changed={}{}", outcome.changed, dropped.concat())
}

fn check(kind: &str, path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let sections = sections(&text);
    let (signal, input) = Signal::ALL
        .into_iter()
        .find_map(|signal| Some((signal, *sections.get(format!("in {signal}").as_str())?)))
        .unwrap_or_else(|| panic!("{}: no section `in <signal>`", path.display()));
    let processor = processor(kind, sections["config"], sections.get("table"));
    let sender = sender(sections.get("sender").unwrap_or(&""));
    let (request, arena) = (json::to_protobuf(signal, input.as_bytes()).unwrap(), Bump::new());
    let mut batch = Batch::open(signal, &request, &arena).unwrap();
    batch.sender = &sender;
    let found = processor.process(&mut batch).unwrap();
    let mut out = vec![];
    batch.encode(&mut out);
    let found_json = as_json(signal, &out);
    let as_said = found_json == normal(signal, sections["out"]) && outcome(&found) == sections["outcome"].trim();
    if !as_said && std::env::var_os("UPDATE").is_some() {
        return update(path, &text, &found_json, &outcome(&found));
    }
    assert_eq!(
        found_json,
        normal(signal, sections["out"]),
        "{}: found\n{}",
        path.display(),
        serde_json::to_string_pretty(&found_json).unwrap()
    );
    assert_eq!(outcome(&found), sections["outcome"].trim(), "{}", path.display());
}

fn check_all(kind: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/processor").join(kind);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "{}", folder.display());
    paths.iter().for_each(|path| check(kind, path));
}

#[test]
fn enrich_does_what_its_fixtures_say() {
    check_all("enrich");
}

#[test]
fn the_collectors_attributes_and_resource_do_what_their_fixtures_say() {
    check_all("attributes");
    check_all("resource");
}

#[test]
fn redaction_does_what_its_fixtures_say() {
    check_all("redaction");
}

#[test]
fn filter_does_what_its_fixtures_say() {
    check_all("filter");
}

#[test]
fn risk_tag_does_what_its_fixtures_say() {
    check_all("risk");
}
