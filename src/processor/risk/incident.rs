//! Incidents as they are written: log records of their own in a pipeline of logs, attributes of the span that completed them
//! in a pipeline of traces.

use bumpalo::Bump;

use super::memory::Report;
use super::score::score;
use crate::otlp::DecodeError;
use crate::otlp::model::{Entity, Group};
use crate::otlp::value::{Value, put_pair};
use crate::otlp::wire::{put_bytes, put_tag, put_varint};

/// The scope that incidents stand in.
const SCOPE: &str = "telseal.risk_tag";
/// What an incident calls itself.
const EVENT_NAME: &str = "risk.incident";

/// Field numbers of `LogRecord`.
mod field {
    pub(super) const TIME: u32 = 1;
    pub(super) const SEVERITY_NUMBER: u32 = 2;
    pub(super) const SEVERITY_TEXT: u32 = 3;
    pub(super) const BODY: u32 = 5;
    pub(super) const ATTRIBUTES: u32 = 6;
    pub(super) const OBSERVED_TIME: u32 = 11;
    pub(super) const EVENT_NAME: u32 = 12;
}

/// Adds the incident to the records of the resource it happened on.
pub(super) fn add<'a>(
    report: &Report,
    ruleset: &str,
    now: u64,
    group: &mut Group<'a>,
    arena: &'a Bump,
) -> Result<(), DecodeError> {
    let record = arena.alloc_slice_copy(&record(report, ruleset, now));
    group.add_record(SCOPE, record, arena)
}

/// Notes the incident on the span that completed it. One span may complete several.
pub(super) fn note<'a>(report: &Report, record: &mut Entity<'a>, arena: &'a Bump) {
    let joined = |key: &'static str, own: &str, record: &mut Entity<'a>| {
        let earlier = record.get(key).and_then(|value| value.as_str()).map(|text| format!("{text},"));
        let text = earlier.unwrap_or_default() + own;
        record.set(key, Value::Str(arena.alloc_str(&text)));
    };
    joined("risk.incident.id", &report.id, record);
    joined("risk.incident.rule", &report.rule.id, record);
    joined("risk.incident.level", report.rule.level.name(), record);
    joined("risk.incident.reason", &report.rule.reason, record);
}

fn record(report: &Report, ruleset: &str, now: u64) -> Vec<u8> {
    let mut out = vec![];
    let fixed64 = |out: &mut Vec<u8>, number, value: u64| {
        put_tag(out, number, 1);
        out.extend_from_slice(&value.to_le_bytes());
    };
    fixed64(&mut out, field::TIME, report.last);
    let (number, text) = severity(report);
    put_tag(&mut out, field::SEVERITY_NUMBER, 0);
    put_varint(&mut out, number);
    put_bytes(&mut out, field::SEVERITY_TEXT, text.as_bytes());
    let mut body = vec![];
    Value::Str(&report.rule.reason).put(&mut body);
    put_bytes(&mut out, field::BODY, &body);
    attributes(report, ruleset, &mut out);
    fixed64(&mut out, field::OBSERVED_TIME, now);
    put_bytes(&mut out, field::EVENT_NAME, EVENT_NAME.as_bytes());
    out
}

fn attributes(report: &Report, ruleset: &str, out: &mut Vec<u8>) {
    let rule = &report.rule;
    let mut put = |key: &str, value: Value<'_>| put_pair(out, field::ATTRIBUTES, key, &value);
    put("event.name", Value::Str(EVENT_NAME));
    put("risk.level", Value::Str(rule.level.name()));
    put("risk.score", Value::Int(score(std::iter::once(rule.level), std::iter::empty())));
    put("risk.rules", Value::Array(&items(std::slice::from_ref(&rule.id))));
    put("risk.reasons", Value::Array(&items(std::slice::from_ref(&rule.reason))));
    for (key, words) in [
        ("risk.categories", &rule.categories),
        ("risk.attack.tactics", &rule.tactics),
        ("risk.attack.techniques", &rule.techniques),
    ] {
        if !words.is_empty() {
            put(key, Value::Array(&items(words)));
        }
    }
    put("risk.ruleset", Value::Str(ruleset));
    put("risk.incident.id", Value::Str(&report.id));
    put("risk.incident.type", Value::Str(report.kind));
    put("risk.incident.count", Value::Int(i64::try_from(report.count).unwrap_or(i64::MAX)));
    put("risk.incident.first_unix_nano", Value::Int(report.first.cast_signed()));
    for (key, value) in &report.labels {
        put(key, Value::Str(value));
    }
}

/// Strings as the items of an `ArrayValue`.
fn items(words: &[String]) -> Vec<u8> {
    let mut out = vec![];
    for word in words {
        let mut value = vec![];
        Value::Str(word).put(&mut value);
        put_bytes(&mut out, 1, &value);
    }
    out
}

fn severity(report: &Report) -> (u64, &'static str) {
    use super::event::Level::{Critical, High, Info, Low, Medium};
    match report.rule.level {
        Info | Low => (9, "INFO"),
        Medium => (13, "WARN"),
        High => (17, "ERROR"),
        Critical => (21, "FATAL"),
    }
}
