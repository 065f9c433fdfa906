//! The fields of one message, sorted into the places of its table: what every walk that writes fields in the table's
//! order begins with.
//!
//! A message may come in several parts: protobuf says that a message field that stands twice is one message, and
//! parts avoid the copy. Of a scalar that stands twice the last counts, and so it is with the members of a `oneof`.

use crate::otlp::DecodeError;
use crate::otlp::schema::{Card, Field, Kind, Message};
use crate::otlp::wire::{self, Cursor, WireValue};

/// The most fields that a message of OTLP has.
pub const FIELDS_MAX: usize = 16;

/// What one message holds.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// In the order of the table.
    pub slots: [Slot<'a>; FIELDS_MAX],
    /// There are fields that the table does not know.
    pub unknown: bool,
}

/// What was found of one field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slot<'a> {
    /// The last occurrence.
    pub value: Option<WireValue<'a>>,
    /// It stands more than once.
    pub repeated: bool,
}

/// Sorts the fields of a message. Attributes are handed to `attribute` one by one, for they are many.
///
/// # Errors
/// When the framing or a wire type is wrong.
#[inline]
pub fn gather<'a>(
    message: &'static Message,
    parts: &[&'a [u8]],
    mut attribute: impl FnMut(&'a [u8]) -> Result<(), DecodeError>,
) -> Result<Gathered<'a>, DecodeError> {
    let mut found = Gathered { slots: [Slot { value: None, repeated: false }; FIELDS_MAX], unknown: false };
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(wire) = cursor.next_field()? {
            let Some((index, field)) = position(message, wire.number) else {
                found.unknown = true;
                continue;
            };
            check(message, field, &wire)?;
            if let (Kind::Attributes, WireValue::Bytes(pair)) = (field.kind, wire.value) {
                attribute(pair)?;
            } else if field.is_alternative() {
                forget_rivals(message, index, &mut found.slots);
            }
            found.slots[index] = Slot { value: Some(wire.value), repeated: found.slots[index].value.is_some() };
        }
    }
    Ok(found)
}

#[inline]
fn position(message: &'static Message, number: u32) -> Option<(usize, &'static Field)> {
    message.fields.iter().take(FIELDS_MAX).enumerate().find(|(_, field)| field.number == number)
}

fn forget_rivals(message: &Message, chosen: usize, slots: &mut [Slot<'_>; FIELDS_MAX]) {
    for (index, field) in message.fields.iter().enumerate() {
        if index != chosen && field.is_alternative() {
            slots[index] = Slot::default();
        }
    }
}

/// Refuses a field whose wire type is not that of its kind.
///
/// # Errors
/// When it is another.
#[inline]
pub fn check(message: &'static Message, field: &Field, found: &wire::Field<'_>) -> Result<(), DecodeError> {
    let fits = match (field.kind, found.value) {
        (Kind::Bool | Kind::Uint32 | Kind::Enum | Kind::Sint32 | Kind::PackedUint64, WireValue::Varint(_))
        | (Kind::Fixed32, WireValue::Fixed32(_))
        | (
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double | Kind::PackedFixed64 | Kind::PackedDouble,
            WireValue::Fixed64(_),
        ) => true,
        (
            Kind::Bool
            | Kind::Uint32
            | Kind::Enum
            | Kind::Sint32
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed64
            | Kind::Double,
            _,
        ) => false,
        (_, value) => matches!(value, WireValue::Bytes(_)),
    };
    if fits {
        return Ok(());
    }
    Err(wrong_type(message.name, field.number, found.value))
}

/// Every occurrence of one field, in order. Of a field that stands once at most, these are the parts of its message.
///
/// # Errors
/// When the framing is wrong.
pub fn occurrences<'a>(
    message: &'static Message,
    field: &Field,
    parts: &[&'a [u8]],
) -> Result<Vec<WireValue<'a>>, DecodeError> {
    let mut found = Vec::new();
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(wire) = cursor.next_field()? {
            if wire.number == field.number {
                found.push(wire.value);
            } else if field.is_alternative() && message.field(wire.number).is_some_and(Field::is_alternative) {
                found.clear();
            }
        }
    }
    Ok(found)
}

/// The parts of a message field: its one occurrence, or all of them.
///
/// # Errors
/// When the framing is wrong.
#[inline]
pub fn with_parts<'a, T>(
    message: &'static Message,
    field: &Field,
    slot: &Slot<'a>,
    parts: &[&'a [u8]],
    then: impl FnOnce(&[&'a [u8]]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    match slot.value {
        Some(WireValue::Bytes(bytes)) if !slot.repeated => then(&[bytes]),
        _ => {
            let all = occurrences(message, field, parts)?;
            then(&all.into_iter().filter_map(bytes).collect::<Vec<_>>())
        }
    }
}

/// Each occurrence of a repeated message or string.
///
/// # Errors
/// When the framing is wrong, or what `visit` fails with.
#[inline]
pub fn each<'a>(
    field: &Field,
    parts: &[&'a [u8]],
    mut visit: impl FnMut(WireValue<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(wire) = cursor.next_field()? {
            if wire.number == field.number {
                visit(wire.value)?;
            }
        }
    }
    Ok(())
}

/// The numbers of a list of scalars, packed or not, as their bits.
///
/// # Errors
/// When the framing is wrong.
pub fn each_number(field: &Field, parts: &[&[u8]], mut visit: impl FnMut(u64)) -> Result<(), DecodeError> {
    each(field, parts, |value| match value {
        WireValue::Varint(number) | WireValue::Fixed64(number) => {
            visit(number);
            Ok(())
        }
        WireValue::Bytes(packed) if matches!(field.kind, Kind::PackedUint64) => each_varint(packed, &mut visit),
        WireValue::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks();
            numbers.iter().for_each(|number| visit(u64::from_le_bytes(*number)));
            if rest.is_empty() { Ok(()) } else { Err(DecodeError::Truncated) }
        }
        WireValue::Fixed32(_) => Err(DecodeError::Truncated),
    })
}

fn each_varint(packed: &[u8], visit: &mut impl FnMut(u64)) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(packed);
    while !cursor.is_empty() {
        visit(cursor.varint()?);
    }
    Ok(())
}

/// The content of a length-delimited value.
#[inline]
#[must_use]
pub const fn bytes(value: WireValue<'_>) -> Option<&[u8]> {
    match value {
        WireValue::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The fields that `known` does not know, as they came, end to end.
///
/// # Errors
/// When the framing is wrong.
pub fn unknown(parts: &[&[u8]], known: impl Fn(u32) -> bool) -> Result<Vec<u8>, DecodeError> {
    let mut raw = Vec::new();
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(wire) = cursor.next_field()? {
            if !known(wire.number) {
                raw.extend_from_slice(wire.raw);
            }
        }
    }
    Ok(raw)
}

/// A `KeyValue` as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub struct RawPair<'a> {
    /// The key, not yet known to be UTF-8.
    pub key: &'a [u8],
    /// The last `AnyValue`, undecoded.
    pub value: Option<&'a [u8]>,
    /// There is no more to it: no second value, no unknown field.
    pub regular: bool,
}

/// The name of the message, in errors.
pub const KEY_VALUE: &str = "KeyValue";

/// Reads a `KeyValue`.
///
/// # Errors
/// When it is none.
#[inline]
pub fn pair(bytes: &[u8]) -> Result<RawPair<'_>, DecodeError> {
    let mut pair = RawPair { key: b"", value: None, regular: true };
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field()? {
        match field.number {
            1 => pair.key = content(KEY_VALUE, &field)?,
            2 => {
                pair.regular &= pair.value.is_none();
                pair.value = Some(content(KEY_VALUE, &field)?);
            }
            _ => pair.regular = false,
        }
    }
    Ok(pair)
}

/// The parts of the `AnyValue` of a `KeyValue` that is not regular.
///
/// # Errors
/// When the framing is wrong.
pub fn pair_values(bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    contents(KEY_VALUE, bytes, 2)
}

/// The content of every field `number` of a message, which all have one.
///
/// # Errors
/// When one has none, or the framing is wrong.
pub fn contents<'a>(message: &'static str, bytes: &'a [u8], number: u32) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut found = Vec::new();
    each_content(message, bytes, number, |bytes| {
        found.push(bytes);
        Ok(())
    })?;
    Ok(found)
}

/// Visits the content of every field `number` of a message, which all have one.
///
/// # Errors
/// When one has none, the framing is wrong, or what `visit` fails with.
#[inline]
pub fn each_content<'a>(
    message: &'static str,
    bytes: &'a [u8],
    number: u32,
    mut visit: impl FnMut(&'a [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field()? {
        if field.number == number {
            visit(content(message, &field)?)?;
        }
    }
    Ok(())
}

/// The content of a length-delimited field.
///
/// # Errors
/// When it is not one.
#[inline]
pub fn content<'a>(message: &'static str, field: &wire::Field<'a>) -> Result<&'a [u8], DecodeError> {
    bytes(field.value).ok_or_else(|| wrong_type(message, field.number, field.value))
}

/// The error for a field of the wrong wire type.
#[cold]
#[must_use]
pub fn wrong_type(message: &'static str, field: u32, found: WireValue<'_>) -> DecodeError {
    DecodeError::WireType { message, field, wire: found.wire_type() }
}

/// What an `AnyValue` holds.
#[derive(Debug, Clone, Copy)]
pub struct Any<'p, 'a> {
    /// The field that counts: the last one known.
    pub field: Option<wire::Field<'a>>,
    /// The content of a list or map.
    pub parts: &'p [&'a [u8]],
    /// There are fields that this version does not know.
    pub unknown: bool,
}

/// Reads an `AnyValue`: the last value counts, but lists and maps that follow each other are one.
///
/// # Errors
/// When the framing is wrong, or what `then` fails with.
#[inline]
pub fn any<'a>(
    parts: &[&'a [u8]],
    then: impl FnOnce(Any<'_, 'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let (mut last, mut repeated, mut unknown) = (None, false, false);
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field()? {
            if is_any(field.number) {
                repeated |= last.is_some();
                last = Some(field);
            } else {
                unknown = true;
            }
        }
    }
    match last {
        Some(field) if repeated => then(Any { field: last, parts: &trailing(parts, field.number)?, unknown }),
        Some(field) => then(Any { field: last, parts: &[bytes(field.value).unwrap_or_default()], unknown }),
        None => then(Any { field: None, parts: &[], unknown }),
    }
}

/// The contents of the fields `number` that no other value follows.
#[cold]
fn trailing<'a>(parts: &[&'a [u8]], number: u32) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut found = Vec::new();
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field()? {
            if field.number == number {
                found.extend(bytes(field.value));
            } else if is_any(field.number) {
                found.clear();
            }
        }
    }
    Ok(found)
}

/// Whether this version knows the member of `AnyValue`'s `oneof` with that number.
#[inline]
#[must_use]
pub const fn is_any(number: u32) -> bool {
    matches!(number, 1..=7)
}

/// Whether a field need not be written: it holds its default, or is a list without numbers.
#[inline]
#[must_use]
pub fn is_default(field: &Field, slot: &Slot<'_>) -> bool {
    let bare = match field.kind {
        Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => !slot.repeated,
        _ => field.card == Card::One,
    };
    match slot.value {
        Some(WireValue::Bytes(bytes)) => bare && bytes.is_empty(),
        // Of 32-bit fields the low bits count, as protobuf has it.
        Some(WireValue::Varint(number)) if matches!(field.kind, Kind::Uint32 | Kind::Enum | Kind::Sint32) => {
            field.card == Card::One && number.trailing_zeros() >= 32
        }
        Some(WireValue::Varint(number) | WireValue::Fixed64(number)) => field.card == Card::One && number == 0,
        Some(WireValue::Fixed32(number)) => field.card == Card::One && number == 0,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;
    use crate::otlp::schema::{METRIC, SPAN, request};

    fn fields_max(message: &'static Message) -> usize {
        let inner = message.fields.iter().filter_map(|field| match field.kind {
            Kind::Message(inner) => Some(fields_max(inner)),
            _ => None,
        });
        inner.max().unwrap_or(0).max(message.fields.len())
    }

    #[test]
    fn no_message_has_more_fields_than_there_are_slots() {
        let max = Signal::ALL.into_iter().map(|signal| fields_max(request(signal))).max();
        assert_eq!(max, Some(FIELDS_MAX));
    }

    #[test]
    fn a_known_field_of_the_wrong_wire_type_is_an_error() {
        let error = gather(&SPAN, &[&[0x28, 1]], |_| Ok(())).unwrap_err();
        assert_eq!(error, DecodeError::WireType { message: "Span", field: 5, wire: 0 });
    }

    #[test]
    fn of_the_members_of_a_oneof_the_last_counts() {
        let metric = [0x2a, 2, 0x0a, 0, 0x3a, 0, 0x2a, 0, 0x2a, 2, 0x0a, 0];
        let found = gather(&METRIC, &[&metric], |_| Ok(())).unwrap();
        let names: Vec<_> = METRIC.fields.iter().zip(found.slots).filter(|(_, slot)| slot.value.is_some()).collect();
        assert_eq!(names.iter().map(|(field, _)| field.name).collect::<Vec<_>>(), ["gauge"]);
        let parts = with_parts(&METRIC, names[0].0, &names[0].1, &[&metric], |parts| Ok(parts.len())).unwrap();
        assert_eq!(parts, 2, "the gauge before the sum is forgotten");
        assert_eq!(METRIC.fields.iter().filter(|field| field.is_alternative()).count(), 5);
    }
}
