//! `--jsonl`: one text a line in, the redacted text and its findings out.

use std::io::{self, BufRead, Write};

use crate::cli::redact::input::{self, Line};
use crate::processor::redact::{Found, Redact};
use crate::stdx::json::{self, Reader, Value, write_str};

/// How deep an `id` may be nested.
const DEPTH_MAX: usize = 16;

pub(super) fn run(engine: &Redact, mut input: impl BufRead, out: &mut impl Write) -> io::Result<()> {
    let mut number = 0_u64;
    while let Some(line) = input::next(&mut input)? {
        number += 1;
        let Line::Text(line) = line else { return Err(bad(number, "the line is longer than 16 MiB")) };
        if line.trim().is_empty() {
            continue;
        }
        let (id, text) = entry(&line).map_err(|error| bad(number, error))?;
        let text = text.ok_or_else(|| bad(number, "there is no member `text` that is a string"))?;
        out.write_all(&answer(engine, id, &text))?;
    }
    Ok(())
}

fn bad(line: u64, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("standard input: line {line}: {what}"))
}

/// The members `id`, as it is written, and `text`.
fn entry(line: &str) -> Result<(&str, Option<String>), json::Error> {
    let mut reader = Reader::over(line);
    let (mut id, mut text) = ("null", None);
    if reader.value()? != Value::Object {
        return reader.fail("expected an object");
    }
    while let Some(key) = reader.next_member()? {
        let mut ahead = reader.clone();
        match (key.plain(), ahead.value()?) {
            (Some("text"), Value::Str(found)) => {
                text = Some(found.read(&mut String::new()).to_owned());
                reader = ahead;
            }
            (Some("id"), _) => {
                let range = reader.skip_value(DEPTH_MAX)?;
                id = reader.slice(range);
            }
            _ => _ = reader.skip_value(DEPTH_MAX)?,
        }
    }
    reader.end()?;
    Ok((id, text))
}

fn answer(engine: &Redact, id: &str, text: &str) -> Vec<u8> {
    let (redacted, found) = engine.text(text);
    let mut out = Vec::with_capacity(redacted.len() + 64);
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"text\":");
    write_str(&mut out, &redacted);
    out.extend_from_slice(b",\"findings\":[");
    let mut points = CodePoints { text, bytes: 0, points: 0 };
    for (index, Found { start, end, rule }) in found.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (start, end) = (points.at(start), points.at(end));
        out.extend_from_slice(format!("{comma}{{\"start\":{start},\"end\":{end},\"rule\":\"{rule}\"}}").as_bytes());
    }
    out.extend_from_slice(b"]}\n");
    out
}

/// Offsets in bytes, which only grow, as offsets in code points.
struct CodePoints<'t> {
    text: &'t str,
    bytes: usize,
    points: usize,
}

impl CodePoints<'_> {
    fn at(&mut self, bytes: usize) -> usize {
        self.points += self.text.get(self.bytes..bytes).map_or(0, |part| part.chars().count());
        self.bytes = bytes;
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::redact::Config;

    fn answers(lines: &str) -> io::Result<String> {
        let mut out = vec![];
        run(&Redact::new(&Config::default()).unwrap(), lines.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn findings_have_positions_in_code_points() {
        let lines = "{\"id\": [1, \"x\"], \"other\": {}, \"text\": \"é😀 bob@example.com, eve@example.com\"}\n\n{\"text\":\"none\",\"id\":7}\n";
        let expected = concat!(
            r#"{"id":[1, "x"],"text":"é😀 [REDACTED:email], [REDACTED:email]","findings":[{"start":3,"end":18,"rule":"email"},{"start":20,"end":35,"rule":"email"}]}"#,
            "\n",
            r#"{"id":7,"text":"none","findings":[]}"#,
            "\n"
        );
        assert_eq!(answers(lines).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named_and_not_shown() {
        for line in ["nonsense", "[1]", "{\"id\":1}", "{\"text\":1}", "{\"text\":\"a\"} x"] {
            let error = answers(&format!("{{\"text\":\"a\"}}\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("standard input: line 2: ") && !error.contains("nonsense"), "{error}");
        }
    }
}
