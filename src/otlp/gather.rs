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

#[inline]
fn check(message: &'static Message, field: &Field, found: &wire::Field<'_>) -> Result<(), DecodeError> {
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
    Err(DecodeError::WireType { message: message.name, field: field.number, wire: found.value.wire_type() })
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
pub fn each_number<'a>(field: &Field, parts: &[&'a [u8]], mut visit: impl FnMut(u64)) -> Result<(), DecodeError> {
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
