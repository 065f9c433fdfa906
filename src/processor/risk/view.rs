//! From a log record or span to an [`Event`]: recognises the agent, reads its attributes by the tables of [`super::agents`],
//! opens tool arguments, and has command lines analysed.
//!
//! Read are attributes, the event's name (attribute, protobuf field, span name, body), a body that is a map, and the
//! attributes of span events. Nothing is copied but strings with escapes. JSON that was cut is read as far as it goes;
//! the string in which it breaks off counts, and `truncated` says so.

mod arguments;
mod derive;
mod messages;
pub(super) mod plan;

use bumpalo::Bump;

use crate::otlp::model::{Attribute, Entity};
use crate::otlp::schema;
use crate::otlp::value::Value;
use crate::otlp::wire::{Cursor, WireValue};
use crate::otlp::{DEPTH_MAX, DecodeError};

use super::agents::{Agents, Target, Vendor};
use super::event::{Event, Field, Reads};
use super::patch;
use plan::Plan;

/// Field numbers of OTLP.
const LOG_EVENT_NAME: u32 = 12;
const LOG_BODY: u32 = 5;
const SPAN_NAME: u32 = 5;
const SPAN_EVENTS: u32 = 11;
const SPAN_EVENT_NAME: u32 = 2;
const LOG_TIME: u32 = 1;
const LOG_OBSERVED_TIME: u32 = 11;
const SPAN_START: u32 = 7;
/// More span events than this are not looked at.
const SPAN_EVENTS_MAX: usize = 64;

/// What a record is, beside what its event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// An agent acted: the record gets a verdict even when no rule fires.
    pub(super) acts: bool,
    /// The record has attributes of the names that are written here.
    pub(super) reported: bool,
    /// Nothing in it means anything to a rule.
    pub(super) blank: bool,
}

/// What the resource and the scope say about all of their records.
pub(super) struct Sender<'v, 'a> {
    vendor: Option<&'v Vendor>,
    /// Attributes of the resource that rules name.
    pub(super) resource: Vec<Attribute<'a>>,
}

impl<'v, 'a> Sender<'v, 'a> {
    /// Recognises who sends.
    pub(super) fn new(
        agents: &'v Agents,
        resource: &Entity<'a>,
        scope: &Entity<'a>,
        reads: &Reads,
    ) -> Result<Self, DecodeError> {
        let service = resource.get("service.name").and_then(|value| value.as_str()).unwrap_or_default();
        let vendor = agents.recognise(service, scope.text(1)?);
        let named = resource.attributes().iter().filter(|attribute| reads.has_attribute(attribute.key));
        Ok(Self { vendor, resource: named.copied().collect() })
    }
}

/// A record before its attributes are read: whose it is, and what stands beside them.
pub(super) struct Outline<'v, 'a> {
    pub(super) vendor: &'v Vendor,
    pub(super) is_span: bool,
    /// The name of the log record's event, or of the span; empty without one.
    pub(super) name: &'a str,
    /// Of a log record; unknown when it is broken.
    pub(super) body: Value<'a>,
    pub(super) has_span_events: bool,
    pub(super) time_unix_nano: u64,
    /// The vendor was recognised.
    known: bool,
}

impl<'v, 'a> Outline<'v, 'a> {
    /// Looks at a record's own fields, and recognises its agent by the event's name if not by the sender.
    pub(super) fn new(agents: &'v Agents, sender: &Sender<'v, 'a>, record: &Entity<'a>) -> Result<Self, DecodeError> {
        let is_span = record.message().name == schema::SPAN.name;
        let fields = if is_span { Fields::of_span(record)? } else { Fields::of_log(record)? };
        let mut vendor = sender.vendor;
        if vendor.is_none() {
            let named = record.get("event.name").and_then(|value| value.as_str());
            vendor = named.and_then(|name| agents.of_event(name));
        }
        let text = std::str::from_utf8(fields.name);
        let name = match (vendor, is_span) {
            (Some(_), false) => text.unwrap_or_default(),
            _ => text.map_err(|_| DecodeError::Utf8 { message: record.message().name })?,
        };
        let vendor = vendor.or_else(|| agents.of_event(name));
        Ok(Self {
            vendor: vendor.unwrap_or_else(|| agents.other()),
            is_span,
            name,
            body: fields.body,
            has_span_events: fields.has_events,
            time_unix_nano: fields.time,
            known: vendor.is_some(),
        })
    }

    /// The name that the body gives the event: agents of some vendors write it there.
    pub(super) fn name_in_body(&self) -> &'a str {
        match self.body {
            Value::Str(text) if self.vendor.bare(text) != text => text,
            _ => "",
        }
    }
}

/// What one pass over a record's own fields finds.
#[derive(Default)]
struct Fields<'a> {
    name: &'a [u8],
    body: Value<'a>,
    has_events: bool,
    time: u64,
}

impl<'a> Fields<'a> {
    fn of_log(record: &Entity<'a>) -> Result<Self, DecodeError> {
        let mut own = Self::default();
        let (mut observed, mut bodies) = (0, 0);
        let mut cursor = Cursor::new(record.raw());
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (LOG_TIME, WireValue::Fixed64(time)) => own.time = time,
                (LOG_OBSERVED_TIME, WireValue::Fixed64(time)) => observed = time,
                (LOG_EVENT_NAME, WireValue::Bytes(name)) => own.name = name,
                (LOG_BODY, WireValue::Bytes(body)) => {
                    bodies += 1;
                    own.body = Value::read(body).unwrap_or(Value::Unknown(body));
                }
                (LOG_BODY, _) => bodies = 2,
                _ => {}
            }
        }
        if bodies > 1 {
            own.body = record.body().unwrap_or(Value::Unknown(&[]));
        }
        own.time = if own.time == 0 { observed } else { own.time };
        Ok(own)
    }

    fn of_span(record: &Entity<'a>) -> Result<Self, DecodeError> {
        let mut own = Self::default();
        let mut cursor = Cursor::new(record.raw());
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (SPAN_NAME, WireValue::Bytes(name)) => own.name = name,
                (SPAN_NAME, _) => own.name = &[],
                (SPAN_START, WireValue::Fixed64(time)) => own.time = time,
                (SPAN_EVENTS, WireValue::Bytes(_)) => own.has_events = true,
                _ => {}
            }
        }
        Ok(own)
    }
}

/// Fills an event from one record.
pub(super) struct View<'v: 'a, 'e, 'a> {
    agents: &'v Agents,
    vendor: &'v Vendor,
    event: &'e mut Event<'a>,
    arena: &'a Bump,
    /// Arguments as they come, until the tool is known.
    arguments: Vec<Value<'a>>,
    /// Calls found in messages.
    calls: Vec<messages::Call<'a>>,
    program: Option<&'a str>,
    content: Option<&'a str>,
    /// Command lines given as lists of words.
    words: Vec<&'a [&'a str]>,
    seen: Seen,
    known: bool,
    /// Whether rules look at an attribute.
    reads: &'e Reads,
}

/// How records of a batch are read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'v, 'r> {
    pub(super) agents: &'v Agents,
    pub(super) reads: &'r Reads,
}

impl<'v> Reader<'v, '_> {
    /// Reads a record into an event, which was cleared.
    pub(super) fn read<'a>(
        &self,
        sender: &Sender<'_, 'a>,
        outline: &Outline<'v, 'a>,
        plan: &Plan<'_>,
        record: &Entity<'a>,
        event: &mut Event<'a>,
        arena: &'a Bump,
    ) -> Result<Seen, DecodeError>
    where
        'v: 'a,
    {
        let known = outline.known || plan.is_gen_ai;
        let mut view = View {
            agents: self.agents,
            vendor: outline.vendor,
            event,
            arena,
            arguments: vec![],
            calls: vec![],
            program: None,
            content: None,
            words: vec![],
            seen: Seen { blank: true, ..Seen::default() },
            known,
            reads: self.reads,
        };
        for (place, targets) in &plan.meant {
            let value = record.attributes()[*place].value;
            targets.iter().try_for_each(|target| view.take(*target, value, DEPTH_MAX))?;
        }
        if view.seen.blank && !known {
            return Ok(view.seen);
        }
        view.rest_of_record(record, outline)?;
        for place in &plan.named {
            let attribute = &record.attributes()[*place];
            view.event.push_attribute(attribute.key, attribute.value);
        }
        view.derive(sender)?;
        Ok(view.seen)
    }
}

impl<'a> View<'_, '_, 'a> {
    fn attribute(&mut self, key: &str, value: Value<'a>) -> Result<(), DecodeError> {
        let vendor = self.vendor;
        for target in vendor.names.get(key) {
            self.take(*target, value, DEPTH_MAX)?;
        }
        Ok(())
    }

    fn take(&mut self, target: Target, value: Value<'a>, depth: usize) -> Result<(), DecodeError> {
        match (target, value) {
            (Target::Own, _) => self.own(value),
            (Target::Arguments, value) => {
                self.seen.blank = false;
                self.arguments.push(value);
            }
            (Target::When(place), value) => self.when(place, value),
            (Target::Messages, value) => self.messages(value)?,
            (Target::Field(Field::CommandLine), Value::Array(_)) => self.take_words(value)?,
            (_, Value::Array(_)) => {
                let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
                value.items().try_for_each(|item| self.take(target, item?, depth))?;
            }
            (_, Value::Map(_)) => self.arguments.push(value),
            _ => {
                if let Some(text) = scalar(value, self.arena) {
                    self.text(target, text);
                }
            }
        }
        Ok(())
    }

    /// A text, for one of the targets that takes texts.
    fn text(&mut self, target: Target, text: &'a str) {
        match target {
            Target::Field(field) => {
                self.seen.blank &= matches!(
                    field,
                    Field::SessionId
                        | Field::UserId
                        | Field::UserEmail
                        | Field::EventName
                        | Field::Sequence
                        | Field::Error
                );
                self.event.push(field, text);
            }
            Target::Program => self.program = self.program.or(Some(text)),
            Target::Patch => patch::read(self.event, text),
            Target::Content => self.content = Some(text),
            Target::Arguments | Target::Messages | Target::Ignore | Target::When(_) | Target::Own => {}
        }
    }

    /// A sender's own verdict.
    fn own(&mut self, value: Value<'a>) {
        self.seen.reported = true;
        let level = value.as_str().filter(|text| super::event::Level::parse(text).is_some());
        level.into_iter().for_each(|level| self.event.push(Field::ReportedLevel, level));
    }

    fn when(&mut self, place: usize, value: Value<'a>) {
        let vendor = self.vendor;
        let Some(condition) = vendor.conditions.get(place) else { return };
        let holds = match value {
            Value::Str(text) => condition.is.iter().any(|known| known == text),
            Value::Bool(value) => condition.is.iter().any(|known| *known == value.to_string()),
            _ => false,
        };
        if let Some(field) = Field::parse(&condition.field).filter(|_| holds) {
            self.seen.blank = false;
            self.event.push(field, &condition.value);
        }
    }

    /// A command line given as the list of its words.
    fn take_words(&mut self, list: Value<'a>) -> Result<(), DecodeError> {
        let mut words = Vec::new();
        for word in list.items() {
            words.push(word?.as_str().unwrap_or_default());
        }
        self.add_words(&words);
        Ok(())
    }

    fn add_words(&mut self, words: &[&'a str]) {
        if words.is_empty() {
            return;
        }
        self.seen.blank = false;
        if let ["apply_patch", rest @ ..] = words {
            return rest.iter().for_each(|text| patch::read(self.event, text));
        }
        if let [line] = words {
            return self.event.push(Field::CommandLine, line);
        }
        self.words.push(self.arena.alloc_slice_copy(words));
    }

    fn rest_of_record(&mut self, record: &Entity<'a>, outline: &Outline<'_, 'a>) -> Result<(), DecodeError> {
        self.event.time_unix_nano = outline.time_unix_nano;
        if outline.is_span {
            self.name(outline.name);
            return if outline.has_span_events { self.span_events(record) } else { Ok(()) };
        }
        self.name(outline.name_in_body());
        let body = if let Value::Unknown(_) = outline.body { record.body()? } else { outline.body };
        self.body(body)?;
        self.name(outline.name);
        Ok(())
    }

    /// A name for the event, if it has none yet.
    fn name(&mut self, name: &'a str) {
        if self.event.values(Field::EventName).is_empty() {
            self.event.push(Field::EventName, name);
        }
    }

    /// A body that is a map holds what others have in attributes.
    fn body(&mut self, body: Value<'a>) -> Result<(), DecodeError> {
        for entry in body.entries() {
            let entry = entry?;
            self.attribute(entry.key, entry.value)?;
            if self.reads.has_attribute(entry.key) {
                self.event.push_attribute(entry.key, entry.value);
            }
        }
        Ok(())
    }

    fn span_events(&mut self, record: &Entity<'a>) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(record.raw());
        let mut seen = 0;
        while let Some(field) = cursor.next_field()? {
            if let (SPAN_EVENTS, WireValue::Bytes(bytes)) = (field.number, field.value)
                && seen < SPAN_EVENTS_MAX
            {
                seen += 1;
                let event = Entity::open(&schema::SPAN_EVENT, bytes, self.arena)?;
                let name = event.text(SPAN_EVENT_NAME)?;
                if !self.vendor.kinds(self.vendor.bare(name)).is_empty() {
                    self.name(name);
                }
                event.attributes().iter().try_for_each(|attribute| self.attribute(attribute.key, attribute.value))?;
            }
        }
        Ok(())
    }
}

/// A number or truth value as text.
pub(super) fn scalar<'a>(value: Value<'a>, arena: &'a Bump) -> Option<&'a str> {
    match value {
        Value::Str(text) => Some(text),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::Int(number) => Some(bumpalo::format!(in arena, "{}", number).into_bump_str()),
        Value::Double(number) => Some(bumpalo::format!(in arena, "{}", number).into_bump_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
