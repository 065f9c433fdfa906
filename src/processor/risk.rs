//! `risk_tag`: says what an AI agent's action means, as attributes on the log record or span.

pub mod pack;

use serde::Deserialize;

use crate::stdx::problem::{At, Problems, did_you_mean};

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
    let known = || pack::RULES.iter().map(|rule| rule.id);
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
