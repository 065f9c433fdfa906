//! Text, lines of JSON and OTLP/JSON, redacted as they come.
//!
//! Plain text is taken in blocks of whole lines, so that a private key over several lines is seen as one; a block is not
//! cut inside of one. A line that is JSON is redacted as JSON, an OTLP/JSON request as a pipeline would.

use std::io::{self, BufRead, Write};

use crate::cli::redact::input::{self, LINE_BYTES_MAX, Line};
use crate::cli::request::signal_of;
use crate::otlp::{Signal, json};
use crate::processor::redact::Redact;
use crate::stdx::json::Reader;

/// A block of text ends with the first line after this many bytes,
const BLOCK_BYTES: usize = 64 * 1024;
/// unless a private key goes on: then after this many.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// The longest JSON text over several lines.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;
const DEPTH_MAX: usize = 128;
const UNSCANNED: &str = "[REDACTED:unscanned]";

/// Redacts all of the input; with `explain`, prints findings in its stead.
pub(super) fn run(engine: &Redact, mut input: impl BufRead, out: &mut impl Write, explain: bool) -> io::Result<()> {
    let mut stream = Stream { engine, out, explain, block: String::new(), line: 1 };
    let mut first = true;
    while let Some(line) = input::next(&mut input)? {
        let Line::Text(line) = line else {
            stream.flush()?;
            stream.unscanned()?;
            continue;
        };
        if first && !line.trim().is_empty() {
            first = false;
            if starts_document(&line) {
                stream.document(line, &mut input)?;
                continue;
            }
        }
        stream.line(&line)?;
    }
    stream.flush()
}

/// True for a first line that opens a JSON text which goes on behind it.
fn starts_document(line: &str) -> bool {
    line.trim_start().starts_with(['{', '[']) && !is_json(line)
}

fn is_json(text: &str) -> bool {
    let mut reader = Reader::over(text);
    matches!(text.trim_start().as_bytes(), [b'{' | b'[', ..])
        && reader.skip_value(DEPTH_MAX).is_ok()
        && reader.end().is_ok()
}

struct Stream<'s, W> {
    engine: &'s Redact,
    out: &'s mut W,
    explain: bool,
    /// Lines of plain text, each ended by a line feed.
    block: String,
    /// The number of the line that comes next, without those in `block`.
    line: u64,
}

impl<W: Write> Stream<'_, W> {
    fn line(&mut self, line: &str) -> io::Result<()> {
        if is_json(line) {
            self.flush()?;
            return self.json(line);
        }
        self.block.push_str(line);
        self.block.push('\n');
        let full = self.block.len() >= BLOCK_BYTES && !self.is_in_key();
        if full || self.block.len() >= BLOCK_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn is_in_key(&self) -> bool {
        let last = |marker: &str| memchr::memmem::rfind(self.block.as_bytes(), marker.as_bytes());
        last("-----BEGIN").is_some_and(|begin| last("-----END").is_none_or(|end| end < begin))
    }

    fn flush(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        self.text(&block)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let (redacted, found) = self.engine.text(text);
        if self.explain {
            for finding in found {
                self.finding(text, finding.start, finding.end, &finding.rule)?;
            }
        } else {
            self.out.write_all(redacted.as_bytes())?;
            // A block that could not be scanned has lost its last line feed.
            if text.ends_with('\n') && !redacted.ends_with('\n') {
                self.out.write_all(b"\n")?;
            }
        }
        self.line += text.matches('\n').count() as u64;
        Ok(())
    }

    fn finding(&mut self, text: &str, start: usize, end: usize, rule: &str) -> io::Result<()> {
        let head = text.get(..start).unwrap_or_default();
        let line = self.line + head.matches('\n').count() as u64;
        let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let len = text.get(start..end).unwrap_or_default().chars().count();
        writeln!(self.out, "{line}:{column}: {rule}, {len} characters")
    }

    /// A JSON text: a request as in a pipeline, any other by its strings.
    fn json(&mut self, text: &str) -> io::Result<()> {
        match signal_of(text) {
            Some(signal) if !self.explain => {
                let redacted = self.request(signal, text.as_bytes());
                self.out.write_all(redacted.as_deref().unwrap_or(UNSCANNED.as_bytes()))?;
                self.out.write_all(b"\n")?;
                self.line += text.matches('\n').count() as u64 + 1;
                Ok(())
            }
            _ => self.text(&format!("{text}\n")),
        }
    }

    /// `None` for a request that cannot be read.
    fn request(&self, signal: Signal, text: &[u8]) -> Option<Vec<u8>> {
        let protobuf = json::to_protobuf(signal, text).ok()?;
        let redacted = self.engine.payload(signal, &protobuf).ok()?;
        let mut out = Vec::with_capacity(text.len());
        json::from_protobuf(signal, &redacted, &mut out).ok()?;
        Some(out)
    }

    /// A JSON text over several lines; what turns out to be none is plain text.
    fn document(&mut self, first: String, input: &mut impl BufRead) -> io::Result<()> {
        let mut text = first;
        while text.len() <= DOCUMENT_BYTES_MAX
            && let Some(line) = input::next(input)?
        {
            let Line::Text(line) = line else {
                self.unscanned()?;
                continue;
            };
            text.push('\n');
            text.push_str(&line);
        }
        if text.len() <= DOCUMENT_BYTES_MAX && is_json(&text) {
            return self.json(&text);
        }
        text.split('\n').try_for_each(|line| self.line(line))
    }

    fn unscanned(&mut self) -> io::Result<()> {
        let line = self.line;
        self.line += 1;
        if self.explain {
            return writeln!(self.out, "{line}:1: unscanned, more than {LINE_BYTES_MAX} bytes");
        }
        writeln!(self.out, "{UNSCANNED}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::redact::Config;

    fn ran(text: &str, explain: bool) -> String {
        let mut out = vec![];
        run(
            &Redact::new(&Config { provenance: false, ..Config::default() }).unwrap(),
            text.as_bytes(),
            &mut out,
            explain,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_comes_out_as_it_went_in_but_for_the_findings() {
        assert_eq!(ran("a\n\nmail bob@example.com\n", false), "a\n\nmail [REDACTED:email]\n");
        assert_eq!(ran("", false), "");
        let key = format!(
            "{}-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\nend\n",
            "x\n".repeat(BLOCK_BYTES / 2 - 20),
            "MIIEvQIBADANBgkq\n".repeat(60)
        );
        let out = ran(&key, false);
        assert!(out.ends_with("x\n[REDACTED:private-key]\nend\n") && !out.contains("MIIE"));
    }

    #[test]
    fn lines_of_json_and_text_may_mix() {
        let text = "start\n{\"password\": \"a b\", \"n\": 1}\n[\"--token\", \"x\"]\nend\n";
        let expected = "start\n{\"password\": \"[REDACTED:secret-key-name]\", \"n\": 1}\n[\"--token\", \"[REDACTED:secret-assignment]\"]\nend\n";
        assert_eq!(ran(text, false), expected);
    }

    #[test]
    fn a_request_is_redacted_as_in_a_pipeline_on_one_line_or_many() {
        let one = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"password","value":{"stringValue":"a b"}}]}]}]}]}"#;
        let expected = one.replace("a b", "[REDACTED:secret-key-name]") + "\n";
        assert_eq!(ran(&format!("{one}\n{one}\n"), false), expected.repeat(2));
        let many = one.replace(":[{", ":\n[{\n");
        assert_eq!(ran(&many, false), expected);
    }

    #[test]
    fn an_explanation_has_places_and_rules_and_no_value() {
        let text = "é bob@example.com\n{\"a\":\"x bob@example.com\"}\n\nAKIAIOSFODNN7EXAMPLE";
        assert_eq!(
            ran(text, true),
            "1:3: email, 15 characters\n2:9: email, 15 characters\n4:1: aws-access-key-id, 20 characters\n"
        );
    }
}
