//! OTLP's `partial_success`: the request was taken, some of its records were not. The Collector logs it and counts
//! them as sent; here they are a number of their own.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::otlp::wire::{Cursor, WireValue};
use crate::otlp::{DEPTH_MAX, Signal};
use crate::stdx::json::{self, Reader, Value};

/// The server's words are data of a stranger: this much of them is repeated.
const MESSAGE_CHARS_MAX: usize = 256;

/// What a destination has rejected so far.
#[derive(Debug)]
pub(super) struct Rejections {
    exporter: String,
    total: AtomicU64,
}

/// What one answer says about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    /// How many records were not taken.
    pub(super) rejected: u64,
    /// Why, in the server's words. With nothing rejected it is a warning.
    pub(super) message: String,
}

impl Rejections {
    pub(super) fn new(exporter: &str) -> Self {
        Self { exporter: exporter.to_owned(), total: AtomicU64::new(0) }
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts what is reported elsewhere.
    pub(super) fn count(&self, rejected: u64) {
        if rejected > 0 {
            self.total.fetch_add(rejected, Ordering::Relaxed);
            metrics::counter!("telseal_exporter_rejected_records_total", "exporter" => self.exporter.clone())
                .increment(rejected);
        }
    }

    /// Counts and reports. An answer that cannot be read rejects nothing: its status said that the data was taken.
    pub(super) fn note(&self, signal: Signal, records: u64, partial: &PartialSuccess) {
        let rejected = partial.rejected.min(records);
        if rejected == 0 && partial.message.is_empty() {
            return;
        }
        self.count(rejected);
        warn!(
            exporter = self.exporter,
            signal = signal.name(),
            rejected,
            message = shown(&partial.message),
            "the destination took a payload but not all of its records"
        );
    }
}

fn shown(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}

impl PartialSuccess {
    /// Out of an `Export*ServiceResponse`, whose shape is the same for all three signals.
    pub(super) fn from_protobuf(response: &[u8]) -> Self {
        let mut partial = Self::default();
        let mut cursor = Cursor::new(response);
        while let Ok(Some(field)) = cursor.next_field() {
            if let (1, WireValue::Bytes(bytes)) = (field.number, field.value) {
                partial.merge(bytes);
            }
        }
        partial
    }

    fn merge(&mut self, bytes: &[u8]) {
        let mut cursor = Cursor::new(bytes);
        while let Ok(Some(field)) = cursor.next_field() {
            match (field.number, field.value) {
                // An int64; a negative number is nonsense and counts as none.
                (1, WireValue::Varint(rejected)) => self.rejected = if rejected >> 63 == 0 { rejected } else { 0 },
                (2, WireValue::Bytes(text)) => self.message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
}

impl PartialSuccess {
    /// Out of the same response in JSON.
    pub(super) fn from_json(response: &[u8]) -> Self {
        Self::read(response).unwrap_or_default()
    }

    fn read(response: &[u8]) -> Result<Self, json::Error> {
        let mut partial = Self::default();
        members(&mut Reader::new(response)?, &mut |key, json| match key {
            "partialSuccess" | "partial_success" => members(json, &mut |key, json| partial.read_member(key, json)),
            _ => json.skip_value(DEPTH_MAX).map(drop),
        })?;
        Ok(partial)
    }

    fn read_member(&mut self, key: &str, json: &mut Reader<'_>) -> Result<(), json::Error> {
        let number = |text: &str| text.parse().unwrap_or(0);
        match (key, json.value()?) {
            (_, Value::Object | Value::Array) => return json.fail("no container stands here"),
            // Named after the signal: rejectedLogRecords, rejectedSpans, rejectedDataPoints.
            (key, Value::Number(text)) if key.starts_with("rejected") => self.rejected = number(text),
            (key, Value::Str(text)) if key.starts_with("rejected") => self.rejected = number(text.raw()),
            ("errorMessage" | "error_message", Value::Str(text)) => {
                self.message = text.read(&mut String::new()).to_owned();
            }
            _ => {}
        }
        Ok(())
    }
}

fn members<'a>(
    json: &mut Reader<'a>,
    visit: &mut dyn FnMut(&str, &mut Reader<'a>) -> Result<(), json::Error>,
) -> Result<(), json::Error> {
    if json.value()? != Value::Object {
        return json.fail("expected an object");
    }
    while let Some(key) = json.next_member()? {
        visit(key.raw(), json)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message;

    use super::*;

    fn response(rejected_spans: i64, error_message: &str) -> Vec<u8> {
        let error_message = error_message.to_owned();
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    #[test]
    fn a_rejection_is_counted_and_never_exceeds_what_was_sent() {
        let rejections = Rejections::new("otlp_http/next");
        for (answer, records) in
            [(response(3, "too old"), 10), (response(99, ""), 5), (response(-1, ""), 5), (vec![], 5)]
        {
            rejections.note(Signal::Traces, records, &PartialSuccess::from_protobuf(&answer));
        }
        assert_eq!(rejections.total(), 8);
    }

    #[test]
    fn json_says_the_same_as_protobuf() {
        let partial = |rejected, message: &str| PartialSuccess { rejected, message: message.to_owned() };
        for (text, wanted) in [
            ("{}", partial(0, "")),
            (r#"{"partialSuccess":{}}"#, partial(0, "")),
            (r#"{"partialSuccess":null}"#, partial(0, "")),
            (
                r#"{"x":[{}],"partialSuccess":{"rejectedSpans":"3","errorMessage":"too \"old\""}}"#,
                partial(3, "too \"old\""),
            ),
            (r#"{"partial_success":{"rejected_log_records":3,"y":null,"error_message":"z"}}"#, partial(3, "z")),
            (r#"{"partialSuccess":{"rejectedDataPoints":-3}}"#, partial(0, "")),
            (r#"{"partialSuccess":{"rejectedSpans":3"#, partial(0, "")),
            ("<html>", partial(0, "")),
            ("", partial(0, "")),
        ] {
            assert_eq!(PartialSuccess::from_json(text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_no_protobuf_rejects_nothing() {
        assert_eq!(PartialSuccess::from_protobuf(b"<html>OK</html>"), PartialSuccess::default());
        assert_eq!(shown(&"a\u{1b}\n".repeat(400)).len(), MESSAGE_CHARS_MAX);
    }
}
