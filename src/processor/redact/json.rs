//! JSON inside a string: redacted within, so that escapes hide nothing and the result still parses.
//!
//! Everything that is not replaced is copied as written. What does not parse as one JSON value is scanned as plain
//! text by the caller.

use std::ops::Range;

use crate::processor::redact::decode;
use crate::processor::redact::detector::ids;
use crate::processor::redact::edit::{Edit, apply};
use crate::processor::redact::names::Strength;
use crate::processor::redact::rulebook::{Depth, Rulebook, Unscanned, Work};
use crate::stdx::json::{Error, Reader, Text, Value, write_str};

const DEPTH_MAX: usize = 128;
/// The shortest number worth a look: a payment card's.
const NUMBER_LEN_MIN: usize = 13;

/// True for text that may be a JSON object or list.
pub(super) fn is_likely(text: &str) -> bool {
    matches!(text.trim_ascii_start().as_bytes(), [b'{' | b'[', ..])
}

/// Why there are no edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The text is not JSON, or is nested too deep.
    NotJson,
    /// It cannot be scanned.
    Unscanned,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::NotJson
    }
}

impl From<Unscanned> for Failure {
    fn from(_: Unscanned) -> Self {
        Self::Unscanned
    }
}

/// What is to be replaced in a JSON text.
///
/// # Errors
/// When the text is not JSON, or cannot be scanned.
pub(super) fn edits(rules: &Rulebook, text: &str, depth: Depth, work: &mut Work) -> Result<Vec<Edit>, Failure> {
    let mut walk = Walk { rules, depth: depth.in_json(), work, edits: Vec::new(), key: String::new() };
    walk.run(text)?;
    Ok(walk.edits)
}

/// The text as it stands between the quotes of a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_str(&mut out, text);
    let inside = out.get(1..out.len() - 1).unwrap_or_default();
    String::from_utf8_lossy(inside).into_owned()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

struct Walk<'r> {
    rules: &'r Rulebook,
    depth: Depth,
    work: &'r mut Work,
    /// What to put where, in order.
    edits: Vec<Edit>,
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
    fn run(&mut self, text: &str) -> Result<(), Failure> {
        let mut reader = Reader::over(text);
        let mut open: Vec<Open> = Vec::new();
        loop {
            match reader.value()? {
                Value::Object | Value::Array if open.len() == DEPTH_MAX => return Err(Failure::NotJson),
                Value::Object => open.push(Open::Object),
                Value::Array => open.push(Open::Array { option: false }),
                Value::Str(text) => self.string(&text, open.last_mut())?,
                Value::Number(number) => self.number(number, reader.offset())?,
                Value::Bool(_) | Value::Null => {}
            }
            if !self.climb(&mut reader, &mut open)? {
                return Ok(reader.end()?);
            }
        }
    }

    /// Goes on to the next value that is to be read; false at the end.
    fn climb(&mut self, reader: &mut Reader<'_>, open: &mut Vec<Open>) -> Result<bool, Failure> {
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

    /// Steps to the next member whose value is to be read; those of secret keys are replaced on the way.
    fn next_member(&mut self, reader: &mut Reader<'_>) -> Result<bool, Failure> {
        while let Some(key) = reader.next_member()? {
            let content = Content::of(&key);
            let name = content.text();
            let edits = self.rules.nested("", name, self.depth, self.work)?;
            content.push(edits, &mut self.edits);
            self.key.clear();
            if self.rules.scanner.is_context(name) {
                self.key.push_str(name);
            }
            if !self.secret_value(name, reader)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Replaces the value that comes next, and steps over it, when `name` says that it is a secret.
    fn secret_value(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<bool, Failure> {
        let Some(strength) = self.rules.secrecy(name) else { return Ok(false) };
        let mut ahead = reader.clone();
        let value = ahead.skip_value(DEPTH_MAX)?;
        let replaced = match reader.slice(value.clone()).as_bytes() {
            [b'"', ..] => self.secret_string(name, &mut reader.clone())?,
            [b'{', .., b'}'] | [b'[', .., b']'] if value.len() > 2 => self.whole(value),
            [b'-' | b'0'..=b'9', ..] if strength == Strength::Strong => self.whole(value),
            _ => false,
        };
        if replaced {
            *reader = ahead;
        }
        Ok(replaced)
    }

    fn secret_string(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<bool, Failure> {
        let Value::Str(text) = reader.value()? else { return Ok(false) };
        let content = Content::of(&text);
        let Some(finding) = self.rules.secret_text(name, content.text()) else { return Ok(false) };
        let edit = self.rules.edit(content.text(), finding)?;
        let replaced = edit.is_some();
        content.push(Vec::from_iter(edit), &mut self.edits);
        Ok(replaced)
    }

    /// A value that is no string becomes one.
    fn whole(&mut self, value: Range<usize>) -> bool {
        let id = ids::SECRET_KEY_NAME;
        self.edits.push(Edit { span: value, id, new: quoted(self.rules.mask(id)) });
        true
    }

    fn string(&mut self, text: &Text<'_>, open: Option<&mut Open>) -> Result<(), Failure> {
        let content = Content::of(text);
        let follows = match open {
            Some(Open::Array { option }) => std::mem::replace(option, self.rules.is_option(content.text())),
            _ => false,
        };
        let finding = if follows { self.rules.option_value(content.text()) } else { None };
        let edits = match finding {
            Some(finding) => Vec::from_iter(self.rules.edit(content.text(), finding)?),
            None => self.rules.nested(&self.key, content.text(), self.depth, self.work)?,
        };
        content.push(edits, &mut self.edits);
        Ok(())
    }

    /// A card number may come as a number.
    fn number(&mut self, number: &str, end: usize) -> Result<(), Failure> {
        if number.len() < NUMBER_LEN_MIN && self.key.is_empty() {
            return Ok(());
        }
        let edits = self.rules.nested(&self.key, number, self.depth, self.work)?;
        if let Some(first) = edits.first() {
            let new = apply(number, &edits).ok_or(Unscanned)?;
            self.edits.push(Edit { span: end - number.len()..end, id: first.id, new: quoted(&new) });
        }
        Ok(())
    }
}

/// What stands between the quotes of a string, with escapes undone.
enum Content<'t> {
    Plain(&'t str, usize),
    Decoded(decode::Decoded, usize),
}

impl<'t> Content<'t> {
    fn of(token: &Text<'t>) -> Self {
        let start = token.range().start + 1;
        match token.plain() {
            Some(plain) => Self::Plain(plain, start),
            None => decode::json_escapes(token.raw())
                .map_or(Self::Plain(token.raw(), start), |decoded| Self::Decoded(decoded, start)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Plain(text, _) => text,
            Self::Decoded(decoded, _) => &decoded.text,
        }
    }

    /// Adds edits of the content as edits of the text around.
    fn push(&self, edits: Vec<Edit>, out: &mut Vec<Edit>) {
        for edit in edits {
            let (span, start) = match self {
                Self::Plain(_, start) => (edit.span, start),
                Self::Decoded(decoded, start) => (decoded.written(&edit.span), start),
            };
            out.push(Edit { span: start + span.start..start + span.end, id: edit.id, new: escaped(&edit.new) });
        }
    }
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
            r#"{"arguments":"{\"command\":\"ls -l x\",\"password\":\"p\\\"q\"}"}"#,
            r#"{"arguments":"{\"command\":\"ls -l x\",\"password\":\"[REDACTED:secret-key-name]\"}"}"#,
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
