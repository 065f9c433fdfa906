//! `AnyValue` and `KeyValue`: what attributes and bodies hold, read one level at a time.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::wire::{Cursor, Field, Out, Texts, WireValue, put_bytes, put_tag, put_varint, text, varint_len};
use crate::otlp::{DecodeError, gather};

/// An `AnyValue`. Lists and maps stay wire bytes until somebody looks inside.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Value<'a> {
    /// No value set.
    #[default]
    Null,
    /// `string_value`.
    Str(&'a str),
    /// `bool_value`.
    Bool(bool),
    /// `int_value`.
    Int(i64),
    /// `double_value`.
    Double(f64),
    /// `bytes_value`.
    Bytes(&'a [u8]),
    /// `array_value`: the bytes of an `ArrayValue`.
    Array(&'a [u8]),
    /// `kvlist_value`: the bytes of a `KeyValueList`.
    Map(&'a [u8]),
    /// A kind of value this version does not know: the bytes of the `AnyValue`.
    Unknown(&'a [u8]),
}

/// A key and its value, as read. `regular` is false when a field stood twice or is unknown: then the bytes say more
/// than the pair does, and [`Pair::untangled`] puts them in order.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
    /// There is a value, if only an empty one.
    pub present: bool,
    /// See the type.
    pub regular: bool,
}

const KEY_VALUE: &str = "KeyValue";
const ANY_VALUE: &str = "AnyValue";

impl<'a> Value<'a> {
    /// Reads the bytes of an `AnyValue`; the last field wins, as protobuf has it for a `oneof`.
    ///
    /// # Errors
    /// When the bytes are no `AnyValue`.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read_checked(bytes).map(|(value, _)| value)
    }

    /// The same, and whether the bytes hold that value only: no second one, and no unknown field beside it.
    ///
    /// # Errors
    /// When the bytes are no `AnyValue`.
    #[inline]
    pub fn read_checked(bytes: &'a [u8]) -> Result<(Self, bool), DecodeError> {
        Self::read_in(bytes, &mut text)
    }

    #[inline]
    fn read_in(bytes: &'a [u8], text: &mut impl Text<'a>) -> Result<(Self, bool), DecodeError> {
        let mut value = Self::Null;
        let (mut known, mut unknown) = (0_usize, false);
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            match Self::of(&field, text)? {
                Some(held) => {
                    known += 1;
                    value = held;
                }
                None => unknown = true,
            }
        }
        match known {
            0 if unknown => Ok((Self::Unknown(bytes), true)),
            _ => Ok((value, known <= 1 && !unknown)),
        }
    }

    /// What one field of an `AnyValue` holds; `None` for a field this version does not know.
    #[inline]
    fn of(field: &Field<'a>, text: &mut impl Text<'a>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match (field.number, field.value) {
            (1, WireValue::Bytes(bytes)) => Self::Str(text.read(bytes, ANY_VALUE)?),
            (2, WireValue::Varint(number)) => Self::Bool(number != 0),
            (3, WireValue::Varint(number)) => Self::Int(number.cast_signed()),
            (4, WireValue::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
            (5, WireValue::Bytes(items)) => Self::Array(items),
            (6, WireValue::Bytes(entries)) => Self::Map(entries),
            (7, WireValue::Bytes(bytes)) => Self::Bytes(bytes),
            (1..=7, other) => return Err(gather::wrong_type(ANY_VALUE, field.number, other)),
            _ => return Ok(None),
        }))
    }

    /// Reads an `AnyValue` that came in several parts or holds several values, as protobuf has it: the last value
    /// counts, but lists and maps that follow each other are one. Unknown fields are passed over.
    ///
    /// # Errors
    /// When the bytes are no `AnyValue`.
    #[cold]
    pub fn merged(parts: &[&'a [u8]], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut merged = Self::Null;
        gather::any(parts, |any| {
            merged = match any.field.map(|field| Self::of(&field, &mut text)).transpose()?.flatten() {
                Some(Self::Array(_)) => Self::Array(joined(any.parts, arena)),
                Some(Self::Map(_)) => Self::Map(joined(any.parts, arena)),
                value => value.unwrap_or(Self::Null),
            };
            Ok(())
        })?;
        Ok(merged)
    }

    /// The text of a string value.
    #[must_use]
    pub const fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an array; nothing for any other value.
    pub fn items(self) -> impl Iterator<Item = Result<Value<'a>, DecodeError>> {
        let items = if let Self::Array(items) = self { items } else { &[] };
        members(items).map(|item| item.and_then(Value::read))
    }

    /// The entries of a map; nothing for any other value.
    pub fn entries(self) -> impl Iterator<Item = Result<Pair<'a>, DecodeError>> {
        let entries = if let Self::Map(entries) = self { entries } else { &[] };
        members(entries).map(|entry| entry.and_then(Pair::read))
    }

    /// Appends the bytes of the `AnyValue`.
    #[inline]
    pub fn put(&self, out: &mut impl Out) {
        match self {
            Self::Null => {}
            Self::Str(text) => put_bytes(out, 1, text.as_bytes()),
            Self::Bool(value) => out.bytes(&[0x10, u8::from(*value)]),
            Self::Int(value) => {
                put_tag(out, 3, 0);
                put_varint(out, value.cast_unsigned());
            }
            Self::Double(value) => {
                put_tag(out, 4, 1);
                out.bytes(&value.to_le_bytes());
            }
            Self::Array(items) => put_bytes(out, 5, items),
            Self::Map(entries) => put_bytes(out, 6, entries),
            Self::Bytes(bytes) => put_bytes(out, 7, bytes),
            Self::Unknown(bytes) => out.bytes(bytes),
        }
    }

    /// How many bytes [`Value::put`] appends.
    #[inline]
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 2,
            Self::Int(value) => 1 + varint_len(value.cast_unsigned()),
            Self::Double(_) => 9,
            Self::Str(text) => delimited_len(text.len()),
            Self::Bytes(bytes) | Self::Array(bytes) | Self::Map(bytes) => delimited_len(bytes.len()),
            Self::Unknown(bytes) => bytes.len(),
        }
    }

    /// True for a value that takes no bytes.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl<'a> Pair<'a> {
    /// Reads the bytes of a `KeyValue`.
    ///
    /// # Errors
    /// When the bytes are no `KeyValue`.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read_in(bytes, &mut text)
    }

    /// The same for a pair of the message whose strings `texts` reads.
    ///
    /// # Errors
    /// When the bytes are no `KeyValue`.
    #[inline]
    pub fn read_among(bytes: &'a [u8], texts: &mut Texts<'a>) -> Result<Self, DecodeError> {
        Self::read_in(bytes, texts)
    }

    #[inline]
    fn read_in(bytes: &'a [u8], text: &mut impl Text<'a>) -> Result<Self, DecodeError> {
        let Some((key, value)) = Self::short(bytes) else { return Self::read_any(bytes, text) };
        let key = text.read(key, KEY_VALUE)?;
        let value = match value {
            [0x0a, len, value @ ..] if usize::from(*len) == value.len() && *len < 0x80 => {
                Value::Str(text.read(value, ANY_VALUE)?)
            }
            [0x18, byte] if *byte < 0x80 => Value::Int(i64::from(*byte)),
            [0x18, low, high] if *low >= 0x80 && *high < 0x80 => {
                Value::Int(i64::from(low & 0x7f) | i64::from(*high) << 7)
            }
            [0x10, byte] if *byte < 0x80 => Value::Bool(*byte != 0),
            _ => return Self::read_any(bytes, text),
        };
        Ok(Self { key, value, present: true, regular: true })
    }

    /// The shape that most pairs have: a key and a value, each shorter than 128 bytes, and nothing else.
    #[inline]
    fn short(bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (key, rest) = short(bytes, 0x0a)?;
        let (value, rest) = short(rest, 0x12)?;
        rest.is_empty().then_some((key, value))
    }

    fn read_any(bytes: &'a [u8], text: &mut impl Text<'a>) -> Result<Self, DecodeError> {
        let mut pair = Self { key: "", value: Value::Null, present: false, regular: true };
        let (mut keys, mut values) = (0, 0);
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (1, WireValue::Bytes(key)) => {
                    keys += 1;
                    pair.key = text.read(key, KEY_VALUE)?;
                }
                (2, WireValue::Bytes(value)) => {
                    values += 1;
                    let (value, regular) = Value::read_in(value, text)?;
                    pair.value = value;
                    pair.regular &= regular;
                }
                (1 | 2, other) => return Err(gather::wrong_type(KEY_VALUE, field.number, other)),
                _ => pair.regular = false,
            }
        }
        pair.present = values > 0;
        pair.regular &= keys <= 1 && values <= 1;
        Ok(pair)
    }

    /// The bytes of a pair that is not regular, with each known field once and all unknown ones: what stood there twice
    /// and does not count is gone.
    ///
    /// # Errors
    /// When the bytes are no `KeyValue`.
    #[cold]
    pub fn untangled(bytes: &'a [u8], arena: &'a Bump) -> Result<&'a [u8], DecodeError> {
        let parts = gather::pair_values(bytes)?;
        let (key, value) = (text(gather::pair(bytes)?.key, KEY_VALUE)?, Value::merged(&parts, arena)?);
        let mut content = ArenaVec::with_capacity_in(value.encoded_len(), arena);
        value.put(&mut content);
        content.bytes(&gather::unknown(&parts, gather::is_any)?);
        let mut out = ArenaVec::with_capacity_in(bytes.len() + 2, arena);
        put_bytes(&mut out, 1, key.as_bytes());
        if !parts.is_empty() {
            put_bytes(&mut out, 2, &content);
        }
        out.bytes(&gather::unknown(&[bytes], |number| number <= 2)?);
        Ok(out.into_bump_slice())
    }
}

/// Reads strings.
trait Text<'a> {
    fn read(&mut self, bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError>;
}

impl<'a, F: FnMut(&'a [u8], &'static str) -> Result<&'a str, DecodeError>> Text<'a> for F {
    #[inline]
    fn read(&mut self, bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError> {
        self(bytes, message)
    }
}

impl<'a> Text<'a> for Texts<'a> {
    #[inline]
    fn read(&mut self, bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError> {
        Texts::read(self, bytes, message)
    }
}

/// A length-delimited field with this tag and a one-byte length, and what follows it.
#[inline]
fn short(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, len, rest @ ..] if *first == tag && *len < 0x80 => rest.split_at_checked(usize::from(*len)),
        _ => None,
    }
}

/// Appends a whole `KeyValue` field.
#[inline]
pub fn put_pair(out: &mut impl Out, number: u32, key: &str, value: &Value<'_>) {
    put_tag(out, number, 2);
    put_varint(out, pair_len(key, value) as u64);
    put_pair_content(out, key, value);
}

/// Appends the bytes of a `KeyValue`.
#[inline]
pub fn put_pair_content(out: &mut impl Out, key: &str, value: &Value<'_>) {
    put_bytes(out, 1, key.as_bytes());
    put_tag(out, 2, 2);
    put_varint(out, value.encoded_len() as u64);
    value.put(out);
}

/// How many bytes [`put_pair_content`] appends.
#[inline]
#[must_use]
pub fn pair_len(key: &str, value: &Value<'_>) -> usize {
    delimited_len(key.len()) + delimited_len(value.encoded_len())
}

/// The parts end to end, in the arena unless there is only one.
#[must_use]
pub fn joined<'a>(parts: &[&'a [u8]], arena: &'a Bump) -> &'a [u8] {
    if let [part] = parts {
        return part;
    }
    let mut all = ArenaVec::with_capacity_in(parts.iter().map(|part| part.len()).sum(), arena);
    parts.iter().for_each(|part| all.bytes(part));
    all.into_bump_slice()
}

/// The members of an `ArrayValue` or `KeyValueList`: field 1 of each, as bytes.
pub fn members(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || {
        loop {
            match cursor.next_field() {
                Ok(Some(field)) => match (field.number, field.value) {
                    (1, WireValue::Bytes(member)) => return Some(Ok(member)),
                    (1, other) => return Some(Err(gather::wrong_type(ANY_VALUE, 1, other))),
                    _ => {}
                },
                Ok(None) => return None,
                Err(error) => {
                    cursor = Cursor::new(&[]);
                    return Some(Err(error));
                }
            }
        }
    })
}

/// Length of a length-delimited field with a one-byte tag.
#[inline]
fn delimited_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}
