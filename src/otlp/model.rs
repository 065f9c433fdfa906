//! What processors see: resource groups, scopes and records over the bytes of one request.
//!
//! The index is shallow. A record knows its bytes and its attributes; nested values stay wire bytes until visited, and
//! what nobody touches is copied as it came, unknown fields included. A [`Batch`] borrows from the request and from
//! an arena and lives within one synchronous call.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::rewrite::{self, Visitor};
use crate::otlp::schema::{self, Kind, MEMBERS, Message, OWNER};
use crate::otlp::value::{Pair, Value, put_pair};
use crate::otlp::wire::{Cursor, Field, WireValue, put_bytes, put_large_message, put_message, text};
use crate::otlp::{DecodeError, Signal};

/// One request, opened.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Which signal it carries.
    pub signal: Signal,
    /// `ResourceLogs`, `ResourceMetrics` or `ResourceSpans`, in order.
    pub groups: Vec<Group<'a>>,
    rest: Vec<&'a [u8]>,
    edited: bool,
    arena: &'a Bump,
}

/// All records of one resource.
#[derive(Debug)]
pub struct Group<'a> {
    /// The resource.
    pub resource: Entity<'a>,
    /// Its scopes, in order.
    pub scopes: Vec<Scope<'a>>,
    rest: Vec<&'a [u8]>,
    edited: bool,
}

/// All records of one instrumentation scope.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The instrumentation scope.
    pub scope: Entity<'a>,
    /// Its log records, spans or metrics, in order.
    pub records: Vec<Entity<'a>>,
    rest: Vec<&'a [u8]>,
    edited: bool,
}

/// A message that carries attributes: a resource, a scope, a log record, a span, a metric, a data point.
#[derive(Debug)]
pub struct Entity<'a> {
    message: &'static Message,
    raw: &'a [u8],
    attributes: ArenaVec<'a, Attribute<'a>>,
    /// How many of `attributes` stand in `raw`.
    received: usize,
    /// One of those was changed or removed: `raw` is no longer the truth about attributes.
    changed: bool,
    /// The sender sent it, if only empty.
    received_at_all: bool,
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
    /// The field as received; empty once it was set here.
    raw: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Opens the bytes of an `Export*ServiceRequest`.
    ///
    /// # Errors
    /// When the framing, a key or an attribute's text is broken.
    pub fn open(signal: Signal, request: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut batch = Self { signal, groups: Vec::new(), rest: Vec::new(), edited: false, arena };
        let message = schema::request(signal);
        let mut cursor = Cursor::new(request);
        while let Some(field) = cursor.next_field()? {
            match inner(message, &field, 1)? {
                Some((group, bytes)) => batch.groups.push(Group::open(group, bytes, arena)?),
                None => batch.rest.push(field.raw),
            }
        }
        Ok(batch)
    }

    /// The arena whose memory lives as long as the batch: new text goes there.
    #[must_use]
    pub fn arena(&self) -> &'a Bump {
        self.arena
    }

    /// Every record, whatever its resource and scope.
    pub fn records(&mut self) -> impl Iterator<Item = &mut Entity<'a>> {
        self.groups.iter_mut().flat_map(|group| &mut group.scopes).flat_map(|scope| &mut scope.records)
    }

    /// Every resource and scope.
    pub fn owners(&mut self) -> impl Iterator<Item = &mut Entity<'a>> {
        self.groups
            .iter_mut()
            .flat_map(|group| std::iter::once(&mut group.resource).chain(group.scopes.iter_mut().map(|s| &mut s.scope)))
    }

    /// True once anything differs from the bytes received.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.edited
            || self.groups.iter().any(|group| {
                group.edited
                    || group.resource.is_edited()
                    || group.scopes.iter().any(|scope| {
                        scope.edited || scope.scope.is_edited() || scope.records.iter().any(Entity::is_edited)
                    })
            })
    }

    /// Replaces strings outside resources, scopes and records: schema URLs, and unknown fields that read as text.
    ///
    /// # Errors
    /// When such a string is not UTF-8.
    pub fn rewrite_rest(&mut self, visitor: &mut dyn Visitor<'a>) -> Result<bool, DecodeError> {
        let message = schema::request(self.signal);
        self.edited |= rewrite_rest(&mut self.rest, message, self.arena, visitor)?;
        let Some(Kind::Message(message)) = message.field(1).map(|field| field.kind) else { return Ok(self.edited) };
        let mut edited = self.edited;
        for group in &mut self.groups {
            group.edited |= rewrite_rest(&mut group.rest, message, self.arena, visitor)?;
            edited |= group.edited;
            let Some(Kind::Message(message)) = message.field(MEMBERS).map(|field| field.kind) else { continue };
            for scope in &mut group.scopes {
                scope.edited |= rewrite_rest(&mut scope.rest, message, self.arena, visitor)?;
                edited |= scope.edited;
            }
        }
        Ok(edited)
    }

    /// The batch as the bytes of a request. Scopes and resources left without a record are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for group in self.groups.iter().filter(|group| !group.emptied()) {
            let _ = put_large_message(out, 1, |out| group.encode(out));
        }
        self.rest.iter().for_each(|raw| out.extend_from_slice(raw));
    }
}

/// What an encoder cannot do: fail.
type Never = std::convert::Infallible;

impl<'a> Group<'a> {
    fn open(message: &'static Message, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut group = Self {
            resource: Entity::new(&schema::RESOURCE, arena),
            scopes: Vec::new(),
            rest: Vec::new(),
            edited: false,
        };
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if let Some((_, bytes)) = inner(message, &field, OWNER)? {
                group.resource.merge(bytes, arena)?;
            } else if let Some((scope, bytes)) = inner(message, &field, MEMBERS)? {
                group.scopes.push(Scope::open(scope, bytes, arena)?);
            } else {
                group.rest.push(field.raw);
            }
        }
        Ok(group)
    }

    /// The `schema_url` of the group.
    ///
    /// # Errors
    /// When it is not text.
    pub fn schema_url(&self) -> Result<&'a str, DecodeError> {
        schema_url(&self.rest, "ResourceLogs")
    }

    /// The fields besides the resource and the scopes: `schema_url` and what is unknown.
    #[must_use]
    pub fn rest(&self) -> &[&'a [u8]] {
        &self.rest
    }

    fn emptied(&self) -> bool {
        !self.scopes.is_empty() && self.scopes.iter().all(Scope::emptied)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Never> {
        self.resource.put_field(out, OWNER);
        for scope in self.scopes.iter().filter(|scope| !scope.emptied()) {
            put_large_message(out, MEMBERS, |out| scope.encode(out))?;
        }
        self.rest.iter().for_each(|raw| out.extend_from_slice(raw));
        Ok(())
    }
}

impl<'a> Scope<'a> {
    fn open(message: &'static Message, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let scope = Entity::new(&schema::SCOPE, arena);
        let mut opened = Self { scope, records: Vec::new(), rest: Vec::new(), edited: false };
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if let Some((record, bytes)) = inner(message, &field, MEMBERS)? {
                opened.records.push(Entity::open(record, bytes, arena)?);
            } else if let Some((_, bytes)) = inner(message, &field, OWNER)? {
                opened.scope.merge(bytes, arena)?;
            } else {
                opened.rest.push(field.raw);
            }
        }
        Ok(opened)
    }

    /// Keeps the records for which `keep` is true; returns how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Entity<'a>) -> bool) -> u64 {
        let before = self.records.len();
        self.records.retain_mut(|record| keep(record));
        let dropped = before - self.records.len();
        self.edited |= dropped > 0;
        dropped as u64
    }

    /// The `schema_url` of the scope.
    ///
    /// # Errors
    /// When it is not text.
    pub fn schema_url(&self) -> Result<&'a str, DecodeError> {
        schema_url(&self.rest, "ScopeLogs")
    }

    /// The fields besides the scope and the records: `schema_url` and what is unknown.
    #[must_use]
    pub fn rest(&self) -> &[&'a [u8]] {
        &self.rest
    }

    fn emptied(&self) -> bool {
        self.edited && self.records.is_empty()
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Never> {
        self.scope.put_field(out, OWNER);
        for record in &self.records {
            record.put_field(out, MEMBERS);
        }
        self.rest.iter().for_each(|raw| out.extend_from_slice(raw));
        Ok(())
    }
}

impl<'a> Entity<'a> {
    fn new(message: &'static Message, arena: &'a Bump) -> Self {
        Self { message, raw: &[], attributes: ArenaVec::new_in(arena), received: 0, changed: false, received_at_all: false }
    }

    /// Opens the bytes of a message.
    ///
    /// # Errors
    /// When the framing, a key or an attribute's text is broken.
    pub fn open(message: &'static Message, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut entity = Self::new(message, arena);
        entity.attributes.reserve(bytes.len() / 64 + 2);
        entity.merge(bytes, arena)?;
        Ok(entity)
    }

    /// Takes in the bytes of an occurrence of the field; protobuf merges several, end to end.
    fn merge(&mut self, bytes: &'a [u8], arena: &'a Bump) -> Result<(), DecodeError> {
        self.raw = if self.raw.is_empty() { bytes } else { joined(self.raw, bytes, arena) };
        self.received_at_all = true;
        let number = self.message.attributes();
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if field.number == number {
                let pair = Pair::read(delimited(self.message, &field)?)?;
                self.changed |= !pair.regular;
                let raw = if pair.regular { field.raw } else { &[] };
                self.attributes.push(Attribute { key: pair.key, value: pair.value, raw });
            }
        }
        self.received = self.attributes.len();
        Ok(())
    }

    /// Which message it is.
    #[must_use]
    pub fn message(&self) -> &'static Message {
        self.message
    }

    /// The message as received, before any edit of its attributes.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The attributes, in order, those set here last.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The attributes that were set here and do not stand in [`Entity::raw`].
    #[must_use]
    pub fn added(&self) -> &[Attribute<'a>] {
        &self.attributes[self.received..]
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.attributes.iter().find(|attribute| attribute.key == key).map(|attribute| attribute.value)
    }

    /// Sets an attribute, whether or not it is there.
    pub fn set(&mut self, key: &'a str, value: Value<'a>) {
        match self.attributes.iter().position(|attribute| attribute.key == key) {
            Some(index) => self.replace(index, Attribute { key, value, raw: &[] }),
            None => self.push(key, value),
        }
    }

    /// Appends an attribute that is known not to be there.
    pub fn push(&mut self, key: &'a str, value: Value<'a>) {
        self.attributes.push(Attribute { key, value, raw: &[] });
    }

    /// Takes every attribute with that key away; true when there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut found = false;
        while let Some(index) = self.attributes.iter().position(|attribute| attribute.key == key) {
            self.attributes.remove(index);
            if index < self.received {
                self.received -= 1;
                self.changed = true;
            }
            found = true;
        }
        found
    }

    /// Gives an attribute another key, in its place; true when there was one.
    pub fn rename(&mut self, key: &str, new: &'a str) -> bool {
        let Some(index) = self.attributes.iter().position(|attribute| attribute.key == key) else { return false };
        let value = self.attributes[index].value;
        self.replace(index, Attribute { key: new, value, raw: &[] });
        true
    }

    fn replace(&mut self, index: usize, attribute: Attribute<'a>) {
        self.attributes[index] = attribute;
        self.changed |= index < self.received;
    }

    /// A string field of the message, by number; empty when absent.
    ///
    /// # Errors
    /// When it is not a string.
    pub fn text(&self, number: u32) -> Result<&'a str, DecodeError> {
        match self.field(number)? {
            Some(WireValue::Bytes(bytes)) => text(bytes, self.message.name),
            _ => Ok(""),
        }
    }

    /// A field of the message, by number; the last one where it stands several times.
    ///
    /// # Errors
    /// When the framing is broken.
    pub fn field(&self, number: u32) -> Result<Option<WireValue<'a>>, DecodeError> {
        let mut found = None;
        let mut cursor = Cursor::new(self.raw);
        while let Some(field) = cursor.next_field()? {
            if field.number == number {
                found = Some(field.value);
            }
        }
        Ok(found)
    }

    /// The body of a log record.
    ///
    /// # Errors
    /// When it is no `AnyValue`.
    pub fn body(&self) -> Result<Value<'a>, DecodeError> {
        match self.field(5)? {
            Some(WireValue::Bytes(bytes)) if self.message.name == schema::LOG_RECORD.name => Value::read(bytes),
            _ => Ok(Value::Null),
        }
    }

    /// Shows `visitor` every string at any depth, keys and added attributes included; true when one was replaced.
    ///
    /// # Errors
    /// When the bytes are broken somewhere below.
    pub fn rewrite(&mut self, arena: &'a Bump, visitor: &mut dyn Visitor<'a>) -> Result<bool, DecodeError> {
        let number = self.message.attributes();
        let fields = rewrite::message(self.message, self.raw, number, arena, visitor)?;
        let mut replaced = fields.is_some();
        self.changed |= replaced;
        self.raw = fields.unwrap_or(self.raw);
        for index in 0..self.attributes.len() {
            let Attribute { key, value, .. } = self.attributes[index];
            if let Some((key, value)) = rewrite::pair(key, value, arena, visitor)? {
                self.replace(index, Attribute { key, value, raw: &[] });
                replaced = true;
            }
        }
        Ok(replaced)
    }

    /// Opens the data points of a metric one after the other; what `visit` edits is written back.
    ///
    /// # Errors
    /// When a data point is broken, or `visit` fails.
    pub fn each_point(
        &mut self,
        arena: &'a Bump,
        visit: &mut dyn FnMut(&mut Entity<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.retain_points(arena, &mut |point| visit(point).map(|()| true))
    }

    /// The same; a data point for which `keep` is false is taken out.
    ///
    /// # Errors
    /// When a data point is broken, or `keep` fails.
    pub fn retain_points(
        &mut self,
        arena: &'a Bump,
        keep: &mut dyn FnMut(&mut Entity<'a>) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.message.name == schema::METRIC.name
            && let Some(raw) = rewrite::points(self.raw, arena, keep)?
        {
            self.raw = raw;
            self.changed = true;
        }
        Ok(())
    }

    /// True for a resource or scope that the sender left out and nobody gave an attribute.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        !self.received_at_all && self.attributes.is_empty()
    }

    /// True once it differs from the bytes received.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.changed || self.attributes.len() > self.received
    }

    /// Appends the message. Attributes that were not touched are copied as received.
    pub fn put(&self, out: &mut Vec<u8>) {
        let number = self.message.attributes();
        if !self.changed {
            out.extend_from_slice(self.raw);
            return self.put_attributes(self.received, number, out);
        }
        let mut cursor = Cursor::new(self.raw);
        while let Ok(Some(field)) = cursor.next_field() {
            if field.number != number {
                out.extend_from_slice(field.raw);
            }
        }
        self.put_attributes(0, number, out);
    }

    fn put_attributes(&self, from: usize, number: u32, out: &mut Vec<u8>) {
        for attribute in &self.attributes[from..] {
            if attribute.raw.is_empty() {
                put_pair(out, number, attribute.key, &attribute.value);
            } else {
                out.extend_from_slice(attribute.raw);
            }
        }
    }

    /// Appends it as a field. An entity that was never there and has nothing is left out.
    fn put_field(&self, out: &mut Vec<u8>, number: u32) {
        if self.is_absent() {
            return;
        }
        if self.is_edited() {
            let _ = put_message(out, number, |out| {
                self.put(out);
                Ok::<(), Never>(())
            });
        } else {
            put_bytes(out, number, self.raw);
        }
    }
}

/// The message type and bytes of `field`, when it is the message field `number`.
fn inner<'a>(
    message: &'static Message,
    field: &Field<'a>,
    number: u32,
) -> Result<Option<(&'static Message, &'a [u8])>, DecodeError> {
    match message.field(number).map(|known| known.kind) {
        Some(Kind::Message(inner)) if field.number == number => Ok(Some((inner, delimited(message, field)?))),
        _ => Ok(None),
    }
}

/// The bytes of a field that must be length-delimited.
pub(crate) fn delimited<'a>(message: &'static Message, field: &Field<'a>) -> Result<&'a [u8], DecodeError> {
    match field.value {
        WireValue::Bytes(bytes) => Ok(bytes),
        other => Err(DecodeError::WireType { message: message.name, field: field.number, wire: other.wire_type() }),
    }
}

/// `schema_url` is field 3 of the group and scope messages of every signal.
fn schema_url<'a>(rest: &[&'a [u8]], message: &'static str) -> Result<&'a str, DecodeError> {
    let mut url = "";
    for raw in rest {
        if let Some(Field { number: 3, value: WireValue::Bytes(bytes), .. }) = Cursor::new(raw).next_field()? {
            url = text(bytes, message)?;
        }
    }
    Ok(url)
}

fn rewrite_rest<'a>(
    rest: &mut [&'a [u8]],
    message: &'static Message,
    arena: &'a Bump,
    visitor: &mut dyn Visitor<'a>,
) -> Result<bool, DecodeError> {
    let mut edited = false;
    for raw in rest {
        if let Some(new) = rewrite::message(message, raw, 0, arena, visitor)? {
            *raw = new;
            edited = true;
        }
    }
    Ok(edited)
}

fn joined<'a>(first: &[u8], second: &[u8], arena: &'a Bump) -> &'a [u8] {
    let mut all = ArenaVec::with_capacity_in(first.len() + second.len(), arena);
    all.extend_from_slice(first);
    all.extend_from_slice(second);
    all.into_bump_slice()
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message as _;

    use super::*;
    use crate::otlp::rewrite::Place;

    fn string(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    }

    fn sample() -> ExportLogsServiceRequest {
        let record = LogRecord { attributes: vec![string("a", "1"), string("b", "2")], ..LogRecord::default() };
        let scope = InstrumentationScope { name: "lib".into(), ..InstrumentationScope::default() };
        let scope_logs = ScopeLogs { scope: Some(scope), log_records: vec![record; 3], schema_url: "u".into() };
        let resource = Some(Resource { attributes: vec![string("service.name", "x")], ..Resource::default() });
        let group = ResourceLogs { resource, scope_logs: vec![scope_logs], schema_url: "v".into() };
        ExportLogsServiceRequest { resource_logs: vec![group] }
    }

    fn edited(edit: impl FnOnce(&mut Batch<'_>)) -> ExportLogsServiceRequest {
        let (bytes, arena) = (sample().encode_to_vec(), Bump::new());
        let mut batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
        edit(&mut batch);
        let mut out = vec![];
        batch.encode(&mut out);
        ExportLogsServiceRequest::decode(&out[..]).unwrap()
    }

    #[test]
    fn what_nobody_touches_comes_out_as_it_came() {
        assert_eq!(edited(|batch| assert!(!batch.is_edited())), sample());
    }

    #[test]
    fn attributes_are_set_added_renamed_and_removed() {
        let out = edited(|batch| {
            batch.groups[0].resource.set("host.name", Value::Str("h"));
            let mut records = batch.records();
            records.next().unwrap().set("a", Value::Int(7));
            assert!(records.next().unwrap().remove("a"));
            assert!(records.next().unwrap().rename("b", "c"));
        });
        let mut expected = sample();
        let group = &mut expected.resource_logs[0];
        group.resource.as_mut().unwrap().attributes.push(string("host.name", "h"));
        let records = &mut group.scope_logs[0].log_records;
        records[0].attributes[0].value = Some(AnyValue { value: Some(any_value::Value::IntValue(7)) });
        records[1].attributes.remove(0);
        records[2].attributes[1].key = "c".into();
        assert_eq!(out, expected);
    }

    #[test]
    fn scopes_and_resources_left_without_records_go() {
        let out = edited(|batch| assert_eq!(batch.groups[0].scopes[0].retain(|_| false), 3));
        assert!(out.resource_logs.is_empty());
    }

    struct Shout<'a>(&'a Bump, Vec<String>);

    impl<'a> Visitor<'a> for Shout<'a> {
        fn pair(&mut self, _: &'a str, _: Value<'a>) -> Option<Value<'a>> {
            None
        }

        fn text(&mut self, _: Place<'a>, text: &'a str) -> Option<&'a str> {
            self.1.push(text.to_owned());
            Some(self.0.alloc_str(&text.to_uppercase()))
        }
    }

    #[test]
    fn a_visitor_sees_and_replaces_every_string() {
        let out = edited(|batch| {
            let arena = batch.arena();
            let mut shout = Shout(arena, vec![]);
            batch.rewrite_rest(&mut shout).unwrap();
            batch.owners().for_each(|owner| assert!(owner.rewrite(arena, &mut shout).unwrap()));
            batch.records().for_each(|record| assert!(record.rewrite(arena, &mut shout).unwrap()));
            assert_eq!(shout.1.len(), 2 + 2 + 1 + 3 * 4);
        });
        let text = format!("{out:?}");
        assert!(text.contains("SERVICE.NAME") && text.contains("LIB") && text.contains("\"V\""));
        assert!(!text.contains("service.name") && !text.contains("lib"));
    }

    #[test]
    fn a_pair_that_carries_a_hidden_value_is_written_anew() {
        let mut hidden = vec![];
        put_pair(&mut hidden, 6, "k", &Value::Str("hidden"));
        let inner_len = hidden.len() - 2;
        hidden.truncate(2 + inner_len);
        put_bytes(&mut hidden, 2, &{
            let mut value = vec![];
            Value::Str("seen").put(&mut value);
            value
        });
        hidden[1] = u8::try_from(hidden.len() - 2).unwrap();
        let (arena, mut out) = (Bump::new(), vec![]);
        let record = Entity::open(&schema::LOG_RECORD, &hidden, &arena).unwrap();
        record.put(&mut out);
        assert_eq!(record.get("k"), Some(Value::Str("seen")));
        assert!(!out.windows(6).any(|window| window == b"hidden"));
    }
}
