//! One message that carries attributes, as processors read and edit it.
//!
//! Attributes are indexed when it is opened and edited in the index; everything else is read from the bytes received.

use std::ops::Range;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::rewrite::{self, Visitor};
use crate::otlp::schema::{self, Message};
use crate::otlp::value::{Pair, Value, pair_len, put_pair};
use crate::otlp::wire::{Cursor, Field, Out, Texts, WireValue, field_len, put_bytes, put_tag, put_varint, text};
use crate::otlp::{DecodeError, gather};

/// A message that carries attributes: a resource, a scope, a log record, a span, a metric, a data point.
#[derive(Debug)]
pub struct Entity<'a> {
    message: &'static Message,
    raw: &'a [u8],
    attributes: ArenaVec<'a, Attribute<'a>>,
    /// Where they stand in `raw`, if nothing else stands between them; nowhere otherwise.
    stretch: Range<usize>,
    /// How many of `attributes` stand in `raw`.
    received: usize,
    /// One of those was changed or removed: `raw` is no longer the truth about attributes.
    changed: bool,
    /// A received attribute says more, or less, than its key and value do: see [`Pair::regular`] and [`Pair::present`].
    tangled: bool,
    /// Fields other than attributes were replaced.
    replaced: bool,
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

/// The number of `LogRecord.body`.
const BODY: u32 = 5;

impl<'a> Attribute<'a> {
    /// The field as received; empty once it was set here.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Reads the bytes of a pair in which each known field stands once, and makes the field of them.
    fn from_pair(number: u32, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut raw = ArenaVec::with_capacity_in(field_len(number, bytes.len()), arena);
        put_bytes(&mut raw, number, bytes);
        let Pair { key, value, .. } = Pair::read(bytes)?;
        Ok(Self { key, value, raw: raw.into_bump_slice() })
    }
}

/// About the size of an attribute on the wire: a guess of how many a message has. Small messages reserve nothing, since
/// a request may hold millions of them.
const ATTRIBUTE_BYTES: usize = 40;

impl<'a> Entity<'a> {
    /// A resource or scope that the sender left out.
    pub(super) fn absent(message: &'static Message, arena: &'a Bump) -> Self {
        let attributes = ArenaVec::new_in(arena);
        let (raw, received) = (&[][..], 0);
        Self {
            message,
            raw,
            attributes,
            stretch: 0..0,
            received,
            changed: false,
            tangled: false,
            replaced: false,
            received_at_all: false,
        }
    }

    /// Opens the bytes of a message.
    ///
    /// # Errors
    /// When the framing, a key or an attribute's text is broken.
    pub fn open(message: &'static Message, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let mut entity = Self { raw: bytes, received_at_all: true, ..Self::absent(message, arena) };
        entity.attributes.reserve(bytes.len() / ATTRIBUTE_BYTES);
        let number = message.attributes();
        let mut texts = Texts::new(bytes);
        let mut cursor = Cursor::new(bytes);
        let (mut at, mut between) = (0, 0);
        while let Some(field) = cursor.next_field()? {
            let start = at;
            at += field.raw.len();
            if field.number == number {
                if entity.stretch.is_empty() {
                    entity.stretch = start..start;
                }
                between += start - entity.stretch.end;
                entity.stretch.end = at;
                let bytes = gather::content(message.name, &field)?;
                let pair = Pair::read_among(bytes, &mut texts)?;
                if pair.regular {
                    entity.tangled |= !pair.present;
                    entity.attributes.push(Attribute { key: pair.key, value: pair.value, raw: field.raw });
                } else {
                    entity.open_tangled(field, bytes, arena)?;
                }
            }
        }
        if between > 0 {
            entity.stretch = 0..0;
        }
        entity.received = entity.attributes.len();
        Ok(entity)
    }

    /// A pair with unknown fields keeps them. What stands in it twice and does not count goes at once: no step would
    /// see it.
    #[cold]
    fn open_tangled(&mut self, field: Field<'a>, bytes: &'a [u8], arena: &'a Bump) -> Result<(), DecodeError> {
        let untangled = Pair::untangled(bytes, arena)?;
        self.changed |= untangled != bytes;
        self.tangled = true;
        self.attributes.push(Attribute::from_pair(field.number, untangled, arena)?);
        Ok(())
    }

    /// Which message it is.
    #[must_use]
    pub fn message(&self) -> &'static Message {
        self.message
    }

    /// The message as received, before any edit of its attributes; after a rewrite that replaced something, the rewritten
    /// one without its attributes.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// [`Entity::raw`] in two parts, between which most of its attributes, or none, are left out: for who knows them already.
    #[must_use]
    pub fn around_attributes(&self) -> [&'a [u8]; 2] {
        [&self.raw[..self.stretch.start], &self.raw[self.stretch.end..]]
    }

    /// Other bytes, of which nobody knows where attributes stand.
    fn set_raw(&mut self, raw: &'a [u8]) {
        (self.raw, self.stretch) = (raw, 0..0);
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

    /// The value of an attribute; of several with that key the last, as canonical lines and most backends have it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.attributes.iter().rev().find(|attribute| attribute.key == key).map(|attribute| attribute.value)
    }

    /// Sets an attribute, whether or not it is there. Afterwards it is there once.
    pub fn set(&mut self, key: &'a str, value: Value<'a>) {
        let new = Attribute { key, value, raw: &[] };
        let Some(first) = self.position(key) else { return self.attributes.push(new) };
        if self.attributes[first + 1..].iter().any(|attribute| attribute.key == key) {
            self.remove_from(first + 1, key);
        }
        self.replace(first, new);
    }

    /// Appends an attribute that is known not to be there.
    pub fn push(&mut self, key: &'a str, value: Value<'a>) {
        self.attributes.push(Attribute { key, value, raw: &[] });
    }

    /// Takes every attribute with that key away; true when there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let first = self.position(key);
        if let Some(first) = first {
            self.remove_from(first, key);
        }
        first.is_some()
    }

    /// Gives every attribute with that key another one, in its place; true when there was one.
    pub fn rename(&mut self, key: &str, new: &'a str) -> bool {
        self.rename_each(|known| (known == key).then_some(new))
    }

    /// Gives attributes another key, in their place; true when there was one to rename.
    pub fn rename_each(&mut self, mut new: impl FnMut(&'a str) -> Option<&'a str>) -> bool {
        let mut found = false;
        for index in 0..self.attributes.len() {
            let Attribute { key, value, .. } = self.attributes[index];
            if let Some(key) = new(key) {
                self.replace(index, Attribute { key, value, raw: &[] });
                found = true;
            }
        }
        found
    }

    #[inline]
    fn position(&self, key: &str) -> Option<usize> {
        self.attributes.iter().position(|attribute| attribute.key == key)
    }

    fn remove_from(&mut self, first: usize, key: &str) {
        let (mut index, mut received) = (0, self.received);
        self.attributes.retain(|attribute| {
            let gone = index >= first && attribute.key == key;
            received -= usize::from(gone && index < self.received);
            index += 1;
            !gone
        });
        self.changed |= received < self.received;
        self.received = received;
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

    /// Puts other fields in the place of those with these numbers, which must not be the attributes' number. `new` holds whole
    /// fields in wire form.
    ///
    /// # Errors
    /// When the framing is broken.
    pub fn replace_fields(&mut self, numbers: &[u32], new: &[u8], arena: &'a Bump) -> Result<(), DecodeError> {
        let mut raw = ArenaVec::with_capacity_in(self.raw.len() + new.len(), arena);
        raw.extend_from_slice(new);
        let mut cursor = Cursor::new(self.raw);
        while let Some(field) = cursor.next_field()? {
            if !numbers.contains(&field.number) {
                raw.extend_from_slice(field.raw);
            }
        }
        self.set_raw(raw.into_bump_slice());
        self.replaced = true;
        Ok(())
    }

    /// The body of a log record; the last that says something, where it stands several times.
    ///
    /// # Errors
    /// When it is no `AnyValue`.
    pub fn body(&self) -> Result<Value<'a>, DecodeError> {
        let mut body = Value::Null;
        if self.message.name == schema::LOG_RECORD.name {
            gather::each_content(self.message.name, self.raw, BODY, |bytes| {
                let read = Value::read(bytes)?;
                body = if read.is_null() { body } else { read };
                Ok(())
            })?;
        }
        Ok(body)
    }

    /// Shows `visitor` every string at any depth, keys and added attributes included; true when one was replaced.
    ///
    /// # Errors
    /// When the bytes are broken somewhere below.
    pub fn rewrite(&mut self, arena: &'a Bump, visitor: &mut dyn Visitor<'a>) -> Result<bool, DecodeError> {
        let number = self.message.attributes();
        let opened = visitor.opens_fields();
        let fields = if opened { rewrite::message(self.message, self.raw, number, arena, visitor)? } else { None };
        let mut replaced = fields.is_some();
        self.changed |= replaced;
        if let Some(fields) = fields {
            self.set_raw(fields);
        }
        for index in 0..self.attributes.len() {
            if let Some(new) = self.rewritten(index, arena, visitor)? {
                self.replace(index, new);
                replaced = true;
            }
        }
        Ok(replaced)
    }

    fn rewritten(
        &self,
        index: usize,
        arena: &'a Bump,
        visitor: &mut dyn Visitor<'a>,
    ) -> Result<Option<Attribute<'a>>, DecodeError> {
        let Attribute { key, value, raw } = self.attributes[index];
        if !raw.is_empty() && !visitor.opens(raw) {
            return Ok(None);
        }
        if self.tangled
            && let Some(field) = Cursor::new(raw).next_field()?
            && let Some(bytes) = gather::bytes(field.value)
            && !Pair::read(bytes)?.regular
        {
            let new = rewrite::pair_bytes(bytes, arena, visitor)?;
            return new.map(|new| Attribute::from_pair(field.number, new, arena)).transpose();
        }
        let new = rewrite::pair(key, value, arena, visitor)?;
        Ok(new.map(|(key, value)| Attribute { key, value, raw: &[] }))
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
            self.set_raw(raw);
            self.changed = true;
        }
        Ok(())
    }

    /// True for a resource or scope that the sender left out and nobody gave an attribute.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        !self.received_at_all && self.attributes.is_empty()
    }

    /// True when keys and values say all there is to say about its attributes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.tangled
    }

    /// True once it differs from the bytes received.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.changed || self.replaced || self.attributes.len() > self.received
    }

    /// Appends the message. Attributes that were not touched are copied as received.
    pub fn put(&self, out: &mut impl Out) {
        let number = self.message.attributes();
        self.each_piece(|piece| match piece {
            Piece::Raw(raw) => out.bytes(raw),
            Piece::Pair(key, value) => put_pair(out, number, key, value),
        });
    }

    /// How many bytes [`Entity::put`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let number = self.message.attributes();
        let mut len = 0;
        self.each_piece(|piece| match piece {
            Piece::Raw(raw) => len += raw.len(),
            Piece::Pair(key, value) => len += field_len(number, pair_len(key, value)),
        });
        len
    }

    /// What the encoded message consists of, in order.
    fn each_piece(&self, mut visit: impl FnMut(Piece<'a, '_>)) {
        let number = self.message.attributes();
        let mut from = 0;
        if self.changed {
            let mut cursor = Cursor::new(self.raw);
            while let Ok(Some(field)) = cursor.next_field() {
                if field.number != number {
                    visit(Piece::Raw(field.raw));
                }
            }
        } else {
            visit(Piece::Raw(self.raw));
            from = self.received;
        }
        for attribute in &self.attributes[from..] {
            visit(match attribute.raw {
                [] => Piece::Pair(attribute.key, &attribute.value),
                raw => Piece::Raw(raw),
            });
        }
    }

    /// Appends it as a field. An entity that was never there and has nothing is left out.
    pub(super) fn put_field(&self, out: &mut impl Out, number: u32) {
        if self.is_absent() {
            return;
        }
        put_tag(out, number, 2);
        put_varint(out, self.encoded_len() as u64);
        self.put(out);
    }
}

/// A part of an encoded message.
enum Piece<'a, 's> {
    /// One or more fields as received.
    Raw(&'a [u8]),
    /// An attribute that was set or changed.
    Pair(&'a str, &'s Value<'a>),
}
