//! One batch at work: what is kept between its records, and what is done with each of them.

use std::sync::Arc;

use bumpalo::Bump;
use metrics::counter;

use super::event::{Event, Field, Hits, Level, Reads};
use super::memo::{INPUT_BYTES_MAX, Key, Memo, Outcome};
use super::memory::Pending;
use super::memory::session::{Note, is_boundary};
use super::sigma::correlation::Heard;
use super::verdict::{self, Verdict, set_aside};
use super::view::plan::{IDENTITY, Plan, Plans};
use super::view::{Outline, Reader, Seen, Sender, scalar};
use super::{RiskTag, Ruling, raise, score};
use crate::otlp::model::{Attribute, Entity};
use crate::otlp::value::Value;
use crate::otlp::{DecodeError, Signal};

/// What one batch needs, kept between its records.
pub(super) struct Work<'a> {
    tag: &'a RiskTag,
    pub(super) ruling: Arc<Ruling>,
    arena: &'a Bump,
    ruleset: &'a str,
    plans: Plans<'a>,
    /// What the verdict on the record depends on.
    inputs: Vec<u8>,
    event: Event<'a>,
    hits: Hits,
    heard: Vec<Heard>,
    counts: Counts,
    /// The time of arrival, Unix nanoseconds.
    pub(super) now: u64,
}

impl<'a> Work<'a> {
    pub(super) fn new(tag: &'a RiskTag, now: u64, arena: &'a Bump) -> Self {
        let ruling = tag.ruling();
        Self {
            tag,
            ruleset: arena.alloc_str(ruling.engine.ruleset()),
            ruling,
            arena,
            plans: Plans::default(),
            inputs: vec![],
            event: Event::default(),
            hits: Hits::default(),
            heard: vec![],
            counts: Counts::default(),
            now,
        }
    }

    /// Tags one record; true when it is different now.
    pub(super) fn tag(&mut self, record: &mut Entity<'a>, sender: &Sender<'a, 'a>) -> Result<bool, DecodeError> {
        self.event.clear();
        self.heard.clear();
        let outline = Outline::new(&self.tag.agents, sender, record)?;
        let plan = self.plans.of(outline.vendor, record.attributes(), &self.ruling.reads);
        let mut depends = Depends { inputs: &mut self.inputs, event: &mut self.event, tag: self.tag };
        let key = depends.on(&self.ruling.memo, sender, &outline, plan, record, self.arena);
        if let Some(outcome) = key.and_then(|key| self.ruling.memo.get(&key)) {
            let named = plan.named.iter().map(|place| &record.attributes()[*place]);
            recall(&mut self.event, &outcome, &outline, named.chain(&sender.resource), self.arena);
            self.ruling.engine.hear(&outcome.hits, &self.event, &mut self.heard);
            return self.write(&outcome, record);
        }
        let identity = IDENTITY.map(|field| self.event.first(field));
        self.event.clear();
        let reader = Reader { agents: &self.tag.agents, reads: &self.ruling.reads };
        let seen = reader.read(sender, &outline, plan, record, &mut self.event, self.arena)?;
        let outcome = self.judge(seen);
        let is_same = identity == IDENTITY.map(|field| self.event.first(field));
        let is_kept = is_same && self.event.first(Field::ModeTo).is_none();
        let changed = self.write(&outcome, record)?;
        if let Some(key) = key.filter(|_| is_kept) {
            self.ruling.memo.put(key, outcome);
        }
        Ok(changed)
    }

    /// What the rules say to the event.
    fn judge(&mut self, seen: Seen) -> Outcome {
        let (event, hits) = (&mut self.event, &mut self.hits);
        hits.clear();
        let engine = &self.ruling.engine;
        if !seen.blank {
            self.tag.modes.see(event);
            engine.evaluate(event, hits, &mut self.heard);
        }
        let (score, level) = score::verdict(engine.rules(), hits, &self.tag.context, event);
        let name = event.first(Field::EventName).filter(|name| is_boundary(name));
        Outcome {
            tagged: !seen.blank && (seen.acts || !hits.is_empty()),
            reported: seen.reported,
            hits: hits.clone(),
            score,
            level,
            truncated: event.has(Field::Truncated, "true"),
            says: event.first(Field::ReportedLevel).map(Into::into),
            is_agent: event.first(Field::Vendor).is_some(),
            name: name.map(Into::into),
            heard: if hits.listened.is_empty() { vec![] } else { heard(event, &self.ruling.reads) },
        }
    }

    /// Writes what came of it; true when the record is different now.
    fn write(&mut self, outcome: &Outcome, record: &mut Entity<'a>) -> Result<bool, DecodeError> {
        if outcome.reported {
            set_aside(record);
        }
        if !outcome.tagged {
            return Ok(outcome.reported);
        }
        let verdict = Verdict { rules: self.ruling.engine.rules(), outcome };
        verdict.write(&self.event, self.ruleset, record, &self.tag.style, self.arena);
        if self.tag.style.raise_severity && verdict::is_log(record) {
            raise(record, verdict.severity(), self.arena)?;
        }
        let vendor = self.event.first(Field::Vendor).unwrap_or("other");
        self.counts.add(outcome.level, verdict.category(), vendor);
        Ok(true)
    }

    /// What the record just tagged adds to memory.
    pub(super) fn pending(&mut self, at: [usize; 3], signal: Signal) -> Option<Pending<'a>> {
        let note = if signal == Signal::Logs { Note::of(&self.event) } else { None };
        if note.is_none() && self.heard.is_empty() {
            return None;
        }
        let time = if self.event.time_unix_nano == 0 { self.now } else { self.event.time_unix_nano };
        Some(Pending { at, time, heard: std::mem::take(&mut self.heard), note })
    }

    /// Reports the verdicts that were given.
    pub(super) fn report(self) {
        self.counts.report();
    }
}

/// What correlations group by or count, the first value of each; who acts is not kept.
fn heard(event: &Event<'_>, reads: &Reads) -> Vec<(Field, Box<str>)> {
    let fields = reads.heard.iter().filter(|field| !IDENTITY.contains(field));
    fields.filter_map(|field| Some((*field, event.first(*field)?.into()))).collect()
}

/// Fills an event, which says who acts, with what correlations and sessions look at.
fn recall<'r, 'a: 'r>(
    event: &mut Event<'a>,
    outcome: &Outcome,
    outline: &Outline<'a, 'a>,
    named: impl Iterator<Item = &'r Attribute<'a>>,
    arena: &'a Bump,
) {
    event.time_unix_nano = outline.time_unix_nano;
    for (field, text) in &outcome.heard {
        event.push(*field, arena.alloc_str(text));
    }
    if outcome.is_agent {
        event.set(Field::Vendor, &outline.vendor.name);
    }
    if let Some(name) = &outcome.name {
        event.set(Field::EventName, arena.alloc_str(name));
    }
    if !outcome.hits.listened.is_empty() {
        named.for_each(|attribute| event.push_attribute(attribute.key, attribute.value));
    }
}

/// Finds what the verdict on a record depends on.
struct Depends<'w, 'a> {
    inputs: &'w mut Vec<u8>,
    /// Gets who acts.
    event: &'w mut Event<'a>,
    tag: &'a RiskTag,
}

impl<'a> Depends<'_, 'a> {
    /// The key of a record; nothing for one whose verdict is not to be kept.
    fn on(
        &mut self,
        memo: &Memo,
        sender: &Sender<'_, 'a>,
        outline: &Outline<'_, 'a>,
        plan: &Plan<'_>,
        record: &Entity<'a>,
        arena: &'a Bump,
    ) -> Option<Key> {
        let body = matches!(outline.body, Value::Map(_) | Value::Unknown(_));
        if plan.inputs.is_empty() || body || outline.has_span_events {
            return None;
        }
        for (field, place) in &plan.identity {
            let text = scalar(record.attributes()[*place].value, arena).filter(|text| !text.is_empty())?;
            self.event.push(*field, text);
        }
        let asks_nobody = self.event.first(Field::SessionId).is_some_and(|session| self.tag.modes.asks_nobody(session));
        self.inputs.clear();
        self.inputs.extend_from_slice(memo.secret());
        self.inputs.push(u8::from(asks_nobody) | u8::from(outline.is_span) << 1);
        self.inputs.extend_from_slice(&(outline.vendor.place as u64).to_le_bytes());
        self.text(outline.name.as_bytes());
        self.text(outline.name_in_body().as_bytes());
        self.inputs.extend_from_slice(&plan.names);
        sender.resource.iter().try_for_each(|attribute| {
            self.text(attribute.key.as_bytes());
            self.value(attribute)
        })?;
        plan.inputs.iter().try_for_each(|place| self.value(&record.attributes()[*place]))?;
        Some(Memo::key(self.inputs))
    }

    fn text(&mut self, text: &[u8]) {
        self.inputs.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.inputs.extend_from_slice(text);
    }

    /// Adds a value with its kind; nothing when that is too much.
    fn value(&mut self, attribute: &Attribute<'a>) -> Option<()> {
        let (kind, bytes): (u8, &[u8]) = match &attribute.value {
            Value::Null => (0, &[]),
            Value::Str(text) => (1, text.as_bytes()),
            Value::Bool(value) => (2, if *value { b"1" } else { b"0" }),
            Value::Int(number) => (3, &number.to_le_bytes()),
            Value::Double(number) => (4, &number.to_bits().to_le_bytes()),
            Value::Bytes(bytes) => (5, bytes),
            Value::Array(bytes) => (6, bytes),
            Value::Map(bytes) => (7, bytes),
            Value::Unknown(bytes) => (8, bytes),
        };
        if self.inputs.len() + bytes.len() > INPUT_BYTES_MAX {
            return None;
        }
        self.inputs.push(kind);
        self.text(bytes);
        Some(())
    }
}

/// Verdicts by level, category and vendor.
#[derive(Default)]
struct Counts(Vec<((Level, String, String), u64)>);

impl Counts {
    fn add(&mut self, level: Level, category: &str, vendor: &str) {
        let same = |((known, of, from), _): &&mut ((Level, String, String), u64)| {
            *known == level && of == category && from == vendor
        };
        match self.0.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => self.0.push(((level, category.to_owned(), vendor.to_owned()), 1)),
        }
    }

    fn report(self) {
        for ((level, category, vendor), count) in self.0 {
            counter!("telseal_risk_records_total", "level" => level.name()).increment(count);
            counter!("telseal_risk_events_total", "level" => level.name(), "category" => category, "vendor" => vendor)
                .increment(count);
        }
    }
}

#[cfg(test)]
mod tests;
