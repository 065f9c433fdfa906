//! The same in JSON, for machines: `--json`. Members keep their names within a major version; new ones may come.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::report::{KeyFrom, LedgerReport, Report, Utc};
use super::{VerifyError, Violation};
use crate::stdx::json::write::{write_str, write_u64};

/// One object, member by member.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(vec![b'{'])
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write_str(&mut self.0, name);
        self.0.push(b':');
        &mut self.0
    }

    fn text(mut self, name: &str, text: &str) -> Self {
        write_str(self.name(name), text);
        self
    }

    fn number(mut self, name: &str, number: u64) -> Self {
        write_u64(self.name(name), number);
        self
    }

    fn raw(mut self, name: &str, value: &[u8]) -> Self {
        self.name(name).extend_from_slice(value);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

impl Report {
    /// One JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let ledgers: Vec<Vec<u8>> = self.ledgers.iter().map(LedgerReport::json).collect();
        let ledgers = [b"[", ledgers.join(&b","[..]).as_slice(), b"]"].concat();
        let is_whole = self.locked().is_none();
        let result = if is_whole { "verified" } else { "inconclusive" };
        text(Object::new().raw("ledgers", &ledgers).text("result", result))
    }
}

impl VerifyError {
    /// One JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        text(match self {
            Self::Violation(found) => finding(found).text("result", "violation"),
            Self::Doubt(found) => finding(found).text("result", "inconclusive"),
            Self::Inconclusive(what) => Object::new().text("what", what).text("result", "inconclusive"),
            Self::File(error) => Object::new().text("what", &error.to_string()).text("result", "error"),
        })
    }
}

fn text(object: Object) -> String {
    String::from_utf8_lossy(&object.end()).into_owned() + "\n"
}

fn finding(found: &Violation) -> Object {
    let mut object = Object::new().text("finding", found.fault.name()).text("path", &found.path.to_string_lossy());
    if found.line > 0 {
        object = object.number("line", found.line);
    }
    if let Some(seq) = found.seq {
        object = object.number("entry", seq);
    }
    object.text("what", &found.what)
}

impl LedgerReport {
    fn json(&self) -> Vec<u8> {
        let mut gaps = Object::new();
        for (cause, gap) in &self.gaps {
            let counts = Object::new().number("entries", gap.entries).number("records", gap.records).end();
            gaps = gaps.raw(cause, &counts);
        }
        let key_from = match self.key_from {
            KeyFrom::Caller => "caller",
            KeyFrom::Folder => "folder",
            KeyFrom::Segment => "segment",
        };
        let mut object = Object::new()
            .number("bodies_gone", self.bodies_gone)
            .number("bodies_locked", self.bodies_locked)
            .number("bytes", self.bytes)
            .number("checkpoints", self.checkpoints)
            .number("controls", self.controls)
            .raw("ended", if self.is_ended { b"true" } else { b"false" })
            .number("epoch_first", self.epochs.0.into())
            .number("epoch_last", self.epochs.1.into())
            .number("fields_gone", self.fields_gone)
            .number("first", self.first)
            .raw("gaps", &gaps.end());
        if let Some(seconds) = self.heartbeat_seconds {
            object = object.number("heartbeat_seconds", seconds);
        }
        object
            .number("in_flight_bytes", self.in_flight_bytes)
            .text("key", &self.key.to_string())
            .text("key_from", key_from)
            .text("origin", self.key.origin())
            .number("packed", self.packed)
            .text("path", &self.path.to_string_lossy())
            .number("records", self.records)
            .number("records_after_root", self.records_after_root)
            .text("root", &STANDARD.encode(self.root))
            .number("root_signed", self.root_signed)
            .text("sealed_first", &Utc(self.first_sealed_at_ns).to_string())
            .text("sealed_last", &Utc(self.last_sealed_at_ns).to_string())
            .number("segments", self.segments)
            .number("silence_ns", self.silence_ns)
            .number("size", self.size)
            .number("starts", self.starts)
            .text("stream", &self.stream)
            .number("unclean_starts", self.unclean_starts)
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::*;

    #[test]
    fn a_finding_is_one_object_on_one_line() {
        let path = "a \"b\"".into();
        let found = Violation { path, line: 3, seq: Some(7), fault: Fault::WrongEpoch, what: "x\ny".into() };
        let json = VerifyError::Violation(Box::new(found)).to_json();
        let value: serde_json::Value = serde_json::from_str(json.strip_suffix('\n').unwrap()).unwrap();
        let expected = serde_json::json!({
            "entry": 7, "finding": "wrong-epoch", "line": 3, "path": "a \"b\"", "result": "violation", "what": "x\ny"
        });
        assert_eq!(value, expected);
    }
}
