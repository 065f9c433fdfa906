//! `redact`: masks secrets and personal data before anything is stored or sent.
//!
//! Every string of every signal is in reach: keys, values, bodies, nested maps and lists, names, events, links, status,
//! exemplars, and JSON inside strings. A record is looked at in two steps: a prefilter over its wire bytes, which misses
//! nothing that the rules would find, and the rules themselves, on the strings in which the prefilter saw something.
//! What cannot be scanned is replaced as a whole (`[REDACTED:unscanned]`); bytes that cannot be read refuse the request.

mod action;
mod config;
mod decode;
mod detector;
mod edit;
mod json;
mod keys;
mod known;
mod literals;
mod names;
mod prefilter;
mod provenance;
mod record;
mod reference;
mod rulebook;
mod strict;
mod text;
mod user;

use bumpalo::Bump;

use crate::otlp::model::Batch;
use crate::otlp::{DecodeError, Signal};
use crate::processor::redact::provenance::Provenance;
use crate::processor::redact::record::Pass;
use crate::processor::redact::rulebook::Rulebook;
use crate::processor::redact::strict::Strict;
use crate::processor::{Outcome, Processor};

pub use action::{Action, Ends};
pub use config::{Config, PROFILES, Rules};
pub use keys::{KeyConfig, KeyError};
pub use provenance::{COUNT, POLICY, RULES};
pub use reference::{family, reference};
pub use user::{UserClass, UserDetector, UserTests, Validator};

/// Why a checked configuration cannot run after all.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The expression of this detector.
    #[error("the expression of detector `{0}` cannot be used")]
    Expression(String),
    /// A key of pseudonyms.
    #[error("a key of redact cannot be used: {0}")]
    Key(#[from] KeyError),
}

/// The processor.
#[derive(Debug)]
pub struct Redact {
    rules: Rulebook,
    strict: Option<Strict>,
    provenance: Option<Provenance>,
}

/// Something found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it starts, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// By which detector.
    pub rule: String,
}

impl Redact {
    /// Makes a checked configuration ready to run.
    ///
    /// # Errors
    /// When the expression of a detector or a key cannot be used.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        Ok(Self {
            rules: Rulebook::new(config)?,
            strict: (config.profile == config::STRICT).then(|| Strict::new(&config.allowed_keys)),
            provenance: config.provenance.then_some(Provenance),
        })
    }

    /// Redacts the bytes of one OTLP request, for a destination that may see less than others.
    ///
    /// # Errors
    /// When the bytes are no such request.
    pub fn payload(&self, signal: Signal, request: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let arena = Bump::with_capacity(request.len());
        let mut batch = Batch::open(signal, request, &arena)?;
        self.process(&mut batch)?;
        let mut out = Vec::with_capacity(request.len());
        batch.encode(&mut out);
        Ok(out)
    }

    /// Redacts one text, and says what was found where; a text that cannot be scanned is one finding of `unscanned`.
    #[must_use]
    pub fn text(&self, text: &str) -> (String, Vec<Found>) {
        let whole = || Found { start: 0, end: text.len(), rule: "unscanned".to_owned() };
        let Ok(edits) = self.rules.edits("", text) else { return (detector::UNSCANNED.to_owned(), vec![whole()]) };
        let Some(redacted) = edit::apply(text, &edits) else { return (detector::UNSCANNED.to_owned(), vec![whole()]) };
        let found = edits.into_iter().map(|edit| Found {
            start: edit.span.start,
            end: edit.span.end,
            rule: self.rules.name(edit.id).to_owned(),
        });
        (redacted, found.collect())
    }

    /// True when a detector of that name is in force.
    #[must_use]
    pub fn has(&self, detector: &str) -> bool {
        self.rules.has_name(detector)
    }

    /// The pseudonym that `hash` gives a value found by this detector, under the named key or the current one.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn hash(&self, key: Option<&str>, detector: &str, value: &str) -> Result<String, KeyError> {
        self.rules.hash(key, detector, value)
    }

    /// The value behind a token that `tokenize` made.
    ///
    /// # Errors
    /// When it was not made with one of the keys.
    pub fn detokenize(&self, token: &str) -> Result<String, KeyError> {
        self.rules.detokenize(token)
    }
}

impl Processor for Redact {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let mut pass = Pass::new(&self.rules, self.strict.as_ref(), batch.arena());
        let mut changed = 0;
        for owner in batch.owners() {
            if self.provenance.is_some() {
                Provenance::remove_claims(owner);
            }
            pass.owner(owner)?;
        }
        for record in batch.records() {
            if self.provenance.is_some() {
                Provenance::remove_claims(record);
            }
            changed += u64::from(pass.record(record, self.provenance.as_ref())?);
        }
        pass.without_raw();
        batch.rewrite_rest(&mut pass)?;
        pass.counts.publish(&self.rules);
        Ok(Outcome { changed, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests;
