//! `filter`: drops records by simple conditions, and counts what it drops.
//!
//! A record is dropped when any condition of the list is true; a condition is true when everything it says is true.
//! A condition on the resource or scope drops every record below it. What is dropped is reported under the reason
//! `filter`: never silently.

use bumpalo::Bump;
use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::otlp::model::{Batch, Entity, Scope};
use crate::otlp::schema;
use crate::otlp::wire::WireValue;
use crate::otlp::{DecodeError, Signal};
use crate::processor::scalar::{Context, Scalar};
use crate::processor::{Outcome, Processor};
use crate::stdx::problem::{At, Problems, did_you_mean};

/// What to drop.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The conditions; any true one drops the record. Default: none.
    pub drop: Vec<Condition>,
}

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

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || de::Error::custom("a severity is trace, debug, info, warn, error, fatal or a number from 1 to 24");
        match Scalar::deserialize(deserializer)? {
            Scalar::Int(number) => {
                u8::try_from(number).ok().filter(|n| (1..=24).contains(n)).map(Self).ok_or_else(wrong)
            }
            Scalar::Str(word) => {
                SEVERITIES.iter().find(|(name, _)| *name == word).map(|(_, n)| Self(*n)).ok_or_else(wrong)
            }
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

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.drop.is_empty() {
            problems.add_hint(at, "nothing to drop", "list at least one condition under `drop`");
        }
        for (index, condition) in self.drop.iter().enumerate() {
            condition.check(&at.key("drop").item(index), problems);
        }
    }
}

impl Condition {
    fn check(&self, at: &At, problems: &mut Problems) {
        let tests_key = self.equals.is_some() || self.matches.is_some() || self.exists.is_some();
        match &self.key {
            Some(_) if !tests_key => {
                problems.add_hint(at, "a key without a test", "add `equals`, `matches` or `exists`")
            }
            None if tests_key => problems.add_hint(at, "a test without a key", "add `key`, the attribute to test"),
            Some(key) if key.is_empty() => problems.add(&at.key("key"), "the key is empty"),
            None if self.name.is_none() && self.severity_below.is_none() => {
                problems.add_hint(at, "no test: it would drop everything", "add `key`, `name` or `severity_below`");
            }
            _ => {}
        }
        self.check_pattern(at, problems);
        self.check_signal(at, problems);
    }

    fn check_pattern(&self, at: &At, problems: &mut Problems) {
        if let Some(pattern) = &self.matches
            && let Err(error) = Regex::new(pattern)
        {
            let last = error.to_string();
            problems
                .add(&at.key("matches"), format!("not a regular expression: {}", last.lines().last().unwrap_or("")));
        }
        if self.exists == Some(false) && (self.equals.is_some() || self.matches.is_some()) {
            problems.add(&at.key("exists"), "a missing attribute has no value to test: this is never true");
        }
    }

    fn check_signal(&self, at: &At, problems: &mut Problems) {
        if self.severity_below.is_some() && self.signal.is_some_and(|signal| signal != Signal::Logs) {
            problems.add(&at.key("severity_below"), "only log records have a severity: this is never true");
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Filter(Vec<Test>);

/// A condition with its pattern compiled.
#[derive(Debug)]
struct Test {
    condition: Condition,
    matches: Option<Regex>,
}

// Field numbers of `LogRecord`, `Span` and `Metric`.
const SEVERITY_NUMBER: u32 = 2;
const EVENT_NAME: u32 = 12;
const SPAN_NAME: u32 = 5;
const METRIC_NAME: u32 = 1;

/// The reason under which dropped records are counted.
pub const REASON: &str = "filter";

impl Filter {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// When one is no regular expression; [`Config::check`] says which.
    pub fn new(config: &Config) -> Result<Self, regex::Error> {
        let compile = |condition: &Condition| {
            let matches = condition.matches.as_deref().map(Regex::new).transpose()?;
            Ok(Test { condition: condition.clone(), matches })
        };
        config.drop.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }
}

impl Test {
    /// What can be said before the records are looked at.
    fn may_drop(&self, signal: Signal, resource: &Entity<'_>, scope: &Entity<'_>) -> bool {
        self.condition.signal.is_none_or(|only| only == signal)
            && match self.condition.context {
                Context::Resource => self.key_holds(resource),
                Context::Scope => self.key_holds(scope),
                Context::Record => true,
            }
    }

    /// What the log record, span or metric decides, given `may_drop`. A metric's own key is its data points' matter.
    fn drops(&self, record: &Entity<'_>, points: bool) -> Result<bool, DecodeError> {
        Ok((self.condition.context != Context::Record || points || self.key_holds(record))
            && self.name_holds(record)?
            && self.severity_holds(record)?)
    }

    /// Whether the data points of a metric have to be asked one by one.
    fn asks_points(&self) -> bool {
        self.condition.context == Context::Record && self.condition.key.is_some()
    }

    fn key_holds(&self, entity: &Entity<'_>) -> bool {
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

/// The name of a span or metric, or of the event that a log record reports.
fn name_of<'a>(record: &Entity<'a>) -> Result<&'a str, DecodeError> {
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

impl Processor for Filter {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let (signal, arena) = (batch.signal, batch.arena());
        let mut dropped = 0;
        for group in &mut batch.groups {
            for scope in &mut group.scopes {
                let live = |test: &&Test| test.may_drop(signal, &group.resource, &scope.scope);
                let tests: Vec<&Test> = self.0.iter().filter(live).collect();
                if !tests.is_empty() {
                    dropped += drop_from(scope, signal, &tests, arena)?;
                }
            }
        }
        let dropped = if dropped == 0 { vec![] } else { vec![(REASON, dropped)] };
        Ok(Outcome { dropped, ..Outcome::default() })
    }
}

fn drop_from<'a>(scope: &mut Scope<'a>, signal: Signal, tests: &[&Test], arena: &'a Bump) -> Result<u64, DecodeError> {
    let (mut dropped, mut failed) = (0, None);
    scope.retain(|record| {
        let kept = match signal {
            Signal::Metrics => keep_points(record, tests, arena),
            Signal::Logs | Signal::Traces => keep_record(record, tests),
        };
        let (kept, gone) = kept.unwrap_or_else(|error| {
            failed = Some(error);
            (true, 0)
        });
        dropped += gone;
        kept
    });
    failed.map_or(Ok(dropped), Err)
}

/// Whether a log record or span stays, and how many records go.
fn keep_record(record: &Entity<'_>, tests: &[&Test]) -> Result<(bool, u64), DecodeError> {
    for test in tests {
        if test.drops(record, false)? {
            return Ok((false, 1));
        }
    }
    Ok((true, 0))
}

/// Whether a metric stays, and how many of its data points go. One that loses all of them goes as a whole.
fn keep_points<'a>(metric: &mut Entity<'a>, tests: &[&Test], arena: &'a Bump) -> Result<(bool, u64), DecodeError> {
    let mut holding = vec![];
    for test in tests {
        if test.drops(metric, true)? {
            holding.push(test);
        }
    }
    if holding.is_empty() {
        return Ok((true, 0));
    }
    let (mut kept, mut gone) = (0, 0);
    metric.retain_points(arena, &mut |point| {
        let goes = holding.iter().any(|test| !test.asks_points() || test.key_holds(point));
        (kept, gone) = if goes { (kept, gone + 1) } else { (kept + 1, gone) };
        Ok(!goes)
    })?;
    let spared_empty = gone == 0 && holding.iter().all(|test| test.asks_points());
    Ok((kept > 0 || spared_empty, gone))
}

#[cfg(test)]
mod tests {
    use super::{Config, EVENT_NAME, METRIC_NAME, SEVERITY_NUMBER, SPAN_NAME, Severity, schema};
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("f"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn a_complete_configuration_has_no_problem() {
        let yaml = "drop:\n- {signal: logs, severity_below: info}\n- {key: http.route, equals: /healthz}\n\
                    - {context: resource, key: service.name, matches: '^test-'}\n- {key: keep, exists: false}\n\
                    - {signal: traces, name: GET /healthz}\n";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn every_bad_condition_is_named() {
        let yaml = "drop:\n- {signal: logs}\n- {key: a}\n- {equals: 1}\n- {key: a, matches: '('}\n\
                    - {signal: traces, severity_below: 9}\n- {key: a, exists: false, equals: 1}\n";
        let found = problems(yaml);
        let expected = ["f.drop[0]: no test", "f.drop[1]: a key", "f.drop[2]: a test", "f.drop[3].matches: not a reg"];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(found[4].starts_with("f.drop[4].severity_below: only log"), "{found:?}");
        assert!(found[5].starts_with("f.drop[5].exists: a missing"), "{found:?}");
        assert_eq!(found.len(), 6);
    }

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
        assert_eq!(read("10"), Some(Severity(10)));
        assert_eq!(read("25"), None);
        assert_eq!(read("loud"), None);
    }
}
