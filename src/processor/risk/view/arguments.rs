//! The arguments of a tool call: a JSON text, a map, or plain text.

use crate::otlp::value::Value;
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::processor::risk::agents::Target;
use crate::processor::risk::event::Field;
use crate::stdx::json::{self, Reader};

use super::View;
use super::derive::Shell;

impl<'a> View<'_, '_, 'a> {
    /// Opens arguments; `shell` says whether plain text is a command line.
    pub(super) fn arguments(&mut self, value: Value<'a>, shell: Shell) -> Result<(), DecodeError> {
        match value {
            Value::Str(text) => {
                self.event.push(Field::Arguments, text);
                self.argument_text(text, shell);
            }
            Value::Map(_) | Value::Array(_) => self.argument_map(value, None, DEPTH_MAX)?,
            _ => {}
        }
        Ok(())
    }

    fn argument_text(&mut self, text: &'a str, shell: Shell) {
        let start = text.trim_start();
        if !start.starts_with(['{', '[']) {
            if shell == Shell::Is {
                self.text(Target::Field(Field::CommandLine), text);
            } else {
                self.text(Target::Patch, text);
            }
            return;
        }
        let mut reader = Reader::over(start);
        if let Err(error) = self.json(&mut reader, &[], DEPTH_MAX).and_then(|()| reader.end()) {
            self.event.set(Field::Truncated, "true");
            self.broken(&start[error.at.min(start.len())..], start, shell);
        }
    }

    /// Arguments that stand in a larger JSON text: an object, or JSON in a string.
    pub(super) fn json_arguments(&mut self, reader: &mut Reader<'a>, shell: Shell) {
        if let Ok(json::Value::Str(text)) = reader.clone().value() {
            let text = self.unescaped(&text);
            self.event.push(Field::Arguments, text);
            return self.argument_text(text, shell);
        }
        let text = std::str::from_utf8(reader.rest()).unwrap_or_default();
        if self.json(reader, &[], DEPTH_MAX).is_err() {
            self.argument_text(text, shell);
        }
    }

    fn argument_map(&mut self, value: Value<'a>, targets: Option<&[Target]>, depth: usize) -> Result<(), DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let agents = self.agents;
        for entry in value.entries() {
            let entry = entry?;
            let found = agents.members.get(entry.key);
            match entry.value {
                Value::Map(_) => self.argument_map(entry.value, Some(found), depth)?,
                Value::Array(_) if !found.contains(&Target::Field(Field::CommandLine)) => {
                    self.argument_map(entry.value, Some(found), depth)?;
                }
                value => found.iter().try_for_each(|target| self.take(*target, value, depth))?,
            }
        }
        for item in value.items() {
            match item? {
                item @ (Value::Map(_) | Value::Array(_)) => self.argument_map(item, targets, depth)?,
                item => targets.unwrap_or_default().iter().try_for_each(|target| self.take(*target, item, depth))?,
            }
        }
        Ok(())
    }

    fn json(&mut self, reader: &mut Reader<'a>, targets: &[Target], depth: usize) -> Result<(), json::Error> {
        match reader.value()? {
            json::Value::Str(text) => {
                let text = self.unescaped(&text);
                targets.iter().for_each(|target| self.text(*target, text));
            }
            json::Value::Object | json::Value::Array if depth == 0 => return reader.fail("nested too deep"),
            json::Value::Object => {
                let agents = self.agents;
                while let Some(key) = reader.next_member()? {
                    let key = self.unescaped(&key);
                    self.json(reader, agents.members.get(key), depth - 1)?;
                }
            }
            json::Value::Array if targets.contains(&Target::Field(Field::CommandLine)) => {
                self.json_words(reader, depth - 1)?
            }
            json::Value::Array => {
                while reader.next_element()? {
                    self.json(reader, targets, depth - 1)?;
                }
            }
            json::Value::Bool(value) => {
                targets.iter().for_each(|target| self.text(*target, if value { "true" } else { "false" }))
            }
            json::Value::Number(_) | json::Value::Null => {}
        }
        Ok(())
    }

    fn json_words(&mut self, reader: &mut Reader<'a>, depth: usize) -> Result<(), json::Error> {
        let mut words = Vec::new();
        while reader.next_element()? {
            let mut ahead = reader.clone();
            if let json::Value::Str(word) = ahead.value()? {
                words.push(self.unescaped(&word));
                *reader = ahead;
            } else {
                self.json(reader, &[], depth)?;
            }
        }
        self.add_words(&words);
        Ok(())
    }

    pub(super) fn unescaped(&self, text: &json::Text<'a>) -> &'a str {
        match text.plain() {
            Some(plain) => plain,
            None => {
                let mut buffer = String::new();
                self.arena.alloc_str(text.read(&mut buffer))
            }
        }
    }

    /// JSON that breaks off: the string in which it does counts for the member it belongs to. What cannot be understood
    /// must not look harmless, so a shell's or an unknown tool's arguments are a command line as they stand.
    fn broken(&mut self, rest: &'a str, whole: &'a str, shell: Shell) {
        let rest = rest.strip_prefix('"').unwrap_or_else(|| whole.rfind("\":\"").map_or("", |at| &whole[at + 3..]));
        let before = &whole[..whole.len() - rest.len()];
        let key = before.trim_end_matches(['"', ' ', ':', '[']).rsplit('"').next().unwrap_or_default();
        let agents = self.agents;
        let targets = agents.members.get(key);
        let text = self
            .arena
            .alloc_str(&rest.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\").replace("\\u0026", "&"));
        targets.iter().for_each(|target| self.text(*target, text));
        if shell != Shell::IsNot && self.event.values(Field::CommandLine).is_empty() {
            self.text(Target::Field(Field::CommandLine), whole);
        }
    }
}
