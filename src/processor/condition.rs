//! One condition about a record, as `filter`'s `drop` and `enrich`'s `when` have it, and what it is asked about.

use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::otlp::model::Entity;
use crate::otlp::schema;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::processor::scalar::{Context, Scalar};
use crate::stdx::problem::{At, Problems, did_you_mean};

/// One condition. At least one test is needed; all tests given must be true.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// `logs`, `metrics` or `traces`. Default: any.
    #[serde(deserialize_with = "signal")]
    pub signal: Option<Signal>,
    /// Where `key` is looked up: `record` (log record, span, data point), `scope` or `resource`. Default: `record`.
    pub context: Context,
    /// The attribute that `equals`, `matches` or `exists` is about.
    pub key: Option<String>,
    /// True when the attribute has this value and type.
    pub equals: Option<Scalar>,
    /// True when the attribute is a string in which this regular expression is found. Anchor it with `^` and `$`
    /// for the whole value.
    pub matches: Option<String>,
    /// `true`: the attribute is there. `false`: it is missing.
    pub exists: Option<bool>,
    /// True when the span, metric or event has exactly this name.
    pub name: Option<String>,
    /// True for a log record of lower severity: `trace`, `debug`, `info`, `warn`, `error`, `fatal`, or a severity
    /// number from 1 to 24. A record without severity is never below.
    pub severity_below: Option<Severity>,
}

/// An OTLP severity number, written as a word or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Severity(pub u8);

const SEVERITIES: [(&str, u8); 6] =
    [("trace", 1), ("debug", 5), ("info", 9), ("warn", 13), ("error", 17), ("fatal", 21)];

impl Severity {
    /// `warn`, `WARN` and `warn2`: each word stands for four numbers.
    fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let (name, step) = match word.strip_suffix(['1', '2', '3', '4']) {
            Some(name) => (name, word.as_bytes().last().map_or(0, |digit| digit - b'1')),
            None => (word.as_str(), 0),
        };
        SEVERITIES.iter().find(|(known, _)| *known == name).map(|(_, first)| Self(first + step))
    }
}

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || de::Error::custom("a severity is trace, debug, info, warn, error, fatal or a number from 1 to 24");
        match Scalar::deserialize(deserializer)? {
            Scalar::Int(number) => {
                u8::try_from(number).ok().filter(|n| (1..=24).contains(n)).map(Self).ok_or_else(wrong)
            }
            Scalar::Str(word) => Self::from_word(&word).ok_or_else(wrong),
            Scalar::Bool(_) | Scalar::Double(_) => Err(wrong()),
        }
    }
}

fn signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Signal>, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    Signal::from_name(&word).map(Some).ok_or_else(|| {
        let hint = did_you_mean(&word, Signal::ALL.map(Signal::name)).unwrap_or("logs");
        de::Error::custom(format!("no signal named `{word}`, did you mean `{hint}`?"))
    })
}

impl Condition {
    /// Finds what cannot work.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        let tests_key = self.equals.is_some() || self.matches.is_some() || self.exists.is_some();
        match &self.key {
            Some(_) if !tests_key => {
                problems.add_hint(at, "a key without a test", "add `equals`, `matches` or `exists`")
            }
            None if tests_key => problems.add_hint(at, "a test without a key", "add `key`, the attribute to test"),
            Some(key) if key.is_empty() => problems.add(&at.key("key"), "the key is empty"),
            None if self.name.is_none() && self.severity_below.is_none() => {
                problems.add_hint(at, "no test: it would always be true", "add `key`, `name` or `severity_below`");
            }
            _ => {}
        }
        self.check_pattern(at, problems);
        self.check_signal(at, problems);
    }

    fn check_pattern(&self, at: &At, problems: &mut Problems) {
        if let Some(pattern) = &self.matches {
            check_regex(pattern, &at.key("matches"), problems);
        }
        if self.exists == Some(false) && (self.equals.is_some() || self.matches.is_some()) {
            problems.add(&at.key("exists"), "a missing attribute has no value to test: this is never true");
        }
    }

    /// Where it has to look: the innermost place that any of its tests is about.
    pub(super) fn level(&self) -> Level {
        match (self.context, &self.key) {
            _ if self.name.is_some() || self.severity_below.is_some() => Level::Record,
            (_, None) | (Context::Resource, _) => Level::Resource,
            (Context::Scope, _) => Level::Scope,
            (Context::Record, _) => Level::Record,
        }
    }

    fn check_signal(&self, at: &At, problems: &mut Problems) {
        if self.severity_below.is_some() && self.signal.is_some_and(|signal| signal != Signal::Logs) {
            problems.add(&at.key("severity_below"), "only log records have a severity: this is never true");
        }
    }
}

/// How far in a condition looks. What is decided further out holds for everything below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Resource,
    Scope,
    Record,
}

impl From<Context> for Level {
    fn from(context: Context) -> Self {
        match context {
            Context::Resource => Self::Resource,
            Context::Scope => Self::Scope,
            Context::Record => Self::Record,
        }
    }
}

/// What a condition is asked about. Where a place is missing, nothing that is said about it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'s, 'a> {
    pub(super) signal: Signal,
    pub(super) resource: Option<&'s Entity<'a>>,
    pub(super) scope: Option<&'s Entity<'a>>,
    /// The log record, span or data point.
    pub(super) record: Option<&'s Entity<'a>>,
    /// The name of the metric that the data point is of.
    pub(super) metric: &'a str,
}

impl<'s, 'a> Sight<'s, 'a> {
    fn at(&self, context: Context) -> Option<&'s Entity<'a>> {
        match context {
            Context::Resource => self.resource,
            Context::Scope => self.scope,
            Context::Record => self.record,
        }
    }

    /// The name of the span, metric or event.
    pub(super) fn name(&self) -> Result<&'a str, DecodeError> {
        match (self.signal, self.record) {
            (Signal::Metrics, _) => Ok(self.metric),
            (_, Some(record)) => name_of(record),
            (_, None) => Ok(""),
        }
    }
}

/// Notes a pattern that is none.
pub(super) fn check_regex(pattern: &str, at: &At, problems: &mut Problems) {
    if let Err(error) = Regex::new(pattern) {
        let whole = error.to_string();
        problems.add(at, format!("not a regular expression: {}", whole.lines().last().unwrap_or("")));
    }
}

/// A condition with its pattern compiled.
#[derive(Debug)]
pub(super) struct Test {
    condition: Condition,
    matches: Option<Regex>,
}

// Field numbers of `LogRecord`, `Span` and `Metric`.
pub(super) const SEVERITY_NUMBER: u32 = 2;
const EVENT_NAME: u32 = 12;
const SPAN_NAME: u32 = 5;
const METRIC_NAME: u32 = 1;

impl Test {
    /// # Errors
    /// When its pattern is no regular expression.
    pub(super) fn new(condition: &Condition) -> Result<Self, regex::Error> {
        let matches = condition.matches.as_deref().map(Regex::new).transpose()?;
        Ok(Self { condition: condition.clone(), matches })
    }

    /// Whether everything it says is true.
    pub(super) fn holds(&self, sight: &Sight<'_, '_>) -> Result<bool, DecodeError> {
        let Condition { signal, context, key, name, .. } = &self.condition;
        Ok(signal.is_none_or(|only| only == sight.signal)
            && (key.is_none() || sight.at(*context).is_some_and(|entity| self.key_holds(entity)))
            && (name.is_none() || name.as_deref() == Some(sight.name()?))
            && (self.condition.severity_below.is_none()
                || sight.record.map_or(Ok(false), |record| self.severity_holds(record))?))
    }

    /// What can be said before the records are looked at.
    pub(super) fn may_drop(&self, signal: Signal, resource: &Entity<'_>, scope: &Entity<'_>) -> bool {
        self.condition.signal.is_none_or(|only| only == signal)
            && match self.condition.context {
                Context::Resource => self.key_holds(resource),
                Context::Scope => self.key_holds(scope),
                Context::Record => true,
            }
    }

    /// What the log record, span or metric decides, given `may_drop`. A metric's own key is its data points' matter.
    pub(super) fn drops(&self, record: &Entity<'_>, points: bool) -> Result<bool, DecodeError> {
        Ok((self.condition.context != Context::Record || points || self.key_holds(record))
            && self.name_holds(record)?
            && self.severity_holds(record)?)
    }

    /// Whether the data points of a metric have to be asked one by one.
    pub(super) fn asks_points(&self) -> bool {
        self.condition.context == Context::Record && self.condition.key.is_some()
    }

    pub(super) fn key_holds(&self, entity: &Entity<'_>) -> bool {
        let Some(key) = &self.condition.key else { return true };
        let value = entity.get(key);
        self.condition.exists.is_none_or(|exists| exists == value.is_some())
            && self.condition.equals.as_ref().is_none_or(|equals| value == Some(equals.value()))
            && self
                .matches
                .as_ref()
                .is_none_or(|pattern| value.and_then(|value| value.as_str()).is_some_and(|text| pattern.is_match(text)))
    }

    fn name_holds(&self, record: &Entity<'_>) -> Result<bool, DecodeError> {
        let Some(name) = &self.condition.name else { return Ok(true) };
        Ok(name_of(record)? == name)
    }

    fn severity_holds(&self, record: &Entity<'_>) -> Result<bool, DecodeError> {
        let Some(Severity(limit)) = self.condition.severity_below else { return Ok(true) };
        if record.message().name != schema::LOG_RECORD.name {
            return Ok(false);
        }
        let number = record.field(SEVERITY_NUMBER)?;
        Ok(matches!(number, Some(WireValue::Varint(number)) if number > 0 && number < u64::from(limit)))
    }
}

/// Whether one of them holds; no conditions hold always.
pub(super) fn any(tests: &[Test], sight: &Sight<'_, '_>) -> Result<bool, DecodeError> {
    for test in tests {
        if test.holds(sight)? {
            return Ok(true);
        }
    }
    Ok(tests.is_empty())
}

/// The name of a span or metric, or of the event that a log record reports.
pub(super) fn name_of<'a>(record: &Entity<'a>) -> Result<&'a str, DecodeError> {
    if record.message().name == schema::SPAN.name {
        return record.text(SPAN_NAME);
    }
    if record.message().name == schema::METRIC.name {
        return record.text(METRIC_NAME);
    }
    let name = record.text(EVENT_NAME)?;
    let attribute = || record.get("event.name").and_then(|value| value.as_str()).unwrap_or("");
    Ok(if name.is_empty() { attribute() } else { name })
}

#[cfg(test)]
mod tests {
    use super::{EVENT_NAME, METRIC_NAME, SEVERITY_NUMBER, SPAN_NAME, Severity, schema};

    #[test]
    fn field_numbers_are_those_of_the_schema() {
        let name = |message: &schema::Message, number| message.field(number).unwrap().name;
        assert_eq!(name(&schema::LOG_RECORD, SEVERITY_NUMBER), "severity_number");
        assert_eq!(name(&schema::LOG_RECORD, EVENT_NAME), "event_name");
        assert_eq!(name(&schema::SPAN, SPAN_NAME), "name");
        assert_eq!(name(&schema::METRIC, METRIC_NAME), "name");
    }

    #[test]
    fn severities_are_words_or_numbers() {
        let read = |yaml: &str| serde_saphyr::from_str::<Severity>(yaml).ok();
        assert_eq!(read("warn"), Some(Severity(13)));
        assert_eq!(read("WARN2"), Some(Severity(14)));
        assert_eq!(read("warn5"), None);
        assert_eq!(read("10"), Some(Severity(10)));
        assert_eq!(read("25"), None);
        assert_eq!(read("loud"), None);
    }
}
