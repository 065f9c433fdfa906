//! One batch: which attributes go, and what a visitor does with every string that is left.

use bumpalo::Bump;
use metrics::counter;

use super::rules::Rules;
use super::summary::{NAMES, Work};
use crate::otlp::count;
use crate::otlp::model::Entity;
use crate::otlp::rewrite::{Owner, Place, Visitor};
use crate::otlp::value::Value;
use crate::otlp::{DecodeError, Signal};
use crate::processor::scalar;

/// What was done to a pair or string.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Removed,
    Masked,
    Spared,
}

/// The work on one batch.
pub(super) struct Pass<'a> {
    rules: &'a Rules,
    signal: Signal,
    arena: &'a Bump,
    work: Work<'a>,
    /// The entry of a body was announced, its pair comes next.
    in_entry: bool,
    /// A pair came that was not announced: the body is done, these are attributes.
    in_attributes: bool,
    /// Anything of the entity at hand was replaced or removed.
    changed: bool,
    values: Vec<u64>,
    keys: Vec<u64>,
    removed: u64,
    urls: u64,
}

impl<'a> Pass<'a> {
    pub(super) fn new(rules: &'a Rules, signal: Signal, arena: &'a Bump) -> Self {
        let (values, keys) = rules.sizes();
        Self {
            rules,
            signal,
            arena,
            work: Work::default(),
            in_entry: false,
            in_attributes: false,
            changed: false,
            values: vec![0; values],
            keys: vec![0; keys],
            removed: 0,
            urls: 0,
        }
    }

    /// How many records are different now: a metric counts with all its data points.
    pub(super) fn record(&mut self, record: &mut Entity<'a>) -> Result<u64, DecodeError> {
        let raw = record.raw();
        match (self.entity(record)?, self.signal) {
            (false, _) => Ok(0),
            (true, Signal::Metrics) => count::points(raw),
            (true, _) => Ok(1),
        }
    }

    /// A resource, scope, log record, span or metric; true when it is different now.
    pub(super) fn entity(&mut self, entity: &mut Entity<'a>) -> Result<bool, DecodeError> {
        self.work = Work::default();
        (self.changed, self.in_entry, self.in_attributes) = (false, false, false);
        self.remove(entity);
        entity.rewrite(self.arena, self)?;
        // A summary would make another series of every data point that was masked.
        if self.signal != Signal::Metrics {
            std::mem::take(&mut self.work).write(self.rules.summary, entity, self.arena);
        }
        Ok(self.changed)
    }

    /// Takes out the attributes whose key is not allowed, and what was claimed about a redaction.
    fn remove(&mut self, entity: &mut Entity<'a>) {
        let mut keys: Vec<&'a str> = entity.attributes().iter().map(|attribute| attribute.key).collect();
        keys.retain(|key| !self.keeps(Owner::Part, key));
        for key in keys {
            entity.remove(key);
        }
    }

    /// Whose strings are shown now.
    fn owner(&self) -> Owner {
        if self.signal == Signal::Logs && !self.in_attributes { Owner::Body } else { Owner::Part }
    }

    /// Takes note of what was done. A key that holds what is blocked is not shown as it is.
    fn note(&mut self, deed: Deed, owner: Owner, key: &'a str) {
        let shown = self.rules.scan(key).masked.map_or(key, |masked| self.arena.alloc_str(&masked));
        let part = match owner {
            Owner::Part => &mut self.work.attributes,
            Owner::Body => &mut self.work.body,
        };
        match deed {
            Deed::Removed => part.redacted.insert(shown),
            Deed::Masked => part.masked.insert(shown),
            Deed::Spared => part.allowed.insert(shown),
        };
        self.changed |= !matches!(deed, Deed::Spared);
    }

    /// The masked text, if anything in it is masked; `key` is what it is reported under.
    fn scan(&mut self, owner: Owner, key: &'a str, text: &str) -> Option<&'a str> {
        let scan = self.rules.scan(text);
        for (number, count) in scan.by {
            self.values[number] += count;
        }
        if scan.spared {
            self.note(Deed::Spared, owner, key);
        }
        let masked = scan.masked?;
        self.note(Deed::Masked, owner, key);
        Some(self.arena.alloc_str(&masked))
    }

    /// The same for a text of which, without ids, `url` is left.
    fn scan_url(&mut self, owner: Owner, key: &'a str, text: &'a str, url: Option<String>) -> Option<&'a str> {
        let Some(url) = url else { return self.scan(owner, key, text) };
        self.urls += 1;
        self.note(Deed::Masked, owner, key);
        let url = self.arena.alloc_str(&url);
        Some(self.scan(owner, key, url).unwrap_or(url))
    }

    /// Counts what was done, by rule.
    pub(super) fn publish(&self) {
        let count = |rule: String, count: u64| {
            if count > 0 {
                counter!("telseal_redactions_total", "rule" => rule).increment(count);
            }
        };
        for (list, counts) in [("blocked_values", &self.values), ("blocked_key_patterns", &self.keys)] {
            counts.iter().enumerate().for_each(|(number, found)| count(format!("{list}[{number}]"), *found));
        }
        count("allowed_keys".to_owned(), self.removed);
        count("url_sanitizer".to_owned(), self.urls);
    }
}

impl<'a> Visitor<'a> for Pass<'a> {
    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        self.in_attributes |= !std::mem::take(&mut self.in_entry);
        let owner = self.owner();
        if self.rules.is_ignored(key) {
            match owner {
                Owner::Part => self.work.attributes.ignored += 1,
                Owner::Body => self.work.body.ignored += 1,
            }
            // The value as it is, not opened.
            return Some(value);
        }
        let number = self.rules.blocked_key(key).filter(|_| !value.is_null())?;
        self.keys[number] += 1;
        self.note(Deed::Masked, owner, key);
        Some(Value::Str(self.arena.alloc_str(&self.rules.mask_of(value))))
    }

    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str> {
        match place {
            Place::Key if self.rules.is_ignored(text) => None,
            Place::Key => self.scan(Owner::Part, text, text),
            Place::Value { key } => {
                let url = self.rules.url(key, text);
                self.scan_url(self.owner(), key, text, url)
            }
            Place::Field { name: "name" } if self.signal == Signal::Traces => {
                let url = self.rules.name(text);
                self.scan_url(Owner::Part, "name", text, url)
            }
            Place::Field { name } => self.scan(Owner::Part, name, text),
        }
    }

    fn number(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        if !self.rules.all_types {
            return None;
        }
        let mut buffer = String::new();
        let text = scalar::text_of(value, &mut buffer);
        self.scan(self.owner(), key, text).map(Value::Str)
    }

    fn keeps(&mut self, owner: Owner, key: &'a str) -> bool {
        if owner == Owner::Part && NAMES.contains(&key) {
            self.changed = true;
            return false;
        }
        if self.rules.is_removed(key) {
            self.removed += 1;
            self.note(Deed::Removed, owner, key);
            return false;
        }
        self.in_entry = owner == Owner::Body;
        true
    }
}
