//! What processors see: resource groups, scopes and records over the bytes of one request.
//!
//! A field that stands twice is read as protobuf reads it: messages are merged, of scalars the last counts.
//!
//! The index is shallow. A record knows its bytes and its attributes; nested values stay wire bytes until visited, and
//! what nobody touches is copied as it came, unknown fields included. A [`Batch`] borrows from the request and from
//! an arena and lives within one synchronous call.

mod entity;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::rewrite::{self, Visitor};
use crate::otlp::schema::{self, Kind, MEMBERS, Message, OWNER};
use crate::otlp::sender::Sender;
use crate::otlp::value::joined;
use crate::otlp::wire::{Cursor, Field, WireValue, put_bytes, put_large_message, text};
use crate::otlp::{DecodeError, Signal, gather};

pub use entity::{Attribute, Entity};

/// One request, opened.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Which signal it carries.
    pub signal: Signal,
    /// Who sent it, as far as that is known and asked for.
    pub sender: &'a Sender,
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
    /// Which message its records are.
    record: Option<&'static Message>,
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
    /// Records were taken out.
    thinned: bool,
    /// It was added here, under this name.
    name: Option<&'static str>,
}

impl<'a> Batch<'a> {
    /// Opens the bytes of an `Export*ServiceRequest`.
    ///
    /// # Errors
    /// When the framing, a key or an attribute's text is broken.
    pub fn open(signal: Signal, request: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let sender = Sender::unknown();
        let mut batch = Self { signal, sender, groups: Vec::new(), rest: Vec::new(), edited: false, arena };
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
                        scope.edited
                            || scope.thinned
                            || scope.scope.is_edited()
                            || scope.records.iter().any(Entity::is_edited)
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
    ///
    /// Records, and every message that was not edited, are the bytes received. Between them the order is resource,
    /// scopes, other fields (scope, records, other fields), whatever it was; lengths are written anew. What no SDK sends is
    /// so brought in order: a resource in two parts comes out as one.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for group in self.groups.iter().filter(|group| !group.emptied()) {
            let _ = put_large_message(out, 1, |out| group.encode(out));
        }
        self.rest.iter().for_each(|raw| out.extend_from_slice(raw));
    }
}

/// The number of `InstrumentationScope.name`.
const SCOPE_NAME: u32 = 1;

/// What an encoder cannot do: fail.
type Never = std::convert::Infallible;

impl<'a> Group<'a> {
    fn open(message: &'static Message, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let resource = Entity::absent(&schema::RESOURCE, arena);
        let mut group =
            Self { resource, scopes: Vec::new(), rest: Vec::new(), edited: false, record: record_of(message) };
        let mut owners = Vec::new();
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if let Some((_, bytes)) = inner(message, &field, OWNER)? {
                owners.push(bytes);
            } else if let Some((scope, bytes)) = inner(message, &field, MEMBERS)? {
                group.scopes.push(Scope::open(scope, bytes, arena)?);
            } else {
                group.rest.push(field.raw);
            }
        }
        if !owners.is_empty() {
            group.resource = Entity::open(&schema::RESOURCE, joined(&owners, arena), arena)?;
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

    /// Adds a record to a scope of this name that is ours; `bytes` are the record without its field.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn add_record(&mut self, scope: &'static str, bytes: &'a [u8], arena: &'a Bump) -> Result<(), DecodeError> {
        let Some(message) = self.record else { return Ok(()) };
        let record = Entity::open(message, bytes, arena)?;
        let own = self.scopes.iter_mut().find(|known| known.name == Some(scope));
        if let Some(own) = own {
            own.records.push(record);
            return Ok(());
        }
        let mut name = ArenaVec::new_in(arena);
        put_bytes(&mut name, SCOPE_NAME, scope.as_bytes());
        let entity = Entity::open(&schema::SCOPE, name.into_bump_slice(), arena)?;
        let (rest, edited, thinned) = (Vec::new(), true, false);
        self.scopes.push(Scope { scope: entity, records: vec![record], rest, edited, thinned, name: Some(scope) });
        Ok(())
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
        let scope = Entity::absent(&schema::SCOPE, arena);
        let (records, rest) = (Vec::new(), Vec::new());
        let mut opened = Self { scope, records, rest, edited: false, thinned: false, name: None };
        let mut owners = Vec::new();
        let mut cursor = Cursor::new(bytes);
        while let Some(field) = cursor.next_field()? {
            if let Some((record, bytes)) = inner(message, &field, MEMBERS)? {
                opened.records.push(Entity::open(record, bytes, arena)?);
            } else if let Some((_, bytes)) = inner(message, &field, OWNER)? {
                owners.push(bytes);
            } else {
                opened.rest.push(field.raw);
            }
        }
        if !owners.is_empty() {
            opened.scope = Entity::open(&schema::SCOPE, joined(&owners, arena), arena)?;
        }
        Ok(opened)
    }

    /// Keeps the records for which `keep` is true; returns how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Entity<'a>) -> bool) -> u64 {
        self.retain_below(|_, record| keep(record))
    }

    /// The same; `keep` sees the scope, too.
    pub fn retain_below(&mut self, mut keep: impl FnMut(&Entity<'a>, &mut Entity<'a>) -> bool) -> u64 {
        let before = self.records.len();
        self.records.retain_mut(|record| keep(&self.scope, record));
        let dropped = before - self.records.len();
        self.thinned |= dropped > 0;
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
        self.thinned && self.records.is_empty()
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

/// The message that a group's records are.
fn record_of(group: &'static Message) -> Option<&'static Message> {
    let inner = |message: &'static Message| match message.field(MEMBERS).map(|field| field.kind) {
        Some(Kind::Message(inner)) => Some(inner),
        _ => None,
    };
    inner(group).and_then(inner)
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
    gather::content(message.name, field)
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
    use crate::otlp::value::{Value, put_pair};

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
