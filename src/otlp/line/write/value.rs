//! Attributes, maps and values of lines.

use super::{ANY_VALUE, Held, KEY_VALUE, Pair, Walk, put_base64};
use crate::otlp::gather::{self, each_content, is_any, wrong_type};
use crate::otlp::line::{
    ABSENT, ARRAY, BYTES, DOUBLE, DUPLICATE_KEYS, INT, INT_MAX, NAN, PAIR, UNKNOWN, UNKNOWN_FIELDS, VALUE,
};
use crate::otlp::value::Value;
use crate::otlp::wire::{self, WireValue};
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::stdx::json::{write_base64, write_f64, write_hex, write_i64, write_str};

impl<'a> Walk<'_, 'a> {
    /// The pairs on the stack from `start` on, as an object. `unknown` are fields of the map itself.
    pub(super) fn pairs(&mut self, start: usize, depth: usize, unknown: &[u8]) -> Result<(), DecodeError> {
        let end = self.pairs.len();
        let entries = &mut self.pairs[start..];
        if !entries.is_sorted_by(|left, right| left.order(right).is_lt()) {
            entries.sort_unstable_by(Pair::order);
        }
        self.out.push(b'{');
        let mut unknown = Some(unknown).filter(|raw| !raw.is_empty());
        for index in start..end {
            let pair = self.pairs[index];
            if self.pairs.get(index + 1).is_some_and(|next| next.key == pair.key) {
                self.flags |= DUPLICATE_KEYS;
                continue;
            }
            // `$$` stands before `$unknown`, every key that starts above `$` stands after.
            if let Some(raw) = unknown.take_if(|_| pair.key >= &b"%"[..]) {
                self.put_unknown(UNKNOWN, raw);
            }
            self.pair(&pair, depth)?;
        }
        if let Some(raw) = unknown {
            self.put_unknown(UNKNOWN, raw);
        }
        self.out.push(b'}');
        self.pairs.truncate(start);
        Ok(())
    }

    #[inline]
    fn pair(&mut self, pair: &Pair<'a>, depth: usize) -> Result<(), DecodeError> {
        self.comma(b'{');
        if pair.key.starts_with(b"$") {
            let at = self.out.len();
            self.text(pair.key, KEY_VALUE)?;
            self.out.insert(at + 1, b'$');
        } else {
            self.text(pair.key, KEY_VALUE)?;
        }
        self.out.push(b':');
        match pair.value {
            Held::Wire(value) => self.value(&[value], depth),
            Held::Irregular(bytes) => self.irregular_pair(bytes, depth),
            Held::Absent => {
                self.out.extend_from_slice(b"{\"$absent\":true}");
                Ok(())
            }
        }
    }

    #[inline]
    pub(super) fn known(&mut self, value: Value<'a>, depth: usize) -> Result<(), DecodeError> {
        match value {
            Value::Str(text) => write_str(self.out, text),
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(value) => self.boolean(value),
            Value::Int(number) => self.int(number),
            Value::Double(number) => self.double(number.to_bits()),
            Value::Bytes(bytes) => self.wrapped(BYTES, |out| write_base64(out, bytes)),
            Value::Array(items) => return self.array(&[items], depth),
            Value::Map(entries) => return self.map(&[entries], depth),
            Value::Unknown(bytes) => return self.value(&[bytes], depth),
        }
        Ok(())
    }

    #[cold]
    fn irregular_pair(&mut self, pair: &'a [u8], depth: usize) -> Result<(), DecodeError> {
        let values = gather::pair_values(pair)?;
        let unknown = gather::unknown(&[pair], |number| number <= 2)?;
        if unknown.is_empty() {
            return self.value(&values, depth);
        }
        self.out.push(b'{');
        if values.is_empty() {
            self.name(ABSENT);
            self.out.extend_from_slice(b"true");
        }
        self.put_unknown(PAIR, &unknown);
        if !values.is_empty() {
            self.name(VALUE);
            self.value(&values, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// An `AnyValue`.
    #[inline]
    pub(super) fn value(&mut self, parts: &[&'a [u8]], depth: usize) -> Result<(), DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        gather::any(parts, |any| {
            if any.unknown {
                self.out.push(b'{');
                self.unknown(parts, is_any)?;
                self.name(VALUE);
            }
            match &any.field {
                Some(field) => self.content(field, any.parts, depth)?,
                None => self.out.extend_from_slice(b"null"),
            }
            if any.unknown {
                self.out.push(b'}');
            }
            Ok(())
        })
    }

    /// What an `AnyValue` holds; `parts` is the content of a length-delimited one.
    #[inline]
    fn content(&mut self, field: &wire::Field<'a>, parts: &[&'a [u8]], depth: usize) -> Result<(), DecodeError> {
        match (field.number, field.value) {
            (1, WireValue::Bytes(bytes)) => self.text(bytes, ANY_VALUE)?,
            (2, WireValue::Varint(number)) => self.boolean(number != 0),
            (3, WireValue::Varint(number)) => self.int(number.cast_signed()),
            (4, WireValue::Fixed64(bits)) => self.double(bits),
            (5, WireValue::Bytes(_)) => return self.array(parts, depth),
            (6, WireValue::Bytes(_)) => return self.map(parts, depth),
            (7, WireValue::Bytes(bytes)) => self.wrapped(BYTES, |out| write_base64(out, bytes)),
            (number, value) => return Err(wrong_type(ANY_VALUE, number, value)),
        }
        Ok(())
    }

    fn array(&mut self, parts: &[&'a [u8]], depth: usize) -> Result<(), DecodeError> {
        let unknown = gather::unknown(parts, |number| number == 1)?;
        if !unknown.is_empty() {
            self.out.push(b'{');
            self.name(ARRAY);
        }
        self.out.push(b'[');
        for part in parts {
            each_content(ANY_VALUE, part, 1, |value| {
                self.comma(b'[');
                self.value(&[value], depth + 1)
            })?;
        }
        self.out.push(b']');
        if !unknown.is_empty() {
            self.put_unknown(UNKNOWN, &unknown);
            self.out.push(b'}');
        }
        Ok(())
    }

    fn map(&mut self, parts: &[&'a [u8]], depth: usize) -> Result<(), DecodeError> {
        let start = self.pairs.len();
        for part in parts {
            each_content(ANY_VALUE, part, 1, |pair| {
                self.pairs.push(Pair::read(pair, self.pairs.len())?);
                Ok(())
            })?;
        }
        let unknown = gather::unknown(parts, |number| number == 1)?;
        self.pairs(start, depth + 1, &unknown)
    }

    pub(super) fn unknown(&mut self, parts: &[&[u8]], known: impl Fn(u32) -> bool) -> Result<(), DecodeError> {
        let raw = gather::unknown(parts, known)?;
        self.put_unknown(UNKNOWN, &raw);
        Ok(())
    }

    pub(super) fn put_unknown(&mut self, name: &str, raw: &[u8]) {
        self.flags |= UNKNOWN_FIELDS;
        self.name(name);
        put_base64(self.out, raw);
    }

    #[inline]
    pub(super) fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    #[inline]
    pub(super) fn int(&mut self, number: i64) {
        if number.unsigned_abs() <= INT_MAX {
            write_i64(self.out, number);
        } else {
            self.wrapped(INT, |out| write_i64(out, number));
        }
    }

    pub(super) fn double(&mut self, bits: u64) {
        let number = f64::from_bits(bits);
        if number.is_finite() && bits != (-0.0_f64).to_bits() {
            return write_f64(self.out, number);
        }
        self.wrapped(DOUBLE, |out| match number {
            f64::INFINITY => out.extend_from_slice(b"Infinity"),
            f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
            _ if bits == NAN => out.extend_from_slice(b"NaN"),
            _ if number.is_nan() => {
                out.extend_from_slice(b"NaN:");
                write_hex(out, &bits.to_be_bytes());
            }
            _ => out.extend_from_slice(b"-0.0"),
        });
    }

    /// `{"$kind":"text"}`
    pub(super) fn wrapped(&mut self, kind: &str, text: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'{');
        self.name(kind);
        self.quoted(text);
        self.out.push(b'}');
    }

    #[inline]
    pub(super) fn quoted(&mut self, text: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        text(self.out);
        self.out.push(b'"');
    }
}
