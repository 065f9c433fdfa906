//! One walk that shows every string of a message to a visitor and rebuilds only what the visitor replaced.
//!
//! "Every" is what redaction rests on: keys and values at any depth, string fields of every message, schema URLs; and
//! whatever else may be text, since a secret may hide there: bytes, ids, unknown fields of messages, values, pairs and
//! lists. Of bytes that are not UTF-8 as a whole, the pieces that are get shown. What stands twice in a pair or value
//! and does not count is taken out, so that nothing unseen is carried along.
//!
//! Nothing is copied before the first replacement, and what is rebuilt is written once, into the arena.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::model::{Entity, delimited};
use crate::otlp::schema::{self, Kind, Message};
use crate::otlp::value::{Pair, Value, joined, pair_len, put_pair_content};
use crate::otlp::wire::{Cursor, Out, WireValue, put_bytes, put_tag, put_varint, text};
use crate::otlp::{DEPTH_MAX, DecodeError, gather};

/// What is shown.
pub trait Visitor<'a> {
    /// A pair, before its value is opened. `Some` replaces the whole value, whatever its type.
    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>>;

    /// A string. `Some` replaces it.
    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str>;
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
        self.out.map(|out| &*out.into_bump_slice())
    }
}

/// Visits the strings of a message; field `skip` is passed over (0: none). The new bytes, if any string was replaced.
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
    Walk { arena, visitor }.message(message, bytes, skip)
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
    Walk { arena, visitor }.pair(key, value, 0)
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
    Walk { arena, visitor }.key_value(bytes, 0)
}

struct Walk<'a, 'v> {
    arena: &'a Bump,
    visitor: &'v mut dyn Visitor<'a>,
}

/// Bytes that stand in for those visited.
type New<'a> = Option<&'a [u8]>;

impl<'a> Walk<'a, '_> {
    fn message(&mut self, message: &'static Message, bytes: &'a [u8], skip: u32) -> Result<New<'a>, DecodeError> {
        let mut rebuilt = Rebuilt::new(bytes, self.arena);
        let mut cursor = Cursor::new(bytes);
        let mut values = 0;
        while let Some(field) = cursor.next_field()? {
            let new = match message.field(field.number) {
                Some(known) if known.number == skip => None,
                Some(known) => {
                    values += usize::from(matches!(known.kind, Kind::Value));
                    if values > 1 {
                        return self.several_values(message, known.number, bytes, skip);
                    }
                    gather::check(message, known, &field)?;
                    self.known(message, known, field.value)?
                }
                None => self.unknown(Place::Field { name: "unknown" }, field.value),
            };
            rebuilt.pass(field.number, field.raw, new);
        }
        Ok(rebuilt.finish())
    }

    /// A value that stands twice is one value, and of its parts only some count. Starts again with them joined.
    #[cold]
    fn several_values(
        &mut self,
        message: &'static Message,
        number: u32,
        bytes: &'a [u8],
        skip: u32,
    ) -> Result<New<'a>, DecodeError> {
        let value = joined(&gather::contents(message.name, bytes, number)?, self.arena);
        let mut out = ArenaVec::with_capacity_in(bytes.len(), self.arena);
        out.bytes(&gather::unknown(&[bytes], |other| other == number)?);
        put_bytes(&mut out, number, value);
        let out = out.into_bump_slice();
        Ok(self.message(message, out, skip)?.or(Some(out)))
    }

    fn known(
        &mut self,
        message: &'static Message,
        field: &'static schema::Field,
        value: WireValue<'a>,
    ) -> Result<New<'a>, DecodeError> {
        let WireValue::Bytes(bytes) = value else { return Ok(None) };
        let place = Place::Field { name: field.name };
        match field.kind {
            Kind::Str | Kind::Strings => Ok(self.visitor.text(place, text(bytes, message.name)?).map(str::as_bytes)),
            Kind::Id => Ok(self.id(place, bytes)),
            Kind::Message(inner) => self.message(inner, bytes, 0),
            Kind::Value => self.any_value(field.name, bytes, 0),
            Kind::Attributes => self.key_value(bytes, 0),
            _ => Ok(None),
        }
    }

    /// An id of 8 or 16 random bytes is no text; anything else may be.
    fn id(&mut self, place: Place<'a>, bytes: &'a [u8]) -> New<'a> {
        match bytes.len() {
            0 => None,
            8 | 16 if std::str::from_utf8(bytes).is_err() => None,
            _ => self.loose(place, bytes),
        }
    }

    /// A field nobody knows is text for all we know.
    fn unknown(&mut self, place: Place<'a>, value: WireValue<'a>) -> New<'a> {
        match value {
            WireValue::Bytes(bytes) => self.loose(place, bytes),
            _ => None,
        }
    }

    /// Bytes that need not be text: as a whole if they are, else the pieces that are.
    fn loose(&mut self, place: Place<'a>, bytes: &'a [u8]) -> New<'a> {
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

    fn pair(
        &mut self,
        key: &'a str,
        value: Value<'a>,
        depth: usize,
    ) -> Result<Option<(&'a str, Value<'a>)>, DecodeError> {
        let new_value = match self.visitor.pair(key, value) {
            Some(new) => Some(new),
            None => self.value(key, value, depth)?,
        };
        let new_key = self.visitor.text(Place::Key, key);
        Ok((new_key.is_some() || new_value.is_some()).then(|| (new_key.unwrap_or(key), new_value.unwrap_or(value))))
    }

    fn value(&mut self, key: &'a str, value: Value<'a>, depth: usize) -> Result<Option<Value<'a>>, DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let place = Place::Value { key };
        Ok(match value {
            Value::Str(text) => self.visitor.text(place, text).map(Value::Str),
            Value::Bytes(bytes) => {
                let text = |new| std::str::from_utf8(new).map_or(Value::Bytes(new), Value::Str);
                self.loose(place, bytes).map(text)
            }
            Value::Unknown(bytes) => self.list(key, bytes, Members::Unknown, depth)?.map(Value::Unknown),
            Value::Array(items) => self.list(key, items, Members::Values, depth + 1)?.map(Value::Array),
            Value::Map(entries) => self.list(key, entries, Members::Pairs, depth + 1)?.map(Value::Map),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) => None,
        })
    }

    /// Visits an `ArrayValue` or a `KeyValueList`, whose members are field 1.
    fn list(&mut self, key: &'a str, bytes: &'a [u8], members: Members, depth: usize) -> Result<New<'a>, DecodeError> {
        let mut rebuilt = Rebuilt::new(bytes, self.arena);
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            let new = match (field.number, &members) {
                (1, Members::Values) => self.any_value(key, gather::content("ArrayValue", &field)?, depth)?,
                (1, Members::Pairs) => self.key_value(gather::content("KeyValueList", &field)?, depth)?,
                _ => self.unknown(Place::Value { key }, field.value),
            };
            rebuilt.pass(field.number, field.raw, new);
        }
        Ok(rebuilt.finish())
    }

    fn any_value(&mut self, key: &'a str, bytes: &'a [u8], depth: usize) -> Result<New<'a>, DecodeError> {
        let (value, regular) = Value::read_checked(bytes)?;
        if !regular {
            let new = self.tangled_value(key, &[bytes], depth)?;
            return Ok((new != bytes).then_some(new));
        }
        Ok(self.value(key, value, depth)?.map(|new| {
            let mut out = ArenaVec::with_capacity_in(new.encoded_len(), self.arena);
            new.put(&mut out);
            &*out.into_bump_slice()
        }))
    }

    fn key_value(&mut self, bytes: &'a [u8], depth: usize) -> Result<New<'a>, DecodeError> {
        let read = Pair::read(bytes)?;
        if !read.regular {
            let new = self.tangled_pair(bytes, depth)?;
            return Ok((new != bytes).then_some(new));
        }
        Ok(self.pair(read.key, read.value, depth)?.map(|(key, value)| {
            let mut out = ArenaVec::with_capacity_in(pair_len(key, &value), self.arena);
            put_pair_content(&mut out, key, &value);
            &*out.into_bump_slice()
        }))
    }

    /// The bytes of an `AnyValue` that holds several values or unknown fields, with one value and those fields.
    #[cold]
    fn tangled_value(&mut self, key: &'a str, parts: &[&'a [u8]], depth: usize) -> Result<&'a [u8], DecodeError> {
        let value = Value::merged(parts, self.arena)?;
        let value = self.value(key, value, depth)?.unwrap_or(value);
        let mut out = ArenaVec::with_capacity_in(value.encoded_len(), self.arena);
        value.put(&mut out);
        for part in parts {
            self.put_unknown(key, part, gather::is_any, &mut out)?;
        }
        Ok(out.into_bump_slice())
    }

    /// The bytes of a `KeyValue` in which a field stands twice or is unknown, in order.
    #[cold]
    fn tangled_pair(&mut self, bytes: &'a [u8], depth: usize) -> Result<&'a [u8], DecodeError> {
        let key = gather::pair(bytes)?.key;
        let parts = gather::pair_values(bytes)?;
        let mut out = ArenaVec::with_capacity_in(bytes.len() + 2, self.arena);
        let value = match self.visitor.pair(key, Value::merged(&parts, self.arena)?) {
            Some(new) => {
                let mut value = ArenaVec::with_capacity_in(new.encoded_len(), self.arena);
                new.put(&mut value);
                Some(&*value.into_bump_slice())
            }
            None if parts.is_empty() => None,
            None => Some(self.tangled_value(key, &parts, depth)?),
        };
        put_bytes(&mut out, 1, self.visitor.text(Place::Key, key).unwrap_or(key).as_bytes());
        if let Some(value) = value {
            put_bytes(&mut out, 2, value);
        }
        self.put_unknown(key, bytes, |number| number <= 2, &mut out)?;
        Ok(out.into_bump_slice())
    }

    /// Appends the fields of `bytes` that nobody knows, as the visitor leaves them.
    fn put_unknown(
        &mut self,
        key: &'a str,
        bytes: &'a [u8],
        known: impl Fn(u32) -> bool,
        out: &mut ArenaVec<'a, u8>,
    ) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if !known(field.number) {
                match self.unknown(Place::Value { key }, field.value) {
                    Some(new) => put_bytes(out, field.number, new),
                    None => out.bytes(field.raw),
                }
            }
        }
        Ok(())
    }
}

/// What field 1 of a list is.
enum Members {
    Values,
    Pairs,
    /// This is no list but a value of a kind nobody knows.
    Unknown,
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
