//! OTLP to canonical lines, straight from the wire: one walk by the schema, no tree in between.

use crate::otlp::gather::{
    self, Gathered, RawPair, Slot, content, contents, each_content, gather, is_any, is_default, with_parts, wrong_type,
};
use crate::otlp::line::{
    ABSENT, ARRAY, BYTES, DOUBLE, DUPLICATE_KEYS, ENVELOPE, INT, INT_MAX, NAN, PAIR, SCHEMA_URL, UNKNOWN,
    UNKNOWN_FIELDS, VALUE,
};
use crate::otlp::model::{Attribute, Entity};
use crate::otlp::schema::{self, Card, Field, Kind, MEMBERS, Message, OWNER};
use crate::otlp::value::Value;
use crate::otlp::wire::{self, Cursor, WireValue};
use crate::otlp::{DEPTH_MAX, DecodeError, Signal};
use crate::stdx::json::{write_base64, write_f64, write_hex, write_i64, write_str, write_u64, write_utf8};

/// Stands for `ResourceLogs`, `ScopeSpans` and their like in errors.
const ANY_GROUP: &str = "a resource or scope group";
/// The field number of `schema_url` in every `Resource*` and `Scope*` message.
const SCHEMA_URL_NUMBER: u32 = 3;

/// Writes lines. Keeps the text of the resource and the scope, which many records share, and its memory.
#[derive(Debug, Default)]
pub struct LineWriter {
    resource: Fragment,
    scope: Fragment,
    pairs: Vec<Pair<'static>>,
}

#[derive(Debug, Default)]
struct Fragment {
    json: Vec<u8>,
    flags: u16,
}

/// A member that no field of the message is, in JSON.
type Extra<'e> = (&'static str, &'e [u8]);

impl LineWriter {
    /// Sets the resource of the records that follow, and forgets the scope.
    ///
    /// `message` is the encoded `Resource`: no parts where the group has none, several where the sender repeated
    /// the field. `rest` holds the other fields of the group (`schema_url` and what the schema does not know) as they
    /// stand on the wire; owners and members among them are passed over.
    ///
    /// # Errors
    /// When the bytes are not OTLP.
    pub fn resource(&mut self, message: &[&[u8]], rest: &[&[u8]]) -> Result<(), DecodeError> {
        self.scope = Fragment::default();
        let mut fragment = std::mem::take(&mut self.resource);
        fragment.flags = self.owner(&schema::RESOURCE, message, rest, &mut fragment.json)?;
        self.resource = fragment;
        Ok(())
    }

    /// Sets the scope of the records that follow; parameters as for [`Self::resource`].
    ///
    /// # Errors
    /// When the bytes are not OTLP.
    pub fn scope(&mut self, message: &[&[u8]], rest: &[&[u8]]) -> Result<(), DecodeError> {
        let mut fragment = std::mem::take(&mut self.scope);
        fragment.flags = self.owner(&schema::SCOPE, message, rest, &mut fragment.json)?;
        self.scope = fragment;
        Ok(())
    }

    /// Appends the line of one encoded `LogRecord` or `Span`, without a line feed, and returns its flags.
    /// On an error `out` holds a part of a line.
    ///
    /// # Errors
    /// When the bytes are not OTLP.
    pub fn record(&mut self, signal: Signal, record: &[u8], out: &mut Vec<u8>) -> Result<u16, DecodeError> {
        let word: &[u8] = if signal == Signal::Traces { b"\"span\"" } else { b"\"log\"" };
        let extras = [("resource", &self.resource.json[..]), ("scope", &self.scope.json[..]), ("signal", word)];
        let mut walk = Walk { out, pairs: recycle(std::mem::take(&mut self.pairs)), flags: 0 };
        walk.message(schema::record(signal), &[record], &extras)?;
        let flags = walk.flags | self.resource.flags | self.scope.flags;
        self.pairs = recycle(walk.pairs);
        Ok(flags)
    }

    /// The same for a record that is open: its attributes are known and need no second reading.
    ///
    /// # Errors
    /// When the bytes are not OTLP.
    pub fn entity(&mut self, signal: Signal, record: &Entity<'_>, out: &mut Vec<u8>) -> Result<u16, DecodeError> {
        if !record.is_plain() {
            let mut bytes = Vec::with_capacity(record.encoded_len());
            record.put(&mut bytes);
            return self.record(signal, &bytes, out);
        }
        let message = schema::record(signal);
        let word: &[u8] = if signal == Signal::Traces { b"\"span\"" } else { b"\"log\"" };
        let extras = [("resource", &self.resource.json[..]), ("scope", &self.scope.json[..]), ("signal", word)];
        let mut walk = Walk { out, pairs: recycle(std::mem::take(&mut self.pairs)), flags: 0 };
        walk.out.push(b'{');
        walk.pairs.extend(record.attributes().iter().enumerate().map(|(place, known)| Pair::known(known, place)));
        let parts = [record.raw()];
        let found = gather(message, &parts, |_| Ok(()))?;
        walk.members(message, &found, &parts, 0, &extras)?;
        let flags = walk.flags | self.resource.flags | self.scope.flags;
        self.pairs = recycle(walk.pairs);
        Ok(flags)
    }

    /// Appends the line of a whole `ExportMetricsServiceRequest`, without a line feed, and returns its flags.
    ///
    /// # Errors
    /// When the bytes are not OTLP.
    pub fn metrics(&mut self, request: &[u8], out: &mut Vec<u8>) -> Result<u16, DecodeError> {
        out.extend_from_slice(b"{\"request\":");
        let mut walk = Walk { out, pairs: recycle(std::mem::take(&mut self.pairs)), flags: 0 };
        walk.message(&schema::METRICS_REQUEST, &[request], &[])?;
        walk.out.extend_from_slice(b",\"signal\":\"metrics\"}");
        let flags = walk.flags;
        self.pairs = recycle(walk.pairs);
        Ok(flags)
    }

    /// Overwrites `json` with a resource or scope; it stays empty where the group has nothing to say.
    fn owner(
        &mut self,
        message: &'static Message,
        parts: &[&[u8]],
        rest: &[&[u8]],
        json: &mut Vec<u8>,
    ) -> Result<u16, DecodeError> {
        json.clear();
        let url = schema_url(rest)?;
        let unknown = gather::unknown(rest, |number| number <= SCHEMA_URL_NUMBER)?;
        if parts.is_empty() && url.is_empty() && unknown.is_empty() {
            return Ok(0);
        }
        let (mut url_json, mut unknown_json) = (Vec::new(), Vec::new());
        let absent: &[u8] = if parts.is_empty() { b"true" } else { b"" };
        if !url.is_empty() {
            write_str(&mut url_json, url);
        }
        if !unknown.is_empty() {
            put_base64(&mut unknown_json, &unknown);
        }
        let extras = [(ABSENT, absent), (ENVELOPE, &unknown_json), (SCHEMA_URL, &url_json)];
        let mut walk = Walk { out: json, pairs: recycle(std::mem::take(&mut self.pairs)), flags: 0 };
        walk.message(message, parts, &extras)?;
        let flags = walk.flags | if unknown.is_empty() { 0 } else { UNKNOWN_FIELDS };
        self.pairs = recycle(walk.pairs);
        Ok(flags)
    }
}

fn schema_url<'a>(rest: &[&'a [u8]]) -> Result<&'a str, DecodeError> {
    let mut url = "";
    for part in rest {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field()? {
            if field.number == SCHEMA_URL_NUMBER {
                url = wire::text(content(ANY_GROUP, &field)?, ANY_GROUP)?;
            }
        }
    }
    Ok(url)
}

/// Walks a whole `Export*ServiceRequest` and hands over each line, without a line feed, with its flags.
///
/// # Errors
/// When the bytes are not OTLP; lines before the bad record were handed over.
pub fn write_request(
    writer: &mut LineWriter,
    signal: Signal,
    request: &[u8],
    line: &mut dyn FnMut(&[u8], u16),
) -> Result<(), DecodeError> {
    let mut out = Vec::with_capacity(2048);
    if signal == Signal::Metrics {
        let flags = writer.metrics(request, &mut out)?;
        line(&out, flags);
        return Ok(());
    }
    each_content(ANY_GROUP, request, 1, |group| {
        writer.resource(&contents(ANY_GROUP, group, OWNER)?, &[group])?;
        each_content(ANY_GROUP, group, MEMBERS, |scope| {
            writer.scope(&contents(ANY_GROUP, scope, OWNER)?, &[scope])?;
            each_content(ANY_GROUP, scope, MEMBERS, |record| {
                out.clear();
                let flags = writer.record(signal, record, &mut out)?;
                line(&out, flags);
                Ok(())
            })
        })
    })
}

/// An attribute or map entry on its way into order.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    /// The first bytes of the key as a number that compares as they do.
    prefix: u128,
    key: &'a [u8],
    value: Held<'a>,
    /// The place among its neighbours, as received.
    place: u32,
}

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
enum Held<'a> {
    /// No value, not even an empty one.
    Absent,
    /// The bytes of an `AnyValue`.
    Wire(&'a [u8]),
    /// A value that was read before.
    Known(Value<'a>),
    /// The bytes of a `KeyValue` that has more to it than a key and a value.
    Irregular(&'a [u8]),
}

const ANY_VALUE: &str = "AnyValue";
const KEY_VALUE: &str = "KeyValue";

impl<'a> Pair<'a> {
    #[inline]
    fn read(bytes: &'a [u8], place: usize) -> Result<Self, DecodeError> {
        let RawPair { key, value, regular } = gather::pair(bytes)?;
        let value = match value {
            _ if !regular => Held::Irregular(bytes),
            Some(value) => Held::Wire(value),
            None => Held::Absent,
        };
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Ok(Self { prefix: prefix(key), key, value, place })
    }

    #[inline]
    fn known(attribute: &Attribute<'a>, place: usize) -> Self {
        let key = attribute.key.as_bytes();
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Self { prefix: prefix(key), key, value: Held::Known(attribute.value), place }
    }

    #[inline]
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.key.cmp(other.key)).then(self.place.cmp(&other.place))
    }
}

#[inline]
fn prefix(key: &[u8]) -> u128 {
    let mut head = [0; 16];
    let len = key.len().min(16);
    head[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(head)
}

/// The same memory for pairs of another life time. No pair survives.
fn recycle<'b>(mut pairs: Vec<Pair<'_>>) -> Vec<Pair<'b>> {
    pairs.clear();
    pairs.into_iter().map(|_| Pair { prefix: 0, key: b"", value: Held::Absent, place: 0 }).collect()
}

/// One walk. `pairs` is a stack: who pushes takes off again.
struct Walk<'o, 'a> {
    out: &'o mut Vec<u8>,
    pairs: Vec<Pair<'a>>,
    flags: u16,
}

impl<'a> Walk<'_, 'a> {
    fn message(
        &mut self,
        message: &'static Message,
        parts: &[&'a [u8]],
        extras: &[Extra<'_>],
    ) -> Result<(), DecodeError> {
        self.out.push(b'{');
        let start = self.pairs.len();
        let pairs = &mut self.pairs;
        let found = gather(message, parts, |pair| {
            pairs.push(Pair::read(pair, pairs.len())?);
            Ok(())
        })?;
        self.members(message, &found, parts, start, extras)
    }

    /// What a message holds, with its attributes on the stack from `start` on, and the closing brace.
    fn members(
        &mut self,
        message: &'static Message,
        found: &Gathered<'a>,
        parts: &[&'a [u8]],
        start: usize,
        mut extras: &[Extra<'_>],
    ) -> Result<(), DecodeError> {
        if found.unknown {
            self.extras_before(&mut extras, UNKNOWN);
            self.unknown(parts, |number| message.field(number).is_some())?;
        }
        for (field, slot) in message.fields.iter().zip(&found.slots) {
            self.extras_before(&mut extras, field.name);
            if matches!(field.kind, Kind::Attributes) {
                if self.pairs.len() > start {
                    self.name(field.name);
                    self.pairs(start, 0, &[])?;
                }
            } else if !is_default(field, slot) {
                self.name(field.name);
                self.field(message, field, slot, parts)?;
            }
        }
        self.extras_before(&mut extras, "\u{7f}");
        self.out.push(b'}');
        Ok(())
    }

    #[inline]
    fn extras_before(&mut self, extras: &mut &[Extra<'_>], name: &str) {
        while let [(extra, json), rest @ ..] = *extras
            && *extra < name
        {
            *extras = rest;
            if !json.is_empty() {
                self.name(extra);
                self.out.extend_from_slice(json);
            }
        }
    }

    /// A name that needs no escape, with its comma and colon.
    #[inline]
    fn name(&mut self, name: &str) {
        self.comma(b'{');
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    #[inline]
    fn comma(&mut self, opening: u8) {
        if self.out.last() != Some(&opening) {
            self.out.push(b',');
        }
    }

    fn field(
        &mut self,
        message: &'static Message,
        field: &'static Field,
        slot: &Slot<'a>,
        parts: &[&'a [u8]],
    ) -> Result<(), DecodeError> {
        match field.kind {
            Kind::Value => with_parts(message, field, slot, parts, |parts| self.value(parts, 0)),
            Kind::Message(inner) if field.card == Card::Many => self.list(field, parts, |walk, value| {
                walk.message(inner, &[gather::bytes(value).unwrap_or_default()], &[])
            }),
            Kind::Message(inner) => with_parts(message, field, slot, parts, |parts| self.message(inner, parts, &[])),
            Kind::Strings => self.list(field, parts, |walk, value| walk.scalar(message, Kind::Str, value)),
            Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => self.numbers(field, parts),
            kind => slot.value.map_or(Ok(()), |value| self.scalar(message, kind, value)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "32-bit fields keep their low bits, as protobuf has it")]
    fn scalar(&mut self, message: &'static Message, kind: Kind, value: WireValue<'a>) -> Result<(), DecodeError> {
        match (kind, value) {
            (Kind::Str, WireValue::Bytes(bytes)) => self.text(bytes, message.name)?,
            (Kind::Id, WireValue::Bytes(bytes)) => self.quoted(|out| write_hex(out, bytes)),
            (Kind::Bool, WireValue::Varint(number)) => self.boolean(number != 0),
            (Kind::Uint32, WireValue::Varint(number)) => write_u64(self.out, u64::from(number as u32)),
            (Kind::Enum, WireValue::Varint(number)) => write_i64(self.out, i64::from(number as i32)),
            (Kind::Sint32, WireValue::Varint(number)) => write_i64(self.out, i64::from(unzigzag(number as u32))),
            (Kind::Fixed32, WireValue::Fixed32(number)) => write_u64(self.out, u64::from(number)),
            (Kind::Fixed64, WireValue::Fixed64(number)) => self.quoted(|out| write_u64(out, number)),
            (Kind::Sfixed64, WireValue::Fixed64(number)) => self.quoted(|out| write_i64(out, number.cast_signed())),
            (Kind::Double, WireValue::Fixed64(bits)) => self.double(bits),
            (_, value) => return Err(wrong_type(message.name, 0, value)),
        }
        Ok(())
    }

    #[inline]
    fn text(&mut self, bytes: &[u8], message: &'static str) -> Result<(), DecodeError> {
        if write_utf8(self.out, bytes) { Ok(()) } else { Err(DecodeError::Utf8 { message }) }
    }

    fn list(
        &mut self,
        field: &Field,
        parts: &[&'a [u8]],
        mut item: impl FnMut(&mut Self, WireValue<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.out.push(b'[');
        gather::each(field, parts, |value| {
            self.comma(b'[');
            item(self, value)
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn numbers(&mut self, field: &Field, parts: &[&'a [u8]]) -> Result<(), DecodeError> {
        self.out.push(b'[');
        gather::each_number(field, parts, |bits| {
            self.comma(b'[');
            if matches!(field.kind, Kind::PackedDouble) {
                self.double(bits);
            } else {
                self.quoted(|out| write_u64(out, bits));
            }
        })?;
        self.out.push(b']');
        Ok(())
    }

    /// The pairs on the stack from `start` on, as an object. `unknown` are fields of the map itself.
    fn pairs(&mut self, start: usize, depth: usize, unknown: &[u8]) -> Result<(), DecodeError> {
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
            Held::Known(value) => self.known(value, depth),
            Held::Irregular(bytes) => self.irregular_pair(bytes, depth),
            Held::Absent => {
                self.out.extend_from_slice(b"{\"$absent\":true}");
                Ok(())
            }
        }
    }

    #[inline]
    fn known(&mut self, value: Value<'a>, depth: usize) -> Result<(), DecodeError> {
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
    fn value(&mut self, parts: &[&'a [u8]], depth: usize) -> Result<(), DecodeError> {
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

    fn unknown(&mut self, parts: &[&[u8]], known: impl Fn(u32) -> bool) -> Result<(), DecodeError> {
        let raw = gather::unknown(parts, known)?;
        self.put_unknown(UNKNOWN, &raw);
        Ok(())
    }

    fn put_unknown(&mut self, name: &str, raw: &[u8]) {
        self.flags |= UNKNOWN_FIELDS;
        self.name(name);
        put_base64(self.out, raw);
    }

    #[inline]
    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    #[inline]
    fn int(&mut self, number: i64) {
        if number.unsigned_abs() <= INT_MAX {
            write_i64(self.out, number);
        } else {
            self.wrapped(INT, |out| write_i64(out, number));
        }
    }

    fn double(&mut self, bits: u64) {
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
    fn wrapped(&mut self, kind: &str, text: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'{');
        self.name(kind);
        self.quoted(text);
        self.out.push(b'}');
    }

    #[inline]
    fn quoted(&mut self, text: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        text(self.out);
        self.out.push(b'"');
    }
}

const fn unzigzag(number: u32) -> i32 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    write_base64(out, bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::otlp::value::put_pair;

    #[test]
    fn an_open_record_has_the_line_of_its_bytes() {
        let mut record = Vec::new();
        let values = [Value::Str("é\"\n"), Value::Int(-7), Value::Bool(true), Value::Double(1.5), Value::Null];
        for (key, value) in ["z", "$a", "m", "b", "b"].into_iter().zip(&values) {
            put_pair(&mut record, 6, key, value);
        }
        wire::put_bytes(&mut record, 3, b"WARN");
        // A pair without a value, and one whose value has a field from the future.
        wire::put_bytes(&mut record, 6, &[0x0a, 1, b'q']);
        wire::put_bytes(&mut record, 6, &[0x0a, 1, b'u', 0x12, 3, 0x98, 0x06, 1]);
        for end in 0..=record.len() {
            let (arena, bytes) = (Bump::new(), &record[..end]);
            let Ok(mut entity) = Entity::open(&schema::LOG_RECORD, bytes, &arena) else { continue };
            for added in [false, true] {
                if added {
                    entity.push("c", Value::Bytes(b"\x00\xff"));
                }
                let (mut open, mut read, mut encoded) = (Vec::new(), Vec::new(), Vec::new());
                entity.put(&mut encoded);
                let mut writer = LineWriter::default();
                let flags = writer.entity(Signal::Logs, &entity, &mut open).unwrap();
                assert_eq!(flags, writer.record(Signal::Logs, &encoded, &mut read).unwrap());
                assert_eq!(String::from_utf8(open), String::from_utf8(read));
            }
        }
    }
}
