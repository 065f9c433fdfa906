//! Tool calls inside the messages of a model (`gen_ai.output.messages`, `gen_ai.input.messages` of the OpenTelemetry conventions
//! for generative AI): JSON in a string, or a structured value.
//!
//! A call is an object with a name and arguments, wherever it stands: `{"type":"tool_call","name":..,"arguments":{..}}` of the
//! conventions, `{"function":{"name":..,"arguments":".."}}` and `{"type":"tool_use","name":..,"input":{..}}` of well-known
//! interfaces. At most [`CALLS_MAX`] of one record are looked at.

use crate::otlp::value::Value;
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::stdx::json::{self, Reader};

use super::View;
use super::derive::Shell;
use crate::processor::risk::event::Field;

/// More calls than this in one record are not looked at.
const CALLS_MAX: usize = 64;

/// One call of a tool, found in a message.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    arguments: Arguments<'a>,
}

/// Arguments as they stand.
#[derive(Debug)]
enum Arguments<'a> {
    /// The place of a JSON value.
    Json(Reader<'a>),
    Value(Value<'a>),
}

/// Members that hold a call's arguments.
fn is_arguments(key: &str) -> bool {
    matches!(key, "arguments" | "input" | "args" | "parameters")
}

impl<'a> View<'_, '_, 'a> {
    /// Finds the calls in messages.
    pub(super) fn messages(&mut self, value: Value<'a>) -> Result<(), DecodeError> {
        let before = self.calls.len();
        match value {
            Value::Str(text) => {
                let start = text.trim_start();
                if start.starts_with(['{', '[']) {
                    // What was found before the text breaks off counts.
                    let read = self.json_calls(&mut Reader::over(start), DEPTH_MAX);
                    if read.is_err() {
                        self.event.set(Field::Truncated, "true");
                    }
                }
            }
            Value::Array(_) | Value::Map(_) => self.value_calls(value, DEPTH_MAX)?,
            _ => {}
        }
        self.seen.blank &= self.calls.len() == before;
        Ok(())
    }

    fn json_calls(&mut self, reader: &mut Reader<'a>, depth: usize) -> Result<(), json::Error> {
        match reader.value()? {
            json::Value::Object | json::Value::Array if depth == 0 => reader.fail("nested too deep"),
            json::Value::Object => self.json_call(reader, depth - 1),
            json::Value::Array => {
                while reader.next_element()? {
                    self.json_calls(reader, depth - 1)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An object: perhaps a call, perhaps something around one. A call whose arguments break off is a call.
    fn json_call(&mut self, reader: &mut Reader<'a>, depth: usize) -> Result<(), json::Error> {
        let (mut name, mut arguments) = (None, None);
        let read = self.json_members(reader, depth, &mut name, &mut arguments);
        match (name, arguments) {
            (Some(name), Some(arguments)) => self.call(name, Arguments::Json(arguments)),
            (None, Some(mut other)) => self.json_calls(&mut other, depth)?,
            _ => {}
        }
        read
    }

    fn json_members(
        &mut self,
        reader: &mut Reader<'a>,
        depth: usize,
        name: &mut Option<&'a str>,
        arguments: &mut Option<Reader<'a>>,
    ) -> Result<(), json::Error> {
        while let Some(key) = reader.next_member()? {
            let key = self.unescaped(&key);
            if key == "name" {
                let mut ahead = reader.clone();
                if let json::Value::Str(text) = ahead.value()? {
                    *name = Some(self.unescaped(&text));
                    *reader = ahead;
                    continue;
                }
            }
            if is_arguments(key) {
                *arguments = Some(reader.clone());
                reader.skip_value(depth)?;
            } else {
                self.json_calls(reader, depth)?;
            }
        }
        Ok(())
    }

    fn value_calls(&mut self, value: Value<'a>, depth: usize) -> Result<(), DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let (mut name, mut arguments) = (None, None);
        for entry in value.entries() {
            let entry = entry?;
            if entry.key == "name" {
                name = entry.value.as_str();
            } else if is_arguments(entry.key) {
                arguments = Some(entry.value);
            } else if let Value::Map(_) | Value::Array(_) = entry.value {
                self.value_calls(entry.value, depth)?;
            }
        }
        for item in value.items() {
            if let item @ (Value::Map(_) | Value::Array(_)) = item? {
                self.value_calls(item, depth)?;
            }
        }
        match (name, arguments) {
            (Some(name), Some(arguments)) => self.call(name, Arguments::Value(arguments)),
            (None, Some(other @ (Value::Map(_) | Value::Array(_)))) => self.value_calls(other, depth)?,
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, name: &'a str, arguments: Arguments<'a>) {
        if !name.is_empty() && self.calls.len() < CALLS_MAX {
            self.calls.push(Call { name, arguments });
        }
    }

    /// Opens the arguments of the calls that were found; gives what the tools do, a shell before anything else.
    pub(super) fn open_calls(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let mut all = None;
        for call in std::mem::take(&mut self.calls) {
            let kind = self.see_tool(call.name);
            let shell = match kind {
                Some("command") => Shell::Is,
                None => Shell::MayBe,
                _ => Shell::IsNot,
            };
            if kind == Some("command") || all.is_none() {
                all = kind;
            }
            match call.arguments {
                Arguments::Value(value) => self.arguments(value, shell)?,
                Arguments::Json(mut reader) => self.json_arguments(&mut reader, shell),
            }
        }
        Ok(all)
    }
}
