//! What a case expects, compared with what came of its request. A complaint says what was found but for `nowhere`: what must
//! not leave shall not leave in a test's output either.

use std::collections::BTreeMap;

use bumpalo::Bump;
use memchr::memmem;
use serde::Deserialize;

use super::yaml_json::Json;
use crate::otlp::fields::{LogFields, SpanFields};
use crate::otlp::model::{Batch, Entity, Group};
use crate::otlp::plain;
use crate::otlp::value::Value;
use crate::otlp::{DecodeError, Signal};
use crate::service::dry::Passed;

/// What must hold; what is not named is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// Records left; for metrics: data points.
    records: Option<u64>,
    /// Records that processors made.
    added: Option<u64>,
    /// Records taken out, for whatever reason.
    dropped: Option<u64>,
    /// Holds for every record left (for metrics: every metric).
    each: Option<Like>,
    /// Holds for one of them at least.
    some: Option<Like>,
    /// Texts that stand somewhere in the output.
    anywhere: Vec<String>,
    /// Texts that stand in no byte of the output.
    nowhere: Vec<String>,
}

/// What a record looks like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Like {
    /// Attributes and their values.
    attributes: BTreeMap<String, Json>,
    /// Attributes that are not there.
    absent: Vec<String>,
    /// Attributes of the resource.
    resource: BTreeMap<String, Json>,
    /// The body of a log record.
    body: Option<Json>,
    /// The name of a span or metric, the event name of a log record.
    name: Option<String>,
    /// The severity text of a log record.
    severity_text: Option<String>,
}

impl Expect {
    /// What is not so.
    pub(super) fn check(&self, signal: Signal, passed: &Passed) -> Vec<String> {
        let mut complaints = Vec::new();
        let dropped = passed.dropped.values().sum();
        for (what, wanted, found) in [
            ("records", self.records, passed.records),
            ("added", self.added, passed.added),
            ("dropped", self.dropped, dropped),
        ] {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                complaints.push(format!("{what}: {found}, expected {wanted}"));
            }
        }
        let bytes = passed.otlp.as_deref().unwrap_or_default();
        if let Err(error) = self.check_records(signal, bytes, &mut complaints) {
            complaints.push(format!("the output cannot be read: {error}"));
        }
        let stands = |text: &String| memmem::find(bytes, text.as_bytes()).is_some();
        let missing = self.anywhere.iter().filter(|text| !stands(text));
        complaints.extend(missing.map(|text| format!("anywhere: `{text}` stands nowhere")));
        let leaked = self.nowhere.iter().enumerate().filter(|(_, text)| stands(text));
        complaints.extend(leaked.map(|(index, _)| format!("nowhere[{index}]: it stands in the output")));
        complaints
    }

    fn check_records(&self, signal: Signal, bytes: &[u8], complaints: &mut Vec<String>) -> Result<(), DecodeError> {
        let arena = Bump::new();
        let batch = Batch::open(signal, bytes, &arena)?;
        let (mut number, mut nearest): (usize, Option<Vec<String>>) = (0, None);
        for group in &batch.groups {
            for record in group.scopes.iter().flat_map(|scope| &scope.records) {
                if let Some(each) = &self.each {
                    let found = each.differences(signal, group, record)?;
                    complaints.extend(found.iter().map(|difference| format!("each: record {number}: {difference}")));
                }
                if let Some(some) = &self.some {
                    let found = some.differences(signal, group, record)?;
                    if nearest.as_ref().is_none_or(|nearest| found.len() < nearest.len()) {
                        nearest = Some(found);
                    }
                }
                number += 1;
            }
        }
        match (&self.some, nearest) {
            (Some(_), None) => complaints.push("some: there is no record".to_owned()),
            (Some(_), Some(nearest)) => complaints.extend(nearest.iter().map(|found| format!("some: at best {found}"))),
            (None, _) => {}
        }
        Ok(())
    }
}

impl Like {
    /// How a record is not like this.
    fn differences(&self, signal: Signal, group: &Group<'_>, record: &Entity<'_>) -> Result<Vec<String>, DecodeError> {
        let mut found = Vec::new();
        attributes("attributes", &self.attributes, record, &mut found)?;
        attributes("resource", &self.resource, &group.resource, &mut found)?;
        let present = self.absent.iter().filter(|key| record.get(key).is_some());
        found.extend(present.map(|key| format!("absent: `{key}` is there")));
        let Fixed { name, severity_text, body } = Fixed::of(signal, record)?;
        for (what, wanted, is) in [("name", &self.name, name), ("severity_text", &self.severity_text, severity_text)] {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != is) {
                found.push(format!("{what}: `{is}`, expected `{wanted}`"));
            }
        }
        if let Some(wanted) = &self.body {
            compare("body", wanted, body, &mut found)?;
        }
        Ok(found)
    }
}

/// The fields beside attributes that cases look at.
#[derive(Debug)]
struct Fixed<'a> {
    name: &'a str,
    severity_text: &'a str,
    body: Value<'a>,
}

impl<'a> Fixed<'a> {
    fn of(signal: Signal, record: &Entity<'a>) -> Result<Self, DecodeError> {
        Ok(match signal {
            Signal::Logs => {
                let fields = LogFields::read(record)?;
                Self { name: fields.event_name, severity_text: fields.severity_text, body: fields.body }
            }
            Signal::Traces => Self { name: SpanFields::read(record)?.name, severity_text: "", body: Value::Null },
            Signal::Metrics => Self { name: record.text(1)?, severity_text: "", body: Value::Null },
        })
    }
}

fn attributes(
    what: &str,
    wanted: &BTreeMap<String, Json>,
    entity: &Entity<'_>,
    found: &mut Vec<String>,
) -> Result<(), DecodeError> {
    for (key, wanted) in wanted {
        let what = format!("{what}: `{key}`");
        match entity.get(key) {
            Some(value) => compare(&what, wanted, value, found)?,
            None => found.push(format!("{what} is not there, expected {}", wanted.text())),
        }
    }
    Ok(())
}

fn compare(what: &str, wanted: &Json, value: Value<'_>, found: &mut Vec<String>) -> Result<(), DecodeError> {
    let mut is = Vec::new();
    plain::write_value(&mut is, &value)?;
    if is != wanted.text().as_bytes() {
        found.push(format!("{what} is {}, expected {}", String::from_utf8_lossy(&is), wanted.text()));
    }
    Ok(())
}
