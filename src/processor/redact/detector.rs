//! The table of detectors: one entry here, one small file a detector or a close family below.
//!
//! A detector hangs on anchors, short literals found in one pass for all detectors together; only where its anchor
//! stands does it look closer. Its finder works on bytes, never looks back or forward without a bound unless it then
//! masks what it walked over (or says from where to go on), and so the whole scan stays linear in the length of the
//! text. What has no mark of its own (a passport's number) hangs on a word of context that must stand near.
//!
//! Digits are ASCII digits: a number in full-width or Arabic-Indic digits is none.

use std::ops::Range;
use std::sync::LazyLock;

use crate::processor::redact::detector::format::Format;
use crate::processor::redact::names;
use crate::processor::redact::text::spellings;

pub(super) mod assignment;
pub(super) mod aws;
pub(super) mod basic;
pub(super) mod bearer;
pub(super) mod bytes;
pub(super) mod email;
pub(super) mod format;
pub(super) mod github;
pub(super) mod jwt;
pub(super) mod llm;
pub(super) mod payment_card;
pub(super) mod private_key;
pub(super) mod slack;
pub(super) mod url;
pub(super) mod us_ssn;

/// What a detector protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Credentials.
    Secret,
    /// Data about people.
    Personal,
}

/// What kind of thing a detector finds: the lines of the table of precision and recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Secrets in a published format.
    KnownSecret,
    /// Secrets known by the name or header before them.
    GenericSecret,
    /// E-mail addresses and phone numbers.
    Contact,
    /// Payment cards and bank accounts.
    Financial,
    /// Numbers that a state gives to persons.
    GovernmentId,
    /// Numbers of patients and of those who treat them.
    Health,
    /// Addresses of networks and devices.
    Network,
    /// Names, dates of birth, postal codes.
    Identity,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Confidence {
    /// Shape and words around.
    Low,
    /// A shape that seldom means something else.
    Medium,
    /// A mark or a check sum that hardly ever means something else.
    High,
}

/// The profiles that have a detector.
pub(super) type Profiles = &'static [&'static str];

/// Credentials: everywhere but where only personal data is wanted.
pub(super) const SECRET: Profiles = &["ai-agent", "secrets", "pci", "hipaa-safe-harbor", "gdpr", "strict"];
/// Data about people that is seldom mistaken.
pub(super) const PERSONAL: Profiles = &["ai-agent", "pii", "hipaa-safe-harbor", "gdpr", "strict"];
/// Card data.
pub(super) const CARD: Profiles = &["ai-agent", "pii", "pci", "hipaa-safe-harbor", "gdpr", "strict"];

/// A detector.
#[derive(Debug)]
pub(super) struct Detector {
    /// The name in masks, configuration, metrics and the reference.
    pub(super) id: &'static str,
    /// What it finds, in one line.
    pub(super) title: &'static str,
    pub(super) class: Class,
    pub(super) family: Family,
    pub(super) confidence: Confidence,
    pub(super) profiles: Profiles,
    pub(super) find: Find,
    /// Words of which one must stand near, or in the key above the value. Not empty exactly for [`Find::Near`].
    pub(super) context: &'static [&'static str],
    /// Texts with a finding: the part to be masked stands between `«` and `»`.
    pub(super) hits: &'static [&'static str],
    /// Texts in which this detector finds nothing.
    pub(super) misses: &'static [&'static str],
}

impl Detector {
    /// A secret in a published format.
    const fn token(
        id: &'static str,
        title: &'static str,
        formats: &'static [&'static str],
        hits: &'static [&'static str],
        misses: &'static [&'static str],
    ) -> Self {
        Self {
            id,
            title,
            class: Class::Secret,
            family: Family::KnownSecret,
            confidence: Confidence::High,
            profiles: SECRET,
            find: Find::Formats(formats),
            context: &[],
            hits,
            misses,
        }
    }

    /// The literals of which a text with a finding has one, in any case; none for digits.
    pub(super) fn literals(&self) -> Vec<String> {
        match self.find {
            Find::Anchors(anchors, _) => anchors.iter().map(|anchor| (*anchor).to_owned()).collect(),
            Find::Formats(formats) => formats.iter().map(|format| Format::new(format).anchor).collect(),
            Find::Near(_) => self.context.iter().flat_map(|word| spellings(word)).collect(),
            Find::Key => names::WORDS.iter().map(|word| (*word).to_owned()).collect(),
            Find::Digits(..) => Vec::new(),
        }
    }
}

/// Looks at one place of a text.
pub(super) type Finder = fn(&[u8], usize) -> Verdict;

/// How a detector finds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Find {
    /// At each of these literals (any case): the text, and where the literal starts.
    Anchors(&'static [&'static str], Finder),
    /// Where one of these published formats is; see [`format`] for how they are written.
    Formats(&'static [&'static str]),
    /// At the start of each run of digits; the shape is what the prefilter looks for.
    Digits(Shape, Finder),
    /// At each start of a word near one of the words of context.
    Near(Finder),
    /// By the key above a value.
    Key,
}

/// What a text with a finding of digits has in it, so that the prefilter may pass over the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Thirteen digits or more, with single spaces or dashes between them at most.
    Long,
    /// One of these: `9` stands for a digit, `A` for a capital letter, all else for itself.
    Like(&'static [&'static str]),
    /// Any digit.
    Any,
}

/// What a finder says about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is to be masked.
    Hit(Range<usize>),
    /// Nothing here, nor at any anchor of this detector before that place.
    Miss(usize),
}

impl Verdict {
    /// Nothing at this anchor.
    pub(super) const NO: Self = Self::Miss(0);

    /// A finding, or nothing.
    pub(super) fn of(span: Option<Range<usize>>) -> Self {
        span.map_or(Self::NO, Self::Hit)
    }
}

/// Which detector: its place in the table. Where findings overlap, the first gives its name to the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) u16);

impl Id {
    /// The name used in masks, configuration and metrics.
    pub(super) fn name(self) -> &'static str {
        DETECTORS[usize::from(self.0)].id
    }

    /// What stands in the place of a finding.
    pub(super) fn mask(self) -> &'static str {
        &MASKS[usize::from(self.0)]
    }

    /// The index in tables over all detectors.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// All detectors, the more telling ones first.
pub(super) static DETECTORS: &[&Detector] = &[
    &private_key::DETECTOR,
    &jwt::DETECTOR,
    &llm::ANTHROPIC,
    &llm::OPENAI,
    &github::DETECTOR,
    &slack::DETECTOR,
    &aws::ACCESS_KEY_ID,
    &aws::SECRET_ACCESS_KEY,
    &payment_card::DETECTOR,
    &us_ssn::DETECTOR,
    &url::DETECTOR,
    &basic::DETECTOR,
    &bearer::DETECTOR,
    &assignment::DETECTOR,
    &assignment::KEY_NAME,
    &email::DETECTOR,
];

/// The detectors that other parts ask for.
pub(super) mod ids {
    use super::{Id, id};

    pub(in super::super) const AWS_SECRET_ACCESS_KEY: Id = id("aws-secret-access-key");
    pub(in super::super) const BASIC_CREDENTIALS: Id = id("basic-credentials");
    pub(in super::super) const BEARER_CREDENTIALS: Id = id("bearer-credentials");
    pub(in super::super) const SECRET_ASSIGNMENT: Id = id("secret-assignment");
    pub(in super::super) const SECRET_KEY_NAME: Id = id("secret-key-name");
}

/// The place of a detector in the table, found by the compiler.
const fn id(name: &str) -> Id {
    let mut index = 0;
    while !same(DETECTORS[index].id.as_bytes(), name.as_bytes()) {
        index += 1;
    }
    Id(index as u16)
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// Stands in the place of a text that could not be scanned.
pub(super) const UNSCANNED: &str = "[REDACTED:unscanned]";

const MASK_START: &[u8] = b"[REDACTED:";

static MASKS: LazyLock<Vec<String>> =
    LazyLock::new(|| DETECTORS.iter().map(|detector| format!("[REDACTED:{}]", detector.id)).collect());

/// The length of the mask at the start of `bytes`, 0 when there is none. Only our own masks count: anybody could write
/// a secret between such brackets.
pub(super) fn mask_len(bytes: &[u8]) -> usize {
    if !bytes.starts_with(MASK_START) {
        return 0;
    }
    let masks = MASKS.iter().map(String::as_str).chain([UNSCANNED]);
    masks.filter(|mask| bytes.starts_with(mask.as_bytes())).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_fit_into_masks() {
        let mut names: Vec<_> = DETECTORS.iter().map(|detector| detector.id).collect();
        let fits =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        assert!(names.iter().all(|name| fits(name)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DETECTORS.len());
        assert_eq!(ids::SECRET_KEY_NAME.name(), "secret-key-name");
    }

    #[test]
    fn exactly_the_detectors_that_need_context_have_words_for_it() {
        for detector in DETECTORS {
            assert_eq!(matches!(detector.find, Find::Near(_)), !detector.context.is_empty(), "{}", detector.id);
            assert!(!detector.hits.is_empty() && !detector.misses.is_empty(), "{}", detector.id);
        }
    }

    #[test]
    fn only_our_own_masks_are_masks() {
        assert_eq!(mask_len(b"[REDACTED:jwt] rest"), 14);
        assert_eq!(mask_len(UNSCANNED.as_bytes()), UNSCANNED.len());
        assert_eq!(mask_len(b"[REDACTED:hunter2]"), 0);
    }
}
