//! Any JSON of a record back to its canonical line: what a store that parses JSON gives back is often the same record
//! in other words.
//!
//! Undone: the order of members, white space, escapes, the spelling of doubles. Not undone, because it is another value: a
//! double that became an integer (`1.0` and `1`), a number that lost digits, a string that became a number, a member more
//! or less. Memory: a few times the line.

use crate::otlp::DEPTH_MAX;
use crate::stdx::json::{Error, Reader, Value, write_f64, write_str};

/// A record nests values, and each may have wrappers around it.
const DEPTH_READ_MAX: usize = 3 * DEPTH_MAX;

/// Writes one JSON value as CR/1 writes it. `keep` is asked about each member with the names of the members around it; an
/// object that became empty because of that goes as well.
///
/// # Errors
/// When it is no JSON, has a member twice, or nests deeper than a record can.
pub fn canonical(json: &[u8], keep: &dyn Fn(&[String], &str) -> bool) -> Result<Vec<u8>, Error> {
    let mut reader = Reader::new(json)?;
    let mut walk = Walk { reader: &mut reader, keep, path: Vec::new() };
    let mut out = Vec::with_capacity(json.len());
    let value = walk.reader.value()?;
    walk.value(value, &mut out)?;
    reader.end()?;
    Ok(out)
}

struct Walk<'r, 'a> {
    reader: &'r mut Reader<'a>,
    keep: &'r dyn Fn(&[String], &str) -> bool,
    path: Vec<String>,
}

impl Walk<'_, '_> {
    /// Writes a value; false when nothing is left of it.
    fn value(&mut self, value: Value<'_>, out: &mut Vec<u8>) -> Result<bool, Error> {
        match value {
            Value::Object => return self.object(out),
            Value::Array => self.array(out)?,
            Value::Str(text) => write_str(out, text.read(&mut String::new())),
            Value::Number(number) => write_number(out, number),
            Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Null => out.extend_from_slice(b"null"),
        }
        Ok(true)
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let (mut members, mut dropped) = (Vec::new(), false);
        self.check_depth()?;
        while let Some(key) = self.reader.next_member()? {
            let key = key.read(&mut String::new()).to_owned();
            if !(self.keep)(&self.path, &key) {
                dropped = true;
                self.reader.skip_value(DEPTH_READ_MAX)?;
                continue;
            }
            let (mut written, value) = (Vec::new(), self.reader.value()?);
            self.path.push(key);
            let is_left = self.value(value, &mut written)?;
            let key = self.path.pop().unwrap_or_default();
            dropped |= !is_left;
            if is_left {
                members.push((key, written));
            }
        }
        members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return self.reader.fail("a member stands twice");
        }
        write_members(&members, out);
        Ok(!(dropped && members.is_empty()))
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.check_depth()?;
        // Elements have no names; what is asked about a member is asked with the names of objects only.
        self.path.push(String::new());
        out.push(b'[');
        let mut is_first = true;
        while self.reader.next_element()? {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            let value = self.reader.value()?;
            self.value(value, out)?;
        }
        out.push(b']');
        self.path.pop();
        Ok(())
    }

    fn check_depth(&self) -> Result<(), Error> {
        if self.path.len() > DEPTH_READ_MAX { self.reader.fail("nested too deep") } else { Ok(()) }
    }
}

fn write_members(members: &[(String, Vec<u8>)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_str(out, key);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

/// Integers as they are; doubles with the fewest digits. What CR/1 would not write as a literal stays as it is, and
/// then it is not the line that was sealed.
fn write_number(out: &mut Vec<u8>, number: &str) {
    let double = number.contains(['.', 'e', 'E']).then(|| number.parse::<f64>().ok()).flatten();
    match double.filter(|double| double.is_finite()) {
        Some(double) => write_f64(out, double),
        None => out.extend_from_slice(number.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(json: &str) -> Option<String> {
        canonical(json.as_bytes(), &|_, _| true).ok().map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn what_a_store_changes_without_changing_the_record_is_undone() {
        let line = r#"{"attributes":{"a":"é/\"\n","b":1.5,"c":[1,2.0,null,true]},"body":"x"}"#;
        for copy in [
            line,
            r#" { "body" : "x", "attributes": {"c":[1, 2.0, null, true], "b": 15e-1, "a":"\u00e9\/\"\u000a"} } "#,
        ] {
            assert_eq!(all(copy).as_deref(), Some(line), "{copy}");
        }
    }

    #[test]
    fn another_value_stays_another_value() {
        for (one, other) in [("1", "1.0"), ("\"1\"", "1"), ("9007199254740993", "9007199254740992"), ("null", "{}")] {
            assert_ne!(all(one), all(other), "{one} {other}");
        }
        for wrong in ["", "{", r#"{"a":1,"a":1}"#, "{}x", "{\"a\":1}{"] {
            assert_eq!(all(wrong), None, "{wrong}");
        }
        assert_eq!(all(&"[".repeat(100_000)), None);
    }

    #[test]
    fn members_can_be_left_out_and_take_an_emptied_object_with_them() {
        let keep = |path: &[String], key: &str| !(path == ["attributes"] && key == "seal") && key != "drop";
        let write = |json: &str| String::from_utf8(canonical(json.as_bytes(), &keep).unwrap()).unwrap();
        assert_eq!(write(r#"{"attributes":{"seal":1},"body":{"seal":2}}"#), r#"{"body":{"seal":2}}"#);
        assert_eq!(write(r#"{"attributes":{"seal":1,"x":{}},"drop":{"a":1}}"#), r#"{"attributes":{"x":{}}}"#);
    }
}
