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
use crate::otlp::schema::{Kind, Message};
use crate::otlp::value::Value;
use crate::otlp::wire::{Cursor, WireValue};
use crate::processor::redact::detector::{Id, ids};
use crate::processor::redact::known::Known;
use crate::processor::redact::names::Strength;
use crate::processor::redact::prefilter::{Places, may_be_long};
use crate::processor::redact::provenance::{Counts, Position, Provenance};
use crate::processor::redact::rulebook::{Redacted, Rulebook};
use crate::processor::redact::strict::{Strict, UNLISTED};

/// How many clean texts are remembered.
const CLEAN_MAX: usize = 32;
/// Longer attributes seldom come twice.
const FIELD_LEN_MAX: usize = 40;
/// A value that stands before its key, if only an empty one, makes the key start as far behind the start of the field.
const VALUE_FIRST_LEN_MIN: usize = 6;

/// The work on one batch.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    rules: &'a Rulebook,
    strict: Option<&'a Strict>,
    arena: &'a Bump,
    pub(super) counts: Counts,
    /// The received bytes of the entity at hand, and the suspicious places in them.
    raw: &'a [u8],
    places: Places,
    /// Some of them are in fields other than attributes.
    fields_touched: bool,
    /// Received keys without a suspicious place.
    known_keys: Known<'a>,
    /// The same of short attributes.
    known_fields: Known<'a>,
    /// Addresses and lengths of texts outside `raw` without a finding. They live as long as the batch.
    clean: Vec<(usize, usize)>,
    /// The same of keys that say nothing about their values either.
    clean_keys: Vec<(usize, usize)>,
    /// The key under which an option such as `--password` was just seen.
    option: Option<&'a str>,
    /// The entity is a resource or scope.
    owner: bool,
    /// Keys of values that are to be dropped.
    dropped: Vec<&'a str>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(rules: &'a Rulebook, strict: Option<&'a Strict>, arena: &'a Bump) -> Self {
        Self {
            rules,
            strict,
            arena,
            counts: Counts::default(),
            raw: &[],
            places: Places::default(),
            fields_touched: true,
            known_keys: Known::default(),
            known_fields: Known::default(),
            clean: Vec::new(),
            clean_keys: Vec::new(),
            option: None,
            owner: false,
            dropped: Vec::new(),
        }
    }

    /// Redacts a resource or scope; true when something was replaced.
    ///
    /// # Errors
    /// When its bytes are broken.
    pub(super) fn owner(&mut self, entity: &mut Entity<'a>) -> Result<bool, DecodeError> {
        self.owner = true;
        let changed = self.entity(entity)?;
        self.owner = false;
        Ok(changed)
    }

    /// Redacts a record; true when something was replaced. With `provenance`, what was found is then written on it.
    ///
    /// # Errors
    /// When its bytes are broken.
    pub(super) fn record(
        &mut self,
        entity: &mut Entity<'a>,
        provenance: Option<&Provenance>,
    ) -> Result<bool, DecodeError> {
        self.counts.start_record();
        let changed = self.entity(entity)?;
        if changed && let Some(provenance) = provenance {
            provenance.write(entity, &self.counts, self.rules, self.arena);
        }
        Ok(changed)
    }

    fn entity(&mut self, entity: &mut Entity<'a>) -> Result<bool, DecodeError> {
        let mut changed = false;
        if let Some(strict) = self.strict {
            let removed = strict.remove(entity);
            self.counts.unlisted += removed;
            changed = removed > 0;
        }
        self.raw = entity.raw();
        self.look(entity);
        let found = self.places.any() && self.settle(entity)?;
        let found = found || self.strict.is_some();
        if found || (entity.is_edited() && self.is_edit_suspicious(entity)) {
            self.option = None;
            changed |= entity.rewrite(self.arena, self)?;
            for key in std::mem::take(&mut self.dropped) {
                if entity.get(key) == Some(Value::Str("")) {
                    entity.remove(key);
                }
            }
        }
        Ok(changed)
    }

    /// Notes the suspicious places in the entity as received: attributes one by one, because most of them come again with
    /// every record, and what stands between them.
    fn look(&mut self, entity: &Entity<'a>) {
        self.fields_touched = !self.rules.prefilter.start(self.raw, &mut self.places);
        if self.fields_touched {
            return;
        }
        let mut passed = 0;
        for attribute in entity.attributes() {
            let Some(field) = self.place(attribute.raw()).filter(|field| field.start >= passed) else { continue };
            if passed < field.start {
                self.look_between(entity.message(), passed..field.start);
            }
            passed = field.end;
            self.look_at(attribute, field);
        }
        self.look_between(entity.message(), passed..self.raw.len());
    }

    fn look_at(&mut self, attribute: &Attribute<'a>, field: Range<usize>) {
        let key = self.place(attribute.key.as_bytes()).filter(|key| key.start - field.start < VALUE_FIRST_LEN_MIN);
        let bytes = &self.raw[field.clone()];
        let comes_again = bytes.len() <= FIELD_LEN_MAX && matches!(attribute.value, Value::Str(_));
        if comes_again && self.known_fields.has(bytes) {
            return;
        }
        // A key that is no more than a name says nothing about its value.
        let Some(key) = key.filter(|key| self.is_known_key(key)) else {
            self.scan(field);
            return;
        };
        match attribute.value {
            Value::Null | Value::Bool(_) => {}
            Value::Int(number) if !may_be_long(number as f64) => {}
            Value::Str(text) => {
                if self.scan_string(text.as_bytes()) && comes_again {
                    self.known_fields.add(bytes);
                }
            }
            _ => {
                self.scan(key.end..field.end);
            }
        }
    }

    fn is_known_key(&mut self, key: &Range<usize>) -> bool {
        let bytes = &self.raw[key.clone()];
        if self.known_keys.has(bytes) {
            return true;
        }
        let clean = self.scan(key.clone());
        if clean {
            self.known_keys.add(bytes);
        }
        clean
    }

    /// Looks at fields of the entity that are no attributes.
    fn look_between(&mut self, message: &'static Message, part: Range<usize>) {
        let before = self.places.len();
        self.look_at_fields(message, part);
        self.fields_touched |= self.places.len() > before || self.places.everywhere();
    }

    fn look_at_fields(&mut self, message: &'static Message, part: Range<usize>) {
        let mut cursor = Cursor::new(&self.raw[part.clone()]);
        let mut passed = part.start;
        while let Ok(Some(field)) = cursor.next_field() {
            let start = passed;
            passed += field.raw.len();
            let WireValue::Bytes(content) = field.value else { continue };
            match message.field(field.number).map(|known| known.kind) {
                Some(Kind::Id) if is_random_id(content) => {}
                Some(Kind::Str) => {
                    self.scan_string(content);
                }
                Some(Kind::Value) => {
                    match Value::read_checked(content) {
                        Ok((Value::Str(text), true)) => self.scan_string(text.as_bytes()),
                        _ => self.scan(start..passed),
                    };
                }
                _ => {
                    self.scan(start..passed);
                }
            }
        }
        // What cannot be read is refused by who opens it.
        if passed < part.end {
            self.scan(passed..part.end);
        }
    }

    /// Looks at a string that is no key, and whose key says nothing about it; true when there is no suspicious place.
    fn scan_string(&mut self, text: &[u8]) -> bool {
        let Some(part) = self.place(text) else { return text.is_empty() || self.scan(0..self.raw.len()) };
        self.rules.prefilter.scan_string(self.raw, part, &mut self.places)
    }

    fn scan(&mut self, part: Range<usize>) -> bool {
        self.rules.prefilter.scan(self.raw, part, &mut self.places)
    }

    /// Asks what the words of context stand in; true when there is still a suspicious place.
    fn settle(&mut self, entity: &Entity<'a>) -> Result<bool, DecodeError> {
        let mut places = std::mem::take(&mut self.places);
        let body = if places.has_words() { entity.body()?.as_str() } else { None };
        let any = places.settle(|word| {
            let values = entity.attributes().iter().filter_map(|attribute| attribute.value.as_str());
            let holds = |text: &&str| {
                self.place(text.as_bytes()).is_some_and(|place| place.start <= word.start && word.end <= place.end)
            };
            body.into_iter().chain(values).find(holds)
        });
        self.places = places;
        Ok(any)
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
        if self.place(key.as_bytes()).is_none() && !self.is_clean_key(key) {
            return true;
        }
        match attribute.value {
            Value::Str(text) => self.place(text.as_bytes()).is_none() && !self.is_clean(text),
            Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes) => {
                self.place(bytes).is_none()
            }
            // Where they came from cannot be told.
            Value::Int(number) => may_be_long(number as f64),
            Value::Double(number) => may_be_long(number),
            Value::Null | Value::Bool(_) => false,
        }
    }

    /// Where the bytes lie in the entity as received; `None` when they were set later.
    fn place(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = bytes.as_ptr().addr().checked_sub(self.raw.as_ptr().addr())?;
        let end = start.checked_add(bytes.len())?;
        (end <= self.raw.len() && !bytes.is_empty()).then_some(start..end)
    }

    fn is_clean_key(&mut self, key: &str) -> bool {
        let address = (key.as_ptr().addr(), key.len());
        if self.clean_keys.contains(&address) {
            return true;
        }
        let clean = self.rules.secrecy(key).is_none()
            && !self.rules.scanner.is_context(key)
            && self.rules.redact(key).is_none();
        if clean && self.clean_keys.len() < CLEAN_MAX {
            self.clean_keys.push(address);
        }
        clean
    }

    fn is_clean(&mut self, text: &str) -> bool {
        let address = (text.as_ptr().addr(), text.len());
        if text.is_empty() || self.clean.contains(&address) {
            return true;
        }
        let clean = self.rules.redact(text).is_none();
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

    /// Counts what was found and keeps the text as long as the batch.
    fn keep(&mut self, position: Position, key: Option<&'a str>, redacted: &Redacted) -> &'a str {
        self.counts.add(position, &redacted.ids);
        self.note_drop(key, &redacted.ids);
        self.arena.alloc_str(&redacted.text)
    }

    fn note_drop(&mut self, key: Option<&'a str>, ids: &[Id]) {
        if let Some(key) = key
            && ids.iter().any(|id| self.rules.drops(*id))
        {
            self.dropped.push(key);
        }
    }

    fn position(&self, place: Place<'_>) -> Position {
        match place {
            Place::Key => Position::Key,
            _ if self.owner => Position::Resource,
            Place::Value { key: "body" } => Position::Body,
            Place::Value { .. } => Position::Attribute,
            Place::Field { name: "name" | "event_name" } => Position::Name,
            Place::Field { .. } => Position::Field,
        }
    }
}

/// Sixteen or eight bytes that are no text, as in nearly every id.
fn is_random_id(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 8 | 16) && std::str::from_utf8(bytes).is_err()
}

impl<'a> Visitor<'a> for Pass<'a> {
    fn opens_fields(&mut self) -> bool {
        self.strict.is_some() || self.fields_touched
    }

    fn opens(&mut self, field: &'a [u8]) -> bool {
        self.strict.is_some() || self.place(field).is_none_or(|range| self.places.touch(&range))
    }

    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        if let Some(strict) = self.strict
            && !strict.lists(key)
        {
            let unlisted = !matches!(value, Value::Null | Value::Str(UNLISTED));
            self.counts.unlisted += u64::from(unlisted);
            return unlisted.then_some(Value::Str(UNLISTED));
        }
        let strength = self.name_strength(key)?;
        let position = self.position(Place::Value { key });
        match value {
            Value::Null | Value::Bool(_) => return None,
            Value::Int(_) | Value::Double(_) if strength == Strength::Weak => return None,
            Value::Str(text) => {
                let redacted = self.rules.redact_secret(key, text)?;
                return Some(Value::Str(self.keep(position, Some(key), &redacted)));
            }
            Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes)
                if bytes.is_empty() =>
            {
                return None;
            }
            _ => {}
        }
        self.counts.add(position, &[ids::SECRET_KEY_NAME]);
        self.note_drop(Some(key), &[ids::SECRET_KEY_NAME]);
        Some(Value::Str(self.rules.mask(ids::SECRET_KEY_NAME)))
    }

    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str> {
        let key = if let Place::Value { key } = place { Some(key) } else { None };
        let position = self.position(place);
        let follows = self.option.take().is_some_and(|option| key.is_some_and(|key| std::ptr::eq(option, key)));
        if follows {
            let redacted = self.rules.redact_option_value(text)?;
            return Some(self.keep(position, key, &redacted));
        }
        let context = key.filter(|key| self.is_context(key)).unwrap_or_default();
        if context.is_empty() && !self.is_due(text) {
            return None;
        }
        if self.rules.is_option(text) {
            self.option = key;
        }
        let redacted = self.rules.redact_under(context, text)?;
        Some(self.keep(position, key, &redacted))
    }

    fn number(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        let context = if self.is_context(key) { key } else { "" };
        let text = match value {
            Value::Int(number) if may_be_long(number as f64) || !context.is_empty() => number.to_string(),
            Value::Double(number) if may_be_long(number) || !context.is_empty() => number.to_string(),
            _ => return None,
        };
        let redacted = self.rules.redact_under(context, &text)?;
        let position = self.position(Place::Value { key });
        Some(Value::Str(self.keep(position, Some(key), &redacted)))
    }
}
