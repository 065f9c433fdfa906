//! Correlations: what several events mean together.
//!
//! A correlation listens to rules, or to other correlations, and groups what it hears by fields such as `session.id`. Events
//! are turned into [`Heard`]s by many tasks at once, without any lock; [`state::State`] takes them in one after the other.

pub mod incident;
pub mod state;

use aws_lc_rs::digest::{Context, SHA256};

use super::super::event::{Event, Reads, RuleInfo};
use super::condition::{self, Condition};
use super::document::Head;
use super::field::{Dialect, FieldRef, Unit};
use super::test::Ordering;
use super::yaml::{Node, Read, Wrong};

/// How far correlations of correlations reach.
pub(super) const CHAIN_MAX: usize = 4;
/// The most events or values that one correlation counts in one group.
pub(super) const COUNT_MAX: usize = 1000;
/// The most rules that a correlation listens to.
const RULES_MAX: usize = 32;

/// What makes a correlation fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
}

impl Kind {
    const NAMES: [(Self, &str); 4] = [
        (Self::EventCount, "event_count"),
        (Self::ValueCount, "value_count"),
        (Self::Temporal, "temporal"),
        (Self::TemporalOrdered, "temporal_ordered"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// A correlation, ready to run.
#[derive(Debug)]
pub(super) struct Correlation {
    pub(super) file: String,
    pub(super) head: Head,
    pub(super) kind: Kind,
    /// What it listens to, by name.
    pub(super) rules: Vec<String>,
    /// For each of them the fields to group by: an alias may mean different ones.
    group_by: Vec<Vec<FieldRef>>,
    group_names: Vec<String>,
    pub(super) span_nanos: u64,
    /// So many events or values at least.
    pub(super) count_min: usize,
    field: Option<FieldRef>,
    /// For `temporal`: which rules must have fired. Otherwise all.
    pub(super) logic: Option<Condition>,
    /// The rules it listens to are reported too.
    pub(super) generate: bool,
    /// Another correlation listens to it and does not want it reported.
    pub(super) quiet: bool,
    /// Tells its windows from those of any other correlation or version of it.
    seed: [u8; 16],
}

/// An event that a correlation listens for, without the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The correlation, by its place.
    pub(super) correlation: usize,
    /// Which of its rules fired.
    pub(super) rule: usize,
    /// Its group.
    pub(super) key: [u8; 16],
    /// The value that is counted.
    pub(super) value: u64,
    /// The group's fields with their values.
    pub(super) labels: Vec<(String, String)>,
    /// What others hear when this correlation fires.
    pub(super) then: Vec<Heard>,
}

const KEYS: &[&str] = &["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

/// Reads a correlation.
pub(super) fn read(file: &str, document: &Node, head: Head) -> Read<Correlation> {
    let Some(node) = document.get("correlation") else {
        return Err(Wrong::new(document.line, "`correlation` is missing"));
    };
    if let Some(entry) = node.entries().iter().find(|entry| !KEYS.contains(&entry.key.as_str())) {
        return Err(Wrong::new(
            entry.line,
            format!("a correlation has no key `{}`: it has {}", entry.key, KEYS.join(", ")),
        ));
    }
    let rules = node.strs("rules");
    if rules.is_empty() || rules.len() > RULES_MAX {
        return Err(Wrong::new(node.line, format!("`rules` must name 1 to {RULES_MAX} rules")));
    }
    let kind = kind(node)?;
    let (count_min, logic) = bounds(node, kind, &rules)?;
    let group_names = node.strs("group-by");
    let field = node
        .get("condition")
        .and_then(|condition| condition.str("field"))
        .map(|name| FieldRef::parse(name, Dialect::Agent));
    if kind == Kind::ValueCount && field.is_none() {
        return Err(Wrong::new(node.line, "`value_count` needs `field` in its condition"));
    }
    let generate = [node, document].iter().any(|at| at.str("generate") == Some("true"));
    let seed = short(&[head.canonical.as_bytes()]);
    let group_by =
        rules.iter().map(|rule| group_names.iter().map(|name| grouped(node, rule, name)).collect()).collect();
    let span_nanos = timespan(node)?;
    Ok(Correlation {
        file: file.to_owned(),
        head,
        kind,
        rules,
        group_by,
        group_names,
        span_nanos,
        count_min,
        field,
        logic,
        generate,
        quiet: false,
        seed,
    })
}

fn kind(node: &Node) -> Read<Kind> {
    let name = node.str("type").unwrap_or_default();
    Kind::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind).ok_or_else(|| {
        let known: Vec<&str> = Kind::NAMES.iter().map(|(_, name)| *name).collect();
        Wrong::new(node.line, format!("correlation type `{name}` is not supported: {}", known.join(", ")))
    })
}

/// A field to group by; under an alias each rule has its own.
fn grouped(node: &Node, rule: &str, name: &str) -> FieldRef {
    let own = node.get("aliases").and_then(|aliases| aliases.get(name)).and_then(|alias| alias.str(rule));
    FieldRef::parse(own.unwrap_or(name), Dialect::Agent)
}

/// How many at least, or which rules.
fn bounds(node: &Node, kind: Kind, rules: &[String]) -> Read<(usize, Option<Condition>)> {
    let Some(condition) = node.get("condition") else {
        return match kind {
            Kind::Temporal | Kind::TemporalOrdered => Ok((rules.len(), None)),
            _ => Err(Wrong::new(node.line, "`condition` is missing, as in `condition: {gte: 5}`")),
        };
    };
    if let Some(text) = condition.text() {
        if kind != Kind::Temporal {
            return Err(Wrong::new(condition.line, "a condition over rules is for `temporal` only"));
        }
        return condition::parse(text, rules, condition.line).map(|logic| (1, Some(logic)));
    }
    let mut least = 0;
    for entry in condition.entries().iter().filter(|entry| entry.key != "field") {
        least = least.max(bound(&entry.key, entry.value.text().unwrap_or_default(), entry.line)?);
    }
    match least {
        1..=COUNT_MAX => Ok((least, None)),
        _ => {
            Err(Wrong::new(condition.line, format!("a condition must ask for 1 to {COUNT_MAX} events, as in `gte: 5`")))
        }
    }
}

/// Only what becomes true while events come in can be told from events.
fn bound(word: &str, text: &str, line: usize) -> Read<usize> {
    let number: usize = text.parse().map_err(|_| Wrong::new(line, format!("`{word}: {text}` is no whole number")))?;
    match (word, Ordering::parse(word)) {
        ("eq", _) | (_, Some(Ordering::GreaterOrEqual)) => Ok(number),
        (_, Some(Ordering::Greater)) => Ok(number + 1),
        (_, Some(_)) => {
            Err(Wrong::new(line, format!("`{word}` would have to wait for events that do not come: use gt, gte or eq")))
        }
        _ => Err(Wrong::new(line, format!("a condition has no `{word}`: gt, gte, eq or field"))),
    }
}

/// `10m`, `1h`: seconds, minutes, hours, days or weeks.
fn timespan(node: &Node) -> Read<u64> {
    let text = node.str("timespan").unwrap_or_default();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => 0,
    };
    let number: u64 = text.get(..text.len().saturating_sub(1)).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    match number.checked_mul(unit).and_then(|seconds| seconds.checked_mul(1_000_000_000)) {
        Some(nanos) if nanos > 0 => Ok(nanos),
        _ => Err(Wrong::new(node.line, format!("timespan `{text}` is not a time such as 30s, 10m, 1h, 1d or 1w"))),
    }
}

impl Correlation {
    pub(super) fn info(&self) -> &RuleInfo {
        &self.head.info
    }

    /// Notes what it groups by and counts.
    fn note(&self, reads: &mut Reads) {
        for field in self.group_by.iter().flatten().chain(&self.field) {
            match field {
                FieldRef::Event(field) if reads.heard.contains(field) => {}
                FieldRef::Event(field) => reads.heard.push(*field),
                other => other.note(reads),
            }
        }
    }

    /// What it hears when its rule number `rule` fires on the event. Nothing, when a field to group by is missing.
    fn hear(&self, place: usize, rule: usize, event: &Event<'_>) -> Option<Heard> {
        let mut labels = Vec::with_capacity(self.group_names.len());
        for (name, field) in self.group_names.iter().zip(&self.group_by[rule]) {
            labels.push((name.clone(), first(field, event)?));
        }
        let value = match &self.field {
            Some(field) => number(first(field, event)?.as_bytes()),
            None => 0,
        };
        let mut parts: Vec<&[u8]> = vec![&self.seed];
        parts.extend(labels.iter().flat_map(|(_, value)| [value.as_bytes(), b"\0"]));
        Some(Heard { correlation: place, rule, key: short(&parts), value, labels, then: vec![] })
    }
}

fn first(field: &FieldRef, event: &Event<'_>) -> Option<String> {
    let mut found = None;
    field.any(Unit::of(event), |value| {
        found = Some(value.to_owned());
        true
    });
    found.filter(|value| !value.is_empty())
}

/// The first 16 bytes of SHA-256.
pub(super) fn short(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 16];
    out.copy_from_slice(&context.finish().as_ref()[..16]);
    out
}

fn number(bytes: &[u8]) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&short(&[bytes])[..8]);
    u64::from_le_bytes(out)
}

/// All correlations of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Correlations {
    pub(super) all: Vec<Correlation>,
    /// For each rule, and then for each correlation, who listens: the correlation and the number of the rule there.
    listeners: Vec<Vec<(usize, usize)>>,
    rules_len: usize,
}

impl Correlations {
    /// `names` says which rule, or correlation behind the rules, a name stands for.
    pub(super) fn new(all: Vec<Correlation>, rules_len: usize, place_of: impl Fn(&str) -> Option<usize>) -> Self {
        let mut listeners = vec![vec![]; rules_len + all.len()];
        for (place, correlation) in all.iter().enumerate() {
            // Backwards, so that one event is not two steps of a rule that is listed twice.
            for (number, name) in correlation.rules.iter().enumerate().rev() {
                if let Some(rule) = place_of(name) {
                    listeners[rule].push((place, number));
                }
            }
        }
        Self { all, listeners, rules_len }
    }

    /// Notes what they look at.
    pub(super) fn note(&self, reads: &mut Reads) {
        self.all.iter().for_each(|correlation| correlation.note(reads));
    }

    /// True when a correlation listens to the rule.
    pub(super) fn listens(&self, rule: usize) -> bool {
        self.listeners.get(rule).is_some_and(|own| !own.is_empty())
    }

    /// What is heard when these rules fire on the event.
    pub(super) fn hear(&self, rules: &[u32], event: &Event<'_>) -> Vec<Heard> {
        let mut all: Vec<Heard> = rules.iter().flat_map(|rule| self.heard(*rule as usize, event, 0)).collect();
        all.sort_by_key(|heard| {
            let listed = &self.all[heard.correlation].rules;
            (heard.correlation, listed.iter().position(|name| *name == listed[heard.rule]))
        });
        all
    }

    fn heard(&self, rule: usize, event: &Event<'_>, depth: usize) -> Vec<Heard> {
        let Some(listeners) = self.listeners.get(rule).filter(|_| depth < CHAIN_MAX) else { return vec![] };
        let heard = listeners.iter().filter_map(|(place, number)| {
            let mut heard = self.all[*place].hear(*place, *number, event)?;
            heard.then = self.heard(self.rules_len + place, event, depth + 1);
            Some(heard)
        });
        heard.collect()
    }
}
