//! One action on one attribute: the Collector's words, what can be wrong with them, and what each one does.
//!
//! Differences to the Collector, all on purpose: `hash` is keyed (HMAC-SHA-256); `convert` also knows `bool`; an
//! `extract` group that takes no part in a match sets nothing, where the Collector sets an empty text.

use aws_lc_rs::hmac;
use bumpalo::Bump;
use regex::Regex;
use serde::Deserialize;

use super::Fact;
use crate::otlp::DecodeError;
use crate::otlp::model::Entity;
use crate::otlp::sender::{Sender, Wanted};
use crate::otlp::value::Value;
use crate::processor::condition::{self, Condition, Level, Sight, Test};
use crate::processor::scalar::{self, Context, Scalar};
use crate::stdx::problem::{At, Problems};

/// One action on one attribute.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The attribute. `delete` and `hash` may have a `pattern` in its place, or both.
    #[serde(default)]
    pub key: String,
    /// `insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`. Needed.
    pub action: Verb,
    /// `resource`, `scope` or `record`. Default: `record`, the log record, span or data point.
    #[serde(default)]
    pub context: Context,
    /// The value: a string, boolean or number, which keeps its YAML type.
    #[serde(default)]
    pub value: Option<Scalar>,
    /// Takes the value of this attribute of the same context; does nothing where it is missing.
    #[serde(default)]
    pub from_attribute: Option<String>,
    /// Takes what is known of the request: `client.address`, `client.port`, or `metadata.NAME`, a header of OTLP/HTTP or
    /// the metadata of OTLP/gRPC, or what the sender proved: `auth.subject`, `auth.tenant`, `auth.claims.NAME`,
    /// `tls.client.subject`, `.issuer`, `.san`, `.spiffe_id`, `.hash.sha256`. Several values of one name are joined by `;`. Does nothing where it is missing.
    #[serde(default)]
    pub from_context: Option<String>,
    /// Takes a fact about this machine: `host.name`, `host.arch`, `os.type`, `process.pid` (of telseal) or
    /// `telseal.version`.
    #[serde(default)]
    pub from: Option<Fact>,
    /// For `extract`: a regular expression with named groups; each one sets the attribute of its name. For `delete` and
    /// `hash`: every attribute whose key matches.
    #[serde(default)]
    pub pattern: Option<String>,
    /// For `convert`: `string`, `int`, `double` or `bool`.
    #[serde(default)]
    pub converted_type: Option<Type>,
    /// Runs only where one of these conditions is true, as `filter` has them. Default: always.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// What an action does. The words mean what they mean in the Collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Adds the attribute where it is missing.
    Insert,
    /// Changes the attribute where it is there.
    Update,
    /// Adds or changes it.
    #[default]
    Upsert,
    /// Removes it.
    Delete,
    /// Puts its keyed hash in place of its value.
    Hash,
    /// Sets further attributes from its text.
    Extract,
    /// Changes its type.
    Convert,
}

/// A type to convert to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// The text of any scalar.
    String,
    /// A whole number; of a fraction what is before the point.
    Int,
    /// A number.
    Double,
    /// `true` or `false`; of a number whether it is not 0.
    Bool,
}

/// Headers that are credentials: their place is not in a record.
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];
const METADATA: &str = "metadata.";

impl Action {
    /// Finds what cannot work. `hmac_key` says whether there is one.
    pub(super) fn check(&self, hmac_key: bool, at: &At, problems: &mut Problems) {
        let verb = self.action;
        if self.key.is_empty() && (self.pattern.is_none() || !matches!(verb, Verb::Delete | Verb::Hash)) {
            problems.add(&at.key("key"), "the key is empty");
        }
        self.check_values(verb, at, problems);
        self.check_pattern(verb, at, problems);
        if verb == Verb::Hash && !hmac_key {
            let hint =
                "set `hmac_key: ${env:NAME}` beside `actions`: without a key, whoever guesses a value can prove it";
            problems.add_hint(at, "`hash` needs a key", hint);
        }
        match (verb, self.converted_type) {
            (Verb::Convert, None) => problems.add_hint(at, "no `converted_type`", "one of string, int, double, bool"),
            (Verb::Convert, Some(_)) | (_, None) => {}
            (_, Some(_)) => problems.add(&at.key("converted_type"), "only `convert` has a type to convert to"),
        }
        check_when(&self.when, self.context, &at.key("when"), problems);
    }

    fn check_values(&self, verb: Verb, at: &At, problems: &mut Problems) {
        if self.from_attribute.as_deref() == Some("") {
            problems.add(&at.key("from_attribute"), "the name of the attribute is empty");
        }
        if let Some(name) = &self.from_context {
            check_from_context(name, &at.key("from_context"), problems);
        }
        let sets = matches!(verb, Verb::Insert | Verb::Update | Verb::Upsert);
        match (sets, self.values()) {
            (false, 0) | (true, 1) => {}
            (false, _) => {
                let name = verb.name();
                problems.add_hint(at, format!("`{name}` takes no value"), "remove it, or use `update`");
            }
            (true, 0) => {
                problems.add_hint(at, "no value", "set one of `value`, `from_attribute`, `from_context` and `from`");
            }
            (true, _) => {
                let hint = "keep one of `value`, `from_attribute`, `from_context` and `from`";
                problems.add_hint(at, "more than one value", hint);
            }
        }
    }

    fn values(&self) -> usize {
        let given =
            [self.value.is_some(), self.from_attribute.is_some(), self.from_context.is_some(), self.from.is_some()];
        given.into_iter().filter(|given| *given).count()
    }

    fn check_pattern(&self, verb: Verb, at: &At, problems: &mut Problems) {
        let at_pattern = at.key("pattern");
        match (verb, &self.pattern) {
            (Verb::Extract, None) => {
                problems.add_hint(at, "no `pattern`", "a regular expression with named groups, `(?P<name>..)`");
            }
            (Verb::Extract, Some(pattern)) => match Regex::new(pattern) {
                Ok(regex) if regex.captures_len() == 1 || regex.capture_names().skip(1).any(|name| name.is_none()) => {
                    problems.add_hint(
                        &at_pattern,
                        "every group needs a name, and there must be one",
                        "write `(?P<name>..)`, and `(?:..)` for a group that is not extracted",
                    );
                }
                _ => condition::check_regex(pattern, &at_pattern, problems),
            },
            (Verb::Delete | Verb::Hash, Some(pattern)) => condition::check_regex(pattern, &at_pattern, problems),
            (_, Some(_)) => problems.add(&at_pattern, "only `extract`, `delete` and `hash` have a pattern"),
            (_, None) => {}
        }
    }

    /// What it asks of the request.
    pub(super) fn wanted(&self) -> Wanted {
        let name = self.from_context.as_deref().unwrap_or_default();
        let header = name.strip_prefix(METADATA).map(str::to_ascii_lowercase);
        let fact = is_proven(name).then(|| name.to_owned());
        Wanted {
            peer: name.starts_with("client."),
            headers: header.into_iter().collect(),
            facts: fact.into_iter().collect(),
        }
    }
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Hash => "hash",
            Self::Extract => "extract",
            Self::Convert => "convert",
        }
    }
}

fn check_from_context(name: &str, at: &At, problems: &mut Problems) {
    let known = "known: `client.address`, `client.port`, `metadata.NAME`, `auth.subject`, `auth.tenant`, \
                 `auth.claims.NAME`, `auth.membership`, `tls.client.{subject,issuer,san,spiffe_id,hash.sha256}`";
    match name.strip_prefix(METADATA) {
        Some(header) if CREDENTIALS.contains(&header.to_ascii_lowercase().as_str()) => {
            problems.add_hint(at, format!("`{header}` is a credential"), "take a header that is none");
        }
        Some(header) if http::HeaderName::from_bytes(header.as_bytes()).is_ok() => {}
        Some(_) => problems.add(at, "this cannot be the name of a header"),
        None if matches!(name, "client.address" | "client.port") => {}
        None if is_proven(name) => {}
        None => problems.add_hint(at, format!("nothing is known as `{name}`"), known),
    }
}

/// Whether a name is that of something a sender proves.
fn is_proven(name: &str) -> bool {
    name.strip_prefix("auth.claims.").is_some_and(|claim| !claim.is_empty())
        || matches!(name, "auth.subject" | "auth.username" | "auth.tenant" | "auth.membership")
        || name.strip_prefix("tls.client.").is_some_and(|part| CLIENT_FACTS.contains(&part))
}

/// What is known of a client certificate, behind `tls.client.`.
const CLIENT_FACTS: [&str; 5] = ["subject", "issuer", "san", "spiffe_id", "hash.sha256"];

/// Conditions of something that works on `context`.
pub(super) fn check_when(when: &[Condition], context: Context, at: &At, problems: &mut Problems) {
    for (index, condition) in when.iter().enumerate() {
        let at = at.item(index);
        condition.check(&at, problems);
        if condition.level() > Level::from(context) {
            too_deep(&at, problems);
        }
    }
}

/// A resource is changed once for all its records: it cannot depend on one of them.
pub(super) fn too_deep(at: &At, problems: &mut Problems) {
    problems.add_hint(
        at,
        "what is done to a resource or scope cannot depend on what lies below it",
        "set the condition's `context`, or move it to a processor of its own",
    );
}

/// An action, ready to run.
#[derive(Debug)]
pub(super) struct Step {
    key: String,
    work: Work,
    when: Vec<Test>,
}

#[derive(Debug)]
enum Work {
    Set(Verb, Supply),
    Delete(Option<Regex>),
    Hash(Option<Regex>, Box<hmac::Key>),
    Extract(Regex),
    Convert(Type),
}

#[derive(Debug)]
enum Supply {
    Fixed(Scalar),
    Attribute(String),
    Address,
    Port,
    Header(String),
    Fact(String),
}

impl Step {
    /// Sets an attribute to a fixed value.
    pub(super) fn fixed(key: String, verb: Verb, value: Scalar) -> Self {
        Self { key, work: Work::Set(verb, Supply::Fixed(value)), when: vec![] }
    }

    /// `None` where it would do nothing: a fact that is not known here.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub(super) fn new(
        action: &Action,
        hmac_key: Option<&hmac::Key>,
        host_name: Option<&str>,
    ) -> Result<Option<Self>, regex::Error> {
        let pattern = action.pattern.as_deref().map(Regex::new).transpose()?;
        let work = match (action.action, pattern, hmac_key) {
            (Verb::Delete, pattern, _) => Some(Work::Delete(pattern)),
            (Verb::Hash, pattern, Some(key)) => Some(Work::Hash(pattern, Box::new(key.clone()))),
            (Verb::Extract, Some(pattern), _) => Some(Work::Extract(pattern)),
            (Verb::Convert, ..) => action.converted_type.map(Work::Convert),
            (verb, ..) => Supply::new(action, host_name).map(|supply| Work::Set(verb, supply)),
        };
        let when = action.when.iter().map(Test::new).collect::<Result<_, _>>()?;
        Ok(work.map(|work| Self { key: action.key.clone(), work, when }))
    }

    /// Whether its conditions let it run.
    pub(super) fn is_due(&self, sight: &Sight<'_, '_>) -> Result<bool, DecodeError> {
        condition::any(&self.when, sight)
    }

    /// True when the entity is different now.
    pub(super) fn run<'a>(&'a self, entity: &mut Entity<'a>, sender: &'a Sender, arena: &'a Bump) -> bool {
        match &self.work {
            Work::Set(verb, supply) => {
                let Some(value) = supply.value(entity, sender) else { return false };
                set(*verb, &self.key, value, entity)
            }
            Work::Delete(pattern) => self.each_key(pattern.as_ref(), entity, |entity, key| entity.remove(key)),
            Work::Hash(pattern, key) => self.each_key(pattern.as_ref(), entity, |entity, name| {
                let Some(value) = entity.get(name) else { return false };
                entity.set(name, Value::Str(hash(key, value, arena)));
                true
            }),
            Work::Extract(pattern) => extract(pattern, &self.key, entity, arena),
            Work::Convert(wanted) => {
                let Some(old) = entity.get(&self.key) else { return false };
                let Some(new) = convert(old, *wanted, arena).filter(|new| *new != old) else { return false };
                entity.set(&self.key, new);
                true
            }
        }
    }

    /// Does it for its key and for every key that matches.
    fn each_key<'a>(
        &'a self,
        pattern: Option<&Regex>,
        entity: &mut Entity<'a>,
        mut work: impl FnMut(&mut Entity<'a>, &'a str) -> bool,
    ) -> bool {
        let mut changed = !self.key.is_empty() && work(entity, &self.key);
        let Some(pattern) = pattern else { return changed };
        let mut keys: Vec<&'a str> = entity.attributes().iter().map(|attribute| attribute.key).collect();
        keys.retain(|key| *key != self.key && pattern.is_match(key));
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            changed |= work(entity, key);
        }
        changed
    }
}

impl Supply {
    /// `None` where the fact is not known here.
    fn new(action: &Action, host_name: Option<&str>) -> Option<Self> {
        let context = |name: &str| match name {
            "client.address" => Some(Self::Address),
            "client.port" => Some(Self::Port),
            name if is_proven(name) => Some(Self::Fact(name.to_owned())),
            name => name.strip_prefix(METADATA).map(|header| Self::Header(header.to_ascii_lowercase())),
        };
        match (&action.value, &action.from_attribute, &action.from_context, action.from) {
            (Some(value), ..) => Some(Self::Fixed(value.clone())),
            (_, Some(key), ..) => Some(Self::Attribute(key.clone())),
            (_, _, Some(name), _) => context(name),
            (.., Some(fact)) => fact.value(host_name).map(Self::Fixed),
            (None, None, None, None) => None,
        }
    }

    fn value<'a>(&'a self, entity: &Entity<'a>, sender: &'a Sender) -> Option<Value<'a>> {
        match self {
            Self::Fixed(value) => Some(value.value()),
            Self::Attribute(key) => entity.get(key),
            Self::Address => sender.address().map(Value::Str),
            Self::Port => sender.port().map(|port| Value::Int(i64::from(port))),
            Self::Header(name) => sender.header(name).map(Value::Str),
            Self::Fact(name) => sender.fact(name).map(Value::Str),
        }
    }
}

/// `insert`, `update` and `upsert`; true when the entity is different now.
pub(super) fn set<'a>(verb: Verb, key: &'a str, value: Value<'a>, entity: &mut Entity<'a>) -> bool {
    match (verb, entity.get(key)) {
        (Verb::Insert | Verb::Upsert, None) => entity.push(key, value),
        (Verb::Update | Verb::Upsert, Some(old)) if old != value => entity.set(key, value),
        _ => return false,
    }
    true
}

fn hash<'a>(key: &hmac::Key, value: Value<'_>, arena: &'a Bump) -> &'a str {
    let mut text = String::new();
    // Lists and maps have no text: their bytes on the wire, so that no value is left in clear.
    let bytes = match value {
        Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes) => bytes,
        scalar => scalar::text_of(scalar, &mut text).as_bytes(),
    };
    let mut hex = Vec::with_capacity(64);
    crate::stdx::json::write::write_hex(&mut hex, hmac::sign(key, bytes).as_ref());
    arena.alloc_str(&String::from_utf8_lossy(&hex))
}

fn extract<'a>(pattern: &'a Regex, key: &str, entity: &mut Entity<'a>, arena: &'a Bump) -> bool {
    let Some(Value::Str(text)) = entity.get(key) else { return false };
    let Some(found) = pattern.captures(text) else { return false };
    let mut changed = false;
    for name in pattern.capture_names().flatten() {
        let Some(part) = found.name(name) else { continue };
        changed |= set(Verb::Upsert, arena.alloc_str(name), Value::Str(&text[part.range()]), entity);
    }
    changed
}

/// The value in another type; `None` where it has none, and stays what it is.
fn convert<'a>(value: Value<'a>, wanted: Type, arena: &'a Bump) -> Option<Value<'a>> {
    #[expect(clippy::cast_possible_truncation, reason = "the part before the point is what is asked for; it saturates")]
    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    Some(match (wanted, value) {
        (Type::String, Value::Str(_)) => return None,
        (Type::String, Value::Bool(_) | Value::Int(_) | Value::Double(_)) => {
            Value::Str(arena.alloc_str(scalar::text_of(value, &mut String::new())))
        }
        (Type::Int, Value::Str(text)) => Value::Int(text.trim().parse().ok()?),
        (Type::Int, Value::Double(number)) if number.is_finite() => Value::Int(number as i64),
        (Type::Int, Value::Bool(value)) => Value::Int(i64::from(value)),
        (Type::Double, Value::Str(text)) => Value::Double(text.trim().parse().ok()?),
        (Type::Double, Value::Int(number)) => Value::Double(number as f64),
        (Type::Double, Value::Bool(value)) => Value::Double(if value { 1.0 } else { 0.0 }),
        (Type::Bool, Value::Str(text)) => Value::Bool(truth(text.trim())?),
        (Type::Bool, Value::Int(number)) => Value::Bool(number != 0),
        (Type::Bool, Value::Double(number)) => Value::Bool(number != 0.0),
        _ => return None,
    })
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}
