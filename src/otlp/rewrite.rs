//! One walk that shows every string of a message to a visitor and rebuilds only what the visitor replaced.
//!
//! "Every" is what redaction rests on: keys and values at any depth, string fields of every message, schema URLs, and
//! unknown fields and values that read as text, since a secret may hide there. A pair whose bytes say more than its
//! key and value (a field twice) is written anew, so that nothing unseen is carried along.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::model::{Entity, delimited};
use crate::otlp::schema::{self, Kind, Message};
use crate::otlp::value::{Pair, Value, members, put_pair};
use crate::otlp::wire::{Cursor, WireValue, put_bytes, text};
use crate::otlp::{DEPTH_MAX, DecodeError};

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
    /// It is the value below this key, perhaps inside lists. A body's key is `body`.
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

/// Bytes being copied with replacements: nothing is copied before the first one.
struct Rebuilt<'a> {
    source: &'a [u8],
    arena: &'a Bump,
    out: Option<Vec<u8>>,
    /// How much of `source` has been passed.
    passed: usize,
}

impl<'a> Rebuilt<'a> {
    fn new(source: &'a [u8], arena: &'a Bump) -> Self {
        Self { source, arena, out: None, passed: 0 }
    }

    /// Passes the next `raw` bytes: as they are, or as what `write` puts in their stead.
    fn pass(&mut self, raw: &[u8], write: Option<impl FnOnce(&mut Vec<u8>)>) {
        match write {
            Some(write) => write(self.out.get_or_insert_with(|| self.source[..self.passed].to_vec())),
            None => {
                if let Some(out) = &mut self.out {
                    out.extend_from_slice(raw);
                }
            }
        }
        self.passed += raw.len();
    }

    fn finish(self) -> Option<&'a [u8]> {
        self.out.map(|out| &*self.arena.alloc_slice_copy(&out))
    }
}

/// Visits the strings of a message; field `skip` is passed over (0: none). The new bytes, if any string was replaced.
///
/// # Errors
/// When the bytes are broken, or nested too deep.
pub fn message<'a>(
    message: &'static Message,
    bytes: &'a [u8],
    skip: u32,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut rebuilt = Rebuilt::new(bytes, arena);
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field()? {
        let new = match message.field(field.number) {
            Some(known) if known.number != skip && may_hold_text(known.kind) => {
                content(known.kind, known.name, delimited(message, &field)?, arena, visitor)?
            }
            Some(_) => None,
            None => unknown_field(field.value, visitor),
        };
        rebuilt.pass(field.raw, new.map(|new| move |out: &mut Vec<u8>| put_bytes(out, field.number, new)));
    }
    Ok(rebuilt.finish())
}

fn may_hold_text(kind: Kind) -> bool {
    matches!(kind, Kind::Str | Kind::Strings | Kind::Message(_) | Kind::Value | Kind::Attributes)
}

fn content<'a>(
    kind: Kind,
    name: &'static str,
    bytes: &'a [u8],
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    match kind {
        Kind::Str | Kind::Strings => Ok(visitor.text(Place::Field { name }, text(bytes, name)?).map(str::as_bytes)),
        Kind::Message(inner) => message(inner, bytes, 0, arena, visitor),
        Kind::Value => any_value(name, bytes, 0, arena, visitor),
        Kind::Attributes => key_value(bytes, 0, arena, visitor),
        _ => Ok(None),
    }
}

/// A field nobody knows is text for all we know.
fn unknown_field<'a>(value: WireValue<'a>, visitor: &mut dyn Visitor<'a>) -> Option<&'a [u8]> {
    let WireValue::Bytes(bytes) = value else { return None };
    let text = std::str::from_utf8(bytes).ok()?;
    visitor.text(Place::Field { name: "unknown" }, text).map(str::as_bytes)
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
    pair_at(key, value, 0, arena, visitor)
}

fn pair_at<'a>(
    key: &'a str,
    value: Value<'a>,
    depth: usize,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<(&'a str, Value<'a>)>, DecodeError> {
    let new_value = match visitor.pair(key, value) {
        Some(new) => Some(new),
        None => value_at(key, value, depth, arena, visitor)?,
    };
    let new_key = visitor.text(Place::Key, key);
    Ok((new_key.is_some() || new_value.is_some()).then(|| (new_key.unwrap_or(key), new_value.unwrap_or(value))))
}

fn value_at<'a>(
    key: &'a str,
    value: Value<'a>,
    depth: usize,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<Value<'a>>, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    let shown = |text, visitor: &mut dyn Visitor<'a>| visitor.text(Place::Value { key }, text).map(Value::Str);
    Ok(match value {
        Value::Str(text) => shown(text, visitor),
        Value::Bytes(bytes) | Value::Unknown(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| shown(text, visitor))
        }
        Value::Array(items) => {
            list(items, arena, &mut |item| any_value(key, item, depth + 1, arena, visitor))?.map(Value::Array)
        }
        Value::Map(entries) => {
            list(entries, arena, &mut |entry| key_value(entry, depth + 1, arena, visitor))?.map(Value::Map)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) => None,
    })
}

/// Rebuilds an `ArrayValue` or `KeyValueList` whose members `visit` may replace.
fn list<'a>(
    bytes: &'a [u8],
    arena: &'a Bump,
    visit: &mut dyn FnMut(&'a [u8]) -> Result<Option<&'a [u8]>, DecodeError>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut out: Option<Vec<u8>> = None;
    for (index, member) in members(bytes).enumerate() {
        let member = member?;
        let new = visit(member)?;
        if let (None, Some(_)) = (&out, new) {
            out = Some(first_members(bytes, index)?);
        }
        if let Some(out) = &mut out {
            put_bytes(out, 1, new.unwrap_or(member));
        }
    }
    Ok(out.map(|out| &*arena.alloc_slice_copy(&out)))
}

fn first_members(bytes: &[u8], count: usize) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(bytes.len());
    for member in members(bytes).take(count) {
        put_bytes(&mut out, 1, member?);
    }
    Ok(out)
}

fn any_value<'a>(
    key: &'a str,
    bytes: &'a [u8],
    depth: usize,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let (value, regular) = Value::read_checked(bytes)?;
    let new = value_at(key, value, depth, arena, visitor)?;
    Ok((new.is_some() || !regular).then(|| arena_value(new.unwrap_or(value), arena)))
}

fn arena_value<'a>(value: Value<'a>, arena: &'a Bump) -> &'a [u8] {
    let mut out = Vec::with_capacity(value.encoded_len());
    value.put(&mut out);
    arena.alloc_slice_copy(&out)
}

fn key_value<'a>(
    bytes: &'a [u8],
    depth: usize,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let read = Pair::read(bytes)?;
    let new = pair_at(read.key, read.value, depth, arena, visitor)?;
    if new.is_none() && read.regular {
        return Ok(None);
    }
    let (key, value) = new.unwrap_or((read.key, read.value));
    let mut out = Vec::new();
    put_pair(&mut out, 1, key, &value);
    match Cursor::new(&out).next_field()? {
        Some(crate::otlp::wire::Field { value: WireValue::Bytes(pair), .. }) => Ok(Some(arena.alloc_slice_copy(pair))),
        _ => Err(DecodeError::Tag),
    }
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
        rebuilt.pass(field.raw, new.map(|new| move |out: &mut Vec<u8>| put_bytes(out, field.number, new)));
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
        let mut new = None;
        if let (1, Some(Kind::Message(point))) = (field.number, data.field(1).map(|known| known.kind)) {
            let mut entity = Entity::open(point, delimited(data, &field)?, arena)?;
            if !visit(&mut entity)? {
                rebuilt.pass(field.raw, Some(|_: &mut Vec<u8>| {}));
                continue;
            }
            new = entity.is_edited().then(|| arena_entity(&entity, arena));
        }
        rebuilt.pass(field.raw, new.map(|new| move |out: &mut Vec<u8>| put_bytes(out, 1, new)));
    }
    Ok(rebuilt.finish())
}

fn arena_entity<'a>(entity: &Entity<'a>, arena: &'a Bump) -> &'a [u8] {
    let mut out = Vec::with_capacity(entity.raw().len() + 64);
    entity.put(&mut out);
    let mut copy = ArenaVec::with_capacity_in(out.len(), arena);
    copy.extend_from_slice(&out);
    copy.into_bump_slice()
}
