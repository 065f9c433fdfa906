//! Log records for `POST /api/v2/logs`: <https://docs.datadoghq.com/api/latest/logs/#send-logs>.
//!
//! Reserved attributes and what correlates logs with traces:
//! <https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/>,
//! <https://docs.datadoghq.com/tracing/other_telemetry/connect_logs_and_traces/opentelemetry/>. The fields of OTLP have the names
//! that Datadog's own exporter gives them (`otel.*`, `dd.*`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bumpalo::Bump;

use super::resource::{hostname, tags};
use crate::exporter::shapes::{Named, Shapes, comes_again};
use crate::exporter::{Payload, Refusal};
use crate::otlp::fields::LogFields;
use crate::otlp::line::{ENTRY, SALT};
use crate::otlp::model::{Attribute, Batch, Entity, Group, Scope};
use crate::otlp::plain::{write_members, write_text, write_value};
use crate::otlp::value::Value;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::stdx::clock;
use crate::stdx::json::{write_hex, write_str, write_u64};

/// Entries of a request, from the page above.
const ENTRIES_MAX: usize = 1000;
/// 5 MB before compression, less a little.
const REQUEST_BYTES_MAX: usize = 4_900_000;
/// 1 MB an entry; Datadog would cut off the rest of it and say nothing.
const ENTRY_BYTES_MAX: usize = 1_000_000;

/// Names that are not the attributes'. One with such a name gets `attribute.` before it.
const RESERVED: [&str; 18] = [
    "message",
    "service",
    "hostname",
    "host",
    "source",
    "status",
    "ddsource",
    "ddtags",
    "timestamp",
    "date",
    "syslog",
    "dd.trace_id",
    "dd.span_id",
    "trace_id",
    "span_id",
    "resource",
    "scope",
    "audit.line",
];

/// Records as JSON objects.
#[derive(Debug, Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    /// One a record.
    ranges: Vec<Range<usize>>,
    /// Records that are too large.
    pub(super) refused: Vec<Refusal>,
}

/// How entries are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// The name of the host of a resource that has none.
    pub(super) hostname: String,
    /// Tags of every record.
    pub(super) tags: Vec<String>,
    /// Values are text, and nothing is nested.
    pub(super) strings_only: bool,
}

/// What the records of a resource and scope have in common.
struct Owner {
    number: usize,
    /// Members, each with a comma before it.
    members: Vec<u8>,
}

impl Entries {
    /// Encodes all records of a payload.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(super) fn encode(payload: &Payload, style: &Style) -> Result<Self, DecodeError> {
        let (bytes, arena) = (payload.otlp()?, Bump::new());
        let batch = Batch::open(Signal::Logs, &bytes, &arena)?;
        let sealed = payload.lines();
        let mut lines = sealed.into_iter().flat_map(|lines| lines.split(|byte| *byte == b'\n'));
        let mut entries = Self { bytes: Vec::with_capacity(bytes.len() * 2), ..Self::default() };
        let mut owners = HashMap::new();
        let mut shapes = Shapes::default();
        for group in &batch.groups {
            for scope in &group.scopes {
                let whose = (group.resource.raw(), scope.scope.raw(), group.schema_url()?, scope.schema_url()?);
                if !owners.contains_key(&whose) {
                    owners.insert(whose, Owner::new(owners.len(), group, scope, style)?);
                }
                for record in &scope.records {
                    let line = lines.next().map(String::from_utf8_lossy);
                    let start = entries.bytes.len();
                    let mut writer = Writer { out: &mut entries.bytes, strings_only: style.strings_only };
                    writer.record(&owners[&whose], record, line, &mut shapes)?;
                    entries.add(start);
                }
            }
        }
        Ok(entries)
    }

    /// What was written since `start` is an entry.
    fn add(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        if len > ENTRY_BYTES_MAX {
            let cause = format!("the entry has {len} bytes, Datadog cuts off what is beyond {ENTRY_BYTES_MAX}");
            self.refused.push(Refusal { records: vec![self.ranges.len() as u64], cause });
        }
        self.ranges.push(start..self.bytes.len());
    }

    /// The requests that the records need.
    pub(super) fn parts(&self) -> Vec<Vec<u64>> {
        let mut parts: Vec<Vec<u64>> = vec![];
        let mut bytes = 0;
        for (place, range) in (0..).zip(&self.ranges) {
            if self.refused.iter().any(|refusal| refusal.records.contains(&place)) {
                continue;
            }
            let len = range.len() + 1;
            match parts.last_mut() {
                Some(part) if part.len() < ENTRIES_MAX && bytes + len <= REQUEST_BYTES_MAX => {
                    part.push(place);
                    bytes += len;
                }
                _ => {
                    parts.push(vec![place]);
                    bytes = len + 1;
                }
            }
        }
        parts
    }

    /// The request of these records.
    pub(super) fn request(&self, places: &[u64]) -> Vec<u8> {
        let ranges: Vec<_> =
            places.iter().filter_map(|place| self.ranges.get(usize::try_from(*place).ok()?)).cloned().collect();
        let mut out = Vec::with_capacity(ranges.iter().map(|range| range.len() + 1).sum::<usize>() + 2);
        out.push(b'[');
        for (at, range) in ranges.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b"," });
            out.extend_from_slice(&self.bytes[range]);
        }
        out.push(b']');
        out
    }
}

impl Owner {
    fn new(number: usize, group: &Group<'_>, scope: &Scope<'_>, style: &Style) -> Result<Self, DecodeError> {
        let mut members = Vec::new();
        let mut writer = Writer { out: &mut members, strings_only: style.strings_only };
        let service = group.resource.get("service.name").and_then(|name| name.as_str()).unwrap_or_default();
        writer.text("service", service);
        writer.text("hostname", &hostname(&group.resource, &style.hostname));
        let mut all = tags(&group.resource)?;
        all.extend(style.tags.iter().cloned());
        writer.text("ddtags", &all.join(","));
        writer.text("ddsource", "otlp");
        writer.owner("resource", &group.resource, 2, &[("schema_url", group.schema_url()?)])?;
        let own =
            [("name", scope.scope.text(1)?), ("version", scope.scope.text(2)?), ("schema_url", scope.schema_url()?)];
        writer.owner("scope", &scope.scope, 4, &own)?;
        Ok(Self { number, members })
    }
}

/// Writes members, each with a comma before it.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    strings_only: bool,
}

impl Writer<'_> {
    fn record(
        &mut self,
        owner: &Owner,
        record: &Entity<'_>,
        line: Option<Cow<'_, str>>,
        shapes: &mut Shapes,
    ) -> Result<(), DecodeError> {
        let fields = LogFields::read(record)?;
        let time = if fields.best_time() == 0 { clock::unix_nanos() } else { fields.best_time() };
        self.out.extend_from_slice(b"{\"message\":");
        match fields.body {
            Value::Str(body) => write_str(self.out, body),
            Value::Null => write_str(self.out, fields.event_name),
            other => self.value_as_text(&other)?,
        }
        self.out.extend_from_slice(b",\"timestamp\":");
        write_u64(self.out, time / 1_000_000);
        self.text("status", status(&fields));
        self.out.extend_from_slice(&owner.members);
        self.fields(&fields);
        let names = shapes.of(owner.number, record.attributes(), names);
        for (name, attribute) in names.iter().zip(record.attributes()) {
            if let Some(name) = name {
                self.out.extend_from_slice(name.as_bytes());
                self.value(&attribute.value)?;
            }
        }
        if let Some(line) = line {
            self.text("audit.line", &line);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn fields(&mut self, fields: &LogFields<'_>) {
        self.quoted("otel.timestamp", fields.time);
        self.quoted("otel.observed_timestamp", fields.observed_time);
        self.number("otel.severity_number", fields.severity_number);
        self.text("otel.severity_text", fields.severity_text);
        self.text("otel.event_name", fields.event_name);
        self.number("otel.flags", fields.flags.into());
        self.number("otel.dropped_attributes_count", fields.dropped_attributes);
        self.id("otel.trace_id", "dd.trace_id", fields.trace_id);
        self.id("otel.span_id", "dd.span_id", fields.span_id);
    }

    /// A resource or scope: an object with its attributes and own fields, or a member each.
    fn owner(
        &mut self,
        name: &str,
        entity: &Entity<'_>,
        dropped: u32,
        own: &[(&str, &str)],
    ) -> Result<(), DecodeError> {
        let dropped = match entity.field(dropped)? {
            Some(WireValue::Varint(count)) => count,
            _ => 0,
        };
        if self.strings_only {
            for (at, attribute) in entity.attributes().iter().enumerate() {
                if !comes_again(entity.attributes(), at) {
                    self.key(&format!("{name}.attributes.{}", attribute.key));
                    self.value_as_text(&attribute.value)?;
                }
            }
            own.iter().for_each(|(own, value)| self.text(&format!("{name}.{own}"), value));
            self.number(&format!("{name}.dropped_attributes_count"), dropped);
            return Ok(());
        }
        let (mut members, mut inner) = (Vec::new(), Vec::new());
        write_members(&mut members, entity.attributes())?;
        if !members.is_empty() {
            inner.extend_from_slice(b",\"attributes\":{");
            inner.extend_from_slice(&members);
            inner.push(b'}');
        }
        let mut writer = Writer { out: &mut inner, strings_only: false };
        own.iter().for_each(|(name, value)| writer.text(name, value));
        writer.number("dropped_attributes_count", dropped);
        if let Some((_, inner)) = inner.split_first() {
            self.key(name);
            self.out.push(b'{');
            self.out.extend_from_slice(inner);
            self.out.push(b'}');
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> Result<(), DecodeError> {
        if self.strings_only { self.value_as_text(value) } else { write_value(self.out, value) }
    }

    fn value_as_text(&mut self, value: &Value<'_>) -> Result<(), DecodeError> {
        let mut text = Vec::new();
        write_text(&mut text, value)?;
        write_str(self.out, &String::from_utf8_lossy(&text));
        Ok(())
    }

    /// An id as OpenTelemetry writes it, and as Datadog joins it: its lower 64 bits in decimal.
    fn id(&mut self, otel: &str, dd: &str, id: &[u8]) {
        if id.is_empty() {
            return;
        }
        self.key(otel);
        self.out.push(b'"');
        write_hex(self.out, id);
        self.out.push(b'"');
        if let Some(low) = id.last_chunk::<8>() {
            self.quoted(dd, u64::from_be_bytes(*low));
        }
    }

    fn key(&mut self, name: &str) {
        self.out.push(b',');
        write_str(self.out, name);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.key(name);
            write_str(self.out, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        if self.strings_only {
            self.quoted(name, value);
        } else if value != 0 {
            self.key(name);
            write_u64(self.out, value);
        }
    }

    /// A number that JSON readers might round.
    fn quoted(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.key(name);
            self.out.push(b'"');
            write_u64(self.out, value);
            self.out.push(b'"');
        }
    }
}

/// The names of attributes in JSON, with a comma before and a colon behind. The seal's bytes stand in the line already.
fn names(attributes: &[Attribute<'_>]) -> Named {
    let name = |at: usize| {
        let key = attributes[at].key;
        if comes_again(attributes, at) || [ENTRY, SALT].contains(&key) {
            return None;
        }
        let prefix = if RESERVED.contains(&key) || key.starts_with("otel.") { "attribute." } else { "" };
        let mut name = vec![b','];
        write_str(&mut name, &format!("{prefix}{key}"));
        name.push(b':');
        Some(String::from_utf8_lossy(&name).into_owned())
    };
    (0..attributes.len()).map(name).collect()
}

/// Datadog's word for a severity: <https://docs.datadoghq.com/logs/log_configuration/processors/log_status_remapper/>.
const fn status<'a>(fields: &LogFields<'a>) -> &'a str {
    match fields.severity_number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warning",
        17..=20 => "error",
        21..=24 => "critical",
        _ => fields.severity_text,
    }
}
