//! `include` and `exclude`: which records a processor is for, with the Collector's option names.
//!
//! Everything that is listed must hold; of a list of names, one. What is said about another signal never holds: a
//! condition on span names is true of no log record. Unlike in the Collector, every condition may be asked of every
//! signal that has the thing.

use regex::Regex;
use serde::Deserialize;

use crate::otlp::model::Entity;
use crate::otlp::schema;
use crate::otlp::value::Value;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::processor::condition::{self, Level, SEVERITY_NUMBER, Sight};
use crate::processor::scalar::Scalar;
use crate::stdx::problem::{At, Problems};

/// What a record must be like.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Properties {
    /// How names and values are compared: `strict` (equal, type included) or `regexp` (found anywhere; anchor with `^`
    /// and `$`). Needed.
    pub match_type: Option<MatchType>,
    /// `service.name` of the resource is one of these.
    pub services: Vec<String>,
    /// The span's name is one of these.
    pub span_names: Vec<String>,
    /// The span's kind is one of these: `internal`, `server`, `client`, `producer`, `consumer`, also written
    /// `SPAN_KIND_SERVER`. Compared strictly under either `match_type`.
    pub span_kinds: Vec<String>,
    /// The log record's body is a string and one of these.
    pub log_bodies: Vec<String>,
    /// The log record's severity text is one of these.
    pub log_severity_texts: Vec<String>,
    /// The log record's severity number.
    pub log_severity_number: Option<SeverityNumber>,
    /// The metric's name is one of these.
    pub metric_names: Vec<String>,
    /// All of these stand on the record.
    pub attributes: Vec<Pair>,
    /// All of these stand on the resource.
    pub resources: Vec<Pair>,
    /// The instrumentation scope is one of these.
    pub libraries: Vec<Library>,
    /// The Collector's cache settings are read and not needed: patterns take linear time.
    pub regexp: Option<RegexpSettings>,
}

/// How names and values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// Equal.
    Strict,
    /// A regular expression that is found.
    Regexp,
}

/// The Collector's settings for its cache of patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegexpSettings {
    /// Not used.
    pub cacheenabled: bool,
    /// Not used.
    pub cachemaxnumentries: u64,
}

/// A range of severities, open above.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeverityNumber {
    /// The least severity: `INFO`, `WARN2`, .. or a number from 1 to 24.
    pub min: Option<condition::Severity>,
    /// Whether a record without severity matches. Default: false.
    pub match_undefined: bool,
}

/// An attribute, and its value unless it only has to be there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The attribute.
    pub key: String,
    /// Its value. Under `regexp` a pattern, found in the value's text. Default: any.
    #[serde(default)]
    pub value: Option<Scalar>,
}

/// An instrumentation scope.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its version. Default: any. An empty text means: none.
    #[serde(default)]
    pub version: Option<String>,
}

const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];

impl Properties {
    /// Finds what cannot work.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        if self.is_empty() {
            problems.add_hint(at, "no condition", "list `services`, `attributes`, `span_names` or another one");
        }
        for (index, kind) in self.span_kinds.iter().enumerate().filter(|(_, kind)| kind_number(kind).is_none()) {
            let at = at.key("span_kinds").item(index);
            problems.add_hint(&at, format!("no span kind `{kind}`"), format!("known: {}", KINDS[1..].join(", ")));
        }
        match self.match_type {
            None => problems.add_hint(at, "no `match_type`", "set it to `strict` or `regexp`"),
            Some(MatchType::Strict) => {}
            Some(MatchType::Regexp) => self.check_patterns(at, problems),
        }
    }

    fn is_empty(&self) -> bool {
        let lists = [
            &self.services,
            &self.span_names,
            &self.span_kinds,
            &self.log_bodies,
            &self.log_severity_texts,
            &self.metric_names,
        ];
        lists.into_iter().all(Vec::is_empty)
            && self.log_severity_number.is_none()
            && self.attributes.is_empty()
            && self.resources.is_empty()
            && self.libraries.is_empty()
    }

    fn check_patterns(&self, at: &At, problems: &mut Problems) {
        for (key, list) in [
            ("services", &self.services),
            ("span_names", &self.span_names),
            ("log_bodies", &self.log_bodies),
            ("log_severity_texts", &self.log_severity_texts),
            ("metric_names", &self.metric_names),
        ] {
            list.iter()
                .enumerate()
                .for_each(|(index, text)| condition::check_regex(text, &at.key(key).item(index), problems));
        }
        for (key, list) in [("attributes", &self.attributes), ("resources", &self.resources)] {
            for (index, pair) in list.iter().enumerate() {
                if let Some(Scalar::Str(pattern)) = &pair.value {
                    condition::check_regex(pattern, &at.key(key).item(index).key("value"), problems);
                }
            }
        }
        for (index, library) in self.libraries.iter().enumerate() {
            let at = at.key("libraries").item(index);
            condition::check_regex(&library.name, &at.key("name"), problems);
            library.version.iter().for_each(|version| condition::check_regex(version, &at.key("version"), problems));
        }
    }

    /// How far in it has to look.
    pub(super) fn level(&self) -> Level {
        let record = !self.span_names.is_empty()
            || !self.span_kinds.is_empty()
            || !self.log_bodies.is_empty()
            || !self.log_severity_texts.is_empty()
            || self.log_severity_number.is_some()
            || !self.metric_names.is_empty()
            || !self.attributes.is_empty();
        match self.libraries.is_empty() {
            _ if record => Level::Record,
            false => Level::Scope,
            true => Level::Resource,
        }
    }
}

/// `server`, `SERVER` and `SPAN_KIND_SERVER` are one kind.
fn kind_number(word: &str) -> Option<u64> {
    let word = word.to_ascii_lowercase();
    let word = word.strip_prefix("span_kind_").unwrap_or(&word);
    KINDS.iter().position(|kind| *kind == word).map(|kind| kind as u64)
}

/// A text to compare with.
#[derive(Debug)]
enum Text {
    Same(String),
    Found(Regex),
}

impl Text {
    fn new(text: &str, how: MatchType) -> Result<Self, regex::Error> {
        Ok(match how {
            MatchType::Strict => Self::Same(text.to_owned()),
            MatchType::Regexp => Self::Found(Regex::new(text)?),
        })
    }

    fn list(texts: &[String], how: MatchType) -> Result<Vec<Self>, regex::Error> {
        texts.iter().map(|text| Self::new(text, how)).collect()
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Same(same) => same == text,
            Self::Found(pattern) => pattern.is_match(text),
        }
    }
}

/// Whether one of the list fits; an empty list asks for nothing.
fn any(list: &[Text], text: Option<&str>) -> bool {
    list.is_empty() || text.is_some_and(|text| list.iter().any(|wanted| wanted.fits(text)))
}

#[derive(Debug)]
enum Wanted {
    Anything,
    Equal(Scalar),
    Text(Text),
}

#[derive(Debug)]
struct Attribute(String, Wanted);

impl Attribute {
    fn list(pairs: &[Pair], how: MatchType) -> Result<Vec<Self>, regex::Error> {
        let read = |pair: &Pair| {
            let wanted = match (&pair.value, how) {
                (None, _) => Wanted::Anything,
                (Some(Scalar::Str(pattern)), MatchType::Regexp) => Wanted::Text(Text::new(pattern, how)?),
                (Some(value), _) => Wanted::Equal(value.clone()),
            };
            Ok(Self(pair.key.clone(), wanted))
        };
        pairs.iter().map(read).collect()
    }

    fn holds(&self, entity: &Entity<'_>) -> bool {
        let Some(value) = entity.get(&self.0) else { return false };
        match &self.1 {
            Wanted::Anything => true,
            Wanted::Equal(scalar) => scalar.value() == value,
            Wanted::Text(text) => match value {
                Value::Str(found) => text.fits(found),
                Value::Bool(found) => text.fits(if found { "true" } else { "false" }),
                Value::Int(found) => text.fits(&found.to_string()),
                Value::Double(found) => text.fits(&found.to_string()),
                _ => false,
            },
        }
    }
}

/// [`Properties`], ready to be asked.
#[derive(Debug)]
pub(super) struct Matcher {
    services: Vec<Text>,
    span_names: Vec<Text>,
    span_kinds: Vec<u64>,
    log_bodies: Vec<Text>,
    log_severity_texts: Vec<Text>,
    log_severity_number: Option<SeverityNumber>,
    metric_names: Vec<Text>,
    attributes: Vec<Attribute>,
    resources: Vec<Attribute>,
    libraries: Vec<(Text, Option<Text>)>,
    is_about_logs: bool,
    is_about_spans: bool,
}

// Field numbers of `Span`, `LogRecord` and `InstrumentationScope`.
const SPAN_KIND: u32 = 6;
const SEVERITY_TEXT: u32 = 3;
const SCOPE_NAME: u32 = 1;
const SCOPE_VERSION: u32 = 2;

impl Matcher {
    /// # Errors
    /// When a pattern is no regular expression.
    pub(super) fn new(config: &Properties) -> Result<Self, regex::Error> {
        let how = config.match_type.unwrap_or(MatchType::Strict);
        let library = |library: &Library| {
            let version = library.version.as_ref().map(|version| Text::new(version, how)).transpose()?;
            Ok((Text::new(&library.name, how)?, version))
        };
        Ok(Self {
            services: Text::list(&config.services, how)?,
            span_names: Text::list(&config.span_names, how)?,
            span_kinds: config.span_kinds.iter().filter_map(|kind| kind_number(kind)).collect(),
            log_bodies: Text::list(&config.log_bodies, how)?,
            log_severity_texts: Text::list(&config.log_severity_texts, how)?,
            log_severity_number: config.log_severity_number.clone(),
            metric_names: Text::list(&config.metric_names, how)?,
            attributes: Attribute::list(&config.attributes, how)?,
            resources: Attribute::list(&config.resources, how)?,
            libraries: config.libraries.iter().map(library).collect::<Result<_, regex::Error>>()?,
            is_about_logs: !config.log_bodies.is_empty()
                || !config.log_severity_texts.is_empty()
                || config.log_severity_number.is_some(),
            is_about_spans: !config.span_names.is_empty() || !config.span_kinds.is_empty(),
        })
    }

    /// Whether everything it says holds.
    pub(super) fn holds(&self, sight: &Sight<'_, '_>) -> Result<bool, DecodeError> {
        let other = (self.is_about_logs && sight.signal != Signal::Logs)
            || (self.is_about_spans && sight.signal != Signal::Traces)
            || (!self.metric_names.is_empty() && sight.signal != Signal::Metrics);
        Ok(!other
            && self.resource_holds(sight.resource)
            && self.library_holds(sight.scope)?
            && any(&self.metric_names, Some(sight.metric))
            && self.attributes.iter().all(|wanted| sight.record.is_some_and(|record| wanted.holds(record)))
            && (!self.is_about_spans || sight.record.map_or(Ok(false), |span| self.span_holds(span))?)
            && (!self.is_about_logs || sight.record.map_or(Ok(false), |log| self.log_holds(log))?))
    }

    fn resource_holds(&self, resource: Option<&Entity<'_>>) -> bool {
        let service =
            || resource.and_then(|resource| resource.get("service.name")).and_then(|service| service.as_str());
        (self.services.is_empty() || any(&self.services, service()))
            && self.resources.iter().all(|wanted| resource.is_some_and(|resource| wanted.holds(resource)))
    }

    fn library_holds(&self, scope: Option<&Entity<'_>>) -> Result<bool, DecodeError> {
        if self.libraries.is_empty() {
            return Ok(true);
        }
        let Some(scope) = scope else { return Ok(false) };
        let (name, version) = (scope.text(SCOPE_NAME)?, scope.text(SCOPE_VERSION)?);
        let fits = |(wanted, wanted_version): &(Text, Option<Text>)| {
            wanted.fits(name) && wanted_version.as_ref().is_none_or(|wanted| wanted.fits(version))
        };
        Ok(self.libraries.iter().any(fits))
    }

    fn span_holds(&self, span: &Entity<'_>) -> Result<bool, DecodeError> {
        if !self.span_kinds.is_empty() {
            let kind = if let Some(WireValue::Varint(kind)) = span.field(SPAN_KIND)? { kind } else { 0 };
            if !self.span_kinds.contains(&kind) {
                return Ok(false);
            }
        }
        Ok(any(&self.span_names, Some(condition::name_of(span)?)))
    }

    fn log_holds(&self, log: &Entity<'_>) -> Result<bool, DecodeError> {
        if log.message().name != schema::LOG_RECORD.name {
            return Ok(false);
        }
        Ok((self.log_bodies.is_empty() || any(&self.log_bodies, log.body()?.as_str()))
            && (self.log_severity_texts.is_empty() || any(&self.log_severity_texts, Some(log.text(SEVERITY_TEXT)?)))
            && self.log_severity_number.as_ref().is_none_or(|wanted| wanted.holds(log).unwrap_or(false)))
    }
}

impl SeverityNumber {
    fn holds(&self, log: &Entity<'_>) -> Result<bool, DecodeError> {
        let least = self.min.map_or(1, |condition::Severity(least)| u64::from(least));
        Ok(match log.field(SEVERITY_NUMBER)? {
            Some(WireValue::Varint(0)) | None => self.match_undefined,
            Some(WireValue::Varint(number)) => number >= least,
            Some(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let properties: Properties = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        properties.check(&At::new("include"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn conditions_of_the_collector_are_read() {
        let yaml = "{match_type: regexp, services: [auth.*], attributes: [{key: a, value: ^b}, {key: c}], \
                    libraries: [{name: x, version: ''}], log_severity_number: {min: WARN2, match_undefined: true}, \
                    regexp: {cacheenabled: true, cachemaxnumentries: 1000}, span_kinds: [SPAN_KIND_SERVER]}";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_match_is_named() {
        assert_eq!(problems("{}"), ["include: no condition", "include: no `match_type`"]);
        let yaml = "{match_type: regexp, services: ['('], span_kinds: [sever]}";
        let found = problems(yaml);
        assert_eq!(found[0], "include.span_kinds[0]: no span kind `sever`");
        assert!(found[1].starts_with("include.services[0]: not a regular expression"), "{found:?}");
    }

    #[test]
    fn it_looks_no_further_in_than_it_must() {
        let level = |yaml: &str| serde_saphyr::from_str::<Properties>(yaml).unwrap().level();
        assert_eq!(level("{services: [a], resources: [{key: b}]}"), Level::Resource);
        assert_eq!(level("{services: [a], libraries: [{name: b}]}"), Level::Scope);
        assert_eq!(level("{services: [a], attributes: [{key: b}]}"), Level::Record);
    }

    #[test]
    fn field_numbers_are_those_of_the_schema() {
        let name = |message: &schema::Message, number| message.field(number).unwrap().name;
        assert_eq!(name(&schema::SPAN, SPAN_KIND), "kind");
        assert_eq!(name(&schema::LOG_RECORD, SEVERITY_TEXT), "severity_text");
        assert_eq!(name(&schema::SCOPE, SCOPE_NAME), "name");
        assert_eq!(name(&schema::SCOPE, SCOPE_VERSION), "version");
    }
}
