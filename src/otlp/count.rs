//! How many records a request holds, and how to halve it: both walk lengths and copy nothing else.

use crate::otlp::schema::{self, Kind, MEMBERS, Message};
use crate::otlp::wire::{Cursor, Field, put_large_message};
use crate::otlp::{DecodeError, Signal, gather};

/// Log records, spans or data points of a protobuf `Export*ServiceRequest`. Checks the framing down to the records.
///
/// # Errors
/// When the framing is broken.
pub fn count(signal: Signal, request: &[u8]) -> Result<u64, DecodeError> {
    let mut records = 0;
    each(schema::request(signal), 1, request, &mut |group| {
        each(group.message, MEMBERS, group.bytes, &mut |scope| {
            each(scope.message, MEMBERS, scope.bytes, &mut |record| {
                records += if signal == Signal::Metrics { points(record.bytes)? } else { 1 };
                Ok(())
            })
        })
    })?;
    Ok(records)
}

/// Data points of one `Metric`, of whichever kind. Where several kinds stand, the last one counts, as protobuf has it.
///
/// # Errors
/// When the framing is broken.
pub fn points(metric: &[u8]) -> Result<u64, DecodeError> {
    let (mut points, mut kind) = (0, 0);
    let mut cursor = Cursor::new(metric);
    while let Some(field) = cursor.next_field()? {
        let Some(Kind::Message(data)) = schema::METRIC.field(field.number).map(|known| known.kind) else { continue };
        if kind != field.number {
            (points, kind) = (0, field.number);
        }
        each(data, 1, bytes(&schema::METRIC, &field)?, &mut |_| {
            points += 1;
            Ok(())
        })?;
    }
    Ok(points)
}

/// One occurrence of a repeated message field.
struct Member<'a> {
    message: &'static Message,
    bytes: &'a [u8],
}

fn each<'a>(
    message: &'static Message,
    number: u32,
    content: &'a [u8],
    visit: &mut dyn FnMut(Member<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let Some(Kind::Message(inner)) = message.field(number).map(|known| known.kind) else { return Ok(()) };
    let mut cursor = Cursor::new(content);
    while let Some(field) = cursor.next_field()? {
        if field.number == number {
            visit(Member { message: inner, bytes: bytes(message, &field)? })?;
        }
    }
    Ok(())
}

fn bytes<'a>(message: &'static Message, field: &Field<'a>) -> Result<&'a [u8], DecodeError> {
    gather::content(message.name, field)
}

/// A request taken apart into two, or `None` when it holds one record (for metrics: one `Metric`).
pub type Halves = Option<(Vec<u8>, Vec<u8>)>;

/// The request in two halves, each a whole request with the resource and scope of its records.
///
/// # Errors
/// When the framing is broken.
pub fn halves(signal: Signal, request: &[u8]) -> Result<Halves, DecodeError> {
    let mut members = 0;
    each(schema::request(signal), 1, request, &mut |group| {
        each(group.message, MEMBERS, group.bytes, &mut |scope| {
            each(scope.message, MEMBERS, scope.bytes, &mut |_| {
                members += 1;
                Ok(())
            })
        })
    })?;
    if members < 2 {
        return Ok(None);
    }
    let half = members / 2;
    Ok(Some((only(signal, request, 0..half)?, only(signal, request, half..members)?)))
}

/// The request with only the records in `range`, counted over the whole request; scopes and resources that keep none
/// are left out.
fn only(signal: Signal, request: &[u8], range: std::ops::Range<usize>) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(request.len() / 2 + 64);
    let mut seen = 0;
    keep(schema::request(signal), 1, request, &range, &mut seen, 2, &mut out)?;
    Ok(out)
}

/// Copies `content`, keeping of field `number` only what holds records of `range`. `levels` more lists lie between
/// this one and the records.
fn keep(
    message: &'static Message,
    number: u32,
    content: &[u8],
    range: &std::ops::Range<usize>,
    seen: &mut usize,
    levels: usize,
    out: &mut Vec<u8>,
) -> Result<bool, DecodeError> {
    let mut kept = false;
    let Some(Kind::Message(inner)) = message.field(number).map(|known| known.kind) else { return Ok(kept) };
    let mut cursor = Cursor::new(content);
    while let Some(field) = cursor.next_field()? {
        if field.number != number {
            out.extend_from_slice(field.raw);
        } else if levels == 0 {
            if range.contains(seen) {
                out.extend_from_slice(field.raw);
                kept = true;
            }
            *seen += 1;
        } else {
            let before = out.len();
            let mut any = false;
            put_large_message(out, number, |out| {
                any = keep(inner, MEMBERS, bytes(message, &field)?, range, seen, levels - 1, out)?;
                Ok::<(), DecodeError>(())
            })?;
            if !any {
                out.truncate(before);
            }
            kept |= any;
        }
    }
    Ok(kept)
}
