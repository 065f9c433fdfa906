//! Values as ordinary JSON, for destinations that know nothing of OTLP: `{"port":8080,"tags":["a"]}`.
//!
//! Readable rather than reversible (canonical lines are that): integers and doubles are numbers, bytes are base64, an empty
//! value is `null`, and what JSON has no number for is the text `NaN`, `Infinity` or `-Infinity`. Of a key that stands twice
//! the last value counts.

use std::collections::HashSet;

use crate::otlp::model::Attribute;
use crate::otlp::value::Value;
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::stdx::json::{write_base64, write_f64, write_i64, write_str};

/// Up to so many keys are compared with each other, more go through a set.
const COMPARED_MAX: usize = 32;

/// Appends a value.
///
/// # Errors
/// When a nested value is broken, or nests deeper than [`DEPTH_MAX`].
pub fn write_value(out: &mut Vec<u8>, value: &Value<'_>) -> Result<(), DecodeError> {
    write_below(out, value, 1)
}

/// Appends attributes as members (`"key":value,"key":value`), without the braces, so that others can stand beside them.
///
/// # Errors
/// As [`write_value`].
pub fn write_members(out: &mut Vec<u8>, attributes: &[Attribute<'_>]) -> Result<(), DecodeError> {
    write_entries(out, attributes, |attribute| (attribute.key, attribute.value), 1)
}

/// Appends the text of a value as people write it where only text is possible (labels, tags): a string is itself, the
/// rest is its JSON.
///
/// # Errors
/// As [`write_value`].
pub fn write_text(out: &mut Vec<u8>, value: &Value<'_>) -> Result<(), DecodeError> {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Null => {}
        Value::Bytes(bytes) => write_base64(out, bytes),
        Value::Double(number) if !number.is_finite() => out.extend_from_slice(non_finite(*number).as_bytes()),
        other => write_value(out, other)?,
    }
    Ok(())
}

fn write_below(out: &mut Vec<u8>, value: &Value<'_>, depth: usize) -> Result<(), DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    match value {
        Value::Null | Value::Unknown(_) => out.extend_from_slice(b"null"),
        Value::Str(text) => write_str(out, text),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Int(number) => write_i64(out, *number),
        Value::Double(number) if number.is_finite() => write_f64(out, *number),
        Value::Double(number) => write_str(out, non_finite(*number)),
        Value::Bytes(bytes) => {
            out.push(b'"');
            write_base64(out, bytes);
            out.push(b'"');
        }
        Value::Array(_) => {
            out.push(b'[');
            let mut comma = Comma::default();
            for item in value.items() {
                comma.put(out);
                write_below(out, &item?, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Map(_) => {
            out.push(b'{');
            let entries = value.entries().collect::<Result<Vec<_>, _>>()?;
            write_entries(out, &entries, |pair| (pair.key, pair.value), depth)?;
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_entries<'a, T>(
    out: &mut Vec<u8>,
    entries: &[T],
    pair: impl Fn(&T) -> (&'a str, Value<'a>),
    depth: usize,
) -> Result<(), DecodeError> {
    let overruled = overruled(entries, |entry| pair(entry).0);
    let mut comma = Comma::default();
    for (index, entry) in entries.iter().enumerate() {
        if overruled.binary_search(&index).is_err() {
            let (key, value) = pair(entry);
            comma.put(out);
            write_str(out, key);
            out.push(b':');
            write_below(out, &value, depth + 1)?;
        }
    }
    Ok(())
}

/// The places of entries whose key comes again later, in order.
pub fn overruled<'a, T>(entries: &[T], key: impl Fn(&T) -> &'a str) -> Vec<usize> {
    if entries.len() <= COMPARED_MAX {
        let again = |at: usize| entries[at + 1..].iter().any(|later| key(later) == key(&entries[at]));
        return (0..entries.len()).filter(|at| again(*at)).collect();
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let mut places: Vec<usize> = (0..entries.len()).rev().filter(|at| !seen.insert(key(&entries[*at]))).collect();
    places.reverse();
    places
}

const fn non_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Puts the comma between members and items.
#[derive(Debug, Default)]
pub struct Comma(bool);

impl Comma {
    /// Appends a comma, but before the first.
    pub fn put(&mut self, out: &mut Vec<u8>) {
        if self.0 {
            out.push(b',');
        }
        self.0 = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;
    use crate::otlp::json::to_protobuf;
    use crate::otlp::model::Batch;

    fn written(attributes: &serde_json::Value) -> String {
        let request = serde_json::json!(
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": attributes}]}]}]}
        );
        let bytes = to_protobuf(Signal::Logs, request.to_string().as_bytes()).unwrap();
        let arena = bumpalo::Bump::new();
        let batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
        let mut out = vec![];
        write_members(&mut out, batch.groups[0].scopes[0].records[0].attributes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_of_value_becomes_ordinary_json() {
        let attributes = serde_json::json!([
            {"key": "s", "value": {"stringValue": "a\"b"}}, {"key": "t", "value": {"boolValue": true}},
            {"key": "i", "value": {"intValue": "-9007199254740993"}}, {"key": "d", "value": {"doubleValue": 1.5}},
            {"key": "n", "value": {"doubleValue": "NaN"}}, {"key": "m", "value": {"doubleValue": "-Infinity"}},
            {"key": "b", "value": {"bytesValue": "AAE="}}, {"key": "e", "value": {}},
            {"key": "l", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}}},
            {"key": "o", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {}}}]}}},
        ]);
        assert_eq!(
            written(&attributes),
            r#""s":"a\"b","t":true,"i":-9007199254740993,"d":1.5,"n":"NaN","m":"-Infinity","b":"AAE=","e":null,"l":[1,"x"],"o":{"k":[]}"#
        );
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_value_counts() {
        let twice = |others: usize| {
            let pair = |key: String, value: usize| serde_json::json!({"key": key, "value": {"intValue": value}});
            let others = (0..others).map(|n| pair(format!("o{n}"), n));
            serde_json::Value::from_iter([pair("a".into(), 1)].into_iter().chain(others).chain([pair("a".into(), 2)]))
        };
        assert_eq!(written(&twice(1)), r#""o0":0,"a":2"#);
        let many = written(&twice(100));
        assert!(many.starts_with(r#""o0":0,"#) && many.ends_with(r#","a":2"#), "{many}");
    }

    #[test]
    fn text_is_itself_and_the_rest_is_json() {
        for (value, wanted) in [
            (Value::Str("a\"b"), "a\"b"),
            (Value::Int(5), "5"),
            (Value::Null, ""),
            (Value::Double(f64::INFINITY), "Infinity"),
            (Value::Bytes(&[0, 1]), "AAE="),
            (Value::Array(&[]), "[]"),
        ] {
            let mut out = vec![];
            write_text(&mut out, &value).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
