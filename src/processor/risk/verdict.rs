//! From the rules that fired to the attributes that say so.
//!
//! The score is a noisy-or of the rules' levels: each rule leaves a part of the doubt, the parts multiply, and the order
//! does not matter. Lists are written as wire bytes; for a single rule, the usual case, they are ready beforehand.

use aws_lc_rs::digest::{SHA256, digest};
use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::model::Entity;
use crate::otlp::value::Value;
use crate::otlp::wire::put_bytes;

use super::matcher::Hits;
use super::pack::{self, Level, Rule};

const LEVEL: &str = "risk.level";
const SCORE: &str = "risk.score";
const RULES: &str = "risk.rules";
const REASONS: &str = "risk.reasons";
const CATEGORIES: &str = "risk.categories";
const TECHNIQUES: &str = "risk.attack.techniques";
const RULESET: &str = "risk.ruleset";

/// The attributes written here, and where they go when a record comes with them: what a sender says about its own
/// risk is worth keeping, but it is not our verdict.
pub(super) const OWN: [(&str, &str); 7] = [
    (LEVEL, "risk.reported.level"),
    (SCORE, "risk.reported.score"),
    (RULES, "risk.reported.rules"),
    (REASONS, "risk.reported.reasons"),
    (CATEGORIES, "risk.reported.categories"),
    (TECHNIQUES, "risk.reported.attack.techniques"),
    (RULESET, "risk.reported.ruleset"),
];

/// Everything that can be said about the rules before the first record.
#[derive(Debug)]
pub(super) struct Verdicts {
    rules: Vec<Ready>,
    categories: Words,
    techniques: Words,
    ruleset: String,
}

/// A rule as it is written into records.
#[derive(Debug)]
struct Ready {
    level: Level,
    id: Vec<u8>,
    reason: Vec<u8>,
    categories: Vec<u8>,
    techniques: Vec<u8>,
    category_set: Hits,
    technique_set: Hits,
}

/// Different words, sorted, each as a list's item.
#[derive(Debug)]
struct Words(Vec<(&'static str, Vec<u8>)>);

impl Words {
    fn new(words: impl Iterator<Item = &'static str>) -> Self {
        let mut words: Vec<_> = words.map(|word| (word, item(word))).collect();
        words.sort_unstable();
        words.dedup();
        Self(words)
    }

    fn set(&self, words: &[&str]) -> Hits {
        let mut set = Hits::default();
        for (number, _) in self.0.iter().enumerate().filter(|(_, (word, _))| words.contains(word)) {
            set.insert(number);
        }
        set
    }

    fn list<'a>(&self, set: Hits, arena: &'a Bump) -> Value<'a> {
        list(set.iter().map(|number| &self.0[number].1[..]), arena)
    }
}

impl Verdicts {
    pub(super) fn new(rules: &[&'static Rule]) -> Self {
        let categories = Words::new(rules.iter().flat_map(|rule| rule.categories.iter().copied()));
        let techniques = Words::new(rules.iter().flat_map(|rule| rule.attack.iter().copied()));
        let ready = |rule: &&'static Rule| Ready {
            level: rule.level,
            id: item(rule.id),
            reason: item(rule.reason),
            categories: items(rule.categories),
            techniques: items(rule.attack),
            category_set: categories.set(rule.categories),
            technique_set: techniques.set(rule.attack),
        };
        Self { rules: rules.iter().map(ready).collect(), ruleset: ruleset(rules), categories, techniques }
    }

    /// Writes what the rules that fired mean.
    pub(super) fn write<'a>(&'a self, hits: Hits, record: &mut Entity<'a>, arena: &'a Bump) -> Level {
        let score = self.score(hits);
        let level = level(score);
        record.push(LEVEL, Value::Str(level.name()));
        record.push(SCORE, Value::Int(score));
        match (hits.len(), hits.iter().next()) {
            (1, Some(only)) => self.rules[only].write(record),
            (2.., _) => self.write_lists(hits, record, arena),
            _ => {}
        }
        record.push(RULESET, Value::Str(&self.ruleset));
        level
    }

    fn write_lists<'a>(&'a self, hits: Hits, record: &mut Entity<'a>, arena: &'a Bump) {
        let rules = || hits.iter().map(|number| &self.rules[number]);
        let (mut categories, mut techniques) = (Hits::default(), Hits::default());
        for rule in rules() {
            categories.add(rule.category_set);
            techniques.add(rule.technique_set);
        }
        record.push(RULES, list(rules().map(|rule| &rule.id[..]), arena));
        record.push(REASONS, list(rules().map(|rule| &rule.reason[..]), arena));
        record.push(CATEGORIES, self.categories.list(categories, arena));
        if !techniques.is_empty() {
            record.push(TECHNIQUES, self.techniques.list(techniques, arena));
        }
    }

    fn score(&self, hits: Hits) -> i64 {
        let doubt: f64 = hits.iter().map(|number| 1.0 - base(self.rules[number].level) / 100.0).product();
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 100")]
        let score = (100.0 * (1.0 - doubt)).round() as i64;
        score
    }
}

impl Ready {
    fn write<'a>(&'a self, record: &mut Entity<'a>) {
        record.push(RULES, Value::Array(&self.id));
        record.push(REASONS, Value::Array(&self.reason));
        record.push(CATEGORIES, Value::Array(&self.categories));
        if !self.techniques.is_empty() {
            record.push(TECHNIQUES, Value::Array(&self.techniques));
        }
    }
}

/// What one rule of a level adds to the score.
const fn base(level: Level) -> f64 {
    match level {
        Level::Info => 5.0,
        Level::Low => 21.0,
        Level::Medium => 47.0,
        Level::High => 73.0,
        Level::Critical => 95.0,
    }
}

/// The level of a score: one rule alone has its own level.
const fn level(score: i64) -> Level {
    match score {
        ..21 => Level::Info,
        21..47 => Level::Low,
        47..73 => Level::Medium,
        73..90 => Level::High,
        90.. => Level::Critical,
    }
}

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

/// `name@version+sha256:8`: which rules were in force, by name and by content.
fn ruleset(rules: &[&'static Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        text += &format!("{:?}\n", (rule.id, rule.level, rule.reason, rule.categories, rule.attack, rule.patterns));
    }
    let digest = digest(&SHA256, text.as_bytes());
    let short: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}@{}+sha256:{short}", pack::NAME, pack::VERSION)
}

/// A string as an item of an `ArrayValue`.
fn item(text: &str) -> Vec<u8> {
    let (mut value, mut out) = (vec![], vec![]);
    Value::Str(text).put(&mut value);
    put_bytes(&mut out, 1, &value);
    out
}

fn items(words: &[&str]) -> Vec<u8> {
    words.iter().flat_map(|word| item(word)).collect()
}

fn list<'a, 'i>(items: impl Iterator<Item = &'i [u8]>, arena: &'a Bump) -> Value<'a> {
    let mut bytes = ArenaVec::new_in(arena);
    items.for_each(|item| bytes.extend_from_slice(item));
    Value::Array(bytes.into_bump_slice())
}

#[cfg(test)]
mod tests {
    use super::super::pack::rules;
    use super::*;

    fn verdicts() -> Verdicts {
        Verdicts::new(&rules().collect::<Vec<_>>())
    }

    fn hits(numbers: &[usize]) -> Hits {
        let mut hits = Hits::default();
        numbers.iter().for_each(|number| hits.insert(*number));
        hits
    }

    #[test]
    fn one_rule_alone_has_its_own_level() {
        let verdicts = verdicts();
        for (number, rule) in rules().enumerate() {
            assert_eq!(level(verdicts.score(hits(&[number]))), rule.level, "{}", rule.id);
        }
        assert_eq!((verdicts.score(hits(&[])), level(0)), (0, Level::Info));
    }

    #[test]
    fn more_rules_never_lower_the_score_and_100_is_the_most() {
        let verdicts = verdicts();
        let (mut all, mut last) = (Hits::default(), 0);
        for number in 0..rules().count() {
            all.insert(number);
            let score = verdicts.score(all);
            assert!(last <= score && score <= 100);
            last = score;
        }
    }

    #[test]
    fn two_high_rules_are_critical_together() {
        let high: Vec<usize> =
            rules().enumerate().filter(|(_, rule)| rule.level == Level::High).map(|(number, _)| number).collect();
        assert_eq!(level(verdicts().score(hits(&high[..2]))), Level::Critical);
    }

    #[test]
    fn the_ruleset_names_what_was_in_force() {
        let all: Vec<_> = rules().collect();
        let (whole, less) = (ruleset(&all), ruleset(&all[1..]));
        assert!(whole.starts_with("telseal-agent@1.0.0+sha256:"), "{whole}");
        assert_eq!(whole.len(), "telseal-agent@1.0.0+sha256:".len() + 8);
        assert_ne!(whole, less);
    }
}
