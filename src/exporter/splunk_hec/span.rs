//! A span as the object that the Collector's exporter makes of it, with what that one leaves out: `trace_state`, `flags` and the
//! counts of what was dropped.

use bumpalo::Bump;

use crate::exporter::splunk_hec::encode::write_id;
use crate::otlp::DecodeError;
use crate::otlp::fields::{List, Part, SpanFields, each_part};
use crate::otlp::model::Entity;
use crate::otlp::plain::{self, Comma};
use crate::stdx::json::{write_str, write_u64};

/// The names of protobuf's enums.
const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUSES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

/// Members of an object.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    comma: Comma,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, comma: Comma::default() }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma.put(self.out);
        write_str(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, text: &str) {
        write_str(self.name(name), text);
    }

    fn id(&mut self, name: &str, id: &[u8]) {
        write_id(self.name(name), id);
    }

    fn number(&mut self, name: &str, number: u64) {
        write_u64(self.name(name), number);
    }

    /// A member that is left out where the Collector has none for it and there is nothing to say.
    fn count(&mut self, name: &str, number: u64) {
        if number != 0 {
            self.number(name, number);
        }
    }

    fn word(&mut self, name: &str, words: &[&str], number: u64) {
        match usize::try_from(number).ok().and_then(|number| words.get(number)) {
            Some(word) => self.text(name, word),
            None => self.number(name, number),
        }
    }

    fn attributes(&mut self, of: &Entity<'_>) -> Result<(), DecodeError> {
        let out = self.name("attributes");
        out.push(b'{');
        plain::write_members(out, of.attributes())?;
        out.push(b'}');
        Ok(())
    }
}

/// Appends the object.
pub(super) fn write(
    span: &Entity<'_>,
    fields: &SpanFields<'_>,
    arena: &Bump,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut object = Object::begin(out);
    object.id("trace_id", fields.trace_id);
    object.id("span_id", fields.span_id);
    object.id("parent_span_id", fields.parent_span_id);
    object.text("name", fields.name);
    object.attributes(span)?;
    object.number("end_time", fields.end_time);
    object.word("kind", &KINDS, fields.kind);
    let mut status = Object::begin(object.name("status"));
    status.text("message", fields.status_message);
    status.word("code", &STATUSES, fields.status_code);
    status.end();
    object.number("start_time", fields.start_time);
    list(span, "events", List::Events, arena, &mut object)?;
    list(span, "links", List::Links, arena, &mut object)?;
    if !fields.trace_state.is_empty() {
        object.text("trace_state", fields.trace_state);
    }
    object.count("flags", u64::from(fields.flags));
    object.count("dropped_attributes_count", fields.dropped_attributes);
    object.count("dropped_events_count", fields.dropped_events);
    object.count("dropped_links_count", fields.dropped_links);
    object.end();
    Ok(())
}

/// The events or links; no member where there are none.
fn list(span: &Entity<'_>, name: &str, list: List, arena: &Bump, object: &mut Object<'_>) -> Result<(), DecodeError> {
    let mut items = Vec::new();
    let mut comma = Comma::default();
    each_part(span, list, arena, |part| {
        comma.put(&mut items);
        item(list, part, &mut items)
    })?;
    if !items.is_empty() {
        let out = object.name(name);
        out.push(b'[');
        out.extend_from_slice(&items);
        out.push(b']');
    }
    Ok(())
}

fn item(list: List, part: &Part<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut object = Object::begin(out);
    object.attributes(&part.entity)?;
    match list {
        List::Events => {
            object.text("name", part.name);
            object.number("timestamp", part.time);
        }
        List::Links => {
            object.id("trace_id", part.trace_id);
            object.id("span_id", part.span_id);
            object.text("trace_state", part.trace_state);
            object.count("flags", u64::from(part.flags));
        }
    }
    object.count("dropped_attributes_count", part.dropped_attributes);
    object.end();
    Ok(())
}
