//! Exemplars: a sample with the trace it was taken in.

use crate::exporter::prom::labels::put_label;
use crate::exporter::prom::name::escaped_label;
use crate::exporter::prom::value::put_double;
use crate::otlp::points::Point;
use crate::otlp::wire::{put_tag, put_varint};
use crate::otlp::{DecodeError, plain};

/// The letters that names and values of an exemplar's labels may have together: OpenMetrics 1.0, "Exemplars".
const LETTERS_MAX: usize = 128;
/// More are not kept of one point.
const EXEMPLARS_MAX: usize = 32;

/// An exemplar.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Sorted by name.
    pub labels: Box<[(String, String)]>,
    /// The sample.
    pub value: f64,
    /// When it was taken, in milliseconds since 1970; 0: not said.
    pub millis: i64,
}

impl Exemplar {
    /// Appends the fields of `prometheus.Exemplar`.
    pub fn put_remote(&self, out: &mut Vec<u8>) {
        self.labels.iter().for_each(|(name, value)| put_label(out, name, value));
        put_double(out, 2, self.value);
        put_tag(out, 3, 0);
        put_varint(out, self.millis.cast_unsigned());
    }
}

/// The exemplars of a point. Those without a value are none; filtered attributes are left out where they are too long.
///
/// # Errors
/// When one is broken.
pub fn exemplars(point: &Point<'_>) -> Result<Vec<Exemplar>, DecodeError> {
    let mut found = Vec::new();
    point.each_exemplar::<DecodeError>(|it| {
        let Some(value) = it.value.filter(|_| found.len() < EXEMPLARS_MAX) else { return Ok(()) };
        let mut labels = Vec::new();
        for (name, id) in [("trace_id", it.trace_id), ("span_id", it.span_id)] {
            if !id.is_empty() && id.len() <= 16 {
                labels.push((name.to_owned(), hex(id)));
            }
        }
        let mut letters: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        for attribute in it.entity.attributes() {
            let mut text = Vec::new();
            plain::write_text(&mut text, &attribute.value)?;
            let (name, text) = (escaped_label(attribute.key).into_owned(), String::from_utf8_lossy(&text).into_owned());
            let more = name.chars().count() + text.chars().count();
            if letters + more <= LETTERS_MAX && !text.is_empty() && labels.iter().all(|(known, _)| *known != name) {
                letters += more;
                labels.push((name, text));
            }
        }
        labels.sort();
        found.push(Exemplar { labels: labels.into(), value: value.as_f64(), millis: millis(it.time) });
        Ok(())
    })?;
    Ok(found)
}

/// Nanoseconds as milliseconds.
#[must_use]
pub fn millis(nanos: u64) -> i64 {
    (nanos / 1_000_000).cast_signed()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}
