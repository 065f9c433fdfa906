//! The ledger's own events: sealed like records, never handed to exporters.

use super::drafts::Drafts;
use super::entry::Kind;
use super::scan::push_decimal;
use super::writer::LedgerError;

/// An event in the making: `{"audit.control":"<kind>",..}`. Members are added in the order of their names.
#[derive(Debug, Clone)]
pub struct Control {
    kind: Kind,
    body: Vec<u8>,
}

impl Control {
    /// An event of this kind, without details yet.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, body: format!("{{\"audit.control\":\"{}\"}}", kind.name()).into_bytes() }
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, name: &str, value: u64) -> Self {
        self.member(name);
        push_decimal(&mut self.body, value);
        self.body.push(b'}');
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.member(name);
        push_string(&mut self.body, value);
        self.body.push(b'}');
        self
    }

    /// Adds a value that is JSON already.
    #[must_use]
    pub fn json(mut self, name: &str, value: &[u8]) -> Self {
        self.member(name);
        self.body.extend_from_slice(value);
        self.body.push(b'}');
        self
    }

    fn member(&mut self, name: &str) {
        self.body.pop();
        self.body.push(b',');
        push_string(&mut self.body, name);
        self.body.push(b':');
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The event as a line that waits for its number.
    pub(super) fn draft(&self) -> Result<Drafts, LedgerError> {
        let mut drafts = Drafts::with_capacity(1, self.body.len());
        drafts.buffer().extend_from_slice(&self.body);
        drafts.finish_line(0, 0, 0)?;
        Ok(drafts)
    }
}

/// Appends a JSON string with the fewest escapes.
fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_whatever_its_texts_contain() {
        let cause = "a \"quoted\" \\ path\n\u{1} é";
        let control = Control::new(Kind::Gap).text("cause", cause).number("count", 17);
        let value: serde_json::Value = serde_json::from_slice(&control.body).unwrap();
        let expected = serde_json::json!({"audit.control": "gap", "cause": cause, "count": 17});
        assert_eq!(value, expected);
        assert_eq!(serde_json::to_string(&expected).unwrap().as_bytes(), control.body);
    }
}
