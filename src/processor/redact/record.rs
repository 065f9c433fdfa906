//! Redacting one batch: which entities to open, and what a visitor does with each string in them.
//!
//! Strings that lie in the received bytes are scanned only where the prefilter saw something. Whether a string lies
//! there is asked of its address. All others were set by earlier processors and are scanned always; those found clean
//! are remembered, since a configured text comes back with every record.

use std::ops::Range;

use bumpalo::Bump;

use crate::otlp::DecodeError;
use crate::otlp::model::{Attribute, Entity};
use crate::otlp::rewrite::{Place, Visitor};
use crate::otlp::value::Value;
use crate::processor::redact::detector::{Id, ids};
use crate::processor::redact::names::Strength;
use crate::processor::redact::prefilter::Places;
use crate::processor::redact::rulebook::Rulebook;
use crate::processor::redact::text::Counts;

/// How many clean texts are remembered.
const CLEAN_MAX: usize = 32;

/// The work on one batch.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    rules: &'a Rulebook,
    arena: &'a Bump,
    pub(super) counts: Counts,
    /// The received bytes of the entity at hand, and the suspicious places in them.
    raw: &'a [u8],
    places: Places,
    /// Addresses and lengths of texts outside `raw` without a finding. They live as long as the batch.
    clean: Vec<(usize, usize)>,
    /// The key under which an option such as `--password` was just seen.
    option: Option<&'a str>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(rules: &'a Rulebook, arena: &'a Bump) -> Self {
        let (places, clean) = (Places::default(), Vec::new());
        Self { rules, arena, counts: Counts::default(), raw: &[], places, clean, option: None }
    }

    /// Redacts a resource, scope or record; true when something was masked.
    ///
    /// # Errors
    /// When its bytes are broken.
    pub(super) fn entity(&mut self, entity: &mut Entity<'a>) -> Result<bool, DecodeError> {
        self.raw = entity.raw();
        let found = self.rules.prefilter.scan(self.raw, &mut self.places);
        if found || (entity.is_edited() && self.is_edit_suspicious(entity)) {
            self.option = None;
            return entity.rewrite(self.arena, self);
        }
        Ok(false)
    }

    /// From here on every string is scanned, wherever it lies.
    pub(super) fn without_raw(&mut self) {
        self.raw = &[];
        self.option = None;
    }

    fn is_edit_suspicious(&mut self, entity: &Entity<'a>) -> bool {
        entity.attributes().iter().any(|attribute| self.is_suspicious(attribute))
    }

    fn is_suspicious(&mut self, attribute: &Attribute<'a>) -> bool {
        let key = attribute.key;
        let set = self.place(key.as_bytes()).is_none();
        if set && (self.rules.secrecy(key).is_some() || self.rules.scanner.is_context(key) || !self.is_clean(key)) {
            return true;
        }
        match attribute.value {
            Value::Str(text) => self.place(text.as_bytes()).is_none() && !self.is_clean(text),
            Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes) => {
                self.place(bytes).is_none()
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) => false,
        }
    }

    /// Where the bytes lie in the entity as received; `None` when they were set later.
    fn place(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = bytes.as_ptr().addr().checked_sub(self.raw.as_ptr().addr())?;
        let end = start.checked_add(bytes.len())?;
        (end <= self.raw.len() && !bytes.is_empty()).then_some(start..end)
    }

    fn is_clean(&mut self, text: &str) -> bool {
        let address = (text.as_ptr().addr(), text.len());
        if text.is_empty() || self.clean.contains(&address) {
            return true;
        }
        let clean = self.rules.redact(text, &mut Counts::default()).is_none();
        if clean && self.clean.len() < CLEAN_MAX {
            self.clean.push(address);
        }
        clean
    }

    /// False when the text needs no scan.
    fn is_due(&mut self, text: &str) -> bool {
        match self.place(text.as_bytes()) {
            Some(range) => self.places.touch(&range),
            None => !self.is_clean(text),
        }
    }

    /// True when the value's name makes it a secret. Names in received bytes hold an anchor then.
    fn name_strength(&self, key: &str) -> Option<Strength> {
        match self.place(key.as_bytes()) {
            Some(range) if !self.places.touch(&range) => None,
            _ => self.rules.secrecy(key),
        }
    }

    /// True when the key is a context of what stands under it. Such keys in received bytes hold an anchor.
    fn is_context(&self, key: &str) -> bool {
        let untouched = self.place(key.as_bytes()).is_some_and(|range| !self.places.touch(&range));
        !untouched && self.rules.scanner.is_context(key)
    }

    fn keep(&self, text: &str) -> &'a str {
        self.arena.alloc_str(text)
    }

    fn count(&mut self, id: Id) {
        self.counts.add(id);
    }
}

impl<'a> Visitor<'a> for Pass<'a> {
    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        let strength = self.name_strength(key)?;
        let masked = match value {
            Value::Null | Value::Bool(_) => return None,
            Value::Int(_) | Value::Double(_) if strength == Strength::Weak => return None,
            Value::Str(text) => {
                let (masked, id) = self.rules.secret_text(key, text)?;
                self.count(id);
                return Some(Value::Str(self.keep(&masked)));
            }
            Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes)
                if bytes.is_empty() =>
            {
                return None;
            }
            _ => ids::SECRET_KEY_NAME,
        };
        self.count(masked);
        Some(Value::Str(masked.mask()))
    }

    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str> {
        let key = if let Place::Value { key } = place { Some(key) } else { None };
        let follows = self.option.take().is_some_and(|option| key.is_some_and(|key| std::ptr::eq(option, key)));
        if follows {
            return self.rules.option_value(text, &mut self.counts).map(|masked| self.keep(&masked));
        }
        let context = key.filter(|key| self.is_context(key)).unwrap_or_default();
        if context.is_empty() && !self.is_due(text) {
            return None;
        }
        if self.rules.is_option(text) {
            self.option = key;
        }
        self.rules.redact_under(context, text, &mut self.counts).map(|masked| self.keep(&masked))
    }
}
