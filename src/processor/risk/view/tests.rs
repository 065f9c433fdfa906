//! Fixtures in `tests/processor/agents/`: OTLP/JSON in, and what rules see of each record.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bumpalo::Bump;

use super::super::event::{Event, Field};
use super::*;
use crate::otlp::model::Batch;
use crate::otlp::{Signal, json};

/// The fields of every record, one a line, records separated by an empty line; raw arguments are left out.
fn views(signal: Signal, request: &[u8]) -> String {
    let (agents, reads) = (Agents::new(&[], &[], &["risk.level"]), Reads::default());
    let reader = Reader { agents: &agents, reads: &reads };
    let (arena, mut out, mut plans) = (Bump::new(), String::new(), plan::Plans::default());
    let batch = Batch::open(signal, request, &arena).unwrap();
    for group in &batch.groups {
        for scope in &group.scopes {
            let sender = Sender::new(&agents, &group.resource, &scope.scope, &reads).unwrap();
            for record in &scope.records {
                let mut event = Event::default();
                let outline = Outline::new(&agents, &sender, record).unwrap();
                let plan = plans.of(outline.vendor, record.attributes(), &reads);
                let seen = reader.read(&sender, &outline, plan, record, &mut event, &arena).unwrap();
                let _ = writeln!(out, "acts: {}", seen.acts);
                for field in Field::ALL.iter().filter(|field| **field != Field::Arguments) {
                    for value in event.values(*field) {
                        let _ = writeln!(out, "{}: {}", field.name(), value.replace('\n', "\\n"));
                    }
                }
                out.push('\n');
            }
        }
    }
    out
}

fn check(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).unwrap();
    let signal = if path.to_string_lossy().contains("span") { Signal::Traces } else { Signal::Logs };
    let found = views(signal, &json::to_protobuf(signal, text.as_bytes()).unwrap());
    let expected_at = path.with_extension("view");
    #[expect(clippy::disallowed_methods, reason = "the expectation is rewritten on request")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected_at, &found).unwrap();
    }
    let expected = fs::read_to_string(&expected_at).unwrap_or_default();
    (found != expected).then(|| format!("{}: found\n{found}", path.display()))
}

#[test]
fn every_documented_event_of_every_vendor_has_its_view() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processor/agents");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert!(paths.len() >= 6);
    let wrong: Vec<String> = paths.iter().filter_map(|path| check(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
