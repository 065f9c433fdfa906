//! From the rules that fired to the attributes that say so.
//!
//! Written are `risk.level`, `risk.score` and `risk.ruleset`; where rules fired `risk.rules`, `risk.reasons`, `risk.categories`,
//! `risk.attack.tactics` and `risk.attack.techniques`; where it is so `risk.input_truncated` and `risk.disagreement`. What a sender
//! wrote under these names moves to `risk.reported.*`. Lists are written as wire bytes.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;

use super::event::{Event, Field, Level, RuleInfo};
use super::memo::Outcome;
use crate::otlp::model::Entity;
use crate::otlp::schema;
use crate::otlp::value::Value;
use crate::otlp::wire::{field_len, put_bytes, put_tag, put_varint};

const LEVEL: &str = "risk.level";
const SCORE: &str = "risk.score";
const RULES: &str = "risk.rules";
const REASONS: &str = "risk.reasons";
const CATEGORIES: &str = "risk.categories";
const TACTICS: &str = "risk.attack.tactics";
const TECHNIQUES: &str = "risk.attack.techniques";
const RULESET: &str = "risk.ruleset";
const TRUNCATED: &str = "risk.input_truncated";
const DISAGREEMENT: &str = "risk.disagreement";
const INCIDENT: &str = "risk.incident";
pub(super) const REPORTED_LEVEL: &str = "risk.reported.level";

/// The attributes written here, and where they go when a record comes with them: what a sender says about its own
/// risk is worth keeping, but it is not our verdict.
pub(super) const OWN: [(&str, &str); 11] = [
    (LEVEL, REPORTED_LEVEL),
    (SCORE, "risk.reported.score"),
    (RULES, "risk.reported.rules"),
    (REASONS, "risk.reported.reasons"),
    (CATEGORIES, "risk.reported.categories"),
    (TACTICS, "risk.reported.attack.tactics"),
    (TECHNIQUES, "risk.reported.attack.techniques"),
    (RULESET, "risk.reported.ruleset"),
    (TRUNCATED, "risk.reported.input_truncated"),
    (DISAGREEMENT, "risk.reported.disagreement"),
    (INCIDENT, "risk.reported.incident"),
];

/// A list of a rule.
type Words = fn(&RuleInfo) -> &[String];

/// Names of other products that a verdict is written under as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// `risk_level`, `risk_level_id`, `risk_score`, `risk_details`, `is_alert` of OCSF.
    Ocsf,
    /// `risk_score`, `risk_object`, `risk_object_type`, `risk_message` of Splunk's risk-based alerting.
    Splunk,
    /// `event.risk_score`, `event.severity`, `event.kind`, `rule.id`, `rule.name`, `threat.technique.id` of the Elastic Common Schema.
    Ecs,
}

/// How a verdict is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    pub(super) compat: Vec<Compat>,
    pub(super) raise_severity: bool,
}

/// What is to be written about one record.
pub(super) struct Verdict<'v> {
    pub(super) rules: &'v [RuleInfo],
    pub(super) outcome: &'v Outcome,
}

impl<'v> Verdict<'v> {
    fn fired(&self) -> impl Iterator<Item = &'v RuleInfo> {
        let rules = self.rules;
        self.outcome.hits.iter().filter_map(move |place| rules.get(place))
    }

    /// What the worst rule is about.
    pub(super) fn category(&self) -> &'v str {
        self.fired().next().and_then(|rule| rule.categories.first()).map_or("none", |category| category)
    }

    /// Writes it into the record. Of `event` only who acted is read.
    pub(super) fn write<'a>(
        &self,
        event: &Event<'_>,
        ruleset: &'a str,
        record: &mut Entity<'a>,
        style: &Style,
        arena: &'a Bump,
    ) {
        record.push(LEVEL, Value::Str(self.outcome.level.name()));
        record.push(SCORE, Value::Int(self.outcome.score));
        if !self.outcome.hits.is_empty() {
            self.write_rules(record, arena);
        }
        record.push(RULESET, Value::Str(ruleset));
        if self.outcome.truncated {
            record.push(TRUNCATED, Value::Bool(true));
        }
        self.write_reported(record, arena);
        style.compat.iter().for_each(|compat| self.write_compat(*compat, event, record, arena));
    }

    fn write_rules<'a>(&self, record: &mut Entity<'a>, arena: &'a Bump) {
        record.push(RULES, list(self.fired().map(|rule| &*rule.id), arena));
        record.push(REASONS, list(self.fired().map(|rule| &*rule.reason), arena));
        let lists: [(&'static str, Words); 3] = [
            (CATEGORIES, |rule| &rule.categories),
            (TACTICS, |rule| &rule.tactics),
            (TECHNIQUES, |rule| &rule.techniques),
        ];
        for (name, words) in lists {
            let sorted = self.sorted(words);
            if !sorted.is_empty() {
                record.push(name, list(sorted.into_iter(), arena));
            }
        }
    }

    /// The different words of all rules that fired, sorted.
    fn sorted(&self, words: Words) -> Vec<&'v str> {
        let mut sorted: Vec<&str> = self.fired().flat_map(words).map(|word| &**word).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    }

    /// What the agent says of the risk, and whether we find it worse.
    fn write_reported<'a>(&self, record: &mut Entity<'a>, arena: &'a Bump) {
        let Some(reported) = self.outcome.says.as_deref() else { return };
        if record.get(REPORTED_LEVEL).is_none() {
            record.push(REPORTED_LEVEL, Value::Str(arena.alloc_str(reported)));
        }
        if Level::parse(reported).is_some_and(|reported| self.outcome.level > reported) {
            record.push(DISAGREEMENT, Value::Bool(true));
        }
    }

    fn write_compat<'a>(&self, compat: Compat, event: &Event<'_>, record: &mut Entity<'a>, arena: &'a Bump) {
        let top = self.fired().next();
        let reasons = || {
            let reasons: Vec<&str> = self.fired().map(|rule| &*rule.reason).collect();
            Value::Str(arena.alloc_str(&reasons.join(" ")))
        };
        let Outcome { level, score, .. } = *self.outcome;
        let number = level as i64;
        match compat {
            Compat::Ocsf => {
                record.set("risk_level", Value::Str(OCSF_LEVELS[level as usize]));
                record.set("risk_level_id", Value::Int(number));
                record.set("risk_score", Value::Int(score));
                record.set("severity_id", Value::Int(number + 1));
                record.set("is_alert", Value::Bool(level >= Level::High));
                top.into_iter().for_each(|_| record.set("risk_details", reasons()));
            }
            Compat::Splunk if top.is_some() => {
                let user = event.first(Field::UserEmail).or_else(|| event.first(Field::UserId));
                let object = user.or_else(|| event.first(Field::SessionId)).unwrap_or_default();
                record.set("risk_score", Value::Int(score));
                record.set("risk_object", Value::Str(arena.alloc_str(object)));
                record.set("risk_object_type", Value::Str(if user.is_some() { "user" } else { "other" }));
                record.set("risk_message", reasons());
            }
            Compat::Splunk => {}
            Compat::Ecs => {
                #[expect(clippy::cast_precision_loss, reason = "between 0 and 100")]
                record.set("event.risk_score", Value::Double(score as f64));
                record.set("event.severity", Value::Int(score));
                if let Some(rule) = top {
                    record.set("event.kind", Value::Str("alert"));
                    record.set("rule.id", Value::Str(arena.alloc_str(&rule.id)));
                    record.set("rule.name", Value::Str(arena.alloc_str(&rule.title)));
                    record.set("threat.technique.id", list(self.sorted(|rule| &rule.techniques).into_iter(), arena));
                }
            }
        }
    }

    /// The severity that a log record of this level has at least: WARN for medium, ERROR for high, FATAL for critical.
    pub(super) fn severity(&self) -> Option<(u64, &'static str)> {
        match self.outcome.level {
            Level::Info | Level::Low => None,
            Level::Medium => Some((13, "WARN")),
            Level::High => Some((17, "ERROR")),
            Level::Critical => Some((21, "FATAL")),
        }
    }
}

const OCSF_LEVELS: [&str; 5] = ["Info", "Low", "Medium", "High", "Critical"];

/// Moves what a sender wrote under our names out of the way.
pub(super) fn set_aside(record: &mut Entity<'_>) {
    for (own, reported) in OWN {
        if record.get(own).is_some() {
            record.remove(reported);
            record.rename(own, reported);
            record.remove(own);
        }
    }
}

/// It has a severity that can be raised.
pub(super) fn is_log(record: &Entity<'_>) -> bool {
    record.message().name == schema::LOG_RECORD.name
}

/// Strings as the items of an `ArrayValue`: each an `AnyValue` whose field 1 is the text.
fn list<'a, 'i>(words: impl Iterator<Item = &'i str>, arena: &'a Bump) -> Value<'a> {
    let mut bytes = ArenaVec::new_in(arena);
    for word in words {
        put_tag(&mut bytes, 1, 2);
        put_varint(&mut bytes, field_len(1, word.len()) as u64);
        put_bytes(&mut bytes, 1, word.as_bytes());
    }
    Value::Array(bytes.into_bump_slice())
}
