//! Which folder or object a record belongs to: by the time of its event, by an attribute of its resource, or both.
//!
//! A name is made from data that senders choose. What comes from an attribute is one segment of a path and cannot be more:
//! everything but `A-Z a-z 0-9 . - =` and an inner `_` is written as `%XX`, a value of dots only too, and what is longer than
//! [`SEGMENT_BYTES_MAX`] is cut and ends with a hash. Times are UTC.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bumpalo::Bump;

use crate::exporter::Payload;
use crate::otlp::model::{Batch, Entity};
use crate::otlp::value::Value;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::stdx::{calendar, clock, json};

/// The longest segment that comes from an attribute.
pub const SEGMENT_BYTES_MAX: usize = 120;
/// How deep values are skipped in lines.
const DEPTH_MAX: usize = 256;

/// Where some records go. Ordered, so that what is made of them is made in the same order every time.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The attribute as a segment of a path; `None` where the resource does not have it.
    pub group: Option<String>,
    /// The first second of the stretch of time, since 1970.
    pub seconds: u64,
}

/// How payloads are taken apart.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    /// The times that the names tell apart, in seconds; 0: none.
    pub step_seconds: u64,
    /// The resource attribute that the names tell apart.
    pub attribute: Option<String>,
}

impl Partition {
    /// The parts of a payload, each with its key.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub fn split(&self, payload: &Payload) -> Result<Vec<(Key, Payload)>, DecodeError> {
        if self.step_seconds == 0 && self.attribute.is_none() {
            return Ok(vec![(Key::default(), payload.clone())]);
        }
        let mut sorted = Sorted { places: BTreeMap::new(), next: 0 };
        match payload.lines() {
            Some(lines) => self.sort_lines(payload.signal(), lines, &mut sorted)?,
            None => self.sort_otlp(payload, &mut sorted)?,
        }
        if sorted.places.len() == 1 {
            return Ok(sorted.places.into_keys().map(|key| (key, payload.clone())).collect());
        }
        sorted.places.into_iter().map(|(key, places)| Ok((key, payload.pick(&places)?))).collect()
    }

    fn sort_lines(&self, signal: Signal, lines: &[u8], sorted: &mut Sorted) -> Result<(), DecodeError> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let group = match &self.attribute {
                Some(attribute) => attribute_of(line, attribute).map_err(|_| DecodeError::Line("it is not JSON"))?,
                None => None,
            };
            sorted.add(group.as_deref().map(segment), self.step(|| time_of(signal, line)));
        }
        Ok(())
    }

    fn sort_otlp(&self, payload: &Payload, sorted: &mut Sorted) -> Result<(), DecodeError> {
        let (bytes, arena) = (payload.otlp()?, Bump::new());
        let mut batch = Batch::open(payload.signal(), &bytes, &arena)?;
        let signal = payload.signal();
        for group in &mut batch.groups {
            let value = self.attribute.as_ref().and_then(|attribute| group.resource.get(attribute));
            let name = value.and_then(text_of).map(|text| segment(&text));
            for record in group.scopes.iter_mut().flat_map(|scope| &mut scope.records) {
                if signal == Signal::Metrics {
                    record.each_point(&arena, &mut |point| {
                        let time = nanos(point, 3)?;
                        sorted.add(name.clone(), self.step(|| time));
                        Ok(())
                    })?;
                    continue;
                }
                let time = match signal {
                    Signal::Logs => nanos(record, 1)?.map_or_else(|| nanos(record, 11), |time| Ok(Some(time)))?,
                    _ => nanos(record, 7)?,
                };
                sorted.add(name.clone(), self.step(|| time));
            }
        }
        Ok(())
    }

    /// The beginning of the stretch that a time lies in; what has none happened now.
    fn step(&self, time: impl FnOnce() -> Option<u64>) -> u64 {
        if self.step_seconds == 0 {
            return 0;
        }
        let nanos = time().filter(|nanos| *nanos > 0).unwrap_or_else(clock::unix_nanos);
        let seconds = nanos / 1_000_000_000;
        seconds - seconds % self.step_seconds
    }
}

/// The places of records, by key.
struct Sorted {
    places: BTreeMap<Key, Vec<u64>>,
    next: u64,
}

impl Sorted {
    fn add(&mut self, group: Option<String>, seconds: u64) {
        self.places.entry(Key { group, seconds }).or_default().push(self.next);
        self.next += 1;
    }
}

fn nanos(entity: &Entity<'_>, number: u32) -> Result<Option<u64>, DecodeError> {
    Ok(match entity.field(number)? {
        Some(WireValue::Fixed64(nanos)) if nanos > 0 => Some(nanos),
        _ => None,
    })
}

fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_owned()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The time of a canonical line. Its members are sorted, so that the record's own time stands behind what senders can
/// choose freely; where it has none, something of theirs may be taken for it, which is no worse than a false time.
fn time_of(signal: Signal, line: &[u8]) -> Option<u64> {
    let names: &[&[u8]] = match signal {
        Signal::Logs => &[b"\"time_unix_nano\":\"", b"\"observed_time_unix_nano\":\""],
        Signal::Traces => &[b"\"start_time_unix_nano\":\""],
        Signal::Metrics => &[b"\"time_unix_nano\":\""],
    };
    names.iter().find_map(|name| {
        let digits = &line[memchr::memmem::rfind(line, name)? + name.len()..];
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    })
}

/// A resource attribute of a canonical line, where it is a text, a number or a truth value.
fn attribute_of(line: &[u8], attribute: &str) -> Result<Option<String>, json::Error> {
    let mut reader = json::Reader::new(line)?;
    for member in ["resource", "attributes", attribute] {
        if !find(&mut reader, member)? {
            return Ok(None);
        }
    }
    Ok(match reader.value()? {
        json::Value::Str(text) => Some(text.read(&mut String::new()).to_owned()),
        json::Value::Number(number) => Some(number.to_owned()),
        json::Value::Bool(it) => Some(it.to_string()),
        _ => None,
    })
}

/// Reads into an object and stops before the value of the member. False when there is none.
fn find(reader: &mut json::Reader<'_>, member: &str) -> Result<bool, json::Error> {
    if !matches!(reader.value()?, json::Value::Object) {
        return Ok(false);
    }
    // In lines a key that begins with `$` has one more.
    let (wanted, mut buffer) = (member.strip_prefix('$').map(|rest| format!("$${rest}")), String::new());
    let wanted = wanted.as_deref().unwrap_or(member);
    while let Some(key) = reader.next_member()? {
        if key.read(&mut buffer) == wanted {
            return Ok(true);
        }
        reader.skip_value(DEPTH_MAX)?;
    }
    Ok(false)
}

/// A text as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    let only_dots = text.bytes().all(|byte| byte == b'.');
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_kept = match byte {
            b'.' => !only_dots,
            b'_' => !out.is_empty(),
            b'-' | b'=' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if is_kept {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if text.is_empty() {
        return "_empty".to_owned();
    }
    if out.len() > SEGMENT_BYTES_MAX {
        out.truncate(SEGMENT_BYTES_MAX - 17);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        out.push('_');
        digest.as_ref().iter().take(8).for_each(|byte| {
            let _ = write!(out, "{byte:02x}");
        });
    }
    out
}

/// What `strftime` makes of a time, for the letters in [`step_seconds`].
#[must_use]
pub fn strftime(format: &str, seconds: u64) -> String {
    let (year, month, day) = calendar::date(seconds / 86_400);
    let mut out = String::with_capacity(format.len() + 16);
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        let done = match (letter, if letter == '%' { letters.next() } else { None }) {
            ('%', Some('Y')) => write!(out, "{year:04}"),
            ('%', Some('m')) => write!(out, "{month:02}"),
            ('%', Some('d')) => write!(out, "{day:02}"),
            ('%', Some('H')) => write!(out, "{:02}", seconds / 3_600 % 24),
            ('%', Some('M')) => write!(out, "{:02}", seconds / 60 % 60),
            ('%', Some('S')) => write!(out, "{:02}", seconds % 60),
            ('%', Some('j')) => write!(out, "{:03}", seconds / 86_400 - calendar::days(year, 1, 1) + 1),
            ('%', Some('F')) => write!(out, "{year:04}-{month:02}-{day:02}"),
            ('%', Some(other)) => write!(out, "{other}"),
            (other, _) => write!(out, "{other}"),
        };
        let _ = done;
    }
    out
}

/// The stretches of time that a `strftime` format tells apart; 0 where it tells none apart.
///
/// # Errors
/// The letter that is not known.
pub fn step_seconds(format: &str) -> Result<u64, String> {
    let mut step = 0;
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        let found = match letters.next() {
            Some('S') => 1,
            Some('M') => 60,
            Some('H') => 3_600,
            Some('Y' | 'm' | 'd' | 'j' | 'F') => 86_400,
            Some('%') => continue,
            other => return Err(other.map_or_else(|| "%".to_owned(), |other| format!("%{other}"))),
        };
        step = if step == 0 { found } else { step.min(found) };
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::otlp::json::to_protobuf;

    fn logs() -> Payload {
        let records = |times: &[u64]| {
            times.iter().map(|time| json!({"timeUnixNano": (time * 1_000_000_000).to_string()})).collect::<Vec<_>>()
        };
        let resource = |tenant: &str| json!({"attributes": [{"key": "tenant", "value": {"stringValue": tenant}}]});
        let request = json!({"resourceLogs": [
            {"resource": resource("a/../b"), "scopeLogs": [{"logRecords": records(&[10, 3700])}]},
            {"resource": resource("c"), "scopeLogs": [{"logRecords": records(&[20])}]},
            {"scopeLogs": [{"logRecords": records(&[3600])}]},
        ]});
        let bytes = to_protobuf(Signal::Logs, request.to_string().as_bytes()).unwrap();
        Payload::from_otlp(Signal::Logs, vec![bytes.into()], 4)
    }

    fn shown(partition: &Partition, payload: &Payload) -> Vec<(Option<String>, u64, u64)> {
        let parts = partition.split(payload).unwrap();
        parts.into_iter().map(|(key, part)| (key.group, key.seconds, part.records())).collect()
    }

    #[test]
    fn records_go_where_their_time_and_their_resource_say_in_either_form() {
        let logs = logs();
        let lines = Payload::from_lines(Signal::Logs, logs.to_lines().unwrap(), 4);
        let escaped = Some("a%2F..%2Fb".to_owned());
        for payload in [logs, lines] {
            let by_time = Partition { step_seconds: 3600, attribute: None };
            assert_eq!(shown(&by_time, &payload), [(None, 0, 2), (None, 3600, 2)]);
            let by_both = Partition { step_seconds: 3600, attribute: Some("tenant".to_owned()) };
            let wanted =
                [(None, 3600, 1), (escaped.clone(), 0, 1), (escaped.clone(), 3600, 1), (Some("c".to_owned()), 0, 1)];
            assert_eq!(shown(&by_both, &payload), wanted);
            assert_eq!(shown(&Partition::default(), &payload), [(None, 0, 4)]);
        }
    }

    #[test]
    fn a_value_is_one_segment_and_never_leads_elsewhere() {
        for (text, wanted) in [
            ("team-a", "team-a"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("", "_empty"),
            ("_x", "%5Fx"),
            ("a_b", "a_b"),
            ("../../etc", "..%2F..%2Fetc"),
            ("a b\\c\0\n%", "a%20b%5Cc%00%0A%25"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(segment(text), wanted);
        }
        let (one, other) = (segment(&"x".repeat(500)), segment(&"x".repeat(501)));
        assert_eq!((one.len(), one == other), (SEGMENT_BYTES_MAX, false));
    }

    #[test]
    fn times_are_written_as_strftime_does() {
        let seconds = 951_782_400 + 3_661;
        assert_eq!(
            strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M", seconds),
            "year=2000/month=02/day=29/hour=01/minute=01"
        );
        assert_eq!(strftime("%F_%j%%%S", seconds), "2000-02-29_060%01");
        assert_eq!(step_seconds("%Y/%H"), Ok(3600));
        assert_eq!(step_seconds("plain"), Ok(0));
        assert_eq!(step_seconds("%Y/%q"), Err("%q".to_owned()));
    }
}
