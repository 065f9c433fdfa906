//! `AnyValue` and `KeyValue`: what attributes and bodies hold, read one level at a time.

use crate::otlp::DecodeError;
use crate::otlp::wire::{Cursor, WireValue, put_bytes, put_tag, put_varint, text, varint_len};

/// An `AnyValue`. Lists and maps stay wire bytes until somebody looks inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value set.
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
/// than the pair does.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
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

    /// The same, and whether the bytes hold that value only.
    ///
    /// # Errors
    /// When the bytes are no `AnyValue`.
    #[inline]
    pub fn read_checked(bytes: &'a [u8]) -> Result<(Self, bool), DecodeError> {
        let mut value = Self::Null;
        let mut fields = 0;
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            fields += 1;
            value = match (field.number, field.value) {
                (1, WireValue::Bytes(bytes)) => Self::Str(text(bytes, ANY_VALUE)?),
                (2, WireValue::Varint(number)) => Self::Bool(number != 0),
                (3, WireValue::Varint(number)) => Self::Int(number.cast_signed()),
                (4, WireValue::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
                (5, WireValue::Bytes(items)) => Self::Array(items),
                (6, WireValue::Bytes(entries)) => Self::Map(entries),
                (7, WireValue::Bytes(bytes)) => Self::Bytes(bytes),
                (1..=7, other) => {
                    let (field, wire) = (field.number, other.wire_type());
                    return Err(DecodeError::WireType { message: ANY_VALUE, field, wire });
                }
                _ => Self::Unknown(bytes),
            };
        }
        Ok((value, fields <= 1))
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
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::Str(text) => put_bytes(out, 1, text.as_bytes()),
            Self::Bool(value) => out.extend_from_slice(&[0x10, u8::from(*value)]),
            Self::Int(value) => {
                put_tag(out, 3, 0);
                put_varint(out, value.cast_unsigned());
            }
            Self::Double(value) => {
                put_tag(out, 4, 1);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Array(items) => put_bytes(out, 5, items),
            Self::Map(entries) => put_bytes(out, 6, entries),
            Self::Bytes(bytes) => put_bytes(out, 7, bytes),
            Self::Unknown(bytes) => out.extend_from_slice(bytes),
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
        let mut pair = Self { key: "", value: Value::Null, regular: true };
        let (mut keys, mut values) = (0, 0);
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (1, WireValue::Bytes(key)) => {
                    keys += 1;
                    pair.key = text(key, KEY_VALUE)?;
                }
                (2, WireValue::Bytes(value)) => {
                    values += 1;
                    let (value, regular) = Value::read_checked(value)?;
                    pair.value = value;
                    pair.regular &= regular;
                }
                (1 | 2, other) => {
                    let (field, wire) = (field.number, other.wire_type());
                    return Err(DecodeError::WireType { message: KEY_VALUE, field, wire });
                }
                _ => pair.regular = false,
            }
        }
        pair.regular &= keys <= 1 && values <= 1;
        Ok(pair)
    }
}

/// Appends a whole `KeyValue` field.
#[inline]
pub fn put_pair(out: &mut Vec<u8>, number: u32, key: &str, value: &Value<'_>) {
    let value_len = value.encoded_len();
    put_tag(out, number, 2);
    put_varint(out, (delimited_len(key.len()) + delimited_len(value_len)) as u64);
    put_bytes(out, 1, key.as_bytes());
    put_tag(out, 2, 2);
    put_varint(out, value_len as u64);
    value.put(out);
}

/// The members of an `ArrayValue` or `KeyValueList`: field 1 of each, as bytes.
pub fn members(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || {
        loop {
            match cursor.next_field() {
                Ok(Some(field)) => match (field.number, field.value) {
                    (1, WireValue::Bytes(member)) => return Some(Ok(member)),
                    (1, other) => {
                        let wire = other.wire_type();
                        return Some(Err(DecodeError::WireType { message: ANY_VALUE, field: 1, wire }));
                    }
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
