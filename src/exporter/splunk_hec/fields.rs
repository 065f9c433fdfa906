//! `fields` of an event: flat, as Splunk takes them.
//!
//! Maps become dotted names (`a.b`); where that would give two values one name, the map stays together as JSON text. Lists of
//! scalars become multivalue fields, other lists JSON text. Splunk has no null: an empty value is `""`.

use crate::otlp::model::Attribute;
use crate::otlp::plain::{self, Comma, overruled};
use crate::otlp::value::{Pair, Value};
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::stdx::json::{write_f64, write_i64, write_str};

/// The members of one `fields` object.
#[derive(Debug)]
pub(super) struct Fields<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    comma: Comma,
}

const OPENING: &[u8] = b",\"fields\":{";

impl<'o> Fields<'o> {
    /// Begins the object, as a member of an event.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(OPENING);
        Self { out, start, comma: Comma::default() }
    }

    /// Begins members that stand in no object yet; end with [`Fields::leave`].
    pub(super) fn loose(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, comma: Comma::default() }
    }

    /// Ends the object; one without members is taken back.
    pub(super) fn end(self) {
        if self.out.len() == self.start + OPENING.len() {
            self.out.truncate(self.start);
        } else {
            self.out.push(b'}');
        }
    }

    /// A member with a text, unless that is empty.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.name("", name);
            write_str(self.out, text);
        }
    }

    /// A member with a number, unless that is 0.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        if number != 0 {
            self.name("", name);
            crate::stdx::json::write_u64(self.out, number);
        }
    }

    /// A member whose value `write` appends.
    pub(super) fn with(&mut self, prefix: &str, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(prefix, name);
        write(self.out);
    }

    /// Members that were written before.
    pub(super) fn raw(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.comma.put(self.out);
            self.out.extend_from_slice(members);
        }
    }

    /// An attribute.
    pub(super) fn attribute(
        &mut self,
        prefix: &str,
        attribute: &Attribute<'_>,
        others: &[Attribute<'_>],
    ) -> Result<(), DecodeError> {
        let Attribute { key, value, .. } = attribute;
        match value {
            Value::Map(_) if !is_ambiguous(key, others.iter().map(|other| other.key)) => {
                self.entries(&format!("{prefix}{key}"), value, 1)
            }
            value => self.value(prefix, key, value),
        }
    }

    fn entries(&mut self, path: &str, map: &Value<'_>, depth: usize) -> Result<(), DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let entries = map.entries().collect::<Result<Vec<Pair<'_>>, _>>()?;
        if entries.is_empty() {
            return self.value("", path, map);
        }
        let overruled = overruled(&entries, |entry| entry.key);
        for (place, Pair { key, value, .. }) in entries.iter().enumerate() {
            if overruled.binary_search(&place).is_ok() {
                continue;
            }
            if matches!(value, Value::Map(_)) && !is_ambiguous(key, entries.iter().map(|entry| entry.key)) {
                self.entries(&format!("{path}.{key}"), value, depth + 1)?;
            } else {
                self.value(&format!("{path}."), key, value)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, prefix: &str, name: &str, value: &Value<'_>) -> Result<(), DecodeError> {
        self.name(prefix, name);
        match value {
            Value::Str(text) => write_str(self.out, text),
            Value::Int(number) => write_i64(self.out, *number),
            Value::Double(number) if number.is_finite() => write_f64(self.out, *number),
            Value::Bool(_) | Value::Double(_) | Value::Bytes(_) => plain::write_value(self.out, value)?,
            Value::Null | Value::Unknown(_) => self.out.extend_from_slice(b"\"\""),
            Value::Array(_) if is_multivalue(value)? => plain::write_value(self.out, value)?,
            Value::Array(_) | Value::Map(_) => {
                let mut json = Vec::new();
                plain::write_value(&mut json, value)?;
                write_str(self.out, std::str::from_utf8(&json).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn name(&mut self, prefix: &str, name: &str) {
        self.comma.put(self.out);
        if prefix.is_empty() {
            write_str(self.out, name);
        } else {
            write_str(self.out, &format!("{prefix}{name}"));
        }
        self.out.push(b':');
    }
}

/// Another name begins with this one and a dot: to take the map apart could give two values one name.
fn is_ambiguous<'k>(key: &str, mut others: impl Iterator<Item = &'k str>) -> bool {
    others.any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// A list of scalars, none of them empty.
fn is_multivalue(list: &Value<'_>) -> Result<bool, DecodeError> {
    let mut items = 0;
    for item in list.items() {
        items += 1;
        if matches!(item?, Value::Null | Value::Unknown(_) | Value::Array(_) | Value::Map(_)) {
            return Ok(false);
        }
    }
    Ok(items > 0)
}
