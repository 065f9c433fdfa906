//! Finds the rules whose patterns occur in a text: one linear pass over the text for all patterns of a target.
//!
//! Nearly all actions are harmless, so the first question is whether anything matches at all; which rules, is asked
//! only then.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::pack::{COUNT, Rule, Target, WORDS};

/// Rules by their place in the matcher's list, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hits(u128);

/// The most rules a [`Hits`] can tell apart.
const RULES_MAX: usize = 128;
const _: () = assert!(COUNT <= RULES_MAX, "Hits needs more bits");

impl Hits {
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn insert(&mut self, rule: usize) {
        self.0 |= 1 << rule;
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The rules, first to last.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(next)
        })
    }
}

/// All patterns of some rules, by target.
#[derive(Debug)]
pub(super) struct Matcher([Scanner; TARGETS.len()]);

#[derive(Debug)]
enum Scanner {
    /// The patterns, and the rule of each.
    Patterns(RegexSet, Vec<usize>),
    /// The whole text is one of these words.
    Words(Vec<(&'static str, usize)>),
}

const TARGETS: [Target; 7] =
    [Target::Command, Target::File, Target::Write, Target::Url, Target::Mode, Target::DecisionSource, Target::Event];

impl Matcher {
    /// A matcher for these rules; a rule's place in the list is its number in [`Hits`].
    pub(super) fn new(rules: &[&'static Rule]) -> Result<Self, regex::Error> {
        let scanner = |target| Scanner::new(rules, target);
        let [command, file, write, url, mode, decision_source, event] = TARGETS;
        Ok(Self([
            scanner(command)?,
            scanner(file)?,
            scanner(write)?,
            scanner(url)?,
            scanner(mode)?,
            scanner(decision_source)?,
            scanner(event)?,
        ]))
    }

    /// The rules that have a pattern for `target` which occurs in `text`.
    pub(super) fn scan(&self, target: Target, text: &str) -> Hits {
        self.0[target as usize].scan(text)
    }
}

impl Scanner {
    fn new(rules: &[&'static Rule], target: Target) -> Result<Self, regex::Error> {
        let numbered =
            rules.iter().enumerate().flat_map(|(number, rule)| rule.patterns.iter().map(move |p| (p, number)));
        let mine = numbered.filter(|((of, _), _)| *of == target).map(|((_, pattern), number)| (*pattern, number));
        if target == Target::Event {
            return Ok(Self::Words(mine.collect()));
        }
        let (patterns, owners): (Vec<String>, Vec<usize>) =
            mine.map(|(pattern, number)| (expand(pattern), number)).unzip();
        RegexSetBuilder::new(patterns).unicode(false).build().map(|set| Self::Patterns(set, owners))
    }

    fn scan(&self, text: &str) -> Hits {
        let mut hits = Hits::default();
        match self {
            Self::Patterns(set, owners) if set.is_match(text.as_bytes()) => {
                set.matches(text.as_bytes()).iter().for_each(|pattern| hits.insert(owners[pattern]));
            }
            Self::Patterns(..) => {}
            Self::Words(words) => {
                words.iter().filter(|(word, _)| *word == text).for_each(|(_, number)| hits.insert(*number));
            }
        }
        hits
    }
}

/// The pattern with our own words written out.
fn expand(pattern: &str) -> String {
    WORDS.iter().fold(pattern.to_owned(), |pattern, (word, meaning)| pattern.replace(word, meaning))
}

#[cfg(test)]
mod tests {
    use super::super::pack::{Level, rules};
    use super::*;

    #[test]
    fn hits_come_out_in_order() {
        let mut hits = Hits::default();
        [127, 3, 64, 3].into_iter().for_each(|rule| hits.insert(rule));
        assert_eq!(hits.iter().collect::<Vec<_>>(), [3, 64, 127]);
        assert_eq!(hits.len(), 3);
    }

    #[test]
    fn targets_are_numbered_as_listed() {
        TARGETS.iter().enumerate().for_each(|(number, target)| assert_eq!(*target as usize, number));
    }

    #[test]
    fn every_rule_fires_on_its_examples_and_on_no_counterexample() {
        let mut wrong = vec![];
        for rule in rules() {
            let matcher = Matcher::new(&[rule]).unwrap();
            let fires = |(target, text): &&(Target, &str)| !matcher.scan(*target, text).is_empty();
            wrong.extend(
                rule.hits.iter().filter(|example| !fires(example)).map(|(_, text)| (rule.id, "silent on", text)),
            );
            wrong.extend(rule.misses.iter().filter(fires).map(|(_, text)| (rule.id, "fires on", text)));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_pattern_has_an_example_of_its_own() {
        let mut unseen = vec![];
        for rule in rules() {
            for (target, pattern) in rule.patterns {
                let set = RegexSetBuilder::new([expand(pattern)]).unicode(false).build().unwrap();
                if !rule.hits.iter().any(|(of, text)| of == target && set.is_match(text.as_bytes())) {
                    unseen.push((rule.id, pattern));
                }
            }
        }
        assert!(unseen.is_empty(), "{unseen:#?}");
    }

    #[test]
    fn rules_are_complete_and_told_apart_by_their_ids() {
        let mut ids: Vec<&str> = rules().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), COUNT);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rules().count());
        for rule in rules() {
            assert!(rule.reason.ends_with('.') && !rule.categories.is_empty(), "{}", rule.id);
            assert!(!rule.hits.is_empty() && !rule.misses.is_empty(), "{}", rule.id);
            assert!(!rule.attack.is_empty() || rule.level < Level::Medium, "{}: no ATT&CK technique", rule.id);
        }
    }

    #[test]
    fn everyday_commands_match_nothing() {
        let all: Vec<&'static Rule> = rules().collect();
        let matcher = Matcher::new(&all).unwrap();
        let mut wrong = vec![];
        for command in include_str!("../../../tests/processor/risk/benign.commands").lines() {
            let hits = matcher.scan(Target::Command, command);
            wrong.extend(hits.iter().map(|number| (all[number].id, command)));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_huge_command_line_takes_linear_time() {
        let all: Vec<&'static Rule> = rules().collect();
        let matcher = Matcher::new(&all).unwrap();
        let huge = "curl rm -r git push base64 -d | ".repeat(40_000);
        assert!(!matcher.scan(Target::Command, &huge).is_empty());
    }
}
