//! `redact`: masks secrets and personal data before anything is stored or sent.
//!
//! Every string of every signal is in reach: keys, values, bodies, nested maps and lists, names, events, links, status,
//! exemplars, and JSON inside strings. A record is looked at in two steps: a prefilter over its wire bytes, which misses
//! nothing that the rules would find, and the rules themselves, on the strings in which the prefilter saw something.
//! What cannot be scanned is replaced as a whole (`[REDACTED:unscanned]`); bytes that cannot be read refuse the request.

mod detector;
mod json;
mod names;
mod prefilter;
mod record;
mod rulebook;

mod text;

use aho_corasick::BuildError;
use serde::Deserialize;

use crate::otlp::DecodeError;
use crate::otlp::model::Batch;
use crate::processor::redact::detector::{DETECTORS, Detector};
use crate::processor::redact::record::Pass;
use crate::processor::redact::rulebook::Rulebook;
use crate::processor::redact::text::Counts;
use crate::processor::{Outcome, Processor};
use crate::stdx::problem::{At, Problems, did_you_mean};

/// What to redact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which rules apply: `ai-agent` (all), `secrets` (credentials only) or `pii` (personal data only).
    /// Default: `ai-agent`.
    pub profile: String,
    /// Single rules added to the profile or taken out of it.
    pub rules: Rules,
    /// Values that are left as they are: the exact text that a rule would have masked. Default: none.
    pub allowed: Vec<String>,
    /// More key names whose value is masked, besides `password`, `api_key` and their like. A name matches a key that is
    /// equal or ends with it after a separator, whatever the case. Default: none.
    pub keys: Vec<String>,
}

/// Rules switched by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Rules to use although the profile does not.
    pub enabled: Vec<String>,
    /// Rules to leave out although the profile has them.
    pub disabled: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { profile: "ai-agent".to_owned(), rules: Rules::default(), allowed: Vec::new(), keys: Vec::new() }
    }
}

/// The profiles.
const PROFILES: [&str; 3] = ["ai-agent", "secrets", "pii"];

impl Config {
    /// Finds what is wrong: a profile or rule that does not exist, an empty name.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if !PROFILES.contains(&self.profile.as_str()) {
            unknown(&at.key("profile"), "profile", &self.profile, &PROFILES, problems);
        }
        let names: Vec<_> = DETECTORS.iter().map(|detector| detector.id).collect();
        let rules = at.key("rules");
        for (key, list) in [("enabled", &self.rules.enabled), ("disabled", &self.rules.disabled)] {
            for (index, name) in list.iter().enumerate().filter(|(_, name)| !names.contains(&name.as_str())) {
                unknown(&rules.key(key).item(index), "rule", name, &names, problems);
            }
        }
        for (key, list) in [("allowed", &self.allowed), ("keys", &self.keys)] {
            for (index, _) in list.iter().enumerate().filter(|(_, item)| item.trim().is_empty()) {
                problems.add(&at.key(key).item(index), "an empty text matches nothing");
            }
        }
    }

    /// The detectors in force.
    fn detectors(&self) -> Vec<&'static Detector> {
        let named = |list: &[String], detector: &Detector| list.iter().any(|name| name == detector.id);
        DETECTORS
            .iter()
            .filter(|detector| {
                detector.profiles.contains(&self.profile.as_str()) || named(&self.rules.enabled, detector)
            })
            .filter(|detector| !named(&self.rules.disabled, detector))
            .copied()
            .collect()
    }
}

/// The processor.
#[derive(Debug)]
pub struct Redact(Rulebook);

impl Redact {
    /// Makes a checked configuration ready to run.
    ///
    /// # Errors
    /// When there are so many `keys` that the automatons would be too large.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        Rulebook::new(config).map(Self)
    }
}

impl Processor for Redact {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let mut pass = Pass::new(&self.0, batch.arena());
        let mut changed = 0;
        for owner in batch.owners() {
            pass.entity(owner)?;
        }
        for record in batch.records() {
            changed += u64::from(pass.entity(record)?);
        }
        pass.without_raw();
        batch.rewrite_rest(&mut pass)?;
        count(&pass.counts);
        Ok(Outcome { changed, ..Outcome::default() })
    }
}

fn count(counts: &Counts) {
    for (name, count) in counts.found().map(|(id, count)| (id.name(), count)).chain([("unscanned", counts.unscanned)]) {
        if count > 0 {
            metrics::counter!("telseal_redactions_total", "rule" => name).increment(count);
        }
    }
}

fn unknown(at: &At, what: &str, name: &str, known: &[&str], problems: &mut Problems) {
    let message = format!("no {what} named `{name}`");
    match did_you_mean(name, known.iter().copied()) {
        Some(meant) => problems.add_hint(at, message, format!("did you mean `{meant}`?")),
        None => problems.add_hint(at, message, format!("known: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests;
