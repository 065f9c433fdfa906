//! The fixed fields of log records and spans, read in one pass for exporters that map them to another format.
//!
//! Attributes are not among them: [`Entity::attributes`] has those. What stands twice counts as protobuf has it: the last.

use bumpalo::Bump;

use crate::otlp::model::Entity;
use crate::otlp::schema::{self, Message};
use crate::otlp::value::Value;
use crate::otlp::wire::{Cursor, Field, WireValue, text};
use crate::otlp::{DecodeError, gather};

/// What a `LogRecord` says beside its attributes. Empty texts, ids and zeros: not said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogFields<'a> {
    /// When it happened, in nanoseconds since 1970.
    pub time: u64,
    /// When it was seen by the first collector or SDK.
    pub observed_time: u64,
    /// 1 to 24, see [`severity_name`].
    pub severity_number: u64,
    /// The producer's word for it.
    pub severity_text: &'a str,
    /// The body.
    pub body: Value<'a>,
    /// Attributes that the producer dropped.
    pub dropped_attributes: u64,
    /// W3C trace flags in the lowest 8 bits.
    pub flags: u32,
    /// 16 bytes, or none.
    pub trace_id: &'a [u8],
    /// 8 bytes, or none.
    pub span_id: &'a [u8],
    /// Which kind of event it is.
    pub event_name: &'a str,
}

/// What a `Span` says beside its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanFields<'a> {
    /// 16 bytes.
    pub trace_id: &'a [u8],
    /// 8 bytes.
    pub span_id: &'a [u8],
    /// 8 bytes, or none for a root.
    pub parent_span_id: &'a [u8],
    /// W3C `tracestate`.
    pub trace_state: &'a str,
    /// W3C trace flags in the lowest 8 bits.
    pub flags: u32,
    /// The operation.
    pub name: &'a str,
    /// 0 to 5, see [`span_kind_name`].
    pub kind: u64,
    /// In nanoseconds since 1970.
    pub start_time: u64,
    /// In nanoseconds since 1970.
    pub end_time: u64,
    /// Attributes that the producer dropped.
    pub dropped_attributes: u64,
    /// Events that the producer dropped.
    pub dropped_events: u64,
    /// Links that the producer dropped.
    pub dropped_links: u64,
    /// 0 unset, 1 ok, 2 error.
    pub status_code: u64,
    /// Why it failed.
    pub status_message: &'a str,
}

/// An event or a link of a span: its fixed fields, and its attributes.
#[derive(Debug)]
pub struct Part<'a> {
    /// The time of an event, in nanoseconds since 1970.
    pub time: u64,
    /// The name of an event.
    pub name: &'a str,
    /// The trace that a link leads to.
    pub trace_id: &'a [u8],
    /// The span that a link leads to.
    pub span_id: &'a [u8],
    /// The `tracestate` of a link.
    pub trace_state: &'a str,
    /// The trace flags of a link.
    pub flags: u32,
    /// Attributes that the producer dropped.
    pub dropped_attributes: u64,
    /// Itself, with its attributes.
    pub entity: Entity<'a>,
}

/// Which of a span's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `events`.
    Events,
    /// `links`.
    Links,
}

impl<'a> LogFields<'a> {
    /// The fields of an open log record.
    ///
    /// # Errors
    /// When a field is not what the schema says.
    pub fn read(record: &Entity<'a>) -> Result<Self, DecodeError> {
        let message = record.message().name;
        let mut fields = Self {
            time: 0,
            observed_time: 0,
            severity_number: 0,
            severity_text: "",
            body: record.body()?,
            dropped_attributes: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: "",
        };
        each_field(record.raw(), |field| {
            match field.number {
                1 => fields.time = number(&field),
                2 => fields.severity_number = number(&field),
                3 => fields.severity_text = text_of(&field, message)?,
                7 => fields.dropped_attributes = number(&field),
                8 => fields.flags = flags(&field),
                9 => fields.trace_id = bytes(&field),
                10 => fields.span_id = bytes(&field),
                11 => fields.observed_time = number(&field),
                12 => fields.event_name = text_of(&field, message)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(fields)
    }

    /// When it happened, or else when it was seen; 0 when the record says neither.
    #[must_use]
    pub const fn best_time(&self) -> u64 {
        if self.time == 0 { self.observed_time } else { self.time }
    }
}

impl<'a> SpanFields<'a> {
    /// The fields of an open span.
    ///
    /// # Errors
    /// When a field is not what the schema says.
    pub fn read(span: &Entity<'a>) -> Result<Self, DecodeError> {
        let message = span.message().name;
        let mut fields = Self {
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            trace_state: "",
            flags: 0,
            name: "",
            kind: 0,
            start_time: 0,
            end_time: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            status_code: 0,
            status_message: "",
        };
        each_field(span.raw(), |field| {
            match field.number {
                1 => fields.trace_id = bytes(&field),
                2 => fields.span_id = bytes(&field),
                3 => fields.trace_state = text_of(&field, message)?,
                4 => fields.parent_span_id = bytes(&field),
                5 => fields.name = text_of(&field, message)?,
                6 => fields.kind = number(&field),
                7 => fields.start_time = number(&field),
                8 => fields.end_time = number(&field),
                10 => fields.dropped_attributes = number(&field),
                12 => fields.dropped_events = number(&field),
                14 => fields.dropped_links = number(&field),
                15 => fields.status(bytes(&field))?,
                16 => fields.flags = flags(&field),
                _ => {}
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn status(&mut self, status: &'a [u8]) -> Result<(), DecodeError> {
        each_field(status, |field| {
            match field.number {
                2 => self.status_message = text_of(&field, schema::STATUS.name)?,
                3 => self.status_code = number(&field),
                _ => {}
            }
            Ok(())
        })
    }
}

/// The events or links of an open span, in order.
///
/// # Errors
/// When one of them is broken, or what `visit` fails with.
pub fn each_part<'a>(
    span: &Entity<'a>,
    list: List,
    arena: &'a Bump,
    mut visit: impl FnMut(&Part<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let (number, message) = match list {
        List::Events => (11, &schema::SPAN_EVENT),
        List::Links => (13, &schema::SPAN_LINK),
    };
    gather::each_content(span.message().name, span.raw(), number, |bytes| visit(&part(list, message, bytes, arena)?))
}

fn part<'a>(list: List, message: &'static Message, raw: &'a [u8], arena: &'a Bump) -> Result<Part<'a>, DecodeError> {
    let mut part = Part {
        time: 0,
        name: "",
        trace_id: &[],
        span_id: &[],
        trace_state: "",
        flags: 0,
        dropped_attributes: 0,
        entity: Entity::open(message, raw, arena)?,
    };
    each_field(raw, |field| {
        match (list, field.number) {
            (List::Events, 1) => part.time = self::number(&field),
            (List::Events, 2) => part.name = text_of(&field, message.name)?,
            (List::Events, 4) | (List::Links, 5) => part.dropped_attributes = self::number(&field),
            (List::Links, 1) => part.trace_id = bytes(&field),
            (List::Links, 2) => part.span_id = bytes(&field),
            (List::Links, 3) => part.trace_state = text_of(&field, message.name)?,
            (List::Links, 6) => part.flags = flags(&field),
            _ => {}
        }
        Ok(())
    })?;
    Ok(part)
}

/// The name of a severity number in the logs data model: `INFO`, `WARN2`; empty for 0 and unknown ones.
#[must_use]
pub const fn severity_name(number: u64) -> &'static str {
    const NAMES: [&str; 25] = [
        "", "TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4", "INFO", "INFO2", "INFO3",
        "INFO4", "WARN", "WARN2", "WARN3", "WARN4", "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2", "FATAL3",
        "FATAL4",
    ];
    if number < 25 { NAMES[number as usize] } else { "" }
}

/// The name of a span kind, as OpenTelemetry's mapping to other formats writes it; empty for 0 and unknown ones.
#[must_use]
pub const fn span_kind_name(kind: u64) -> &'static str {
    match kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "",
    }
}

fn each_field<'a>(
    message: &'a [u8],
    mut visit: impl FnMut(Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(message);
    while let Some(field) = cursor.next_field()? {
        visit(field)?;
    }
    Ok(())
}

const fn number(field: &Field<'_>) -> u64 {
    match field.value {
        WireValue::Varint(number) | WireValue::Fixed64(number) => number,
        WireValue::Fixed32(number) => number as u64,
        WireValue::Bytes(_) => 0,
    }
}

fn flags(field: &Field<'_>) -> u32 {
    u32::try_from(number(field)).unwrap_or_default()
}

const fn bytes<'a>(field: &Field<'a>) -> &'a [u8] {
    match field.value {
        WireValue::Bytes(bytes) => bytes,
        _ => &[],
    }
}

fn text_of<'a>(field: &Field<'a>, message: &'static str) -> Result<&'a str, DecodeError> {
    text(bytes(field), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;
    use crate::otlp::json::to_protobuf;
    use crate::otlp::model::Batch;

    fn with_record(signal: Signal, record: serde_json::Value, check: impl FnOnce(&Entity<'_>, &Bump)) {
        let request = match signal {
            Signal::Logs => serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}),
            _ => serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [record]}]}]}),
        };
        let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
        let arena = Bump::new();
        let batch = Batch::open(signal, &bytes, &arena).unwrap();
        check(&batch.groups[0].scopes[0].records[0], &Bump::new());
    }

    #[test]
    fn every_field_of_a_log_record_is_read() {
        let record = serde_json::json!({
            "timeUnixNano": "5", "observedTimeUnixNano": "7", "severityNumber": 9, "severityText": "info",
            "body": {"stringValue": "b"}, "droppedAttributesCount": 3, "flags": 1, "eventName": "e",
            "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708",
        });
        with_record(Signal::Logs, record, |record, _| {
            let fields = LogFields::read(record).unwrap();
            assert_eq!(
                fields,
                LogFields {
                    time: 5,
                    observed_time: 7,
                    severity_number: 9,
                    severity_text: "info",
                    body: Value::Str("b"),
                    dropped_attributes: 3,
                    flags: 1,
                    trace_id: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
                    span_id: &[1, 2, 3, 4, 5, 6, 7, 8],
                    event_name: "e",
                }
            );
            assert_eq!(fields.best_time(), 5);
            assert_eq!(severity_name(fields.severity_number), "INFO");
        });
        with_record(Signal::Logs, serde_json::json!({"observedTimeUnixNano": "7"}), |record, _| {
            assert_eq!(LogFields::read(record).unwrap().best_time(), 7);
        });
    }

    #[test]
    fn every_field_of_a_span_with_its_events_and_links_is_read() {
        let (trace, id, parent) = ("0102030405060708090a0b0c0d0e0f10", "0102030405060708", "1112131415161718");
        let span = serde_json::json!({
            "traceId": trace, "spanId": id, "parentSpanId": parent, "traceState": "a=b", "flags": 257, "name": "n",
            "kind": 3, "startTimeUnixNano": "5", "endTimeUnixNano": "9", "droppedAttributesCount": 1,
            "droppedEventsCount": 2, "droppedLinksCount": 3, "status": {"code": 2, "message": "m"},
            "events": [{"timeUnixNano": "6", "name": "ev", "droppedAttributesCount": 4,
                "attributes": [{"key": "k", "value": {"intValue": "1"}}]}],
            "links": [{"traceId": trace, "spanId": parent, "traceState": "c=d", "flags": 1, "droppedAttributesCount": 5}],
        });
        with_record(Signal::Traces, span, |span, _| {
            let fields = SpanFields::read(span).unwrap();
            assert_eq!((fields.trace_id.len(), fields.span_id[0], fields.parent_span_id[0]), (16, 0x01, 0x11));
            assert_eq!((fields.trace_state, fields.flags, fields.name), ("a=b", 257, "n"));
            assert_eq!((span_kind_name(fields.kind), fields.start_time, fields.end_time), ("client", 5, 9));
            assert_eq!((fields.dropped_attributes, fields.dropped_events, fields.dropped_links), (1, 2, 3));
            assert_eq!((fields.status_code, fields.status_message), (2, "m"));
        });
    }

    #[test]
    fn events_and_links_come_in_order_with_their_attributes() {
        let span = serde_json::json!({
            "events": [{"timeUnixNano": "6", "name": "ev", "droppedAttributesCount": 4,
                "attributes": [{"key": "k", "value": {"intValue": "1"}}]}, {"name": "second"}],
            "links": [{"spanId": "1112131415161718", "traceState": "c=d", "flags": 1, "droppedAttributesCount": 5}],
        });
        let request = serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
        let bytes = to_protobuf(Signal::Traces, request.to_string().as_bytes()).unwrap();
        let arena = Bump::new();
        let batch = Batch::open(Signal::Traces, &bytes, &arena).unwrap();
        let span = &batch.groups[0].scopes[0].records[0];
        let mut seen = vec![];
        each_part(span, List::Events, &arena, |event| {
            seen.push(format!(
                "{} {} {} {:?}",
                event.name,
                event.time,
                event.dropped_attributes,
                event.entity.get("k")
            ));
            Ok(())
        })
        .unwrap();
        each_part(span, List::Links, &arena, |link| {
            seen.push(format!("{:?} {} {} {}", link.span_id[0], link.trace_state, link.flags, link.dropped_attributes));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["ev 6 4 Some(Int(1))", "second 0 0 None", "17 c=d 1 5"]);
    }
}
