//! A canonical or sealed line as a reader looks at it: members and attributes by name, values as they are written.

use crate::otlp::Signal;
use crate::stdx::json::{Error, Reader, Value};

/// Deeper than a record nests, wrappers included.
const DEPTH_MAX: usize = 320;

/// Names with values in JSON, in the order of the line.
pub type Members<'a> = Vec<(String, &'a str)>;

/// One record.
#[derive(Debug, Default)]
pub struct Record<'a> {
    members: Members<'a>,
    attributes: Members<'a>,
    /// Attributes.
    resource: Members<'a>,
    /// Everything else of the resource.
    resource_rest: Members<'a>,
    /// Attributes.
    scope_attributes: Members<'a>,
    scope: Members<'a>,
}

impl<'a> Record<'a> {
    /// Reads a canonical or sealed line.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(line: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(line)?;
        let members = object(&mut reader)?;
        reader.end()?;
        let inner = |members: &Members<'a>, name: &str| inner(members, name);
        let mut resource = inner(&members, "resource")?;
        let mut scope = inner(&members, "scope")?;
        let attributes_of = |owner: &mut Members<'a>| {
            let found = attributes(inner(owner, "attributes")?);
            owner.retain(|(name, _)| name != "attributes");
            Ok::<_, Error>(found)
        };
        Ok(Self {
            attributes: attributes(inner(&members, "attributes")?),
            resource: attributes_of(&mut resource)?,
            resource_rest: resource,
            scope_attributes: attributes_of(&mut scope)?,
            scope,
            members,
        })
    }

    /// What it is of.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        match self.member("signal")? {
            "\"log\"" => Some(Signal::Logs),
            "\"span\"" => Some(Signal::Traces),
            "\"metrics\"" => Some(Signal::Metrics),
            _ => None,
        }
    }

    /// A member of the record itself, as JSON.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&'a str> {
        find(&self.members, name)
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// An attribute of the record, as JSON.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        find(&self.attributes, name)
    }

    /// All attributes of the record.
    #[must_use]
    pub fn attributes(&self) -> &Members<'a> {
        &self.attributes
    }

    /// An attribute of its resource, as JSON.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&'a str> {
        find(&self.resource, name)
    }

    /// All attributes of its resource.
    #[must_use]
    pub fn resource_attributes(&self) -> &Members<'a> {
        &self.resource
    }

    /// What its resource says beside attributes.
    #[must_use]
    pub fn resource_rest(&self) -> &Members<'a> {
        &self.resource_rest
    }

    /// All attributes of its scope.
    #[must_use]
    pub fn scope_attributes(&self) -> &Members<'a> {
        &self.scope_attributes
    }

    /// What its scope says beside attributes.
    #[must_use]
    pub fn scope_rest(&self) -> &Members<'a> {
        &self.scope
    }

    /// A member of its scope, as JSON.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&'a str> {
        find(&self.scope, name)
    }

    /// The first of these attributes that the record or its resource has, as text.
    #[must_use]
    pub fn first_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.attribute(name).or_else(|| self.resource(name))).map(plain)
    }

    /// What the record calls itself: its event, or its span.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let named = self.member("event_name").or_else(|| self.attribute("event.name")).or_else(|| self.member("name"));
        named.map(plain)
    }

    /// What a key of `--where` means: `attributes.X`, `resource.X`, `scope.X`, a member, an attribute, an attribute of the
    /// resource, whichever is there first.
    #[must_use]
    pub fn lookup(&self, key: &str) -> Option<&'a str> {
        if let Some(name) = key.strip_prefix("attributes.") {
            return self.attribute(name);
        }
        if let Some(name) = key.strip_prefix("resource.") {
            return self.resource(name);
        }
        let scope = key.strip_prefix("scope.").and_then(|name| self.scope(name));
        scope.or_else(|| self.member(key)).or_else(|| self.attribute(key)).or_else(|| self.resource(key))
    }

    /// When it happened, in nanoseconds since 1970, as the record says: its time, when it was observed, when it began.
    #[must_use]
    pub fn time_ns(&self) -> Option<u64> {
        ["time_unix_nano", "observed_time_unix_nano", "start_time_unix_nano"]
            .iter()
            .find_map(|name| self.nanos(name).filter(|time| *time > 0))
    }

    /// A member that is a time.
    #[must_use]
    pub fn nanos(&self, name: &str) -> Option<u64> {
        self.member(name)?.trim_matches('"').parse().ok()
    }
}

fn object<'a>(reader: &mut Reader<'a>) -> Result<Members<'a>, Error> {
    if reader.value()? != Value::Object {
        return reader.fail("expected an object");
    }
    let mut members = Vec::new();
    while let Some(key) = reader.next_member()? {
        let name = key.read(&mut String::new()).to_owned();
        let place = reader.skip_value(DEPTH_MAX)?;
        members.push((name, reader.slice(place)));
    }
    Ok(members)
}

/// The members of a member that is an object; none where it is absent or something else.
fn inner<'a>(members: &Members<'a>, name: &str) -> Result<Members<'a>, Error> {
    match find(members, name) {
        Some(raw) if raw.starts_with('{') => object(&mut Reader::new(raw.as_bytes())?),
        _ => Ok(Vec::new()),
    }
}

/// In a line a key that starts with `$` has one `$` more.
fn attributes(mut members: Members<'_>) -> Members<'_> {
    for (name, _) in &mut members {
        if name.starts_with("$$") {
            name.remove(0);
        }
    }
    members
}

fn find<'a>(members: &Members<'a>, name: &str) -> Option<&'a str> {
    members.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
}

/// A value as text: a string without quotes and escapes, a large integer or a special double as such, anything else as its
/// JSON.
#[must_use]
pub fn plain(raw: &str) -> String {
    let inner = ["{\"$int\":", "{\"$double\":"].iter().find_map(|wrapper| raw.strip_prefix(wrapper)?.strip_suffix('}'));
    let raw = inner.unwrap_or(raw);
    match Reader::over(raw).value() {
        Ok(Value::Str(text)) => text.read(&mut String::new()).to_owned(),
        _ => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"attributes":{"$$x":1,"n":{"$int":"9007199254740993"},"user.id":"a\"b"},"body":"hi","event_name":"e","resource":{"attributes":{"service.name":"s","user.id":"r"}},"scope":{"name":"lib"},"time_unix_nano":"5"}"#;

    #[test]
    fn names_lead_to_values_wherever_they_stand() {
        let record = Record::parse(LINE.as_bytes()).unwrap();
        let look = |key: &str| record.lookup(key).map(plain);
        for (key, value) in [
            ("user.id", Some("a\"b")),
            ("resource.user.id", Some("r")),
            ("attributes.user.id", Some("a\"b")),
            ("service.name", Some("s")),
            ("scope.name", Some("lib")),
            ("event_name", Some("e")),
            ("$x", Some("1")),
            ("n", Some("9007199254740993")),
            ("nothing", None),
        ] {
            assert_eq!(look(key).as_deref(), value, "{key}");
        }
        assert_eq!((record.time_ns(), record.name().as_deref()), (Some(5), Some("e")));
        assert!(Record::parse(b"[1]").is_err() && Record::parse(b"{} x").is_err());
    }
}
