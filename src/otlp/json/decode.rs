//! OTLP/JSON to protobuf, token by token.

mod scalar;

use crate::otlp::build::Builder;
use crate::otlp::json::JsonError;
use crate::otlp::schema::{self, Card, Field, Kind, Message};
use crate::otlp::wire::put_varint;
use crate::otlp::{DEPTH_MAX, Signal};
use crate::stdx::json::{Reader, Text, Value};

/// The bit in `seen` for a message's `oneof`. Above all fields.
const ONEOF: u32 = 1 << 31;

/// Reads the JSON form of an `Export*ServiceRequest` as protobuf.
///
/// # Errors
/// When the text is not JSON, or a known field holds what it cannot.
pub fn to_protobuf(signal: Signal, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut walk =
        Walk { reader: Reader::new(json)?, builder: Builder::with_capacity(json.len() / 2), buffer: String::new() };
    let value = walk.reader.value()?;
    walk.message(schema::request(signal), value)?;
    walk.reader.end()?;
    Ok(walk.builder.finish())
}

struct Walk<'j> {
    reader: Reader<'j>,
    builder: Builder,
    /// For strings with escapes.
    buffer: String,
}

type Done = Result<(), JsonError>;

fn expected<T>(what: &str) -> Result<T, JsonError> {
    Err(JsonError::new(format!("expected {what}")))
}

/// Notes that something stands, and fails when it stood before.
fn once(seen: &mut u32, bit: u32) -> Done {
    let again = *seen & bit != 0;
    *seen |= bit;
    if again { Err(JsonError::new("it stands twice")) } else { Ok(()) }
}

impl<'j> Walk<'j> {
    fn message(&mut self, message: &'static Message, value: Value<'j>) -> Done {
        if value != Value::Object {
            return expected("an object");
        }
        let (mut seen, mut hint) = (0, 0);
        while let Some(key) = self.reader.next_member()? {
            match find(message, key.read(&mut self.buffer), &mut hint) {
                Some(field) => self.member(field, hint, &mut seen).map_err(|error| error.within(field.json))?,
                None => self.skip()?,
            }
        }
        Ok(())
    }

    fn skip(&mut self) -> Done {
        self.reader.skip_value(DEPTH_MAX)?;
        Ok(())
    }

    /// The value of a known field, `null` being as good as none.
    fn member(&mut self, field: &'static Field, index: usize, seen: &mut u32) -> Done {
        let value = self.reader.value()?;
        if value == Value::Null {
            return Ok(());
        }
        once(seen, 1 << index)?;
        if field.is_alternative() && once(seen, ONEOF).is_err() {
            return Err(JsonError::new("only one of its kind may stand in a message"));
        }
        self.field(field, value)
    }

    fn field(&mut self, field: &'static Field, value: Value<'j>) -> Done {
        let number = field.number;
        match field.kind {
            Kind::Attributes => self.list(value, |walk, value| walk.pair(number, value, 0)),
            Kind::Value => self.any(number, value, 0),
            Kind::Message(inner) if field.card == Card::Many => {
                self.list(value, |walk, value| walk.nested(number, inner, value))
            }
            Kind::Message(inner) => self.nested(number, inner, value),
            Kind::Strings => self.list(value, |walk, value| walk.string(number, value)),
            Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => {
                let open = self.builder.open(number);
                self.list(value, |walk, value| walk.packed(field.kind, value))?;
                self.builder.close(open);
                Ok(())
            }
            _ => self.scalar(field, value),
        }
    }

    fn nested(&mut self, number: u32, message: &'static Message, value: Value<'j>) -> Done {
        let open = self.builder.open(number);
        self.message(message, value)?;
        self.builder.close(open);
        Ok(())
    }

    fn list(&mut self, value: Value<'j>, mut item: impl FnMut(&mut Self, Value<'j>) -> Done) -> Done {
        if value != Value::Array {
            return expected("a list");
        }
        let mut index = 0;
        while self.reader.next_element()? {
            let value = self.reader.value()?;
            item(self, value).map_err(|error| error.at(index))?;
            index += 1;
        }
        Ok(())
    }

    fn packed(&mut self, kind: Kind, value: Value<'j>) -> Done {
        let bits = match kind {
            Kind::PackedDouble => self.double(value)?.to_bits(),
            _ => self.integer(value, "an unsigned integer of 64 bits")?,
        };
        let out = self.builder.raw();
        match kind {
            Kind::PackedUint64 => put_varint(out, bits),
            _ => out.extend_from_slice(&bits.to_le_bytes()),
        }
        Ok(())
    }

    fn string(&mut self, number: u32, value: Value<'j>) -> Done {
        let Value::Str(text) = value else { return expected("a string") };
        self.builder.text(number, &text);
        Ok(())
    }

    /// A `KeyValue`.
    fn pair(&mut self, number: u32, value: Value<'j>, depth: usize) -> Done {
        if value != Value::Object {
            return expected("an object with key and value");
        }
        let open = self.builder.open(number);
        let mut seen = 0;
        while let Some(key) = self.reader.next_member()? {
            match key.read(&mut self.buffer) {
                "key" => self.once_in(&mut seen, 1, "key", |walk, value| walk.string(1, value))?,
                "value" => self.once_in(&mut seen, 2, "value", |walk, value| walk.any(2, value, depth))?,
                _ => self.skip()?,
            }
        }
        self.builder.close(open);
        Ok(())
    }

    /// A member that may stand once. `null` is as good as none.
    fn once_in(
        &mut self,
        seen: &mut u32,
        bit: u32,
        name: &str,
        read: impl FnOnce(&mut Self, Value<'j>) -> Done,
    ) -> Done {
        let value = self.reader.value()?;
        if value == Value::Null {
            return Ok(());
        }
        once(seen, bit).and_then(|()| read(self, value)).map_err(|error| error.within(name))
    }

    /// An `AnyValue`.
    fn any(&mut self, number: u32, value: Value<'j>, depth: usize) -> Done {
        if value != Value::Object {
            return expected("an object such as {\"stringValue\": \"...\"}");
        }
        if depth > DEPTH_MAX {
            return Err(JsonError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let open = self.builder.open(number);
        let mut seen = 0;
        while let Some(key) = self.reader.next_member()? {
            match any_number(key.read(&mut self.buffer)) {
                Some((number, name)) => {
                    self.any_member(number, depth, &mut seen).map_err(|error| error.within(name))?
                }
                None => self.skip()?,
            }
        }
        self.builder.close(open);
        Ok(())
    }

    fn any_member(&mut self, number: u32, depth: usize, seen: &mut u32) -> Done {
        let value = self.reader.value()?;
        if value == Value::Null {
            return Ok(());
        }
        if once(seen, ONEOF).is_err() {
            return Err(JsonError::new("a value may be of one kind only"));
        }
        match number {
            1 => self.string(number, value)?,
            2 => {
                let value = boolean(value)?;
                self.builder.varint(number, value.into());
            }
            3 => {
                let value: i64 = self.integer(value, "an integer of 64 bits")?;
                self.builder.varint(number, value.cast_unsigned());
            }
            4 => {
                let value = self.double(value)?;
                self.builder.fixed64(number, value.to_bits());
            }
            7 => self.bytes(number, value)?,
            _ => self.values(number, value, depth + 1)?,
        }
        Ok(())
    }

    /// An `ArrayValue` or a `KeyValueList`.
    fn values(&mut self, number: u32, value: Value<'j>, depth: usize) -> Done {
        if value != Value::Object {
            return expected("an object with values");
        }
        let open = self.builder.open(number);
        let mut seen = 0;
        while let Some(key) = self.reader.next_member()? {
            match key.read(&mut self.buffer) {
                "values" => self.once_in(&mut seen, 1, "values", |walk, list| {
                    walk.list(list, |walk, value| match (number, value) {
                        (6, _) => walk.pair(1, value, depth),
                        (_, Value::Null) => walk.empty(1),
                        _ => walk.any(1, value, depth),
                    })
                })?,
                _ => self.skip()?,
            }
        }
        self.builder.close(open);
        Ok(())
    }

    /// A `null` in a list is a value without content; left out, it would move those after it.
    fn empty(&mut self, number: u32) -> Done {
        let open = self.builder.open(number);
        self.builder.close(open);
        Ok(())
    }

    /// The text, escapes undone.
    fn read<'s>(&'s mut self, text: &Text<'j>) -> &'s str
    where
        'j: 's,
    {
        text.read(&mut self.buffer)
    }
}

/// The field of that name in either spelling. Senders keep an order, so the search goes on where it ended.
fn find(message: &'static Message, name: &str, hint: &mut usize) -> Option<&'static Field> {
    let (before, after) = message.fields.split_at(*hint);
    let mut fields = after.iter().chain(before).enumerate();
    let (steps, field) = fields.find(|(_, field)| field.json == name || field.name == name)?;
    *hint = (*hint + steps) % message.fields.len();
    Some(field)
}

fn any_number(name: &str) -> Option<(u32, &'static str)> {
    Some(match name {
        "stringValue" | "string_value" => (1, "stringValue"),
        "boolValue" | "bool_value" => (2, "boolValue"),
        "intValue" | "int_value" => (3, "intValue"),
        "doubleValue" | "double_value" => (4, "doubleValue"),
        "arrayValue" | "array_value" => (5, "arrayValue"),
        "kvlistValue" | "kvlist_value" => (6, "kvlistValue"),
        "bytesValue" | "bytes_value" => (7, "bytesValue"),
        _ => return None,
    })
}

fn boolean(value: Value<'_>) -> Result<bool, JsonError> {
    match value {
        Value::Bool(value) => Ok(value),
        _ => expected("true or false"),
    }
}
