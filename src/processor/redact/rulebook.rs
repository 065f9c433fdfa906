//! All that is needed to redact one string: the detectors in force, what is done with their findings, the names of
//! secrets, and the ways in which a text may stand within a text.
//!
//! A text is looked at as it stands and as what it may stand for: JSON, backslash escapes, URL encoding, base64. The result
//! is looked at again until nothing is found, so redacting twice is redacting once. The work is bounded by a budget of
//! bytes in proportion to the text; a text that needs more, does not come to rest or makes a detector fail is not scanned,
//! and its caller puts `[REDACTED:unscanned]` in its place.

mod layers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::processor::redact::BuildError;
use crate::processor::redact::action::{self, Action};
use crate::processor::redact::config::Config;
use crate::processor::redact::detector::{Class, DETECTORS, Id, UNSCANNED, aws, bearer, ids, mask_len, value};
use crate::processor::redact::edit::{Edit, apply};
use crate::processor::redact::keys::Keys;
use crate::processor::redact::names::{self, Strength};
use crate::processor::redact::prefilter::Prefilter;
use crate::processor::redact::text::{Finding, Scanner};
use crate::stdx::{calendar, clock};

pub(super) use layers::{Depth, Work};

const MASK_START: &str = "[REDACTED:";

/// A text that could not be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unscanned;

/// A text in which something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redacted {
    pub(super) text: String,
    /// By which detectors, one for each finding; none when the text could not be scanned.
    pub(super) ids: Vec<Id>,
}

/// A configuration, ready to run.
#[derive(Debug)]
pub(super) struct Rulebook {
    pub(super) scanner: Scanner,
    pub(super) prefilter: Prefilter,
    /// The digest of the configuration.
    pub(super) policy: String,
    secret_names: Vec<String>,
    rules: Vec<Rule>,
    keys: Keys,
    value_bytes_max: usize,
    year: u64,
}

/// What is done with the findings of one detector.
#[derive(Debug)]
struct Rule {
    mask: String,
    name_len: usize,
    action: Action,
}

impl Rule {
    fn new(name: &str, class: Class, config: &Config) -> Self {
        Self { mask: format!("{MASK_START}{name}]"), name_len: name.len(), action: config.action(name, class) }
    }
}

impl Rulebook {
    /// # Errors
    /// When an expression or a key cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, BuildError> {
        let built_in = DETECTORS.iter().map(|detector| Rule::new(detector.id, detector.class, config));
        let own = config.detectors.iter().map(|own| Rule::new(&own.id, own.class.into(), config));
        Ok(Self {
            scanner: Scanner::new(config)?,
            prefilter: Prefilter::new(config),
            policy: config.digest(),
            secret_names: config.secret_names.clone(),
            rules: built_in.chain(own).collect(),
            keys: Keys::new(&config.keys)?,
            value_bytes_max: config.value_bytes_max.as_usize(),
            year: calendar::date(clock::unix_nanos() / 1_000_000_000 / 86_400).0,
        })
    }

    /// The name of a detector, also of the user's own.
    pub(super) fn name(&self, id: Id) -> &str {
        let rule = &self.rules[id.index()];
        &rule.mask[MASK_START.len()..MASK_START.len() + rule.name_len]
    }

    /// True when a detector of that name is in force.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let ids = (0..).map(Id).zip(&self.rules).map(|(id, _)| id);
        ids.into_iter().any(|id| self.name(id) == name && self.scanner.has(id))
    }

    /// The redacted text; `None` when there is nothing to redact.
    pub(super) fn redact(&self, text: &str) -> Option<Redacted> {
        self.redact_under("", text)
    }

    /// The same for a text under a key that may be the context of what it holds.
    pub(super) fn redact_under(&self, key: &str, text: &str) -> Option<Redacted> {
        done(text, self.edits(key, text))
    }

    /// What is to be replaced in a text.
    ///
    /// # Errors
    /// When it cannot be scanned.
    pub(super) fn edits(&self, key: &str, text: &str) -> Result<Vec<Edit>, Unscanned> {
        self.guarded(text, |work| self.nested(key, text, Depth::default(), work))
    }

    /// Runs a scan within its budget, and turns a detector's failure into the text's.
    fn guarded(
        &self,
        text: &str,
        scan: impl FnOnce(&mut Work) -> Result<Vec<Edit>, Unscanned>,
    ) -> Result<Vec<Edit>, Unscanned> {
        if text.len() > self.value_bytes_max {
            return Err(Unscanned);
        }
        let mut work = Work::on(text);
        catch_unwind(AssertUnwindSafe(|| scan(&mut work))).unwrap_or(Err(Unscanned))
    }

    /// Redacted as plain text, whatever it looks like.
    #[cfg(test)]
    pub(super) fn redact_plain(&self, text: &str) -> String {
        let edits = self.guarded(text, |work| self.plain("", text, Depth::default(), work));
        done(text, edits).map_or_else(|| text.to_owned(), |redacted| redacted.text)
    }

    /// The findings in a text as it stands, and what is done with them.
    fn found(&self, key: &str, text: &str) -> Result<Vec<Edit>, Unscanned> {
        let findings = self.scanner.findings(key, text);
        if findings.is_empty() {
            return Ok(Vec::new());
        }
        let made = self.made(text);
        let edits = findings.into_iter().map(|mut finding| {
            let span = finding.span.clone();
            let touched = || made.iter().filter(|made| made.start < span.end && made.end > span.start);
            if touched().any(|made| made.start <= span.start && made.end >= span.end) {
                return Ok(None);
            }
            // A pseudonym or mask is replaced as a whole, or not at all.
            for made in touched() {
                finding.span = finding.span.start.min(made.start)..finding.span.end.max(made.end);
            }
            self.edit(text, finding)
        });
        edits.filter_map(Result::transpose).collect()
    }

    /// What is done with a finding; nothing when what stands there is our own work.
    pub(super) fn edit(&self, text: &str, Finding { span, id }: Finding) -> Result<Option<Edit>, Unscanned> {
        let found = text.get(span.clone()).ok_or(Unscanned)?;
        if self.is_made(found) {
            return Ok(None);
        }
        let new = self.replacement(id, found)?;
        let rule = &self.rules[id.index()];
        let general = rule.action == Action::Generalize && new != rule.mask;
        Ok((!general || !text[span.start..].starts_with(&new)).then_some(Edit { span, id, new }))
    }

    /// What stands for a text that a detector found.
    pub(super) fn replacement(&self, id: Id, found: &str) -> Result<String, Unscanned> {
        let rule = &self.rules[id.index()];
        let name = self.name(id);
        let new = match rule.action {
            Action::Mask | Action::Keep => None,
            Action::Drop => Some(String::new()),
            Action::Partial(ends) => action::partial(found, ends),
            Action::Hash => Some(self.keys.hash(None, name, &canonical(name, found)).map_err(|_| Unscanned)?),
            Action::Tokenize => Some(self.keys.tokenize(name, found).map_err(|_| Unscanned)?),
            Action::Generalize => action::generalizer(name).and_then(|make| make(found, self.year)),
        };
        Ok(new.unwrap_or_else(|| rule.mask.clone()))
    }

    /// What stands for a value that is no text: a mask, or nothing where it is to be dropped.
    pub(super) fn mask(&self, id: Id) -> &str {
        if self.drops(id) { "" } else { &self.rules[id.index()].mask }
    }

    /// True when what the detector finds takes the whole text with it.
    pub(super) fn drops(&self, id: Id) -> bool {
        self.rules[id.index()].action == Action::Drop
    }

    /// The pseudonyms and masks that stand in a text.
    fn made(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        let mut made = Vec::new();
        let mut passed = 0;
        for at in memchr::memchr2_iter(b'[', b':', text.as_bytes()) {
            let start = if text.as_bytes()[at] == b'[' { at } else { name_start(text, at) };
            let len = if start >= passed { self.made_len(&text[start..]) } else { 0 };
            if len > 0 {
                passed = start + len;
                made.push(start..passed);
            }
        }
        made
    }

    /// The length of the mask or pseudonym at the start of a text; 0 when there is none. Only our own count: anybody could
    /// write a secret between such brackets.
    fn made_len(&self, text: &str) -> usize {
        if text.starts_with(MASK_START) {
            let own = self.rules[DETECTORS.len()..].iter().find(|rule| text.starts_with(&rule.mask));
            return own.map_or_else(|| mask_len(text.as_bytes()), |rule| rule.mask.len());
        }
        self.keys.pseudonym(text).map_or(0, |(len, _)| len)
    }

    /// True for a text that is a mask or pseudonym and nothing else.
    pub(super) fn is_made(&self, text: &str) -> bool {
        !text.is_empty() && self.made_len(text) == text.len()
    }

    /// How sure it is that a value under this name is a secret. `None`: it is not.
    pub(super) fn secrecy(&self, name: &str) -> Option<Strength> {
        // `[REDACTED:github-token]` is no name.
        let name = name.rfind(MASK_START).map_or(name, |at| &name[at + self.made_len(&name[at..])..]);
        if !self.scanner.has(ids::SECRET_KEY_NAME) {
            return None;
        }
        let own =
            || self.secret_names.iter().any(|own| names::is_named(name.as_bytes(), own)).then_some(Strength::Strong);
        names::secrecy(name.as_bytes()).or_else(own)
    }

    /// The part of a text to be replaced because its name says that it is a secret.
    pub(super) fn secret_text(&self, name: &str, text: &str) -> Option<Finding> {
        let bytes = text.as_bytes();
        let path = names::is_path_name(name.as_bytes()) && text.starts_with(['/', '~', '.']);
        if path || text.is_empty() || self.is_made(text) || value::is_harmless(bytes) {
            return None;
        }
        if names::is_named(name.as_bytes(), "authorization")
            && let Some(found) = self.header(text)
        {
            return (!self.is_made(&text[found.span.clone()])).then_some(found);
        }
        let key =
            aws::is_secret(bytes) && names::is_aws(name.as_bytes()) && self.scanner.has(ids::AWS_SECRET_ACCESS_KEY);
        let id = if key { ids::AWS_SECRET_ACCESS_KEY } else { ids::SECRET_KEY_NAME };
        (!self.scanner.allows(id, text)).then_some(Finding { span: 0..text.len(), id })
    }

    /// The credentials behind the scheme of a header.
    fn header(&self, text: &str) -> Option<Finding> {
        let (scheme, _) = bearer::scheme_of(text)?;
        let basic = scheme.trim_ascii().eq_ignore_ascii_case("basic");
        let id = if basic { ids::BASIC_CREDENTIALS } else { ids::BEARER_CREDENTIALS };
        self.scanner.has(id).then_some(Finding { span: scheme.len()..text.len(), id })
    }

    /// The redacted text of a secret's name; `None` when nothing of it is replaced.
    pub(super) fn redact_secret(&self, name: &str, text: &str) -> Option<Redacted> {
        let finding = self.secret_text(name, text)?;
        done(text, self.edit(text, finding).map(Vec::from_iter))
    }

    /// True for an option of a command that takes a secret: `--password`.
    pub(super) fn is_option(&self, text: &str) -> bool {
        self.scanner.has(ids::SECRET_ASSIGNMENT) && text.starts_with('-') && names::secrecy(text.as_bytes()).is_some()
    }

    /// The text behind such an option is a secret as a whole; `None` when it is another option or our own work.
    pub(super) fn option_value(&self, text: &str) -> Option<Finding> {
        let id = ids::SECRET_ASSIGNMENT;
        let none = text.is_empty() || text.starts_with('-') || self.is_made(text) || self.scanner.allows(id, text);
        (!none).then_some(Finding { span: 0..text.len(), id })
    }

    /// The same, redacted.
    pub(super) fn redact_option_value(&self, text: &str) -> Option<Redacted> {
        match self.option_value(text) {
            Some(finding) => done(text, self.edit(text, finding).map(Vec::from_iter)),
            None => self.redact(text),
        }
    }

    /// The pseudonym of a value, as `hash` makes it.
    ///
    /// # Errors
    /// When there is no such key.
    pub(super) fn hash(&self, key: Option<&str>, detector: &str, value: &str) -> Result<String, super::KeyError> {
        self.keys.hash(key, detector, &canonical(detector, value))
    }

    /// The value behind a token.
    ///
    /// # Errors
    /// When it was not made with one of the keys.
    pub(super) fn detokenize(&self, token: &str) -> Result<String, super::KeyError> {
        self.keys.detokenize(token)
    }
}

fn done(text: &str, edits: Result<Vec<Edit>, Unscanned>) -> Option<Redacted> {
    let unscanned = || Redacted { text: UNSCANNED.to_owned(), ids: Vec::new() };
    match edits {
        Ok(edits) if edits.is_empty() => None,
        Ok(edits) => Some(apply(text, &edits).map_or_else(unscanned, |text| {
            let ids = edits.iter().map(|edit| edit.id).collect();
            Redacted { text, ids }
        })),
        Err(Unscanned) => Some(unscanned()),
    }
}

/// Where the name before a colon starts.
fn name_start(text: &str, colon: usize) -> usize {
    let head = &text.as_bytes()[colon.saturating_sub(64)..colon];
    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    colon - head.iter().rev().position(|byte| !fits(byte)).unwrap_or(head.len())
}

/// The one spelling of a value under which it is hashed: the same card or address gives the same pseudonym however it
/// is written. Addresses lose their capitals, numbers their separators.
fn canonical(detector: &str, value: &str) -> String {
    if detector.contains("email") {
        return value.to_lowercase();
    }
    let separator = |c: char| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
    let number =
        value.chars().filter(|c| c.is_ascii_digit()).count() * 2 >= value.chars().filter(|c| !separator(*c)).count();
    let personal = DETECTORS.iter().any(|known| known.id == detector && known.class == Class::Personal);
    if number && personal {
        return value.chars().filter(|c| !separator(*c)).collect::<String>().to_uppercase();
    }
    value.to_owned()
}

#[cfg(test)]
pub(super) mod tests;
