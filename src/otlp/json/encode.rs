//! Protobuf to OTLP/JSON, straight from the wire.

use crate::otlp::gather::{self, Slot, content, each_content, gather, is_default, pair_values, with_parts, wrong_type};
use crate::otlp::schema::{self, Card, Field, Kind, Message};
use crate::otlp::wire::{self, WireValue};
use crate::otlp::{DEPTH_MAX, DecodeError, Signal};
use crate::stdx::json::{write_base64, write_f64, write_hex, write_i64, write_str, write_u64};

const ANY_VALUE: &str = "AnyValue";

/// Appends the JSON form of an `Export*ServiceRequest`: one object, no line feed. On an error `out` holds a part of it.
///
/// # Errors
/// When the bytes are not OTLP.
pub fn from_protobuf(signal: Signal, protobuf: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    Walk { out }.message(schema::request(signal), &[protobuf])
}

struct Walk<'o> {
    out: &'o mut Vec<u8>,
}

type Done = Result<(), DecodeError>;

impl Walk<'_> {
    fn message(&mut self, message: &'static Message, parts: &[&[u8]]) -> Done {
        self.out.push(b'{');
        let found = gather(message, parts, |_| Ok(()))?;
        for (field, slot) in message.fields.iter().zip(&found.slots) {
            if !is_default(field, slot) {
                self.name(field.json);
                self.field(message, field, slot, parts)?;
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn name(&mut self, name: &str) {
        self.comma(b'{');
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn comma(&mut self, opening: u8) {
        if self.out.last() != Some(&opening) {
            self.out.push(b',');
        }
    }

    fn field(&mut self, message: &'static Message, field: &'static Field, slot: &Slot<'_>, parts: &[&[u8]]) -> Done {
        match field.kind {
            Kind::Attributes => {
                self.list(field, parts, |walk, value| walk.pair(gather::bytes(value).unwrap_or_default(), 0))
            }
            Kind::Value => with_parts(message, field, slot, parts, |parts| self.any(parts, 0)),
            Kind::Message(inner) if field.card == Card::Many => {
                self.list(field, parts, |walk, value| walk.message(inner, &[gather::bytes(value).unwrap_or_default()]))
            }
            Kind::Message(inner) => with_parts(message, field, slot, parts, |parts| self.message(inner, parts)),
            Kind::Strings => self.list(field, parts, |walk, value| walk.scalar(message, Kind::Str, value)),
            Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => self.numbers(field, parts),
            kind => slot.value.map_or(Ok(()), |value| self.scalar(message, kind, value)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "32-bit fields keep their low bits, as protobuf has it")]
    fn scalar(&mut self, message: &'static Message, kind: Kind, value: WireValue<'_>) -> Done {
        match (kind, value) {
            (Kind::Str, WireValue::Bytes(bytes)) => write_str(self.out, wire::text(bytes, message.name)?),
            (Kind::Id, WireValue::Bytes(bytes)) => self.quoted(|out| write_hex(out, bytes)),
            (Kind::Bool, WireValue::Varint(number)) => self.boolean(number != 0),
            (Kind::Uint32, WireValue::Varint(number)) => write_u64(self.out, u64::from(number as u32)),
            (Kind::Enum, WireValue::Varint(number)) => write_i64(self.out, i64::from(number as i32)),
            (Kind::Sint32, WireValue::Varint(number)) => {
                let number = number as u32;
                write_i64(self.out, i64::from((number >> 1).cast_signed() ^ -((number & 1).cast_signed())));
            }
            (Kind::Fixed32, WireValue::Fixed32(number)) => write_u64(self.out, u64::from(number)),
            (Kind::Fixed64, WireValue::Fixed64(number)) => self.quoted(|out| write_u64(out, number)),
            (Kind::Sfixed64, WireValue::Fixed64(number)) => self.quoted(|out| write_i64(out, number.cast_signed())),
            (Kind::Double, WireValue::Fixed64(bits)) => self.double(f64::from_bits(bits)),
            (_, value) => return Err(wrong_type(message.name, 0, value)),
        }
        Ok(())
    }

    fn list<'a>(
        &mut self,
        field: &Field,
        parts: &[&'a [u8]],
        mut item: impl FnMut(&mut Self, WireValue<'a>) -> Done,
    ) -> Done {
        self.out.push(b'[');
        gather::each(field, parts, |value| {
            self.comma(b'[');
            item(self, value)
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn numbers(&mut self, field: &Field, parts: &[&[u8]]) -> Done {
        self.out.push(b'[');
        gather::each_number(field, parts, |bits| {
            self.comma(b'[');
            if matches!(field.kind, Kind::PackedDouble) {
                self.double(f64::from_bits(bits));
            } else {
                self.quoted(|out| write_u64(out, bits));
            }
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn pair(&mut self, bytes: &[u8], depth: usize) -> Done {
        let pair = gather::pair(bytes)?;
        self.out.extend_from_slice(b"{\"key\":");
        write_str(self.out, wire::text(pair.key, gather::KEY_VALUE)?);
        if let Some(value) = pair.value {
            self.name("value");
            if pair.regular {
                self.any(&[value], depth)?;
            } else {
                self.any(&pair_values(bytes)?, depth)?;
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn any(&mut self, parts: &[&[u8]], depth: usize) -> Done {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        self.out.push(b'{');
        gather::any(parts, |any| any.field.map_or(Ok(()), |field| self.any_content(&field, any.parts, depth)))?;
        self.out.push(b'}');
        Ok(())
    }

    fn any_content(&mut self, field: &wire::Field<'_>, parts: &[&[u8]], depth: usize) -> Done {
        match (field.number, field.value) {
            (1, WireValue::Bytes(bytes)) => {
                self.name("stringValue");
                write_str(self.out, wire::text(bytes, ANY_VALUE)?);
            }
            (2, WireValue::Varint(number)) => {
                self.name("boolValue");
                self.boolean(number != 0);
            }
            (3, WireValue::Varint(number)) => {
                self.name("intValue");
                self.quoted(|out| write_i64(out, number.cast_signed()));
            }
            (4, WireValue::Fixed64(bits)) => {
                self.name("doubleValue");
                self.double(f64::from_bits(bits));
            }
            (5, _) => {
                self.name("arrayValue");
                content(ANY_VALUE, field)?;
                self.values(parts, |walk, value| walk.any(&[value], depth + 1))?;
            }
            (6, _) => {
                self.name("kvlistValue");
                content(ANY_VALUE, field)?;
                self.values(parts, |walk, pair| walk.pair(pair, depth + 1))?;
            }
            (7, WireValue::Bytes(bytes)) => {
                self.name("bytesValue");
                self.quoted(|out| write_base64(out, bytes));
            }
            (number, value) => return Err(wrong_type(ANY_VALUE, number, value)),
        }
        Ok(())
    }

    /// The content of an `ArrayValue` or a `KeyValueList`.
    fn values<'a>(&mut self, parts: &[&'a [u8]], mut item: impl FnMut(&mut Self, &'a [u8]) -> Done) -> Done {
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"values\":[");
        let empty = self.out.len();
        for part in parts {
            each_content(ANY_VALUE, part, 1, |bytes| {
                self.comma(b'[');
                item(self, bytes)
            })?;
        }
        if self.out.len() == empty {
            self.out.truncate(start);
            self.out.extend_from_slice(b"{}");
        } else {
            self.out.extend_from_slice(b"]}");
        }
        Ok(())
    }

    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn double(&mut self, number: f64) {
        match number {
            f64::INFINITY => self.out.extend_from_slice(b"\"Infinity\""),
            f64::NEG_INFINITY => self.out.extend_from_slice(b"\"-Infinity\""),
            _ if number.is_nan() => self.out.extend_from_slice(b"\"NaN\""),
            _ => write_f64(self.out, number),
        }
    }

    fn quoted(&mut self, text: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        text(self.out);
        self.out.push(b'"');
    }
}
