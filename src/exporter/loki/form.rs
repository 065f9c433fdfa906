//! The two forms of a push request: protobuf (`logproto.PushRequest`) and JSON.
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>,
//! <https://github.com/grafana/loki/blob/main/pkg/push/push.proto>

use super::push::{Entry, Stream};
use crate::otlp::wire::{field_len, put_bytes, put_message, put_tag, put_varint};
use crate::stdx::json::{write_str, write_u64};

/// How a request is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Protobuf, compressed with Snappy.
    #[default]
    Protobuf,
    /// JSON.
    Json,
}

const NANOS: u64 = 1_000_000_000;

impl Encoding {
    /// The media type of requests.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Begins an entry: its time and line.
    pub(super) fn begin(self, out: &mut Vec<u8>, time: u64, line: &str) {
        match self {
            Self::Protobuf => {
                let _ = put_message(out, 1, |out| {
                    put_tag(out, 1, 0);
                    put_varint(out, time / NANOS);
                    put_tag(out, 2, 0);
                    put_varint(out, time % NANOS);
                    Ok::<(), std::convert::Infallible>(())
                });
                put_bytes(out, 2, line.as_bytes());
            }
            Self::Json => {
                out.extend_from_slice(b"[\"");
                write_u64(out, time);
                out.extend_from_slice(b"\",");
                write_str(out, line);
                out.extend_from_slice(b",{");
            }
        }
    }

    /// One pair of structured metadata.
    pub(super) fn pair(self, out: &mut Vec<u8>, name: &str, value: &str) {
        match self {
            Self::Protobuf => {
                put_tag(out, 3, 2);
                put_varint(out, (field_len(1, name.len()) + field_len(2, value.len())) as u64);
                put_bytes(out, 1, name.as_bytes());
                put_bytes(out, 2, value.as_bytes());
            }
            Self::Json => {
                if out.last() == Some(&b'"') {
                    out.push(b',');
                }
                write_str(out, name);
                out.push(b':');
                write_str(out, value);
            }
        }
    }

    /// Pairs that were written before.
    pub(super) fn pairs(self, out: &mut Vec<u8>, pairs: &[u8]) {
        if self == Self::Json && out.last() == Some(&b'"') && !pairs.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(pairs);
    }

    /// Ends an entry.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if self == Self::Json {
            out.extend_from_slice(b"}]");
        }
    }

    /// A request of some entries by stream.
    pub(super) fn request<'e>(self, bytes: &[u8], streams: &[(&'e Stream, Vec<&'e Entry>)]) -> Vec<u8> {
        let len = streams.iter().flat_map(|(_, entries)| entries).map(|entry| entry.range.len() + 8).sum::<usize>();
        let mut out =
            Vec::with_capacity(len + streams.iter().map(|(stream, _)| stream.labels.len() + 32).sum::<usize>());
        match self {
            Self::Protobuf => streams.iter().for_each(|(stream, entries)| put_stream(&mut out, bytes, stream, entries)),
            Self::Json => {
                out.extend_from_slice(b"{\"streams\":[");
                for (at, (stream, entries)) in streams.iter().enumerate() {
                    out.extend_from_slice(if at == 0 { b"" } else { b"," });
                    write_stream(&mut out, bytes, stream, entries);
                }
                out.extend_from_slice(b"]}");
            }
        }
        out
    }
}

fn put_stream(out: &mut Vec<u8>, bytes: &[u8], stream: &Stream, entries: &[&Entry]) {
    let len: usize = entries.iter().map(|entry| field_len(2, entry.range.len())).sum();
    put_tag(out, 1, 2);
    put_varint(out, (field_len(1, stream.labels.len()) + len) as u64);
    put_bytes(out, 1, stream.labels.as_bytes());
    for entry in entries {
        put_bytes(out, 2, &bytes[entry.range.clone()]);
    }
}

fn write_stream(out: &mut Vec<u8>, bytes: &[u8], stream: &Stream, entries: &[&Entry]) {
    out.extend_from_slice(b"{\"stream\":{");
    for (at, (name, value)) in stream.pairs.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        write_str(out, name);
        out.push(b':');
        write_str(out, value);
    }
    out.extend_from_slice(b"},\"values\":[");
    for (at, entry) in entries.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        out.extend_from_slice(&bytes[entry.range.clone()]);
    }
    out.extend_from_slice(b"]}");
}
