//! The seal in OTLP: the same attributes that a line read back gets, added to records that are still OTLP.

use crate::otlp::line::{ENTRY, NUMBER, SALT, STREAM_ID};
use crate::otlp::schema::{self, Kind, MEMBERS, Message};
use crate::otlp::value::{Value, put_pair};
use crate::otlp::wire::{Cursor, Field, WireValue, put_large_message, put_tag, put_varint};
use crate::otlp::{DecodeError, Signal};

/// What a seal says about one record.
#[derive(Debug, Clone, Copy)]
pub struct SealView<'a> {
    /// Its number in the stream.
    pub number: u64,
    /// The entry.
    pub entry: &'a [u8],
    /// The salt of the entry's commitment.
    pub salt: &'a [u8],
}

/// About how many bytes a record gets more.
pub const SEAL_BYTES: usize = 300;

/// Appends the request with each record's seal among its attributes. `seals` come in the order of the records; a record
/// without one stays as it is. Metrics have no place for it.
///
/// # Errors
/// When the framing is broken; `out` holds a part then.
pub fn put_with_seals<'s>(
    out: &mut Vec<u8>,
    signal: Signal,
    request: &[u8],
    stream: &str,
    seals: impl Iterator<Item = SealView<'s>>,
) -> Result<(), DecodeError> {
    let attributes = schema::record(signal).attributes();
    let mut pairs = Vec::with_capacity(SEAL_BYTES);
    put_pair(&mut pairs, attributes, STREAM_ID, &Value::Str(stream));
    let mut splice = Splice { attributes, seals, stream_len: pairs.len(), pairs };
    splice.members(schema::request(signal), 1, request, 2, out)
}

struct Splice<I> {
    attributes: u32,
    seals: I,
    /// What a record gets; the stream, which all records share, stands first.
    pairs: Vec<u8>,
    stream_len: usize,
}

impl<'s, I: Iterator<Item = SealView<'s>>> Splice<I> {
    /// Copies a message; `levels` more lists lie between its field `number` and the records.
    fn members(
        &mut self,
        message: &'static Message,
        number: u32,
        content: &[u8],
        levels: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(content);
        while let Some(field) = cursor.next_field()? {
            match (inner(message, &field, number), levels) {
                (None, _) => out.extend_from_slice(field.raw),
                (Some((_, record)), 0) => self.record(number, record, out),
                (Some((member, bytes)), _) => {
                    put_large_message(out, number, |out| self.members(member, MEMBERS, bytes, levels - 1, out))?
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, number: u32, record: &[u8], out: &mut Vec<u8>) {
        let mut pairs: &[u8] = &[];
        if let Some(seal) = self.seals.next() {
            self.pairs.truncate(self.stream_len);
            let mut put = |key, value| put_pair(&mut self.pairs, self.attributes, key, &value);
            put(NUMBER, Value::Int(seal.number.cast_signed()));
            put(ENTRY, Value::Bytes(seal.entry));
            put(SALT, Value::Bytes(seal.salt));
            pairs = &self.pairs;
        }
        put_tag(out, number, 2);
        put_varint(out, (record.len() + pairs.len()) as u64);
        out.extend_from_slice(record);
        out.extend_from_slice(pairs);
    }
}

fn inner<'a>(message: &'static Message, field: &Field<'a>, number: u32) -> Option<(&'static Message, &'a [u8])> {
    match (message.field(field.number)?.kind, field.value) {
        (Kind::Message(inner), WireValue::Bytes(bytes)) if field.number == number => Some((inner, bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    #[test]
    fn each_record_gets_the_attributes_that_a_line_read_back_has() {
        let span = |name: &str| Span { name: name.into(), trace_id: vec![7; 16], ..Span::default() };
        let scope =
            |names: &[&str]| ScopeSpans { spans: names.iter().map(|n| span(n)).collect(), ..ScopeSpans::default() };
        let group = ResourceSpans { scope_spans: vec![scope(&["a", "b"]), scope(&["c"])], ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![group.clone(), group] }.encode_to_vec();
        let (entry, salt) = ([9; 128], [5; 16]);
        let seals = (40..).map(|number| SealView { number, entry: &entry, salt: &salt });

        let mut out = Vec::new();
        put_with_seals(&mut out, Signal::Traces, &request, "the-stream", seals.take(6)).unwrap();
        let out = ExportTraceServiceRequest::decode(&out[..]).unwrap();

        let spans = out.resource_spans.iter().flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans);
        let found: Vec<_> = spans
            .map(|span| {
                let value = |key| span.attributes.iter().find(|a| a.key == key).unwrap().value.clone().unwrap().value;
                assert_eq!(value(STREAM_ID), Some(Any::StringValue("the-stream".into())));
                assert_eq!(value(ENTRY), Some(Any::BytesValue(entry.to_vec())));
                assert_eq!(value(SALT), Some(Any::BytesValue(salt.to_vec())));
                (span.name.clone(), value(NUMBER))
            })
            .collect();
        let expected = ["a", "b", "c", "a", "b", "c"].into_iter().zip(40..);
        assert_eq!(found, expected.map(|(n, i)| (n.to_owned(), Some(Any::IntValue(i)))).collect::<Vec<_>>());
    }
}
