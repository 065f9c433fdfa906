//! A payload as entries of Loki streams, encoded one by one, so that any of them can be left out of a request.
//!
//! A log record is its body as the line and everything else as structured metadata. A sealed record is its sealed line, byte for
//! byte; a span, and a record with more metadata than Loki takes, is its canonical line. The entries of a stream keep their order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bumpalo::Bump;
use bytes::Bytes;

use super::form::Encoding;
use super::names::{of_attributes, unique};
use super::stream::{Rules, streams_of};
use crate::exporter::shapes::Shapes;
use crate::exporter::{Payload, Refusal};
use crate::otlp::fields::{LogFields, SpanFields, span_kind_name};
use crate::otlp::line::{NUMBER, STREAM_ID};
use crate::otlp::model::{Attribute, Batch, Entity, Group, Scope};
use crate::otlp::plain::write_text;
use crate::otlp::value::Value;
use crate::otlp::{DecodeError, Signal};
use crate::stdx::clock;
use crate::stdx::json::{write_hex, write_u64};

/// Names of the fixed fields of log records, as Loki's own OTLP endpoint gives them. No attribute of a resource or scope gets them, and
/// none of a record that has the field.
const FIXED: [&str; 8] = [
    "observed_timestamp",
    "severity_number",
    "severity_text",
    "dropped_attributes_count",
    "flags",
    "trace_id",
    "span_id",
    "event_name",
];

/// A payload, encoded.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) streams: Vec<Stream>,
    /// One a record, in order.
    pub(super) entries: Vec<Entry>,
    /// Their encoded bytes.
    pub(super) bytes: Vec<u8>,
    /// Records that Loki would not take.
    pub(super) refused: Vec<Refusal>,
    encoding: Encoding,
}

/// Entries with the same labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Whose it is; empty: nobody's.
    pub(super) tenant: String,
    /// Sorted by name.
    pub(super) pairs: Vec<(String, String)>,
    /// The same as Loki writes a selector: `{a="b", c="d"}`.
    pub(super) labels: String,
}

/// A line in the making.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which stream it belongs to.
    pub(super) stream: usize,
    /// Its place among the bytes.
    pub(super) range: Range<usize>,
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    /// The length of the line.
    pub(super) line_len: usize,
    /// How many pairs of metadata it has, and how long they are.
    pub(super) metadata: (usize, usize),
}

/// What all records of a resource and scope have in common.
#[derive(Debug)]
struct Owner {
    number: usize,
    stream: usize,
    /// Names that no attribute of a record gets.
    taken: Vec<String>,
    /// Metadata of the resource and scope, encoded, with count and length.
    pairs: Vec<u8>,
    count: usize,
    len: usize,
}

impl Push {
    /// Encodes all records.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(super) fn encode(payload: &Payload, rules: &Rules, encoding: Encoding) -> Result<Self, DecodeError> {
        let (bytes, arena) = (payload.otlp()?, Bump::new());
        let batch = Batch::open(payload.signal(), &bytes, &arena)?;
        let push = Self {
            streams: Vec::new(),
            entries: Vec::with_capacity(usize::try_from(payload.records()).unwrap_or_default()),
            bytes: Vec::with_capacity(bytes.len() * 2),
            refused: Vec::new(),
            encoding,
        };
        let lines = Lines { sealed: payload.lines().is_some(), payload, text: None, ends: Vec::new() };
        let mut encoder = Encoder {
            rules,
            push,
            lines,
            shapes: Shapes::default(),
            owners: HashMap::new(),
            streams: HashMap::new(),
            scratch: Vec::new(),
        };
        for group in &batch.groups {
            for scope in &group.scopes {
                encoder.scope(batch.signal, group, scope)?;
            }
        }
        Ok(encoder.push)
    }

    /// The requests it needs: one a tenant, each with no more than so many bytes.
    pub(super) fn parts(&self, bytes_max: usize) -> Vec<Vec<u64>> {
        let mut parts: Vec<(&str, usize, Vec<u64>)> = Vec::new();
        let refused: Vec<u64> = self.refused.iter().flat_map(|refusal| refusal.records.clone()).collect();
        for (place, entry) in (0..).zip(&self.entries) {
            if refused.binary_search(&place).is_ok() {
                continue;
            }
            let (tenant, len) = (self.streams[entry.stream].tenant.as_str(), entry.range.len());
            let open = parts.iter_mut().rev().find(|(known, ..)| *known == tenant);
            match open.filter(|(_, bytes, _)| bytes + len <= bytes_max) {
                Some((_, bytes, places)) => {
                    *bytes += len;
                    places.push(place);
                }
                None => parts.push((tenant, len, vec![place])),
            }
        }
        parts.into_iter().map(|(.., places)| places).collect()
    }

    /// The request of these records, which are one tenant's.
    pub(super) fn request(&self, places: &[u64]) -> Vec<u8> {
        let mut streams: Vec<(&Stream, Vec<&Entry>)> = Vec::new();
        let mut at: Vec<Option<usize>> = vec![None; self.streams.len()];
        for entry in self.chosen(places) {
            let index = *at[entry.stream].get_or_insert_with(|| {
                streams.push((&self.streams[entry.stream], Vec::new()));
                streams.len() - 1
            });
            streams[index].1.push(entry);
        }
        self.encoding.request(&self.bytes, &streams)
    }

    /// The entries of these records.
    pub(super) fn chosen<'p>(&'p self, places: &'p [u64]) -> impl Iterator<Item = &'p Entry> {
        places.iter().filter_map(|place| self.entries.get(usize::try_from(*place).ok()?))
    }

    /// Whose these records are.
    pub(super) fn tenant(&self, places: &[u64]) -> &str {
        self.chosen(places).next().map_or("", |entry| &self.streams[entry.stream].tenant)
    }
}

/// The records as lines, made when the first is asked for.
struct Lines<'p> {
    sealed: bool,
    payload: &'p Payload,
    text: Option<Bytes>,
    ends: Vec<usize>,
}

impl Lines<'_> {
    fn get(&mut self, place: usize) -> Result<Cow<'_, str>, DecodeError> {
        if self.text.is_none() {
            let text = self.payload.to_lines()?;
            self.ends = memchr::memchr_iter(b'\n', &text).collect();
            self.text = Some(text);
        }
        let (Some(text), Some(end)) = (&self.text, self.ends.get(place)) else {
            return Err(DecodeError::Line("it is missing"));
        };
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        Ok(String::from_utf8_lossy(&text[begin..*end]))
    }
}

/// Which owner: the bytes of the resource, of the scope, and of the schema URLs beside them.
type Whose<'a> = (&'a [u8], &'a [u8], &'a str, &'a str);

struct Encoder<'p, 'a> {
    rules: &'p Rules,
    push: Push,
    lines: Lines<'p>,
    shapes: Shapes,
    owners: HashMap<Whose<'a>, Owner>,
    streams: HashMap<(String, String), usize>,
    scratch: Vec<u8>,
}

impl<'a> Encoder<'_, 'a> {
    fn scope(&mut self, signal: Signal, group: &Group<'a>, scope: &Scope<'a>) -> Result<(), DecodeError> {
        let whose = (group.resource.raw(), scope.scope.raw(), group.schema_url()?, scope.schema_url()?);
        // Taken out while it is used, so that the rest can change.
        let owner = match self.owners.remove(&whose) {
            Some(owner) => owner,
            None => self.owner(group, scope, &whose)?,
        };
        for record in &scope.records {
            match signal {
                Signal::Traces => self.span(&owner, record)?,
                _ if self.lines.sealed => self.line(&owner, record)?,
                _ => self.record(&owner, record)?,
            }
        }
        self.owners.insert(whose, owner);
        Ok(())
    }

    fn owner(&mut self, group: &Group<'a>, scope: &Scope<'a>, whose: &Whose<'a>) -> Result<Owner, DecodeError> {
        let (stream, rest) = streams_of(self.rules, &group.resource)?;
        let mut taken: Vec<String> = FIXED.iter().map(|name| (*name).to_owned()).collect();
        taken.extend(stream.pairs.iter().map(|(name, _)| name.clone()));
        let mut pairs = Pairs { encoding: self.push.encoding, out: Vec::new(), count: 0, len: 0 };
        for (name, value) in [
            ("scope_name", scope.scope.text(1)?.to_owned()),
            ("scope_version", scope.scope.text(2)?.to_owned()),
            ("scope_dropped_attributes_count", number_of(&scope.scope, 4)?),
            ("scope_schema_url", whose.3.to_owned()),
            ("resource_dropped_attributes_count", number_of(&group.resource, 2)?),
            ("resource_schema_url", whose.2.to_owned()),
        ] {
            if !value.is_empty() {
                let name = unique(name, &mut taken);
                pairs.put(&name, &value);
            }
        }
        for attributes in [scope.scope.attributes(), rest.as_slice()] {
            let names = of_attributes(attributes, &mut taken);
            for (name, attribute) in names.iter().zip(attributes) {
                pairs.put_value(name.as_deref(), &attribute.value, &mut self.scratch)?;
            }
        }
        let key = (stream.tenant.clone(), stream.labels.clone());
        let stream = *self.streams.entry(key).or_insert_with(|| {
            self.push.streams.push(stream);
            self.push.streams.len() - 1
        });
        let Pairs { out, count, len, .. } = pairs;
        taken.drain(..FIXED.len());
        Ok(Owner { number: self.owners.len(), stream, taken, pairs: out, count, len })
    }

    /// A log record as its body and metadata.
    fn record(&mut self, owner: &Owner, record: &Entity<'a>) -> Result<(), DecodeError> {
        let fields = LogFields::read(record)?;
        let time = time_or_now(fields.best_time());
        let start = self.push.bytes.len();
        let text;
        let body = match fields.body {
            Value::Str(body) => body,
            Value::Null => fields.event_name,
            other => {
                text = text_of(&other)?;
                &text
            }
        };
        let line_len = body.len();
        let out = std::mem::take(&mut self.push.bytes);
        let mut pairs = Pairs { encoding: self.push.encoding, out, count: owner.count, len: owner.len };
        pairs.encoding.begin(&mut pairs.out, time, body);
        put_log_fields(&mut pairs, &fields, &mut self.scratch);
        let present = present(&fields);
        let name = |attributes: &[Attribute<'_>]| {
            let fixed = FIXED.iter().enumerate().filter(|(bit, _)| present & 1 << bit != 0);
            let fixed = fixed.map(|(_, name)| (*name).to_owned());
            of_attributes(attributes, &mut owner.taken.iter().cloned().chain(fixed).collect())
        };
        let names = self.shapes.of(owner.number << FIXED.len() | present, record.attributes(), name);
        for (name, attribute) in names.iter().zip(record.attributes()) {
            pairs.put_value(name.as_deref(), &attribute.value, &mut self.scratch)?;
        }
        pairs.encoding.pairs(&mut pairs.out, &owner.pairs);
        pairs.encoding.end(&mut pairs.out);
        let metadata = (pairs.count, pairs.len);
        self.push.bytes = pairs.out;
        if self.rules.limits.allow(metadata) {
            self.add(Entry { stream: owner.stream, range: start..self.push.bytes.len(), time, line_len, metadata });
            return Ok(());
        }
        self.push.bytes.truncate(start);
        self.line(owner, record)
    }

    /// A log record as a line that has everything.
    fn line(&mut self, owner: &Owner, record: &Entity<'a>) -> Result<(), DecodeError> {
        let fields = LogFields::read(record)?;
        self.whole(owner, record, time_or_now(fields.best_time()), |pairs, scratch| {
            put_log_fields(pairs, &fields, scratch);
        })
    }

    fn span(&mut self, owner: &Owner, span: &Entity<'a>) -> Result<(), DecodeError> {
        let fields = SpanFields::read(span)?;
        self.whole(owner, span, time_or_now(fields.start_time), |pairs, scratch| {
            pairs.hex("trace_id", fields.trace_id, scratch);
            pairs.hex("span_id", fields.span_id, scratch);
            pairs.hex("parent_span_id", fields.parent_span_id, scratch);
            pairs.text("span_name", fields.name);
            pairs.text("span_kind", span_kind_name(fields.kind));
            pairs
                .text("span_status", ["", "ok", "error"].get(fields.status_code as usize).copied().unwrap_or_default());
        })
    }

    /// An entry whose line is the canonical or sealed line of the record.
    fn whole(
        &mut self,
        owner: &Owner,
        record: &Entity<'a>,
        time: u64,
        fields: impl FnOnce(&mut Pairs, &mut Vec<u8>),
    ) -> Result<(), DecodeError> {
        let line = self.lines.get(self.push.entries.len())?;
        let (start, line_len) = (self.push.bytes.len(), line.len());
        let out = std::mem::take(&mut self.push.bytes);
        let mut pairs = Pairs { encoding: self.push.encoding, out, count: 0, len: 0 };
        pairs.encoding.begin(&mut pairs.out, time, &line);
        fields(&mut pairs, &mut self.scratch);
        if self.lines.sealed {
            pairs.text("audit_sequence_stream_id", record.get(STREAM_ID).and_then(|v| v.as_str()).unwrap_or_default());
            if let Some(Value::Int(number)) = record.get(NUMBER) {
                pairs.number("audit_sequence_number", number.unsigned_abs(), &mut self.scratch);
            }
        }
        pairs.encoding.end(&mut pairs.out);
        let metadata = (pairs.count, pairs.len);
        self.push.bytes = pairs.out;
        self.add(Entry { stream: owner.stream, range: start..self.push.bytes.len(), time, line_len, metadata });
        Ok(())
    }

    /// A line that is too long is not sent: Loki would refuse it, and with it the others' confirmation.
    fn add(&mut self, entry: Entry) {
        let place = self.push.entries.len() as u64;
        let max = self.rules.limits.max_line_size.as_usize();
        if max > 0 && entry.line_len > max {
            let cause = format!("the line has {} bytes, `limits.max_line_size` is {max}", entry.line_len);
            self.push.refused.push(Refusal { records: vec![place], cause });
        }
        self.push.entries.push(entry);
    }
}

/// Which of the fixed fields a record has, a bit each.
fn present(fields: &LogFields<'_>) -> usize {
    let all = [
        fields.time != 0 && fields.observed_time != 0,
        fields.severity_number != 0,
        !fields.severity_text.is_empty(),
        fields.dropped_attributes != 0,
        fields.flags != 0,
        !fields.trace_id.is_empty(),
        !fields.span_id.is_empty(),
        !fields.event_name.is_empty(),
    ];
    all.iter().enumerate().fold(0, |bits, (bit, is_there)| bits | usize::from(*is_there) << bit)
}

fn put_log_fields(pairs: &mut Pairs, fields: &LogFields<'_>, scratch: &mut Vec<u8>) {
    if fields.time != 0 {
        pairs.number("observed_timestamp", fields.observed_time, scratch);
    }
    pairs.number("severity_number", fields.severity_number, scratch);
    pairs.text("severity_text", fields.severity_text);
    pairs.number("dropped_attributes_count", fields.dropped_attributes, scratch);
    pairs.number("flags", fields.flags.into(), scratch);
    pairs.hex("trace_id", fields.trace_id, scratch);
    pairs.hex("span_id", fields.span_id, scratch);
    pairs.text("event_name", fields.event_name);
}

/// Structured metadata, counted as Loki counts it.
struct Pairs {
    encoding: Encoding,
    out: Vec<u8>,
    count: usize,
    len: usize,
}

impl Pairs {
    fn put(&mut self, name: &str, value: &str) {
        self.count += 1;
        self.len += name.len() + value.len();
        self.encoding.pair(&mut self.out, name, value);
    }

    fn put_value(&mut self, name: Option<&str>, value: &Value<'_>, scratch: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Some(name) = name else { return Ok(()) };
        if let Value::Str(text) = value {
            self.put(name, text);
            return Ok(());
        }
        scratch.clear();
        write_text(scratch, value)?;
        self.put(name, &String::from_utf8_lossy(scratch));
        Ok(())
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.put(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64, scratch: &mut Vec<u8>) {
        if value != 0 || name == "audit_sequence_number" {
            scratch.clear();
            write_u64(scratch, value);
            self.put(name, &String::from_utf8_lossy(scratch));
        }
    }

    fn hex(&mut self, name: &str, id: &[u8], scratch: &mut Vec<u8>) {
        if !id.is_empty() {
            scratch.clear();
            write_hex(scratch, id);
            self.put(name, &String::from_utf8_lossy(scratch));
        }
    }
}

fn time_or_now(time: u64) -> u64 {
    if time == 0 { clock::unix_nanos() } else { time }
}

pub(super) fn text_of(value: &Value<'_>) -> Result<String, DecodeError> {
    let mut out = Vec::new();
    write_text(&mut out, value)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A count among the fields; empty for 0.
fn number_of(entity: &Entity<'_>, number: u32) -> Result<String, DecodeError> {
    use crate::otlp::wire::WireValue;
    Ok(match entity.field(number)? {
        Some(WireValue::Varint(count)) if count != 0 => count.to_string(),
        _ => String::new(),
    })
}

/// Attributes of a resource that are no labels.
pub(super) type Rest<'a> = Vec<Attribute<'a>>;
