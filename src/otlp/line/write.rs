//! OTLP to canonical lines, straight from the wire: one walk by the schema, no tree in between.

mod value;

use crate::otlp::gather::{
    self, Gathered, RawPair, Slot, content, contents, each_content, gather, is_default, with_parts, wrong_type,
};
use crate::otlp::line::shape::{Shape, Shapes};
use crate::otlp::line::{ABSENT, DUPLICATE_KEYS, ENVELOPE, SCHEMA_URL, UNKNOWN, UNKNOWN_FIELDS};
use crate::otlp::model::{Attribute, Entity};
use crate::otlp::schema::{self, Card, Field, Kind, MEMBERS, Message, OWNER};
use crate::otlp::wire::{self, Cursor, WireValue};
use crate::otlp::{DecodeError, Signal};
use crate::stdx::json::{write_base64, write_hex, write_i64, write_str, write_u64, write_utf8};

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
    shapes: Shapes,
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
        let shape = self.shapes.of(record.attributes());
        let mut walk = Walk { out, pairs: recycle(std::mem::take(&mut self.pairs)), flags: 0 };
        walk.out.push(b'{');
        let parts = record.around_attributes();
        let found = gather(message, &parts, |_| Ok(()))?;
        walk.members(message, &found, &parts, Pairs::Known(shape, record.attributes()), &extras)?;
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
    each_part(request, writer, |writer, part| {
        let Part::Record(record) = part else { return Ok(()) };
        out.clear();
        let flags = writer.record(signal, record, &mut out)?;
        line(&out, flags);
        Ok(())
    })
}

/// What a request of logs or spans consists of, encoded.
#[derive(Debug)]
pub enum Part<'r, 'p> {
    /// A resource or scope: the bytes of its message, in as many pieces as the sender made of it.
    Owner(&'static Message, &'p [&'r [u8]]),
    /// A record. Its resource and scope are set in the writer.
    Record(&'r [u8]),
}

/// Hands over each part of an `Export*ServiceRequest` of logs or spans.
///
/// # Errors
/// When the bytes are not OTLP, or what `visit` fails with.
pub fn each_part<'r>(
    request: &'r [u8],
    writer: &mut LineWriter,
    mut visit: impl FnMut(&mut LineWriter, Part<'r, '_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    each_content(ANY_GROUP, request, 1, |group| {
        let resource = contents(ANY_GROUP, group, OWNER)?;
        writer.resource(&resource, &[group])?;
        visit(writer, Part::Owner(&schema::RESOURCE, &resource))?;
        each_content(ANY_GROUP, group, MEMBERS, |scope_group| {
            let scope = contents(ANY_GROUP, scope_group, OWNER)?;
            writer.scope(&scope, &[scope_group])?;
            visit(writer, Part::Owner(&schema::SCOPE, &scope))?;
            each_content(ANY_GROUP, scope_group, MEMBERS, |record| visit(writer, Part::Record(record)))
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

/// Appends a key of the sender's as a JSON string. One that starts with `$` gets one more.
pub(super) fn write_key(out: &mut Vec<u8>, key: &str) {
    let at = out.len();
    write_str(out, key);
    if key.starts_with('$') {
        out.insert(at + 1, b'$');
    }
}

/// Where the attributes of a message are.
#[derive(Debug, Clone, Copy)]
enum Pairs<'s, 'a> {
    /// On the stack, from there on.
    Stacked(usize),
    /// Read before.
    Known(&'s Shape, &'s [Attribute<'a>]),
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
        self.members(message, &found, parts, Pairs::Stacked(start), extras)
    }

    /// What a message holds, with its attributes, and the closing brace.
    fn members(
        &mut self,
        message: &'static Message,
        found: &Gathered<'a>,
        parts: &[&'a [u8]],
        attributes: Pairs<'_, 'a>,
        mut extras: &[Extra<'_>],
    ) -> Result<(), DecodeError> {
        if found.unknown {
            self.extras_before(&mut extras, UNKNOWN);
            self.unknown(parts, |number| message.field(number).is_some())?;
        }
        for (field, slot) in message.fields.iter().zip(&found.slots) {
            self.extras_before(&mut extras, field.name);
            if matches!(field.kind, Kind::Attributes) {
                self.attributes(field.name, attributes)?;
            } else if !is_default(field, slot) {
                let start = self.out.len();
                self.name(field.name);
                self.field(message, field, slot, parts)?;
                // Several lists without a number are no list either.
                let is_packed = matches!(field.kind, Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble);
                if is_packed && self.out.ends_with(b":[]") {
                    self.out.truncate(start);
                }
            }
        }
        self.extras_before(&mut extras, "\u{7f}");
        self.out.push(b'}');
        Ok(())
    }

    #[inline]
    fn attributes(&mut self, name: &str, attributes: Pairs<'_, 'a>) -> Result<(), DecodeError> {
        match attributes {
            Pairs::Stacked(start) if self.pairs.len() > start => {
                self.name(name);
                self.pairs(start, 0, &[])
            }
            Pairs::Known(shape, attributes) if !attributes.is_empty() => {
                self.name(name);
                self.shaped(shape, attributes)
            }
            _ => Ok(()),
        }
    }

    fn shaped(&mut self, shape: &Shape, attributes: &[Attribute<'a>]) -> Result<(), DecodeError> {
        self.flags |= if shape.has_duplicates() { DUPLICATE_KEYS } else { 0 };
        self.out.push(b'{');
        for (name, place) in shape.members() {
            self.out.extend_from_slice(name);
            self.known(attributes[place].value, 0)?;
        }
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
    use crate::otlp::value::{Value, put_pair};

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
