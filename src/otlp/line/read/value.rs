//! Values of canonical lines: what stands in attributes and bodies, with its `$` forms.

use super::{DEPTH_READ_MAX, Walk, base64, number};
use crate::otlp::DecodeError;
use crate::otlp::line::{ABSENT, ARRAY, BYTES, DOUBLE, INT, PAIR, UNKNOWN, VALUE};
use crate::stdx::json::{Text, Value};

impl<'t> Walk<'t, '_> {
    /// An attribute or map entry whose key was read.
    #[inline]
    pub(super) fn pair(&mut self, number: u32, key: &Text<'t>, depth: usize) -> Result<(), DecodeError> {
        let open = self.builder.open(number);
        match key.after("$") {
            None => self.builder.text(1, key),
            Some(user) if user.raw().starts_with('$') => self.builder.text(1, &user),
            Some(_) => return Err(DecodeError::Line("a key starts with a single dollar sign")),
        }
        let value = self.reader.value()?;
        let first = self.first_key(value)?;
        match first.map(|key| key.raw()) {
            Some(ABSENT | PAIR) => self.odd_pair(first, depth)?,
            _ => self.any(2, value, first, depth)?,
        }
        self.builder.close(open);
        Ok(())
    }

    /// The first key of a value that is an object.
    #[inline]
    fn first_key(&mut self, value: Value<'t>) -> Result<Option<Text<'t>>, DecodeError> {
        if value == Value::Object { Ok(self.reader.next_member()?) } else { Ok(None) }
    }

    /// `{"$absent":true}`, `{"$absent":true,"$entry":"…"}` or `{"$entry":"…","$value":…}`, the first key read.
    fn odd_pair(&mut self, first: Option<Text<'t>>, depth: usize) -> Result<(), DecodeError> {
        let mut next = first;
        while let Some(key) = next {
            match key.raw() {
                ABSENT => drop(self.boolean()?),
                PAIR => {
                    let raw = self.string()?;
                    self.fields(&raw)?;
                }
                VALUE => self.value(2, depth)?,
                _ => return Err(DecodeError::Line("an attribute has a member too many")),
            }
            next = self.reader.next_member()?;
        }
        Ok(())
    }

    pub(super) fn value(&mut self, number: u32, depth: usize) -> Result<(), DecodeError> {
        let value = self.reader.value()?;
        let first = self.first_key(value)?;
        self.any(number, value, first, depth)
    }

    /// An `AnyValue` as field `number`; of an object the first key was read.
    #[inline]
    fn any(&mut self, number: u32, value: Value<'t>, first: Option<Text<'t>>, depth: usize) -> Result<(), DecodeError> {
        if depth > DEPTH_READ_MAX {
            return Err(DecodeError::TooDeep);
        }
        let open = self.builder.open(number);
        self.content(value, first, depth)?;
        self.builder.close(open);
        Ok(())
    }

    fn content(&mut self, value: Value<'t>, first: Option<Text<'t>>, depth: usize) -> Result<(), DecodeError> {
        match value {
            Value::Str(text) => self.builder.text(1, &text),
            Value::Bool(value) => self.builder.varint(2, value.into()),
            Value::Number(text) => self.numeric(text)?,
            Value::Null => {}
            Value::Array => {
                let open = self.builder.open(5);
                self.elements(|walk| walk.value(1, depth + 1))?;
                self.builder.close(open);
            }
            Value::Object => self.object_value(first, depth)?,
        }
        Ok(())
    }

    fn numeric(&mut self, text: &str) -> Result<(), DecodeError> {
        if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            self.builder.fixed64(4, number::<f64>(text)?.to_bits());
        } else {
            self.builder.varint(3, number::<i64>(text)?.cast_unsigned());
        }
        Ok(())
    }

    fn object_value(&mut self, first: Option<Text<'t>>, depth: usize) -> Result<(), DecodeError> {
        let Some(key) = first else { return self.map(None, None, depth) };
        match key.raw() {
            INT => {
                let value: i64 = number(self.string()?.raw())?;
                self.builder.varint(3, value.cast_unsigned());
                self.end_object()
            }
            DOUBLE => {
                let bits = self.odd_double()?;
                self.builder.fixed64(4, bits);
                Ok(())
            }
            BYTES => {
                let text = self.string()?;
                let open = self.builder.open(7);
                base64(&text, self.builder.raw())?;
                self.builder.close(open);
                self.end_object()
            }
            ARRAY => self.odd_array(depth),
            UNKNOWN => self.odd_value(depth),
            _ => self.map(None, first, depth),
        }
    }

    /// The rest of `{"$array":[…],"$unknown":"…"}`.
    fn odd_array(&mut self, depth: usize) -> Result<(), DecodeError> {
        let open = self.builder.open(5);
        self.list(|walk| walk.value(1, depth + 1))?;
        while let Some(key) = self.reader.next_member()? {
            self.unknown_member(&key)?;
        }
        self.builder.close(open);
        Ok(())
    }

    /// The rest of `{"$unknown":"…","$value":…}`, or of a map with unknown fields.
    fn odd_value(&mut self, depth: usize) -> Result<(), DecodeError> {
        let raw = self.string()?;
        let next = self.reader.next_member()?;
        if next.is_none_or(|key| key.raw() != VALUE) {
            return self.map(Some(raw), next, depth);
        }
        self.fields(&raw)?;
        if depth > DEPTH_READ_MAX {
            return Err(DecodeError::TooDeep);
        }
        let value = self.reader.value()?;
        let first = self.first_key(value)?;
        self.content(value, first, depth + 1)?;
        self.end_object()
    }

    /// A map whose first key, or the first after `$unknown`, was read.
    fn map(&mut self, raw: Option<Text<'t>>, first: Option<Text<'t>>, depth: usize) -> Result<(), DecodeError> {
        let open = self.builder.open(6);
        raw.map_or(Ok(()), |raw| self.fields(&raw))?;
        let mut next = first;
        while let Some(key) = next {
            if key.raw() == UNKNOWN {
                self.unknown_member(&key)?;
            } else {
                self.pair(1, &key, depth + 1)?;
            }
            next = self.reader.next_member()?;
        }
        self.builder.close(open);
        Ok(())
    }
}
