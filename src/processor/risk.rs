//! `risk_tag`: says what an AI agent's action means, as attributes on the log record or span.
//!
//! A record is an action when it has a command line, a tool, tool arguments that name a command, or a change of
//! permission mode. Every action gets a verdict; any other record only if a rule fires on it. Written are `risk.level`
//! (`info` to `critical`), `risk.score` (0 to 100) and `risk.ruleset` (which rules were in force), and where rules
//! fired `risk.rules`, `risk.reasons`, `risk.categories` and `risk.attack.techniques`. An action that no rule fires on
//! has level `info` and score 0: it was looked at, and nothing was found. Attributes of these names that a sender wrote
//! move to `risk.reported.*`.
//!
//! Limits: attributes only, not bodies or span events; each record by itself; command lines are searched as text, not
//! parsed as a shell would.

pub mod event;
mod matcher;
pub mod pack;
pub mod packs;
pub mod shell;
pub mod sigma;
mod verdict;
mod view;

use bumpalo::Bump;
use metrics::counter;
use serde::Deserialize;

use crate::otlp::model::{Batch, Entity};
use crate::otlp::{DecodeError, Signal};
use crate::processor::{Outcome, Processor};
use crate::stdx::problem::{At, Problems, did_you_mean};

use matcher::Matcher;
use pack::{Level, Rule};
use verdict::{OWN, Verdicts, set_aside};
use view::{Keys, View};

/// Which rules run, and which attributes hold what they look at.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Ids of rules that are switched off. The digest in `risk.ruleset` changes with them. Default: none.
    pub disabled_rules: Vec<String>,
    /// More attributes to look at, beside the known ones of Claude Code, Codex, Gemini CLI, Copilot and Droid.
    pub attributes: Attributes,
}

/// Attribute names by what they hold.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// Command lines. Default: none besides the known ones.
    pub command: Vec<String>,
    /// Paths of files that a tool reads or writes.
    pub file: Vec<String>,
    /// Addresses that a tool fetches.
    pub url: Vec<String>,
    /// Names of tools.
    pub tool: Vec<String>,
    /// Arguments of a tool call: a JSON object as a string, or a map.
    pub arguments: Vec<String>,
}

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        for (index, id) in self.disabled_rules.iter().enumerate() {
            check_rule(id, &at.key("disabled_rules").item(index), problems);
        }
        self.attributes.check(&at.key("attributes"), problems);
    }
}

fn check_rule(id: &str, at: &At, problems: &mut Problems) {
    let known = || pack::rules().map(|rule| rule.id);
    if known().any(|known| known == id) {
        return;
    }
    let message = format!("no rule named `{id}`");
    match did_you_mean(id, known()) {
        Some(meant) => problems.add_hint(at, message, format!("did you mean `{meant}`?")),
        None => problems.add(at, message),
    }
}

impl Attributes {
    fn check(&self, at: &At, problems: &mut Problems) {
        for (name, keys) in self.lists() {
            for (index, _) in keys.iter().enumerate().filter(|(_, key)| key.is_empty()) {
                problems.add(&at.key(name).item(index), "the name of the attribute is empty");
            }
        }
    }

    fn lists(&self) -> [(&'static str, &[String]); 5] {
        [
            ("command", &self.command),
            ("file", &self.file),
            ("url", &self.url),
            ("tool", &self.tool),
            ("arguments", &self.arguments),
        ]
    }
}

/// The processor.
#[derive(Debug)]
pub struct RiskTag {
    keys: Keys,
    matcher: Matcher,
    verdicts: Verdicts,
}

impl RiskTag {
    /// Compiles the rules.
    ///
    /// # Errors
    /// When a pattern does not compile; the tests see to it that all of ours do.
    pub fn new(config: &Config) -> Result<Self, regex::Error> {
        let mut rules: Vec<&'static Rule> =
            pack::rules().filter(|rule| !config.disabled_rules.iter().any(|id| id == rule.id)).collect();
        rules.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.id.cmp(b.id)));
        Ok(Self {
            keys: Keys::new(&config.attributes, OWN.iter().map(|(own, _)| *own)),
            matcher: Matcher::new(&rules)?,
            verdicts: Verdicts::new(&rules),
        })
    }

    /// Tags one record. Whether it is different now, and its level if it has one.
    fn tag<'a>(&'a self, record: &mut Entity<'a>, arena: &'a Bump) -> Result<(bool, Option<Level>), DecodeError> {
        let mut view = View::new(&self.matcher);
        for attribute in record.attributes() {
            if let Some(field) = self.keys.get(attribute.key) {
                view.see(field, attribute.value)?;
            }
        }
        if view.reported {
            set_aside(record);
        }
        let level = view.verdict().map(|hits| self.verdicts.write(hits, record, arena));
        Ok((view.reported || level.is_some(), level))
    }
}

impl Processor for RiskTag {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let mut outcome = Outcome::default();
        if batch.signal == Signal::Metrics {
            return Ok(outcome);
        }
        let arena = batch.arena();
        let mut levels = [0; Level::ALL.len()];
        for record in batch.records() {
            let (changed, level) = self.tag(record, arena)?;
            outcome.changed += u64::from(changed);
            if let Some(level) = level {
                levels[level as usize] += 1;
            }
        }
        for (level, records) in Level::ALL.into_iter().zip(levels).filter(|(_, records)| *records > 0) {
            counter!("telseal_risk_records_total", "level" => level.name()).increment(records);
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, RiskTag};
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<(String, Option<String>)> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("r"), &mut problems);
        problems.0.into_iter().map(|problem| (format!("{}: {}", problem.path, problem.message), problem.hint)).collect()
    }

    #[test]
    fn unknown_rules_and_empty_names_are_found() {
        assert_eq!(problems("{disabled_rules: [AG-SHELL-001], attributes: {tool: [acme.tool]}}"), []);
        assert_eq!(
            problems("{disabled_rules: [AG-SHEL-001], attributes: {file: [a, '']}}"),
            [
                (
                    "r.disabled_rules[0]: no rule named `AG-SHEL-001`".into(),
                    Some("did you mean `AG-SHELL-001`?".into())
                ),
                ("r.attributes.file[1]: the name of the attribute is empty".into(), None),
            ]
        );
    }

    #[test]
    fn every_rule_may_be_switched_off() {
        let disabled_rules = super::pack::rules().map(|rule| rule.id.to_owned()).collect();
        assert!(RiskTag::new(&Config { disabled_rules, ..Config::default() }).is_ok());
    }
}
