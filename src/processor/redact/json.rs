//! JSON inside a string: redacted within, so that escapes hide nothing and the result still parses.
//!
//! Everything that is not replaced is copied as written. What does not parse as one JSON value is scanned as plain
//! text by the caller.

use std::ops::Range;

use crate::processor::redact::detector::ids;
use crate::processor::redact::names::Strength;
use crate::processor::redact::rulebook::Rulebook;
use crate::processor::redact::text::Counts;
use crate::stdx::json::{Error, Reader, Text, Value, write_str};

const DEPTH_MAX: usize = 128;
/// The shortest number worth a look: a payment card's.
const NUMBER_LEN_MIN: usize = 13;

/// True for text that may be a JSON object or list.
pub(super) fn is_likely(text: &str) -> bool {
    matches!(text.trim_ascii_start().as_bytes(), [b'{' | b'[', ..])
}

/// The redacted JSON; `None` when there is nothing to mask.
///
/// # Errors
/// When the text is not JSON, or is nested too deep.
pub(super) fn redact(
    rules: &Rulebook,
    text: &str,
    nested: usize,
    counts: &mut Counts,
) -> Result<Option<String>, Error> {
    let mut found = counts.clone();
    let (edits, buffer, key) = (Vec::new(), String::new(), String::new());
    let mut walk = Walk { rules, nested, counts: &mut found, edits, buffer, key };
    walk.run(text)?;
    let edits = walk.edits;
    *counts = found;
    Ok((!edits.is_empty()).then(|| apply(text, &edits)))
}

struct Walk<'r> {
    rules: &'r Rulebook,
    nested: usize,
    counts: &'r mut Counts,
    /// What to put where, in order.
    edits: Vec<(Range<usize>, String)>,
    buffer: String,
    /// The key above the value at hand, when it is a context; also of the elements of a list.
    key: String,
}

/// An open container.
enum Open {
    Object,
    /// `option`: the last text was an option that takes a secret, as in `["--password", "x"]`.
    Array {
        option: bool,
    },
}

impl Walk<'_> {
    fn run(&mut self, text: &str) -> Result<(), Error> {
        let mut reader = Reader::over(text);
        let mut open: Vec<Open> = Vec::new();
        loop {
            match reader.value()? {
                Value::Object | Value::Array if open.len() == DEPTH_MAX => return reader.fail("nested too deep"),
                Value::Object => open.push(Open::Object),
                Value::Array => open.push(Open::Array { option: false }),
                Value::Str(text) => self.string(&text, open.last_mut()),
                Value::Number(number) => self.number(number, reader.offset()),
                Value::Bool(_) | Value::Null => {}
            }
            if !self.climb(&mut reader, &mut open)? {
                return reader.end();
            }
        }
    }

    /// Goes on to the next value that is to be read; false at the end.
    fn climb(&mut self, reader: &mut Reader<'_>, open: &mut Vec<Open>) -> Result<bool, Error> {
        while let Some(container) = open.last() {
            let more = match container {
                Open::Object => self.next_member(reader)?,
                Open::Array { .. } => reader.next_element()?,
            };
            if more {
                return Ok(true);
            }
            open.pop();
        }
        Ok(false)
    }

    /// Steps to the next member whose value is to be read; those of secret keys are masked on the way.
    fn next_member(&mut self, reader: &mut Reader<'_>) -> Result<bool, Error> {
        while let Some(key) = reader.next_member()? {
            let mut buffer = std::mem::take(&mut self.buffer);
            let name = key.read(&mut buffer);
            if let Some(masked) = self.rules.redact_nested("", name, self.nested + 1, self.counts) {
                self.edits.push((key.range(), masked));
            }
            let masked = self.secret_value(name, reader);
            self.key.clear();
            if self.rules.scanner.is_context(name) {
                self.key.push_str(name);
            }
            self.buffer = buffer;
            if !masked? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Masks the value that comes next, and steps over it, when `name` says that it is a secret.
    fn secret_value(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<bool, Error> {
        let Some(strength) = self.rules.secrecy(name) else { return Ok(false) };
        let mut ahead = reader.clone();
        let value = ahead.skip_value(DEPTH_MAX)?;
        let masked = match reader.slice(value.clone()).as_bytes() {
            [b'"', ..] => match reader.clone().value()? {
                Value::Str(text) => self.rules.secret_text(name, text.read(&mut String::new())),
                _ => None,
            },
            [b'{', .., b'}'] | [b'[', .., b']'] if value.len() > 2 => {
                Some((ids::SECRET_KEY_NAME.mask().to_owned(), ids::SECRET_KEY_NAME))
            }
            [b'-' | b'0'..=b'9', ..] if strength == Strength::Strong => {
                Some((ids::SECRET_KEY_NAME.mask().to_owned(), ids::SECRET_KEY_NAME))
            }
            _ => None,
        };
        let Some((masked, id)) = masked else { return Ok(false) };
        self.counts.add(id);
        self.edits.push((value, masked));
        *reader = ahead;
        Ok(true)
    }

    fn string(&mut self, text: &Text<'_>, open: Option<&mut Open>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let content = text.read(&mut buffer);
        let follows = match open {
            Some(Open::Array { option }) => std::mem::replace(option, self.rules.is_option(content)),
            _ => false,
        };
        let masked = if follows {
            self.rules.option_value(content, self.counts)
        } else {
            self.rules.redact_nested(&self.key, content, self.nested + 1, self.counts)
        };
        self.edits.extend(masked.map(|masked| (text.range(), masked)));
        self.buffer = buffer;
    }

    /// A card number may come as a number.
    fn number(&mut self, number: &str, end: usize) {
        if (number.len() >= NUMBER_LEN_MIN || !self.key.is_empty())
            && let Some(masked) = self.rules.scanner.redact_under(&self.key, number, self.counts)
        {
            self.edits.push((end - number.len()..end, masked));
        }
    }
}

fn apply(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = Vec::with_capacity(text.len() + 16 * edits.len());
    let mut passed = 0;
    for (range, new) in edits {
        out.extend_from_slice(&text.as_bytes()[passed..range.start]);
        write_str(&mut out, new);
        passed = range.end;
    }
    out.extend_from_slice(&text.as_bytes()[passed..]);
    // Cut and joined at quotes only, so it is UTF-8; if that were wrong, nothing of it may go on.
    String::from_utf8(out).unwrap_or_else(|_| crate::processor::redact::detector::UNSCANNED.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::rulebook::tests::masks;

    #[test]
    fn strings_keys_and_numbers_within_are_masked_and_the_rest_is_copied() {
        masks(
            r#" {"to" : "bob@example.com", "n": [1.50, 4111111111111111], "e\u0076e@example.com": "a\tb"} "#,
            r#" {"to" : "[REDACTED:email]", "n": [1.50, "[REDACTED:payment-card]"], "[REDACTED:email]": "a\tb"} "#,
        );
    }

    #[test]
    fn values_of_secret_keys_are_masked_whatever_their_type() {
        masks(
            r#"{"password":"a\"b","api_key":{"x":[1]},"secret":-1,"token":7,"credentials":[],"pass\u0077ord":true}"#,
            r#"{"password":"[REDACTED:secret-key-name]","api_key":"[REDACTED:secret-key-name]","secret":"[REDACTED:secret-key-name]","token":7,"credentials":[],"pass\u0077ord":true}"#,
        );
        masks(
            r#"{"headers":{"Authorization":"Bearer abc","Cookie":["a=b"]},"token":"t"}"#,
            r#"{"headers":{"Authorization":"Bearer [REDACTED:bearer-credentials]","Cookie":"[REDACTED:secret-key-name]"},"token":"[REDACTED:secret-key-name]"}"#,
        );
    }

    #[test]
    fn escapes_hide_nothing() {
        masks(r#"{"a":"bob\u0040example.com"}"#, r#"{"a":"[REDACTED:email]"}"#);
        masks(r#"["4111\u00201111 1111 1111"]"#, r#"["[REDACTED:payment-card]"]"#);
        masks(r#"{"k":"-----BEGIN PRIVATE KEY-----\nMII\n"}"#, r#"{"k":"[REDACTED:private-key]"}"#);
        masks(r#"{"cut":"bob\u0040example.com"#, r#"{"cut":"[REDACTED:email]"#);
    }

    #[test]
    fn json_within_json_is_opened() {
        masks(
            r#"{"arguments":"{\"command\":\"curl -u x:y\",\"password\":\"p\\\"q\"}"}"#,
            r#"{"arguments":"{\"command\":\"curl -u x:y\",\"password\":\"[REDACTED:secret-key-name]\"}"}"#,
        );
    }

    #[test]
    fn what_follows_an_option_in_a_list_is_masked() {
        masks(r#"["mysql","--password","pw","x"]"#, r#"["mysql","--password","[REDACTED:secret-assignment]","x"]"#);
        masks(r#"["--password","--verbose"]"#, r#"["--password","--verbose"]"#);
    }

    #[test]
    fn text_that_does_not_parse_is_scanned_as_text() {
        masks(r#"{"password": "hunter2", "cut": "#, r#"{"password": "[REDACTED:secret-assignment]", "cut": "#);
        let deep = format!("{}bob@example.com{}", "[\"x\",".repeat(300), "]".repeat(300));
        masks(&deep, &deep.replace("bob@example.com", "[REDACTED:email]"));
    }
}
