//! The exact pass over one text: all rules, one walk for their anchors, one for digits.
//!
//! Findings that overlap are one finding, under the name that comes first in the table.

mod near;

use std::ops::Range;

use crate::processor::redact::BuildError;
use crate::processor::redact::config::Config;
use crate::processor::redact::detector::bytes::steps;
use crate::processor::redact::detector::format::Format;
use crate::processor::redact::detector::{DETECTORS, Find, Finder, Id, Verdict};
use crate::processor::redact::literals::Literals;
use crate::processor::redact::user::Compiled;

use near::Near;

pub(super) use near::{around, spellings};

/// The detectors in force, ready to run.
#[derive(Debug)]
pub(super) struct Scanner {
    anchors: Literals,
    /// Whose each anchor is.
    owners: Vec<Owner>,
    digits: Vec<(Id, Finder)>,
    /// Detectors of the user's own.
    own: Vec<(Id, Compiled)>,
    allowed: Allowed,
    in_force: Vec<bool>,
}

/// What is let pass.
#[derive(Debug)]
struct Allowed {
    /// Whatever the detector.
    all: Vec<String>,
    by_id: Vec<(Id, Pattern)>,
}

/// A text in which one `*` may stand for any text.
#[derive(Debug)]
struct Pattern {
    head: String,
    tail: Option<String>,
}

impl Pattern {
    fn new(written: &str) -> Self {
        match written.split_once('*') {
            Some((head, tail)) => Self { head: head.to_owned(), tail: Some(tail.to_owned()) },
            None => Self { head: written.to_owned(), tail: None },
        }
    }

    fn matches(&self, text: &str) -> bool {
        match &self.tail {
            Some(tail) => text.strip_prefix(&*self.head).is_some_and(|rest| rest.ends_with(&**tail)),
            None => text == self.head,
        }
    }
}

/// What to do at an anchor.
#[derive(Debug, Clone)]
struct Owner {
    id: Id,
    look: Look,
}

#[derive(Debug, Clone)]
enum Look {
    At(Finder),
    Format(Format),
    /// The anchor is a word of context.
    Near(Near),
}

/// What was found where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) span: Range<usize>,
    pub(super) id: Id,
}

/// From where on a detector looks again; few of them ever say so in one text.
#[derive(Debug, Default)]
struct Resume(Vec<(Id, usize)>);

impl Resume {
    fn of(&self, id: Id) -> usize {
        self.0.iter().find(|(own, _)| *own == id).map_or(0, |(_, at)| *at)
    }

    fn set(&mut self, id: Id, at: usize) {
        match self.0.iter_mut().find(|(own, _)| *own == id) {
            Some((_, until)) => *until = at,
            None if at > 0 => self.0.push((id, at)),
            None => {}
        }
    }
}

impl Owner {
    /// One for each literal of the format.
    fn format(id: Id, format: &Format) -> Vec<Self> {
        vec![Self { id, look: Look::Format(format.clone()) }; format.literals().len()]
    }
}

impl Scanner {
    /// # Errors
    /// When the expression of a detector of the user's own cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, BuildError> {
        let (mut literals, mut owners, mut digits) = (Vec::new(), Vec::new(), Vec::new());
        let mut in_force = vec![false; DETECTORS.len() + config.detectors.len()];
        for (id, detector) in (0..).map(Id).zip(DETECTORS).filter(|(_, detector)| config.has(detector)) {
            in_force[id.index()] = true;
            match detector.find {
                Find::Formats(formats) => {
                    owners.extend(formats.iter().flat_map(|format| Owner::format(id, &Format::new(format))));
                }
                Find::Anchors(anchors, find) => {
                    owners.extend(anchors.iter().map(|_| Owner { id, look: Look::At(find) }))
                }
                Find::Near(find) => {
                    let near = Near { find, digits_min: detector.digits_min() };
                    owners.extend(detector.literals().iter().map(|_| Owner { id, look: Look::Near(near) }));
                }
                Find::Digits(_, find) => digits.push((id, find)),
                Find::Key => continue,
            }
            literals.extend(detector.literals());
        }
        let anchors = Literals::new(literals.iter().map(String::as_str));
        let mut own = Vec::new();
        for (id, detector) in (0..).map(Id).skip(DETECTORS.len()).zip(&config.detectors) {
            if config.has_own(detector) {
                in_force[id.index()] = true;
                own.push((id, detector.compile().map_err(|_| BuildError::Expression(detector.id.clone()))?));
            }
        }
        Ok(Self { anchors, owners, digits, own, allowed: Allowed::new(config), in_force })
    }

    /// True when the detector is in force.
    pub(super) fn has(&self, id: Id) -> bool {
        self.in_force[id.index()]
    }

    /// True for a value that the configuration lets pass.
    pub(super) fn allows(&self, id: Id, value: &str) -> bool {
        self.allowed.all.iter().any(|allowed| allowed == value)
            || self.allowed.by_id.iter().any(|(own, pattern)| *own == id && pattern.matches(value))
    }

    /// True when the key has a word of context, so that the value under it needs a look whatever it holds.
    pub(super) fn is_context(&self, key: &str) -> bool {
        self.contexts(key).next().is_some()
    }

    fn contexts(&self, key: &str) -> impl Iterator<Item = (Id, Near)> {
        self.anchors.sorted(key.as_bytes()).into_iter().filter_map(move |anchor| {
            let owner = &self.owners[anchor.index];
            match owner.look {
                Look::Near(near) if near::is_word(key.as_bytes(), &anchor.range()) => Some((owner.id, near)),
                _ => None,
            }
        })
    }

    /// What is to be masked, in order and apart from each other. The key of the text may be the context of what it holds.
    pub(super) fn findings(&self, key: &str, text: &str) -> Vec<Finding> {
        let contexts: Vec<_> = if key.is_empty() { Vec::new() } else { self.contexts(key).collect() };
        let mut found = Vec::new();
        self.at_anchors(text, &mut found);
        if !self.digits.is_empty() {
            self.at_digits(text.as_bytes(), &mut found);
        }
        for (id, near) in &contexts {
            near.under_key(text.as_bytes(), |span| found.push(Finding { span, id: *id }));
        }
        for (id, own) in &self.own {
            own.each(text, |span| found.push(Finding { span, id: *id }));
        }
        if !self.allowed.is_empty() {
            found.retain(|finding| !text.get(finding.span.clone()).is_some_and(|value| self.allows(finding.id, value)));
        }
        merged(found)
    }

    fn at_anchors(&self, text: &str, found: &mut Vec<Finding>) {
        let text = text.as_bytes();
        let mut resume = Resume::default();
        for anchor in self.anchors.sorted(text) {
            steps::add(1);
            let Owner { id, look } = &self.owners[anchor.index];
            let verdict = match look {
                Look::Near(near) => {
                    if near::is_word(text, &anchor.range()) {
                        near.around(text, &anchor.range(), |span| found.push(Finding { span, id: *id }));
                    }
                    continue;
                }
                _ if anchor.start < resume.of(*id) => continue,
                Look::At(find) => find(text, anchor.start),
                Look::Format(format) => format.find(text, anchor.start),
            };
            match verdict {
                Verdict::Hit(span) => {
                    resume.set(*id, span.end);
                    found.push(Finding { span, id: *id });
                }
                Verdict::Miss(until) => resume.set(*id, until),
            }
        }
    }

    fn at_digits(&self, text: &[u8], found: &mut Vec<Finding>) {
        let mut at = 0;
        while let Some(run) = text[at..].iter().position(u8::is_ascii_digit) {
            at += run;
            let mut end = at + text[at..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len() - at);
            for (id, find) in &self.digits {
                steps::add(1);
                if let Verdict::Hit(span) = find(text, at) {
                    end = end.max(span.end);
                    found.push(Finding { span, id: *id });
                }
            }
            at = end;
        }
    }
}

impl Allowed {
    fn new(config: &Config) -> Self {
        let ids = (0..).map(Id).zip(config.names());
        let patterns = |name: &str| config.allowed_for.get(name).into_iter().flatten().map(|value| Pattern::new(value));
        let by_id = ids.flat_map(|(id, name)| patterns(name).map(move |pattern| (id, pattern))).collect();
        Self { all: config.allowed.clone(), by_id }
    }

    const fn is_empty(&self) -> bool {
        self.all.is_empty() && self.by_id.is_empty()
    }
}

/// Sorted, and overlapping ones made one, under the name that comes first.
fn merged(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| finding.span.start);
    found.dedup_by(|next, last| {
        let overlap = next.span.start < last.span.end;
        if overlap {
            last.span.end = last.span.end.max(next.span.end);
            last.id = last.id.min(next.id);
        }
        overlap
    });
    found
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::detector::UNSCANNED;
    use crate::processor::redact::rulebook::Rulebook;

    static ALL: LazyLock<Rulebook> = LazyLock::new(|| Rulebook::new(&Config::default()).unwrap());

    /// Redacted as plain text, whatever it looks like.
    pub(in super::super) fn redacted(text: &str) -> String {
        ALL.redact_plain(text)
    }

    #[track_caller]
    pub(in super::super) fn masks(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected);
        assert_eq!(redacted(expected), expected, "the second time");
    }

    #[track_caller]
    pub(in super::super) fn passes(text: &str) {
        assert_eq!(redacted(text), text);
    }

    #[test]
    fn overlapping_findings_are_masked_together_under_the_more_telling_name() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        masks(&format!("GITHUB_TOKEN={token} x"), "GITHUB_TOKEN=[REDACTED:github-token] x");
        masks(
            &format!("https://x-access-token:{token}@github.com/example/api.git"),
            "https://x-access-token:[REDACTED:github-token]@github.com/example/api.git",
        );
        masks("https://bob:pw@example.com/", "https://bob:[REDACTED:url-credentials]@example.com/");
    }

    #[test]
    fn a_secret_beside_a_mask_is_no_mask() {
        masks("password=[REDACTED:jwt]hunter2", "password=[REDACTED:secret-assignment]");
        masks("password=\"[REDACTED:hunter2]\"", "password=\"[REDACTED:secret-assignment]\"");
    }

    #[test]
    fn allowed_values_pass_and_only_they() {
        let allowed_for = [("email".to_owned(), vec!["*@example.org".to_owned()])].into();
        let config = Config { allowed: vec!["bob@example.com".to_owned()], allowed_for, ..Config::default() };
        let scanner = Scanner::new(&config).unwrap();
        let found = scanner.findings("", "bob@example.com, eve@example.com, x@example.org, x@example.org.uk");
        let spans: Vec<_> = found.into_iter().map(|finding| finding.span).collect();
        assert_eq!(spans, [17..32, 49..65]);
    }

    pub(in super::super) fn pieces() -> impl Strategy<Value = String> {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let piece = prop_oneof![
            "\\PC{0,12}",
            "[ =:\"'\\\\@.,/{}<>\\[\\]-]{0,4}",
            prop::sample::select(vec![
                "password",
                "token",
                "api_key",
                "--secret ",
                "Authorization: ",
                "Bearer ",
                "Basic ",
                "dXNlcjpwYXNz",
                "https://u:",
                "@host.io",
                "bob@example.com",
                "4111111111111111",
                "4111 1111 ",
                "123-45-6789",
                "AKIAIOSFODNN7EXAMPLE",
                "sk-ant-",
                "sk-",
                "eyJ",
                "xoxb-",
                "-----BEGIN PRIVATE KEY-----",
                "-----END",
                "[REDACTED:email]",
                "[REDACTED:unscanned]",
                "hunter2",
                "abc123def456",
                "cookie",
            ])
            .prop_map(str::to_owned),
            Just(token),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn redacting_twice_is_redacting_once(text in pieces()) {
            let once = redacted(&text);
            prop_assert!(text.contains(UNSCANNED) || !once.contains(UNSCANNED));
            prop_assert_eq!(redacted(&once), once.clone());
            prop_assert!(once.len() <= text.len() * 30 + 30);
        }
    }
}
