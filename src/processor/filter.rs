//! `filter`: drops records by simple conditions, and counts what it drops.
//!
//! A record is dropped when any condition of the list is true; a condition is true when everything it says is true.
//! A condition on the resource or scope drops every record below it. What is dropped is reported under the reason
//! `filter`: never silently.

use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::otlp::Signal;
use crate::processor::scalar::{Context, Scalar};
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

#[cfg(test)]
mod tests {
    use super::{Config, Severity};
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
    fn severities_are_words_or_numbers() {
        let read = |yaml: &str| serde_saphyr::from_str::<Severity>(yaml).ok();
        assert_eq!(read("warn"), Some(Severity(13)));
        assert_eq!(read("10"), Some(Severity(10)));
        assert_eq!(read("25"), None);
        assert_eq!(read("loud"), None);
    }
}
