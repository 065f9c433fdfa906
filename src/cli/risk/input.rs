//! A line of JSON: a command or an event, perhaps with a label.

use crate::otlp::value::{Value, put_pair};
use crate::otlp::wire::put_bytes;
use crate::processor::risk::RiskTag;
use crate::processor::risk::assess::Assessment;
use crate::stdx::json::{self, Reader};

/// Attributes deeper than this are refused.
const DEPTH_MAX: usize = 64;

/// What a line holds.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// The id as it was written: a JSON value.
    pub(super) id: Option<String>,
    pub(super) command: Option<String>,
    /// Attributes of an event: keys and the bytes of their `AnyValue`.
    pub(super) event: Option<Vec<(String, Vec<u8>)>>,
    pub(super) label: Option<String>,
    pub(super) level: Option<String>,
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Result<Item, String> {
    let fail = |error: json::Error| format!("no JSON object: {error}");
    let mut reader = Reader::new(line.trim_ascii()).map_err(fail)?;
    match reader.value().map_err(fail)? {
        json::Value::Object => {}
        _ => return Err("no JSON object".into()),
    }
    let mut item = Item::default();
    let mut buffer = String::new();
    while let Some(key) = reader.next_member().map_err(fail)? {
        let key = key.read(&mut buffer).to_owned();
        member(&mut item, &key, &mut reader).map_err(fail)?;
    }
    reader.end().map_err(fail)?;
    if item.command.is_none() && item.event.is_none() {
        return Err("neither `command` nor `event`".into());
    }
    Ok(item)
}

fn member(item: &mut Item, key: &str, reader: &mut Reader<'_>) -> Result<(), json::Error> {
    match key {
        "id" => {
            let mut ahead = reader.clone();
            ahead.skip_value(DEPTH_MAX)?;
            item.id = Some(reader.slice(reader.offset()..ahead.offset()).trim().to_owned());
            *reader = ahead;
        }
        "command" | "label" | "level" => {
            let text = string(reader)?;
            match key {
                "command" => item.command = text,
                "label" => item.label = text,
                _ => item.level = text,
            };
        }
        "event" => item.event = Some(attributes(reader)?),
        _ => {
            reader.skip_value(DEPTH_MAX)?;
        }
    }
    Ok(())
}

fn string(reader: &mut Reader<'_>) -> Result<Option<String>, json::Error> {
    let mut ahead = reader.clone();
    if let json::Value::Str(text) = ahead.value()? {
        *reader = ahead;
        return Ok(Some(text.read(&mut String::new()).to_owned()));
    }
    reader.skip_value(DEPTH_MAX)?;
    Ok(None)
}

/// The members of an event; those of its `attributes` and `resource` count as its own.
fn attributes(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<u8>)>, json::Error> {
    let mut found = vec![];
    if !matches!(reader.value()?, json::Value::Object) {
        return reader.fail("an event is an object");
    }
    let mut buffer = String::new();
    while let Some(key) = reader.next_member()? {
        let key = key.read(&mut buffer).to_owned();
        let nested =
            matches!(&*key, "attributes" | "resource") && matches!(reader.clone().value()?, json::Value::Object);
        if nested {
            found.extend(attributes(reader)?);
        } else {
            found.push((key, any(reader, DEPTH_MAX)?));
        }
    }
    Ok(found)
}

/// A JSON value as the bytes of an `AnyValue`.
fn any(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<u8>, json::Error> {
    let (mut out, mut inner) = (vec![], vec![]);
    match reader.value()? {
        json::Value::Null => {}
        json::Value::Bool(value) => Value::Bool(value).put(&mut out),
        json::Value::Number(text) => number(text).put(&mut out),
        json::Value::Str(text) => Value::Str(text.read(&mut String::new())).put(&mut out),
        _ if depth == 0 => return reader.fail("nested too deep"),
        json::Value::Array => {
            while reader.next_element()? {
                put_bytes(&mut inner, 1, &any(reader, depth - 1)?);
            }
            Value::Array(&inner).put(&mut out);
        }
        json::Value::Object => {
            let mut buffer = String::new();
            while let Some(key) = reader.next_member()? {
                let key = key.read(&mut buffer).to_owned();
                let bytes = any(reader, depth - 1)?;
                put_pair(&mut inner, 1, &key, &Value::read(&bytes).unwrap_or(Value::Null));
            }
            Value::Map(&inner).put(&mut out);
        }
    }
    Ok(out)
}

fn number(text: &str) -> Value<'static> {
    text.parse().map(Value::Int).unwrap_or_else(|_| Value::Double(text.parse().unwrap_or(0.0)))
}

/// Judges what a line holds. Of an event the attributes `service.name` and `scope.name` say who sends.
pub(super) fn assess(risk: &RiskTag, item: &Item) -> Result<Assessment, String> {
    let Some(event) = &item.event else {
        return Ok(risk.assess_command(item.command.as_deref().unwrap_or_default()));
    };
    let values: Vec<(&str, Value<'_>)> =
        event.iter().filter_map(|(key, bytes)| Some((&**key, Value::read(bytes).ok()?))).collect();
    let text = |key: &str| values.iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.as_str());
    let scope = text("scope.name").or_else(|| text("scope")).unwrap_or_default();
    let resource: Vec<(&str, Value<'_>)> = values
        .iter()
        .filter(|(key, _)| key.starts_with("service.") || key.starts_with("deployment."))
        .copied()
        .collect();
    risk.assess_event(&values, &resource, scope).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::risk::Config;
    use crate::processor::risk::event::Level;

    #[test]
    fn commands_and_events_are_judged_alike() {
        let risk = RiskTag::new(&Config::default());
        for line in [
            r#"{"id":1,"command":"rm -rf /"}"#,
            r#"{"id":2,"event":{"event.name":"claude_code.tool_result","tool_name":"Bash","tool_input":"{\"command\":\"rm -rf /\"}"}}"#,
            r#"{"id":3,"event":{"attributes":{"event.name":"codex.tool_result","tool_name":"shell","arguments":{"command":["bash","-lc","rm -rf /"]}}}}"#,
        ] {
            let assessment = assess(&risk, &read(line.as_bytes()).unwrap()).unwrap();
            assert_eq!(assessment.level, Level::Critical, "{line}");
        }
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for line in ["", "[]", "{}", r#"{"command":1}"#, r#"{"event":[]}"#, r#"{"command":"x"} x"#] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn an_id_comes_back_as_it_was() {
        assert_eq!(read(br#"{"id": "a\u0062" ,"command":"x"}"#).unwrap().id.as_deref(), Some(r#""a\u0062""#));
        assert_eq!(read(br#"{"id":7,"command":"x"}"#).unwrap().id.as_deref(), Some("7"));
    }
}
