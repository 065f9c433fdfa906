//! What was found, counted by detector and position, and written on the records themselves.

use bumpalo::Bump;

use crate::otlp::model::{Attribute, Entity};
use crate::otlp::value::Value;
use crate::otlp::wire::put_bytes;
use crate::processor::redact::detector::Id;
use crate::processor::redact::rulebook::Rulebook;

/// How many findings were replaced in a record.
pub const COUNT: &str = "redaction.count";
/// By which detectors: a list of their names.
pub const RULES: &str = "redaction.rules";
/// The digest of the policy that was in force.
pub const POLICY: &str = "redaction.policy";
const PREFIX: &str = "redaction.";

/// The name under which texts are counted that could not be scanned.
const UNSCANNED: &str = "unscanned";

/// Where in a record something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Key,
    Attribute,
    Body,
    Name,
    Field,
    Resource,
}

const POSITIONS: usize = 6;
const NAMES: [&str; POSITIONS] = ["key", "attribute", "body", "name", "field", "resource"];

/// Findings by detector and position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    by_id: Vec<[u64; POSITIONS]>,
    unscanned: [u64; POSITIONS],
    /// Attributes removed or masked because their key is not allowed.
    pub(super) unlisted: u64,
    /// What was found in the record at hand.
    record: Vec<Id>,
    record_findings: i64,
    record_unscanned: bool,
}

impl Counts {
    /// Counts the findings of one text; none stands for a text that could not be scanned.
    pub(super) fn add(&mut self, position: Position, ids: &[Id]) {
        let position = position as usize;
        if ids.is_empty() {
            self.unscanned[position] += 1;
            self.record_unscanned = true;
            self.record_findings += 1;
        }
        for id in ids {
            if self.by_id.len() <= id.index() {
                self.by_id.resize(id.index() + 1, [0; POSITIONS]);
            }
            self.by_id[id.index()][position] += 1;
            self.record_findings += 1;
            if !self.record.contains(id) {
                self.record.push(*id);
            }
        }
    }

    pub(super) fn start_record(&mut self) {
        self.record.clear();
        self.record_findings = 0;
        self.record_unscanned = false;
    }

    /// Adds them to the metrics of the process.
    pub(super) fn publish(&self, rules: &Rulebook) {
        for (id, counts) in (0..).map(Id).zip(&self.by_id) {
            publish(rules.name(id), counts);
        }
        publish(UNSCANNED, &self.unscanned);
        let unlisted = Position::Attribute as usize;
        let mut counts = [0; POSITIONS];
        counts[unlisted] = self.unlisted;
        publish("unlisted-key", &counts);
    }
}

fn publish(rule: &str, counts: &[u64; POSITIONS]) {
    for (position, count) in NAMES.into_iter().zip(counts).filter(|(_, count)| **count > 0) {
        metrics::counter!("telseal_redactions_total", "rule" => rule.to_owned(), "position" => position)
            .increment(*count);
    }
}

/// Writes what was found on records.
#[derive(Debug)]
pub(super) struct Provenance;

impl Provenance {
    /// Removes what a sender claims about redaction. What this process wrote itself, in an earlier step, stays.
    pub(super) fn remove_claims(entity: &mut Entity<'_>) {
        if !entity.attributes().iter().any(|own| own.key.starts_with(PREFIX)) {
            return;
        }
        let raw = entity.raw().as_ptr_range();
        for key in [COUNT, RULES, POLICY] {
            let received = |own: &Attribute<'_>| own.key == key && raw.contains(&own.key.as_ptr());
            if entity.attributes().iter().any(received) {
                entity.remove(key);
            }
        }
    }

    /// Sets the three attributes; counts and names of an earlier step are added to.
    #[expect(clippy::unused_self, reason = "a record is written on where provenance is switched on")]
    pub(super) fn write<'a>(&self, entity: &mut Entity<'a>, counts: &Counts, rules: &'a Rulebook, arena: &'a Bump) {
        if counts.record_findings == 0 {
            return;
        }
        let before = if let Some(Value::Int(before)) = entity.get(COUNT) { before } else { 0 };
        let mut names: Vec<&'a str> = earlier(entity);
        names.extend(counts.record.iter().map(|id| rules.name(*id)));
        names.extend(counts.record_unscanned.then_some(UNSCANNED));
        names.sort_unstable();
        names.dedup();
        entity.set(COUNT, Value::Int(before.saturating_add(counts.record_findings)));
        entity.set(RULES, Value::Array(list(&names, arena)));
        entity.set(POLICY, Value::Str(&rules.policy));
    }
}

fn earlier<'a>(entity: &Entity<'a>) -> Vec<&'a str> {
    let Some(list) = entity.get(RULES) else { return Vec::new() };
    list.items().filter_map(|item| item.ok()?.as_str()).collect()
}

/// The bytes of an `ArrayValue` of strings.
fn list<'a>(names: &[&str], arena: &'a Bump) -> &'a [u8] {
    let mut out = Vec::new();
    for name in names {
        let mut item = Vec::new();
        Value::Str(name).put(&mut item);
        put_bytes(&mut out, 1, &item);
    }
    arena.alloc_slice_copy(&out)
}
