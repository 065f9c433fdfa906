//! Canonical lines to OTLP, token by token.
//!
//! Lines are read as their resource and scope stand at the end of a record: a record is written into the group that
//! is open, and taken back and read again where the line says that it belongs elsewhere. That is once a group.

mod value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::otlp::build::{Builder, Open};
use crate::otlp::line::disclose::{reveal, without_values};
use crate::otlp::line::{
    ABSENT, DISCLOSED, DOUBLE, ENTRY, ENVELOPE, NAN, NUMBER, SALT, SCHEMA_URL, SEAL, STREAM_ID, UNKNOWN,
};
use crate::otlp::schema::{self, Card, Field, Kind, MEMBERS, Message, OWNER};
use crate::otlp::wire::{Cursor, put_bytes, put_varint};
use crate::otlp::{DEPTH_MAX, DecodeError, Signal};
use crate::stdx::json::{Reader, Text, Value};

/// Around each value there may be wrappers for unknown fields, which the writer does not count.
const DEPTH_READ_MAX: usize = 3 * DEPTH_MAX;

/// Reads lines, each ended by a line feed, back as one `Export*ServiceRequest`. Consecutive records of equal resource
/// and scope form one group. Erasable fields stand in their places where their disclosures are there. The seal of a record becomes its attributes; that of metrics has no place in OTLP and is
/// left out.
///
/// # Errors
/// When a line is damaged or of another signal.
pub fn to_otlp(signal: Signal, lines: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let revealed = reveal(lines)?;
    let text = std::str::from_utf8(&revealed).map_err(|_| DecodeError::Line("not UTF-8"))?;
    let mut lines = Lines { builder: Builder::with_capacity(text.len()), signal, group: None };
    for line in text.split_terminator('\n') {
        if signal == Signal::Metrics {
            lines.metrics(line)?;
        } else {
            lines.line(line)?;
        }
    }
    lines.close_group();
    Ok(lines.builder.finish())
}

struct Lines<'t> {
    builder: Builder,
    signal: Signal,
    group: Option<Group<'t>>,
}

struct Group<'t> {
    resource: Open,
    scope: Open,
    at: Place<'t>,
}

/// Where a record belongs: the JSON of its resource and of its scope, empty where the line has none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Place<'t> {
    resource: &'t str,
    scope: &'t str,
}

impl<'t> Lines<'t> {
    fn line(&mut self, line: &'t str) -> Result<(), DecodeError> {
        let expected = self.group.as_ref().map(|group| group.at);
        let mark = self.builder.mark();
        let place = self.record(line, expected.unwrap_or_default())?;
        if expected == Some(place) {
            return Ok(());
        }
        self.builder.rewind(mark);
        self.open_group(place)?;
        self.record(line, place).map(drop)
    }

    fn close_group(&mut self) {
        if let Some(group) = self.group.take() {
            self.builder.close(group.scope);
            self.builder.close(group.resource);
        }
    }

    fn open_group(&mut self, at: Place<'t>) -> Result<(), DecodeError> {
        let resource = match self.group.take() {
            Some(group) if group.at.resource == at.resource => {
                self.builder.close(group.scope);
                group.resource
            }
            last => {
                self.group = last;
                self.close_group();
                let open = self.builder.open(1);
                self.owner(&schema::RESOURCE, at.resource)?;
                open
            }
        };
        let scope = self.builder.open(MEMBERS);
        self.owner(&schema::SCOPE, at.scope)?;
        self.group = Some(Group { resource, scope, at });
        Ok(())
    }

    /// The resource or scope of a group, and what else the group has.
    fn owner(&mut self, message: &'static Message, json: &'t str) -> Result<(), DecodeError> {
        if json.is_empty() {
            return Ok(());
        }
        let mut walk = Walk { reader: Reader::over(json), builder: &mut self.builder };
        let (mut url, mut envelope, mut absent) = (None, None, false);
        let mark = walk.builder.mark();
        let open = walk.builder.open(OWNER);
        walk.object()?;
        let mut hint = 0;
        while let Some(key) = walk.reader.next_member()? {
            match key.raw() {
                SCHEMA_URL => url = Some(walk.string()?),
                ENVELOPE => envelope = Some(walk.string()?),
                ABSENT => absent = walk.boolean()?,
                _ => walk.member(message, &key, &mut hint)?,
            }
        }
        if absent {
            walk.builder.rewind(mark);
        } else {
            walk.builder.close(open);
        }
        if let Some(url) = url {
            walk.builder.text(3, &url);
        }
        envelope.map_or(Ok(()), |raw| walk.fields(&raw))
    }

    fn record(&mut self, line: &'t str, expected: Place<'t>) -> Result<Place<'t>, DecodeError> {
        let message = schema::record(self.signal);
        let word = if self.signal == Signal::Traces { "span" } else { "log" };
        let mut walk = Walk { reader: Reader::over(line), builder: &mut self.builder };
        let open = walk.builder.open(MEMBERS);
        let (mut place, mut hint, mut signal) = (Place::default(), 0, None);
        walk.object()?;
        while let Some(key) = walk.reader.next_member()? {
            match key.raw() {
                "resource" => place.resource = walk.fragment(expected.resource)?,
                "scope" => place.scope = walk.fragment(expected.scope)?,
                "signal" => signal = Some(walk.string()?),
                SEAL => walk.seal(message.attributes())?,
                _ => walk.member(message, &key, &mut hint)?,
            }
        }
        walk.reader.end()?;
        walk.builder.close(open);
        check_signal(signal, word).map(|()| place)
    }

    fn metrics(&mut self, line: &'t str) -> Result<(), DecodeError> {
        let mut walk = Walk { reader: Reader::over(line), builder: &mut self.builder };
        let mut signal = None;
        walk.object()?;
        while let Some(key) = walk.reader.next_member()? {
            match key.raw() {
                "request" => walk.message(&schema::METRICS_REQUEST)?,
                "signal" => signal = Some(walk.string()?),
                SEAL => {
                    walk.reader.skip_value(DEPTH_READ_MAX)?;
                }
                _ => return Err(DecodeError::Line("a member that no line of metrics has")),
            }
        }
        walk.reader.end()?;
        check_signal(signal, "metrics")
    }
}

fn check_signal(found: Option<Text<'_>>, expected: &str) -> Result<(), DecodeError> {
    match found {
        Some(found) if found.raw() == expected => Ok(()),
        Some(_) => Err(DecodeError::Line("it holds another signal")),
        None => Err(DecodeError::Line("it does not say its signal")),
    }
}

struct Walk<'t, 'b> {
    reader: Reader<'t>,
    builder: &'b mut Builder,
}

impl<'t> Walk<'t, '_> {
    fn object(&mut self) -> Result<(), DecodeError> {
        match self.reader.value()? {
            Value::Object => Ok(()),
            _ => Err(DecodeError::Line("expected an object")),
        }
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'t>, DecodeError> {
        match self.reader.value()? {
            Value::Str(text) => Ok(text),
            _ => Err(DecodeError::Line("expected a string")),
        }
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.reader.value()? {
            Value::Bool(value) => Ok(value),
            _ => Err(DecodeError::Line("expected true or false")),
        }
    }

    /// The next value as text, read over in one step when it is the expected one.
    fn fragment(&mut self, expected: &'t str) -> Result<&'t str, DecodeError> {
        if !expected.is_empty() && self.reader.take(expected.as_bytes()) {
            return Ok(expected);
        }
        let range = self.reader.skip_value(DEPTH_READ_MAX + 8)?;
        Ok(self.reader.slice(range))
    }

    fn message(&mut self, message: &'static Message) -> Result<(), DecodeError> {
        self.object()?;
        let mut hint = 0;
        while let Some(key) = self.reader.next_member()? {
            self.member(message, &key, &mut hint)?;
        }
        Ok(())
    }

    /// One member of a message. Members stand in the order of the table, so the search goes on where it ended.
    #[inline]
    fn member(&mut self, message: &'static Message, key: &Text<'t>, hint: &mut usize) -> Result<(), DecodeError> {
        let (before, after) = message.fields.split_at(*hint);
        let mut fields = after.iter().chain(before).enumerate();
        let Some((steps, field)) = fields.find(|(_, field)| field.name == key.raw()) else {
            return self.unknown_member(key);
        };
        *hint = (*hint + steps) % message.fields.len();
        self.field(field)
    }

    fn unknown_member(&mut self, key: &Text<'t>) -> Result<(), DecodeError> {
        if key.raw() != UNKNOWN {
            return Err(DecodeError::Line("a member that the schema does not know"));
        }
        let raw = self.string()?;
        self.fields(&raw)
    }

    fn field(&mut self, field: &'static Field) -> Result<(), DecodeError> {
        let number = field.number;
        match field.kind {
            Kind::Attributes => {
                self.object()?;
                while let Some(key) = self.reader.next_member()? {
                    self.pair(number, &key, 0)?;
                }
                Ok(())
            }
            Kind::Value => self.value(number, 0),
            Kind::Message(inner) if field.card == Card::Many => self.list(|walk| walk.nested(number, inner)),
            Kind::Message(inner) => self.nested(number, inner),
            Kind::Strings => self.list(|walk| walk.scalar(number, Kind::Str)),
            Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => {
                let open = self.builder.open(number);
                self.list(|walk| walk.packed(field.kind))?;
                self.builder.close(open);
                Ok(())
            }
            kind => self.scalar(number, kind),
        }
    }

    fn nested(&mut self, number: u32, message: &'static Message) -> Result<(), DecodeError> {
        let open = self.builder.open(number);
        self.message(message)?;
        self.builder.close(open);
        Ok(())
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        match self.reader.value()? {
            Value::Array => self.elements(&mut item),
            _ => Err(DecodeError::Line("expected a list")),
        }
    }

    fn elements(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        while self.reader.next_element()? {
            item(self)?;
        }
        Ok(())
    }

    fn packed(&mut self, kind: Kind) -> Result<(), DecodeError> {
        let bits = match kind {
            Kind::PackedDouble => self.double()?,
            _ => number(self.string()?.raw())?,
        };
        let out = self.builder.raw();
        match kind {
            Kind::PackedUint64 => put_varint(out, bits),
            _ => out.extend_from_slice(&bits.to_le_bytes()),
        }
        Ok(())
    }

    fn scalar(&mut self, number_: u32, kind: Kind) -> Result<(), DecodeError> {
        match kind {
            Kind::Id => return self.id(number_),
            Kind::Bool => {
                let value = self.boolean()?;
                self.builder.varint(number_, value.into());
            }
            Kind::Uint32 => {
                let value: u32 = self.literal()?;
                self.builder.varint(number_, value.into());
            }
            Kind::Enum => {
                let value: i32 = self.literal()?;
                self.builder.varint(number_, i64::from(value).cast_unsigned());
            }
            Kind::Sint32 => {
                let value: i32 = self.literal()?;
                self.builder.varint(number_, zigzag(value).into());
            }
            Kind::Fixed32 => {
                let value = self.literal()?;
                self.builder.fixed32(number_, value);
            }
            Kind::Fixed64 => {
                let value = number(self.string()?.raw())?;
                self.builder.fixed64(number_, value);
            }
            Kind::Sfixed64 => {
                let value: i64 = number(self.string()?.raw())?;
                self.builder.fixed64(number_, value.cast_unsigned());
            }
            Kind::Double => {
                let bits = self.double()?;
                self.builder.fixed64(number_, bits);
            }
            _ => {
                let text = self.string()?;
                self.builder.text(number_, &text);
            }
        }
        Ok(())
    }

    fn literal<T: std::str::FromStr>(&mut self) -> Result<T, DecodeError> {
        match self.reader.value()? {
            Value::Number(text) => number(text),
            _ => Err(DecodeError::Line("expected a number")),
        }
    }

    fn double(&mut self) -> Result<u64, DecodeError> {
        match self.reader.value()? {
            Value::Number(text) => number::<f64>(text).map(f64::to_bits),
            Value::Object => match self.reader.next_member()? {
                Some(key) if key.raw() == DOUBLE => self.odd_double(),
                _ => Err(DecodeError::Line("expected a double")),
            },
            _ => Err(DecodeError::Line("expected a double")),
        }
    }

    /// The rest of `{"$double":"NaN"}`.
    fn odd_double(&mut self) -> Result<u64, DecodeError> {
        let bits = match self.string()?.raw() {
            "NaN" => NAN,
            "Infinity" => f64::INFINITY.to_bits(),
            "-Infinity" => f64::NEG_INFINITY.to_bits(),
            "-0.0" => (-0.0_f64).to_bits(),
            other => other
                .strip_prefix("NaN:")
                .filter(|digits| digits.len() == 16)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .filter(|bits| f64::from_bits(*bits).is_nan())
                .ok_or(DecodeError::Line("no such double"))?,
        };
        self.end_object()?;
        Ok(bits)
    }

    fn end_object(&mut self) -> Result<(), DecodeError> {
        match self.reader.next_member()? {
            None => Ok(()),
            Some(_) => Err(DecodeError::Line("an object has a member too many")),
        }
    }

    fn id(&mut self, number: u32) -> Result<(), DecodeError> {
        let text = self.string()?;
        let (pairs, rest) = text.raw().as_bytes().as_chunks::<2>();
        let open = self.builder.open(number);
        let out = self.builder.raw();
        let ok = rest.is_empty()
            && pairs.iter().all(|[high, low]| match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    true
                }
                _ => false,
            });
        self.builder.close(open);
        if ok { Ok(()) } else { Err(DecodeError::Line("an id is not hexadecimal")) }
    }

    /// Appends the wire bytes of fields that the schema does not know.
    fn fields(&mut self, raw: &Text<'_>) -> Result<(), DecodeError> {
        let out = self.builder.raw();
        let start = out.len();
        base64(raw, out)?;
        let mut cursor = Cursor::new(&out[start..]);
        while cursor.next_field()?.is_some() {}
        Ok(())
    }

    /// The seal of a record, as attributes with field number `number`.
    fn seal(&mut self, number: u32) -> Result<(), DecodeError> {
        self.object()?;
        while let Some(key) = self.reader.next_member()? {
            match key.raw() {
                "entry" => self.sealed(number, ENTRY, Walk::bytes_value)?,
                "salt" => self.sealed(number, SALT, Walk::bytes_value)?,
                "stream" => self.sealed(number, STREAM_ID, |walk| {
                    let text = walk.string()?;
                    walk.builder.text(1, &text);
                    Ok(())
                })?,
                "n" => self.sealed(number, NUMBER, |walk| {
                    let value: u64 = walk.literal()?;
                    walk.builder.varint(3, value);
                    Ok(())
                })?,
                "disclosures" => {
                    let list = self.reader.skip_value(DEPTH_READ_MAX)?;
                    let disclosed = without_values(self.reader.slice(list))?;
                    self.sealed(number, DISCLOSED, |walk| {
                        put_bytes(walk.builder.raw(), 1, disclosed.as_bytes());
                        Ok(())
                    })?;
                }
                _ => {
                    self.reader.skip_value(DEPTH_READ_MAX)?;
                }
            }
        }
        Ok(())
    }

    fn sealed(
        &mut self,
        number: u32,
        name: &str,
        fill: impl FnOnce(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let pair = self.builder.open(number);
        put_bytes(self.builder.raw(), 1, name.as_bytes());
        let value = self.builder.open(2);
        fill(self)?;
        self.builder.close(value);
        self.builder.close(pair);
        Ok(())
    }

    fn bytes_value(&mut self) -> Result<(), DecodeError> {
        let text = self.string()?;
        let open = self.builder.open(7);
        base64(&text, self.builder.raw())?;
        self.builder.close(open);
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, DecodeError> {
    text.parse().map_err(|_| DecodeError::Line("a number is out of range"))
}

fn base64(text: &Text<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    STANDARD.decode_vec(text.raw(), out).map_err(|_| DecodeError::Line("bytes are not base64"))
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

const fn zigzag(number: i32) -> u32 {
    (number << 1 ^ number >> 31).cast_unsigned()
}
