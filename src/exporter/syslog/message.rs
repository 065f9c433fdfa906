//! A payload as messages, framed, one a record.

use std::ops::Range;

use super::config::{Config, Format, Network};
use super::header::{NIL, Sources};
use super::seal::Seal;
use super::siem::Siem;
use super::structured::{Ids, push_visible};
use crate::exporter::outbound::unreadable;
use crate::exporter::{ExportError, Refusal};
use crate::otlp::line::reveal;
use crate::otlp::ocsf::{Event, write_event};
use crate::otlp::record::{Record, plain};

/// What RFC 5424 wants before UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// How messages are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Each goes alone.
    Datagram,
    /// Its length and a space stand before it.
    Counted,
    /// A line feed stands behind it.
    LineFeed,
}

/// How messages are made.
#[derive(Debug)]
pub(super) struct Style {
    sources: Sources,
    format: Format,
    siem: Siem,
    ids: Option<Ids>,
    has_mark: bool,
    framing: Framing,
    bytes_max: usize,
    cuts: bool,
}

/// The messages of a payload.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// One after the other, framed.
    pub(super) bytes: Vec<u8>,
    /// Where each of them stands.
    pub(super) ranges: Vec<Range<usize>>,
    /// How many were cut.
    pub(super) cut: u64,
    /// Records that are too long.
    pub(super) refused: Vec<Refusal>,
}

impl Style {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            sources: Sources::new(config),
            format: config.format,
            siem: Siem::new(config),
            ids: config.has_structured_data().then(|| Ids::new(&config.structured_data.id)),
            has_mark: config.utf8_bom && config.format == Format::Plain,
            framing: match (config.network, config.enable_octet_counting) {
                (Network::Udp, _) => Framing::Datagram,
                (Network::Tcp, true) => Framing::Counted,
                (Network::Tcp, false) => Framing::LineFeed,
            },
            bytes_max: usize::try_from(config.max_message_bytes()).unwrap_or(usize::MAX),
            cuts: config.cuts(),
        }
    }

    fn message(&self, line: &str) -> Result<Message, ExportError> {
        let sealed = [line, "\n"].concat();
        let revealed = reveal(sealed.as_bytes()).map_err(|error| unreadable(&error))?;
        let record = Record::parse(revealed.trim_ascii_end()).map_err(|error| unreadable(&error))?;
        let as_sealed = Record::parse(line.as_bytes()).map_err(|error| unreadable(&error))?;
        let seal = Seal::of(line, &as_sealed);
        let mut text = Vec::new();
        match self.format {
            Format::Plain => self.plain(&mut text, &record),
            Format::Json => text.extend_from_slice(line.as_bytes()),
            Format::Cef | Format::Leef => self.siem.write(&mut text, &record, seal.as_ref()),
            Format::Ocsf => {
                let canonical = seal.as_ref().map_or(line, |seal| &seal.canonical);
                let seal = seal.as_ref().map(Seal::for_ocsf);
                write_event(&mut text, &Event { record: &record, canonical, seal: seal.as_ref() });
            }
        }
        let elements = self.ids.as_ref().map(|ids| ids.elements(&record, seal.as_ref())).unwrap_or_default();
        Ok(Message { header: self.sources.header(&record), elements, text })
    }

    /// The body as text, or what the record calls itself.
    fn plain(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        let body = record.member("body").filter(|body| *body != "null").map(plain);
        let text = body.or_else(|| record.name()).unwrap_or_default();
        if self.has_mark && !text.is_ascii() {
            out.extend_from_slice(BOM);
        }
        text.chars().for_each(|c| push_visible(out, c));
    }
}

impl Messages {
    /// Turns lines into messages.
    ///
    /// # Errors
    /// When a line cannot be read.
    pub(super) fn encode(lines: &[u8], style: &Style) -> Result<Self, ExportError> {
        let text = std::str::from_utf8(lines).map_err(|error| unreadable(&error))?;
        let mut messages = Self { bytes: Vec::with_capacity(text.len() * 2), ..Self::default() };
        for (place, line) in (0..).zip(text.split_terminator('\n')) {
            let mut message = style.message(line)?;
            let len = message.len();
            if len > style.bytes_max {
                if !style.cuts {
                    let cause = format!("the message has {len} bytes, `max_message_bytes` is {}", style.bytes_max);
                    messages.refused.push(Refusal { records: vec![place], cause });
                    continue;
                }
                message.cut(style.bytes_max);
                messages.cut += 1;
            }
            messages.add(&message, style.framing);
        }
        Ok(messages)
    }

    fn add(&mut self, message: &Message, framing: Framing) {
        let start = self.bytes.len();
        if framing == Framing::Counted {
            self.bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
        }
        message.write(&mut self.bytes);
        if framing == Framing::LineFeed {
            self.bytes.push(b'\n');
        }
        self.ranges.push(start..self.bytes.len());
    }
}

/// One message in its parts.
struct Message {
    /// Ends with a space.
    header: String,
    /// What is needed most first.
    elements: Vec<Vec<u8>>,
    text: Vec<u8>,
}

impl Message {
    fn len(&self) -> usize {
        let elements = self.elements.iter().map(Vec::len).sum::<usize>().max(NIL.len());
        let text = if self.text.is_empty() { 0 } else { self.text.len() + 1 };
        self.header.len() + elements + text
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.header.as_bytes());
        if self.elements.is_empty() {
            out.extend_from_slice(NIL.as_bytes());
        }
        self.elements.iter().for_each(|element| out.extend_from_slice(element));
        if !self.text.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&self.text);
        }
    }

    /// Elements cannot be cut and go as a whole, the least needed first; then the end of the text goes, between characters.
    fn cut(&mut self, bytes_max: usize) {
        while self.len() > bytes_max && self.elements.pop().is_some() {}
        let excess = self.len().saturating_sub(bytes_max);
        if excess > 0 {
            let mut end = self.text.len().saturating_sub(excess);
            while end > 0 && self.text[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            self.text.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::tests::LINE;
    use super::*;

    fn messages(config: &str, lines: &str) -> Messages {
        let config: Config = serde_json::from_str(config).unwrap();
        Messages::encode(lines.as_bytes(), &Style::new(&config)).unwrap()
    }

    fn text(config: &str, lines: &str) -> String {
        String::from_utf8(messages(config, lines).bytes).unwrap()
    }

    const BARE: &str = r#"{"structured_data": {"enabled": false}, "network": "udp"}"#;

    #[test]
    fn text_that_is_not_ascii_begins_with_the_mark() {
        assert_eq!(text(BARE, "{\"body\":\"a\"}\n"), "<165>1 - - - - - - a");
        assert_eq!(text(BARE, "{\"body\":\"é\"}\n"), "<165>1 - - - - - - \u{feff}é");
        let without = r#"{"structured_data": {"enabled": false}, "network": "udp", "utf8_bom": false}"#;
        assert_eq!(text(without, "{\"body\":\"é\"}\n"), "<165>1 - - - - - - é");
        assert_eq!(
            text(r#"{"format": "json", "network": "udp"}"#, "{\"body\":\"é\"}\n"),
            "<165>1 - - - - - - {\"body\":\"é\"}"
        );
    }

    #[test]
    fn a_body_of_any_type_is_text_and_none_is_no_message() {
        for (line, wanted) in [
            (r#"{"body":{"a":1}}"#, r#" {"a":1}"#),
            (r#"{"body":5}"#, " 5"),
            (r#"{"body":null,"event_name":"e"}"#, " e"),
            (r#"{"body":"a\nb\u0000"}"#, " a\\nb\\u0000"),
            ("{}", ""),
        ] {
            let config = r#"{"structured_data": {"enabled": false}, "network": "udp", "msg_id_from": []}"#;
            assert_eq!(text(config, &format!("{line}\n")), format!("<165>1 - - - - - -{wanted}"), "{line}");
        }
    }

    #[test]
    fn messages_in_a_stream_are_told_apart() {
        let lines = "{\"body\":\"é\"}\n{\"body\":\"b\"}\n";
        let counted = r#"{"structured_data": {"enabled": false}, "utf8_bom": false}"#;
        assert_eq!(text(counted, lines), "21 <165>1 - - - - - - é20 <165>1 - - - - - - b");
        let ended = r#"{"structured_data": {"enabled": false}, "utf8_bom": false, "enable_octet_counting": false}"#;
        assert_eq!(text(ended, lines), "<165>1 - - - - - - é\n<165>1 - - - - - - b\n");
        assert_eq!(messages(counted, lines).ranges, [0..24, 24..47]);
    }

    #[test]
    fn a_sealed_line_is_sent_byte_for_byte() {
        let sent = text(r#"{"format": "json", "network": "udp"}"#, &format!("{LINE}\n"));
        assert!(sent.ends_with(&format!(" - {LINE}")), "{sent}");
    }

    #[test]
    fn an_ocsf_event_has_the_seal_and_the_canonical_line() {
        let sent = text(r#"{"format": "ocsf", "network": "udp"}"#, &format!("{LINE}\n"));
        let json = &sent[sent.find('{').unwrap()..];
        let event: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(event["metadata"]["profiles"], serde_json::json!(["record_integrity"]));
        assert_eq!(event["metadata"]["sequence"], 11);
        assert_eq!(event["raw_data"].as_str().unwrap().len(), 180);
        let unsealed = text(r#"{"format": "ocsf", "network": "udp"}"#, "{\"body\":\"b\"}\n");
        assert!(
            !unsealed.contains("record_integrity") && unsealed.contains(r#""raw_data":"{\"body\":\"b\"}""#),
            "{unsealed}"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_or_refused() {
        let body = "é".repeat(400);
        let line =
            format!("{{\"attributes\":{{\"k\":\"{}\"}},\"body\":\"{body}\",\"severity_number\":9}}\n", "v".repeat(300));
        for max in 480..=490 {
            let config = format!(r#"{{"network": "udp", "max_message_bytes": {max}}}"#);
            let cut = messages(&config, &line);
            assert_eq!((cut.cut, cut.ranges.len()), (1, 1));
            assert!((max - 1..=max).contains(&cut.bytes.len()), "{}", cut.bytes.len());
            let text = String::from_utf8(cut.bytes).unwrap();
            assert!(text.starts_with("<166>1 - - - - - - \u{feff}é") && text.ends_with('é'), "{text}");
        }
        let config = r#"{"max_message_bytes": 480}"#;
        let refused = messages(config, &format!("{{\"body\":\"a\"}}\n{line}{{\"body\":\"b\"}}\n"));
        assert_eq!((refused.ranges.len(), refused.cut), (2, 0));
        assert_eq!(refused.refused[0].records, [1]);
    }

    #[test]
    fn structured_data_goes_before_the_text_does() {
        let line =
            format!("{{\"attributes\":{{\"k\":\"{}\"}},\"body\":\"whole\",\"severity_number\":9}}\n", "v".repeat(500));
        let text = text(r#"{"network": "udp", "max_message_bytes": 480}"#, &line);
        assert_eq!(text, r#"<166>1 - - - - - [otel@32473 severity_number="9"] whole"#);
    }
}
