//! One dead letter: a record that a destination refused for good, as the delivery loop wrote it down beside the reason.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use crate::exporter::Payload;
use crate::otlp::{DEPTH_MAX, Signal, count};
use crate::pipeline::rejected::{begin_letter, end_with_line, end_with_otlp};
use crate::stdx::json::{self, Reader, Value};

/// A letter, with its record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) rejected_at: u64,
    pub(super) exporter: String,
    pub(super) signal: Signal,
    pub(super) reason: String,
    pub(super) record: Record,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A canonical line, with its seal where the pipeline seals.
    Line(String),
    /// An OTLP request that could not be written as a line.
    Otlp(Vec<u8>),
}

impl Letter {
    /// Reads a line of a dead-letter file.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        parse(line).map_err(|error| error.to_string()).and_then(Draft::finish)
    }

    /// The line of a dead-letter file that it is, with its line feed.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        begin_letter(&mut out, self.rejected_at, &self.exporter, self.signal, &self.reason);
        match &self.record {
            Record::Line(line) => end_with_line(&mut out, line.as_bytes()),
            Record::Otlp(bytes) => end_with_otlp(&mut out, bytes),
        }
        out
    }

    /// The record as a destination gets it.
    pub(super) fn payload(&self) -> Result<Payload, String> {
        match &self.record {
            Record::Line(line) => Ok(Payload::from_lines(self.signal, Bytes::from(format!("{line}\n")), 1)),
            Record::Otlp(bytes) => {
                let records = count(self.signal, bytes).map_err(|error| error.to_string())?;
                Ok(Payload::from_otlp(self.signal, vec![bytes.clone().into()], records))
            }
        }
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Draft {
    rejected_at: String,
    exporter: String,
    signal: String,
    reason: String,
    line: Option<String>,
    otlp: Option<String>,
}

impl Draft {
    fn finish(self) -> Result<Letter, String> {
        let signal = Signal::from_name(&self.signal).ok_or("it has no signal")?;
        let record = match (self.line, self.otlp) {
            (Some(line), _) => Record::Line(line),
            (None, Some(text)) => Record::Otlp(BASE64_STANDARD.decode(text).map_err(|_| "its `otlp` is not base64")?),
            (None, None) => return Err("it has no record".to_owned()),
        };
        let rejected_at = self.rejected_at.parse().unwrap_or_default();
        Ok(Letter { rejected_at, exporter: self.exporter, signal, reason: self.reason, record })
    }
}

fn parse(line: &str) -> Result<Draft, json::Error> {
    let mut reader = Reader::over(line);
    let mut draft = Draft::default();
    if reader.value()? != Value::Object {
        return reader.fail("not an object");
    }
    let mut buffer = String::new();
    while let Some(key) = reader.next_member()? {
        let target = match key.read(&mut buffer) {
            "rejected_at_unix_nano" => &mut draft.rejected_at,
            "exporter" => &mut draft.exporter,
            "signal" => &mut draft.signal,
            "reason" => &mut draft.reason,
            "otlp" => draft.otlp.insert(String::new()),
            "line" => {
                let range = reader.skip_value(2 * DEPTH_MAX)?;
                draft.line = Some(reader.slice(range).to_owned());
                continue;
            }
            _ => {
                reader.skip_value(2 * DEPTH_MAX)?;
                continue;
            }
        };
        let Value::Str(text) = reader.value()? else { return reader.fail("not a string") };
        text.read(&mut buffer).clone_into(target);
    }
    reader.end()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_back_with_its_record() {
        let letter = Letter::read(
            r#"{"rejected_at_unix_nano":"5","exporter":"otlp_http/a","signal":"logs","reason":"400 \"x\"","line":{"body":"b","signal":"log"}}"#,
        )
        .unwrap();
        assert_eq!(
            (letter.rejected_at, letter.exporter.as_str(), letter.reason.as_str()),
            (5, "otlp_http/a", "400 \"x\"")
        );
        assert_eq!(letter.record, Record::Line(r#"{"body":"b","signal":"log"}"#.to_owned()));
        let payload = letter.payload().unwrap();
        assert_eq!(Letter::read(String::from_utf8(letter.write()).unwrap().trim_end()), Ok(letter));
        assert_eq!(count(Signal::Logs, &payload.otlp().unwrap()), Ok(1));
    }

    #[test]
    fn what_is_no_letter_says_why() {
        for (line, why) in [
            ("{", "byte 1"),
            ("[]", "not an object"),
            (r#"{"signal":"logs"}"#, "it has no record"),
            (r#"{"signal":"smells","line":{}}"#, "it has no signal"),
            (r#"{"signal":"logs","otlp":"?"}"#, "not base64"),
        ] {
            let error = Letter::read(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
