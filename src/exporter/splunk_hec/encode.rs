//! Log records and spans as events.
//!
//! A sealed record is its line, as a string, so that Splunk's `_raw` is byte for byte what is sealed. Else a log record is its
//! body, a span the object that the Collector makes of it, and either is the canonical line, as an object, where attributes are
//! to stand in the event or a body has nothing that Splunk would take.

use bumpalo::Bump;

use crate::exporter::splunk_hec::config::Config;
use crate::exporter::splunk_hec::fields::Fields;
use crate::exporter::splunk_hec::metadata::{Metadata, is_allowed};
use crate::exporter::splunk_hec::parts::{Key, Part, Parts};
use crate::exporter::splunk_hec::{metric, span};
use crate::exporter::{Payload, Refusal};
use crate::otlp::fields::{LogFields, SpanFields};
use crate::otlp::line::{DISCLOSED, ENTRY, LineWriter, NUMBER, SALT, STREAM_ID};
use crate::otlp::model::{Attribute, Batch, Entity, Group, Scope};
use crate::otlp::plain::{self, overruled};
use crate::otlp::value::Value;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::stdx::json::{write_hex, write_str, write_u64};

const NANOS: u64 = 1_000_000_000;
/// `dropped_attributes_count` of a resource and of a scope.
const RESOURCE_DROPPED: u32 = 2;
const SCOPE_DROPPED: u32 = 4;

/// The requests of a payload, and the records that no request can carry.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) parts: Vec<Part>,
    pub(super) refused: Vec<Refusal>,
    /// Records of metrics without a number that Splunk could take.
    pub(super) unsent_records: u64,
}

/// Turns a payload into requests of at most `length_max` bytes.
pub(super) fn encode(config: &Config, payload: &Payload, length_max: usize) -> Result<Encoded, DecodeError> {
    let mut parts = Parts::new(length_max, config.max_event_size.as_usize());
    let unsent_records = if payload.signal() == Signal::Metrics {
        metric::encode(config, payload, &mut parts)?
    } else {
        Encoder { config, signal: payload.signal(), parts: &mut parts, lines: LineWriter::default() }
            .payload(payload)?;
        0
    };
    let (parts, refused) = parts.finish();
    Ok(Encoded { parts, refused, unsent_records })
}

struct Encoder<'c, 'p> {
    config: &'c Config,
    signal: Signal,
    parts: &'p mut Parts,
    lines: LineWriter,
}

/// What a record is sent with.
struct Around<'s, 'a> {
    metadata: Metadata<'a>,
    resource: &'s Shared<'s, 'a>,
    scope: &'s Shared<'s, 'a>,
    /// The sealed line.
    line: Option<&'s str>,
    place: u64,
}

/// What a resource or a scope puts into the fields of all its records.
pub(super) struct Shared<'s, 'a> {
    attributes: &'s [Attribute<'a>],
    /// Its attributes as members, as they are where no record has one of the same name.
    members: Vec<u8>,
    /// The members for all else that it says.
    rest: Vec<u8>,
}

impl<'s, 'a> Shared<'s, 'a> {
    /// A resource: its attributes keep their names.
    pub(super) fn resource(config: &Config, group: &'s Group<'a>) -> Result<Self, DecodeError> {
        let attributes = group.resource.attributes();
        let (mut members, mut rest) = (Vec::new(), Vec::new());
        let mut fields = Fields::loose(&mut members);
        each_field(config, attributes, |attribute, reserved| {
            fields.attribute(if reserved { "resource." } else { "" }, attribute, attributes)
        })?;
        let mut fields = Fields::loose(&mut rest);
        fields.text("otel.resource.schema_url", group.schema_url()?);
        fields.number("otel.resource.dropped_attributes_count", dropped(&group.resource, RESOURCE_DROPPED)?);
        Ok(Self { attributes, members, rest })
    }

    /// An instrumentation scope: everything of it is called `otel.scope.`.
    pub(super) fn scope(config: &Config, scope: &'s Scope<'a>) -> Result<Self, DecodeError> {
        let attributes = scope.scope.attributes();
        let mut members = Vec::new();
        let mut fields = Fields::loose(&mut members);
        fields.text("otel.scope.name", scope.scope.text(1)?);
        fields.text("otel.scope.version", scope.scope.text(2)?);
        fields.text("otel.scope.schema_url", scope.schema_url()?);
        fields.number("otel.scope.dropped_attributes_count", dropped(&scope.scope, SCOPE_DROPPED)?);
        each_field(config, attributes, |attribute, _| {
            fields.attribute("otel.scope.attributes.", attribute, attributes)
        })?;
        Ok(Self { attributes, members, rest: Vec::new() })
    }

    /// Appends the members.
    pub(super) fn put(&self, fields: &mut Fields<'_>) {
        fields.raw(&self.members);
        fields.raw(&self.rest);
    }

    /// Appends them beside the attributes of a record, which keep their names where both have one.
    pub(super) fn put_beside(
        &self,
        config: &Config,
        own: &[Attribute<'_>],
        fields: &mut Fields<'_>,
    ) -> Result<(), DecodeError> {
        let clashes = |attribute: &Attribute<'_>| own.iter().any(|other| other.key == attribute.key);
        if !self.attributes.iter().any(clashes) {
            self.put(fields);
            return Ok(());
        }
        each_field(config, self.attributes, |attribute, reserved| {
            let prefix = if reserved || clashes(attribute) { "resource." } else { "" };
            fields.attribute(prefix, attribute, self.attributes)
        })?;
        fields.raw(&self.rest);
        Ok(())
    }
}

impl Encoder<'_, '_> {
    fn payload(&mut self, payload: &Payload) -> Result<(), DecodeError> {
        let (bytes, arena) = (payload.otlp()?, Bump::new());
        let batch = Batch::open(self.signal, &bytes, &arena)?;
        let lines = match payload.lines() {
            Some(lines) => Some(std::str::from_utf8(lines).map_err(|_| DecodeError::Line("not UTF-8"))?),
            None => None,
        };
        let mut lines = lines.map(|lines| lines.split_terminator('\n'));
        let (config, mut place) = (self.config, 0);
        for group in &batch.groups {
            let metadata = resource_metadata(config, &group.resource);
            let resource = Shared::resource(config, group)?;
            self.lines.resource(&parts_of(&group.resource), group.rest())?;
            for scope in &group.scopes {
                self.lines.scope(&parts_of(&scope.scope), scope.rest())?;
                let shared = Shared::scope(config, scope)?;
                for record in &scope.records {
                    let line = match &mut lines {
                        Some(lines) => Some(lines.next().ok_or(DecodeError::Line("it has more records than lines"))?),
                        None => None,
                    };
                    let metadata = metadata.overridden(record, config);
                    let around = Around { metadata, resource: &resource, scope: &shared, line, place };
                    match self.signal {
                        Signal::Traces => self.span(record, &around, &arena)?,
                        _ => self.log(record, &around)?,
                    }
                    place += 1;
                }
            }
        }
        Ok(())
    }

    fn log(&mut self, record: &Entity<'_>, around: &Around<'_, '_>) -> Result<(), DecodeError> {
        let fields = LogFields::read(record)?;
        let Self { config, parts, lines, .. } = self;
        if config.export_raw {
            let query = around.metadata.query();
            let key = Key { raw: Some(&query), ..around.metadata.key() };
            return parts.add(key, &[around.place], |out| raw(record, &fields.body, around, lines, out));
        }
        parts.add(around.metadata.key(), &[around.place], |out| {
            out.extend_from_slice(b"{\"event\":");
            match around.line {
                Some(line) => write_str(out, line),
                None if config.attributes_in.in_event() || is_blank(&fields.body) => {
                    lines.entity(Signal::Logs, record, out)?;
                }
                None => plain::write_value(out, &fields.body)?,
            }
            write_time(out, fields.best_time());
            around.metadata.write(out);
            let mut members = Fields::begin(out);
            if config.attributes_in.in_fields() {
                log_fields(&mut members, config, &fields);
                record_fields(&mut members, config, record, around)?;
            } else {
                seal_fields(&mut members, record, around)?;
            }
            members.end();
            out.extend_from_slice(b"}\n");
            Ok(())
        })
    }

    fn span(&mut self, record: &Entity<'_>, around: &Around<'_, '_>, arena: &Bump) -> Result<(), DecodeError> {
        let fields = SpanFields::read(record)?;
        let Self { config, parts, lines, .. } = self;
        let placement = config.attributes_in;
        parts.add(around.metadata.key(), &[around.place], |out| {
            out.extend_from_slice(b"{\"event\":");
            match around.line {
                Some(line) => write_str(out, line),
                None if placement.in_event() => {
                    lines.entity(Signal::Traces, record, out)?;
                }
                None => span::write(record, &fields, arena, out)?,
            }
            write_time(out, fields.start_time);
            around.metadata.write(out);
            let mut members = Fields::begin(out);
            if placement.in_event() && placement.in_fields() {
                record_fields(&mut members, config, record, around)?;
            } else if placement.in_fields() {
                around.resource.put(&mut members);
                around.scope.put(&mut members);
                seal_fields(&mut members, record, around)?;
            } else {
                seal_fields(&mut members, record, around)?;
            }
            members.end();
            out.extend_from_slice(b"}\n");
            Ok(())
        })
    }
}

/// Host and the like of everything that a resource sends.
pub(super) fn resource_metadata<'a>(config: &'a Config, resource: &Entity<'a>) -> Metadata<'a> {
    Metadata::configured(config).overridden(resource, config).with_token(resource, config)
}

/// A resource or scope as the line writer wants it: nothing where there is none.
fn parts_of<'a>(owner: &Entity<'a>) -> Vec<&'a [u8]> {
    if owner.is_absent() { Vec::new() } else { vec![owner.raw()] }
}

/// A line of a raw request: the sealed line, the body, or for want of one the canonical line.
fn raw(
    record: &Entity<'_>,
    body: &Value<'_>,
    around: &Around<'_, '_>,
    lines: &mut LineWriter,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    match around.line {
        Some(line) => out.extend_from_slice(line.as_bytes()),
        None if is_blank(body) => {
            lines.entity(Signal::Logs, record, out)?;
        }
        None => plain::write_text(out, body)?,
    }
    out.push(b'\n');
    Ok(())
}

/// Splunk refuses an event that is missing or blank, and with it the whole request.
fn is_blank(body: &Value<'_>) -> bool {
    match body {
        Value::Null | Value::Unknown(_) => true,
        Value::Str(text) => text.trim().is_empty(),
        Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) => bytes.is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) => false,
    }
}

/// Seconds with as many digits as are needed, up to nine; nothing where the record has no time.
pub(super) fn write_time(out: &mut Vec<u8>, nanos: u64) {
    if nanos == 0 {
        return;
    }
    out.extend_from_slice(b",\"time\":");
    write_u64(out, nanos / NANOS);
    let mut fraction = nanos % NANOS;
    if fraction > 0 {
        let mut digits = [b'.'; 10];
        for digit in digits[1..].iter_mut().rev() {
            *digit = b'0' + u8::try_from(fraction % 10).unwrap_or_default();
            fraction /= 10;
        }
        let len = digits.iter().rposition(|digit| *digit != b'0').unwrap_or_default();
        out.extend_from_slice(&digits[..=len]);
    }
}

fn log_fields(members: &mut Fields<'_>, config: &Config, fields: &LogFields<'_>) {
    members.text(&config.otel_to_hec_fields.severity_text, fields.severity_text);
    members.number(&config.otel_to_hec_fields.severity_number, fields.severity_number);
    members.text("otel.log.name", fields.event_name);
    for (name, id) in [("trace_id", fields.trace_id), ("span_id", fields.span_id)] {
        if !id.is_empty() {
            members.with("", name, |out| write_id(out, id));
        }
    }
    if fields.observed_time != 0 {
        members.with("", "otel.log.observed_time_unix_nano", |out| write_quoted(out, fields.observed_time));
    }
    members.number("otel.log.flags", u64::from(fields.flags));
    members.number("otel.log.dropped_attributes_count", fields.dropped_attributes);
}

/// The attributes of a record and of what it belongs to. What would have one name twice: the record's own keeps it.
fn record_fields(
    members: &mut Fields<'_>,
    config: &Config,
    record: &Entity<'_>,
    around: &Around<'_, '_>,
) -> Result<(), DecodeError> {
    let attributes = record.attributes();
    around.resource.put_beside(config, attributes, members)?;
    around.scope.put(members);
    each_field(config, attributes, |attribute, reserved| {
        if around.line.is_some() && [ENTRY, SALT, DISCLOSED].contains(&attribute.key) {
            return Ok(());
        }
        members.attribute(if reserved { "attributes." } else { "" }, attribute, attributes)
    })
}

/// The place of a sealed record in its stream, where its other attributes are in the line only.
fn seal_fields(members: &mut Fields<'_>, record: &Entity<'_>, around: &Around<'_, '_>) -> Result<(), DecodeError> {
    let attributes = record.attributes();
    let is_place = |attribute: &&Attribute<'_>| [STREAM_ID, NUMBER].contains(&attribute.key);
    if around.line.is_some() {
        for attribute in attributes.iter().filter(is_place) {
            members.attribute("", attribute, attributes)?;
        }
    }
    Ok(())
}

/// Every attribute that becomes a field, and whether its name is taken by something else. What became metadata is not
/// repeated, except the host; what names a token is never shown, since senders put tokens there.
pub(super) fn each_field<'a>(
    config: &Config,
    attributes: &[Attribute<'a>],
    mut visit: impl FnMut(&Attribute<'a>, bool) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let overruled = overruled(attributes, |attribute| attribute.key);
    for (place, attribute) in attributes.iter().enumerate() {
        if overruled.binary_search(&place).is_err() && !is_metadata(config, attribute) {
            visit(attribute, is_reserved(config, attribute.key))?;
        }
    }
    Ok(())
}

fn is_metadata(config: &Config, attribute: &Attribute<'_>) -> bool {
    let names = &config.otel_attrs_to_hec_metadata;
    let key = attribute.key;
    if key.is_empty() {
        return false;
    }
    key == config.token_attribute
        || attribute.value.as_str().is_some_and(|text| {
            key == names.source && !text.is_empty()
                || key == names.sourcetype && !text.is_empty()
                || key == names.index && !text.is_empty() && is_allowed(text, config)
        })
}

/// Names of fields that are not attributes.
const RESERVED: [&str; 14] = [
    "",
    "trace_id",
    "span_id",
    "metric_type",
    "otel.log.name",
    "otel.log.observed_time_unix_nano",
    "otel.log.flags",
    "otel.log.dropped_attributes_count",
    "otel.resource.schema_url",
    "otel.resource.dropped_attributes_count",
    "otel.scope.name",
    "otel.scope.version",
    "otel.scope.schema_url",
    "otel.scope.dropped_attributes_count",
];

fn is_reserved(config: &Config, key: &str) -> bool {
    let names = &config.otel_to_hec_fields;
    RESERVED.contains(&key)
        || key == names.severity_text
        || key == names.severity_number
        || key.starts_with("metric_name")
}

/// `dropped_attributes_count` of a resource or scope.
fn dropped(owner: &Entity<'_>, number: u32) -> Result<u64, DecodeError> {
    Ok(match owner.field(number)? {
        Some(WireValue::Varint(count)) => count,
        _ => 0,
    })
}

pub(super) fn write_id(out: &mut Vec<u8>, id: &[u8]) {
    out.push(b'"');
    write_hex(out, id);
    out.push(b'"');
}

fn write_quoted(out: &mut Vec<u8>, number: u64) {
    out.push(b'"');
    write_u64(out, number);
    out.push(b'"');
}
