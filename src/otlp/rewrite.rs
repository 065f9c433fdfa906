//! One walk that shows every string of a message to a visitor and rebuilds only what the visitor replaced.
//!
//! "Every" is what redaction rests on: keys and values at any depth, string fields of every message, schema URLs; and
//! whatever else may be text, since a secret may hide there: bytes, ids, unknown fields of messages, values, pairs and
//! lists. Of bytes that are not UTF-8 as a whole, the pieces that are get shown. What stands twice in a pair or value
//! and does not count is taken out, so that nothing unseen is carried along.
//!
//! Work and memory are in proportion to the bytes, however deep a replaced string lies.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::build::Builder;
use crate::otlp::model::{Entity, delimited};
use crate::otlp::schema::{self, Kind, Message};
use crate::otlp::value::{Pair, Value, joined};
use crate::otlp::wire::{Cursor, Field, Out, WireValue, put_bytes, put_tag, put_varint, text};
use crate::otlp::{DEPTH_MAX, DecodeError, gather};

/// What is shown.
pub trait Visitor<'a> {
    /// False when nothing in these bytes, a field of the message, is to be replaced: they are then not opened.
    fn opens(&mut self, field: &'a [u8]) -> bool {
        let _ = field;
        true
    }

    /// False when nothing of the message is to be replaced but attributes.
    fn opens_fields(&mut self) -> bool {
        true
    }

    /// A pair, before its value is opened. `Some` replaces the whole value, whatever its type.
    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>>;

    /// A string. `Some` replaces it.
    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str>;

    /// A number, whole or not, below this key, perhaps inside lists. `Some` replaces it.
    fn number(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        let _ = (key, value);
        None
    }

    /// Whether an attribute of a part of the message (a span event, an exemplar), or an entry of a body, stays. The
    /// attributes of the message itself are the caller's to remove, and entries inside them stay.
    fn keeps(&mut self, owner: Owner, key: &'a str) -> bool {
        let _ = (owner, key);
        true
    }
}

/// Whose pair it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A part of the message that has attributes.
    Part,
    /// The body of a log record, at any depth.
    Body,
}

/// Where a string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// It is the key of an attribute or of a map entry.
    Key,
    /// It is in the value below this key, perhaps inside lists. A body's key is `body`.
    Value {
        /// The nearest key above it.
        key: &'a str,
    },
    /// It is a string field of a message.
    Field {
        /// The field's name in opentelemetry-proto; `unknown` for a field the schema does not have.
        name: &'static str,
    },
}

/// The shortest piece of text that is shown of bytes that are not text as a whole. No secret is shorter, and random
/// bytes hold few pieces that are longer.
const PIECE_BYTES_MIN: usize = 6;

/// Bytes being copied with replacements: nothing is copied before the first one.
struct Rebuilt<'a> {
    original: &'a [u8],
    arena: &'a Bump,
    out: Option<ArenaVec<'a, u8>>,
    /// How much of `original` has been passed.
    passed: usize,
}

impl<'a> Rebuilt<'a> {
    fn new(original: &'a [u8], arena: &'a Bump) -> Self {
        Self { original, arena, out: None, passed: 0 }
    }

    /// Passes the next `raw` bytes as they are.
    fn keep(&mut self, raw: &[u8]) {
        if let Some(out) = &mut self.out {
            out.bytes(raw);
        }
        self.passed += raw.len();
    }

    /// Passes the next `raw` bytes; what is written to the result stands in their stead.
    fn replace(&mut self, raw: &[u8]) -> &mut ArenaVec<'a, u8> {
        let before = &self.original[..self.passed];
        self.passed += raw.len();
        self.out.get_or_insert_with(|| {
            let mut out = ArenaVec::with_capacity_in(self.original.len() + 32, self.arena);
            out.bytes(before);
            out
        })
    }

    /// Passes a field, whose content is replaced if there is a new one.
    fn pass(&mut self, number: u32, raw: &[u8], new: Option<&[u8]>) {
        match new {
            Some(new) => put_bytes(self.replace(raw), number, new),
            None => self.keep(raw),
        }
    }

    fn finish(self) -> Option<&'a [u8]> {
        Some(self.out?.into_bump_slice())
    }
}

/// Visits the strings of a message; field `skip` is left out (0: none). The new bytes, if any string was replaced.
///
/// # Errors
/// When the bytes are broken, a field has the wrong wire type, or values nest too deep.
pub fn message<'a>(
    message: &'static Message,
    bytes: &'a [u8],
    skip: u32,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut walk = Walk { arena, visitor, out: Builder::with_capacity(bytes.len()), in_body: false };
    let changed = walk.message(message, bytes, skip)?;
    Ok(walk.finish(changed))
}

/// Visits a pair; the new one, if anything in it was replaced.
///
/// # Errors
/// When the value is broken, or nested too deep.
pub fn pair<'a>(
    key: &'a str,
    value: Value<'a>,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<(&'a str, Value<'a>)>, DecodeError> {
    let new_key = visitor.text(Place::Key, key);
    let new_value = match (visitor.pair(key, value), value) {
        (Some(new), _) => Some(new),
        (None, Value::Str(text)) => visitor.text(Place::Value { key }, text).map(Value::Str),
        (None, Value::Int(_) | Value::Double(_)) => visitor.number(key, value),
        (None, Value::Null | Value::Bool(_)) => None,
        (None, _) => {
            let mut walk = Walk { arena, visitor, out: Builder::default(), in_body: false };
            let changed = walk.value(key, value, 0)?;
            walk.finish(changed).map(Value::read).transpose()?
        }
    };
    Ok((new_key.is_some() || new_value.is_some()).then(|| (new_key.unwrap_or(key), new_value.unwrap_or(value))))
}

/// Visits the bytes of a `KeyValue`; the new ones, if anything in it was replaced or hidden.
///
/// # Errors
/// When the bytes are broken, or the value is nested too deep.
pub(super) fn pair_bytes<'a>(
    bytes: &'a [u8],
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut walk = Walk { arena, visitor, out: Builder::default(), in_body: false };
    let changed = walk.key_value(bytes, 0)?;
    Ok(walk.finish(changed))
}

/// One walk. Everything is written as it is visited, whether or not it is replaced: that is one copy, however deep the
/// replaced string turns out to lie. Each step writes the content it is given and returns whether it was replaced.
struct Walk<'a, 'v> {
    arena: &'a Bump,
    visitor: &'v mut dyn Visitor<'a>,
    out: Builder,
    /// A body is being walked.
    in_body: bool,
}

impl<'a> Walk<'a, '_> {
    fn finish(self, changed: bool) -> Option<&'a [u8]> {
        changed.then(|| &*self.arena.alloc_slice_copy(&self.out.finish()))
    }

    fn message(&mut self, message: &'static Message, bytes: &'a [u8], skip: u32) -> Result<bool, DecodeError> {
        let start = self.out.mark();
        let (mut changed, mut values) = (false, 0);
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            changed |= match message.field(field.number) {
                Some(known) if known.number == skip => false,
                Some(known) => {
                    gather::check(message, known, &field)?;
                    values += usize::from(matches!(known.kind, Kind::Value));
                    if values > 1 {
                        self.out.rewind(start);
                        return self.several_values(message, known.number, bytes, skip);
                    }
                    if self.visitor.opens(field.raw) {
                        self.known(message, known, &field)?
                    } else {
                        self.put(&field, None)
                    }
                }
                None => self.unknown(Place::Field { name: "unknown" }, &field),
            };
        }
        Ok(changed)
    }

    /// A value that stands twice is one value, and of its parts only some count. Starts again with them joined.
    #[cold]
    fn several_values(
        &mut self,
        message: &'static Message,
        number: u32,
        bytes: &'a [u8],
        skip: u32,
    ) -> Result<bool, DecodeError> {
        let value = joined(&gather::contents(message.name, bytes, number)?, self.arena);
        let mut one = ArenaVec::with_capacity_in(bytes.len(), self.arena);
        one.bytes(&gather::unknown(&[bytes], |other| other == number)?);
        put_bytes(&mut one, number, value);
        self.message(message, one.into_bump_slice(), skip)?;
        Ok(true)
    }

    fn known(
        &mut self,
        message: &'static Message,
        known: &'static schema::Field,
        field: &Field<'a>,
    ) -> Result<bool, DecodeError> {
        let place = Place::Field { name: known.name };
        match (known.kind, field.value) {
            (Kind::Str | Kind::Strings, WireValue::Bytes(bytes)) => {
                let new = self.visitor.text(place, text(bytes, message.name)?);
                Ok(self.put(field, new.map(str::as_bytes)))
            }
            (Kind::Id, WireValue::Bytes(bytes)) => {
                let new = self.id(place, bytes);
                Ok(self.put(field, new))
            }
            (Kind::Message(inner), WireValue::Bytes(bytes)) => {
                self.nested(field.number, |walk| walk.message(inner, bytes, 0))
            }
            (Kind::Value, WireValue::Bytes(bytes)) => {
                self.in_body = true;
                let changed = self.nested(field.number, |walk| walk.any_value(known.name, bytes, 0));
                self.in_body = false;
                changed
            }
            (Kind::Attributes, WireValue::Bytes(bytes)) if !self.keeps(Owner::Part, bytes)? => Ok(true),
            (Kind::Attributes, WireValue::Bytes(bytes)) => self.nested(field.number, |walk| walk.key_value(bytes, 0)),
            _ => Ok(self.put(field, None)),
        }
    }

    fn keeps(&mut self, owner: Owner, pair: &'a [u8]) -> Result<bool, DecodeError> {
        Ok(self.visitor.keeps(owner, Pair::read(pair)?.key))
    }

    /// Writes a field, with its content replaced if there is a new one.
    fn put(&mut self, field: &Field<'a>, new: Option<&[u8]>) -> bool {
        match new {
            Some(new) => put_bytes(self.out.raw(), field.number, new),
            None => self.out.raw().extend_from_slice(field.raw),
        }
        new.is_some()
    }

    fn nested(
        &mut self,
        number: u32,
        fill: impl FnOnce(&mut Self) -> Result<bool, DecodeError>,
    ) -> Result<bool, DecodeError> {
        let open = self.out.open(number);
        let changed = fill(self);
        self.out.close(open);
        changed
    }

    /// An id of 8 or 16 random bytes is no text; anything else may be.
    fn id(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match bytes.len() {
            0 => None,
            8 | 16 if std::str::from_utf8(bytes).is_err() => None,
            _ => self.loose(place, bytes),
        }
    }

    /// A field nobody knows is text for all we know.
    fn unknown(&mut self, place: Place<'a>, field: &Field<'a>) -> bool {
        let new = match field.value {
            WireValue::Bytes(bytes) => self.loose(place, bytes),
            _ => None,
        };
        self.put(field, new)
    }

    /// The fields of `bytes` that `known` does not know.
    fn unknown_in(&mut self, key: &'a str, bytes: &'a [u8], known: impl Fn(u32) -> bool) -> Result<bool, DecodeError> {
        let mut changed = false;
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if !known(field.number) {
                changed |= self.unknown(Place::Value { key }, &field);
            }
        }
        Ok(changed)
    }

    /// Bytes that need not be text: as a whole if they are, else the pieces that are.
    fn loose(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return self.visitor.text(place, text).map(str::as_bytes);
        }
        let mut rebuilt = Rebuilt::new(bytes, self.arena);
        for chunk in bytes.utf8_chunks() {
            let valid = chunk.valid();
            let shown = valid.len() >= PIECE_BYTES_MIN;
            match if shown { self.visitor.text(place, valid) } else { None } {
                Some(new) => rebuilt.replace(valid.as_bytes()).bytes(new.as_bytes()),
                None => rebuilt.keep(valid.as_bytes()),
            }
            rebuilt.keep(chunk.invalid());
        }
        rebuilt.finish()
    }

    fn any_value(&mut self, key: &'a str, bytes: &'a [u8], depth: usize) -> Result<bool, DecodeError> {
        match Value::read_checked(bytes)? {
            (value, true) => self.value(key, value, depth),
            _ => self.tangled_value(key, &[bytes], depth),
        }
    }

    fn value(&mut self, key: &'a str, value: Value<'a>, depth: usize) -> Result<bool, DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let place = Place::Value { key };
        let new = match value {
            Value::Str(text) => self.visitor.text(place, text).map(Value::Str),
            Value::Bytes(bytes) => {
                let text = |new| std::str::from_utf8(new).map_or(Value::Bytes(new), Value::Str);
                self.loose(place, bytes).map(text)
            }
            Value::Unknown(bytes) => return self.unknown_in(key, bytes, |_| false),
            Value::Array(items) => return self.nested(ARRAY, |walk| walk.items(key, items, depth)),
            Value::Map(entries) => return self.nested(MAP, |walk| walk.entries(key, entries, depth)),
            Value::Int(_) | Value::Double(_) => self.visitor.number(key, value),
            Value::Null | Value::Bool(_) => None,
        };
        new.unwrap_or(value).put(self.out.raw());
        Ok(new.is_some())
    }

    fn items(&mut self, key: &'a str, bytes: &'a [u8], depth: usize) -> Result<bool, DecodeError> {
        self.members("ArrayValue", key, bytes, |walk, item| walk.any_value(key, item, depth + 1))
    }

    fn entries(&mut self, key: &'a str, bytes: &'a [u8], depth: usize) -> Result<bool, DecodeError> {
        self.members(MAP_NAME, key, bytes, |walk, entry| walk.key_value(entry, depth + 1))
    }

    /// The members of a list, and what else stands in it.
    fn members(
        &mut self,
        list: &'static str,
        key: &'a str,
        bytes: &'a [u8],
        member: impl Fn(&mut Self, &'a [u8]) -> Result<bool, DecodeError>,
    ) -> Result<bool, DecodeError> {
        let mut changed = false;
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            changed |= if field.number == 1 {
                let content = gather::content(list, &field)?;
                if self.in_body && list == MAP_NAME && !self.keeps(Owner::Body, content)? {
                    changed = true;
                    continue;
                }
                self.nested(1, |walk| member(walk, content))?
            } else {
                self.unknown(Place::Value { key }, &field)
            };
        }
        Ok(changed)
    }

    fn key_value(&mut self, bytes: &'a [u8], depth: usize) -> Result<bool, DecodeError> {
        let Pair { key, value, present, regular } = Pair::read(bytes)?;
        if !regular {
            return self.tangled_pair(bytes, depth);
        }
        let changed = self.key(key);
        if let Some(new) = self.visitor.pair(key, value) {
            return self.nested(VALUE, |walk| walk.replaced(new));
        }
        Ok(changed | (present && self.nested(VALUE, |walk| walk.value(key, value, depth))?))
    }

    fn key(&mut self, key: &'a str) -> bool {
        let new = self.visitor.text(Place::Key, key);
        put_bytes(self.out.raw(), KEY, new.unwrap_or(key).as_bytes());
        new.is_some()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every step")]
    fn replaced(&mut self, new: Value<'a>) -> Result<bool, DecodeError> {
        new.put(self.out.raw());
        Ok(true)
    }

    /// An `AnyValue` in several parts, with several values or unknown fields: the value that counts, then those fields.
    #[cold]
    fn tangled_value(&mut self, key: &'a str, parts: &[&'a [u8]], depth: usize) -> Result<bool, DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let mut changed = values_in(parts)? > 1;
        gather::any(parts, |any| {
            changed |= match any.field {
                Some(field) if matches!(field.number, ARRAY | MAP) => self.nested(field.number, |walk| {
                    let mut changed = false;
                    for part in any.parts {
                        changed |= match field.number {
                            ARRAY => walk.items(key, part, depth)?,
                            _ => walk.entries(key, part, depth)?,
                        };
                    }
                    Ok(changed)
                })?,
                Some(field) => self.any_value(key, field.raw, depth)?,
                None => false,
            };
            Ok(())
        })?;
        for part in parts {
            changed |= self.unknown_in(key, part, gather::is_any)?;
        }
        Ok(changed)
    }

    /// A `KeyValue` in which a field stands twice or is unknown: the key and the value that count, then those fields.
    #[cold]
    fn tangled_pair(&mut self, bytes: &'a [u8], depth: usize) -> Result<bool, DecodeError> {
        let Pair { key, value, .. } = Pair::read(bytes)?;
        let keys = gather::contents("KeyValue", bytes, KEY)?.len();
        let parts = gather::pair_values(bytes)?;
        let mut changed = self.key(key) | (keys > 1) | (parts.len() > 1);
        if let Some(new) = self.visitor.pair(key, value) {
            changed |= self.nested(VALUE, |walk| walk.replaced(new))?;
        } else if !parts.is_empty() {
            changed |= self.nested(VALUE, |walk| walk.tangled_value(key, &parts, depth))?;
        }
        Ok(changed | self.unknown_in(key, bytes, |number| number <= VALUE)?)
    }
}

const MAP_NAME: &str = "KeyValueList";
/// The fields of a `KeyValue`.
const KEY: u32 = 1;
const VALUE: u32 = 2;
/// `AnyValue.array_value` and `AnyValue.kvlist_value`.
const ARRAY: u32 = 5;
const MAP: u32 = 6;

/// How many values the parts of an `AnyValue` hold. One counts.
fn values_in(parts: &[&[u8]]) -> Result<usize, DecodeError> {
    let mut values = 0;
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field()? {
            values += usize::from(gather::is_any(field.number));
        }
    }
    Ok(values)
}

/// Opens the data points of the bytes of a `Metric`; the new bytes, if one was edited.
///
/// # Errors
/// When a data point is broken, or `visit` fails.
pub fn points<'a>(
    metric: &'a [u8],
    arena: &'a Bump,
    visit: &mut dyn FnMut(&mut Entity<'a>) -> Result<bool, DecodeError>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut rebuilt = Rebuilt::new(metric, arena);
    let mut cursor = Cursor::new(metric);
    while let Some(field) = cursor.next_field()? {
        let new = match schema::METRIC.field(field.number).map(|known| known.kind) {
            Some(Kind::Message(data)) => data_points(data, delimited(&schema::METRIC, &field)?, arena, visit)?,
            _ => None,
        };
        rebuilt.pass(field.number, field.raw, new);
    }
    Ok(rebuilt.finish())
}

fn data_points<'a>(
    data: &'static Message,
    bytes: &'a [u8],
    arena: &'a Bump,
    visit: &mut dyn FnMut(&mut Entity<'a>) -> Result<bool, DecodeError>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut rebuilt = Rebuilt::new(bytes, arena);
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field()? {
        let (1, Some(Kind::Message(point))) = (field.number, data.field(1).map(|known| known.kind)) else {
            rebuilt.keep(field.raw);
            continue;
        };
        let mut entity = Entity::open(point, delimited(data, &field)?, arena)?;
        if !visit(&mut entity)? {
            rebuilt.replace(field.raw);
        } else if entity.is_edited() {
            let out = rebuilt.replace(field.raw);
            put_tag(out, 1, 2);
            put_varint(out, entity.encoded_len() as u64);
            entity.put(out);
        } else {
            rebuilt.keep(field.raw);
        }
    }
    Ok(rebuilt.finish())
}
