//! Detectors from the configuration: a regular expression, a check sum, words of context, and tests of its own that run
//! whenever the configuration is checked.
//!
//! Expressions run on the linear engine of the `regex` crate with a bound on their size. A text is looked at through
//! windows of 8 KiB that overlap by 1 KiB, so that the whole stays linear in the length of the text; a match longer than
//! 1 KiB may be missed.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::processor::redact::detector::Class;
use crate::stdx::problem::{At, Problems};

const WINDOW_LEN: usize = 8 * 1024;
const OVERLAP_LEN: usize = 1024;
/// How far from a finding a word of context may stand, in bytes.
const CONTEXT_LEN: usize = 64;
/// The largest compiled expression, in bytes, and the largest cache of its automaton.
const SIZE_MAX: usize = 1 << 20;
const ID_LEN_MAX: usize = 48;
/// The most detectors of one's own.
pub(super) const COUNT_MAX: usize = 256;

/// A detector of one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserDetector {
    /// Its name in masks, actions and metrics: up to 48 of `a-z`, `0-9` and `-`. Must be set.
    pub id: String,
    /// The expression. What is masked is its group named `secret`, else its first group, else all of it. Must be set.
    pub regex: String,
    /// Words of which one, in any case, stands in every text that has a finding. Without them every text of every record
    /// is looked at, which is slow. Default: none.
    pub keywords: Vec<String>,
    /// Words of which one, in any case, must stand within 64 bytes of a finding. Default: none.
    pub context: Vec<String>,
    /// What the found text must pass: `luhn`. Default: nothing.
    pub validator: Option<Validator>,
    /// `secret` or `personal`. Default: `personal`.
    pub class: UserClass,
    /// What it must find and must not find; run by `telseal validate` and at each start. Default: none.
    pub tests: UserTests,
}

/// A check sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    /// That of payment cards, over all digits of the text.
    Luhn,
}

/// What a detector of one's own protects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserClass {
    /// Credentials: `partial` is refused.
    Secret,
    /// Data about people or the business.
    #[default]
    Personal,
}

impl From<UserClass> for Class {
    fn from(class: UserClass) -> Self {
        match class {
            UserClass::Secret => Self::Secret,
            UserClass::Personal => Self::Personal,
        }
    }
}

/// Texts that a detector of one's own must find something in, and must find nothing in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserTests {
    /// Texts with a finding; `«` and `»` may stand around what is to be found.
    pub hits: Vec<String>,
    /// Texts without one.
    pub misses: Vec<String>,
}

/// A detector of one's own, ready to run.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Any of the keywords, if there are any.
    keywords: Option<Regex>,
    regex: Regex,
    group: usize,
    context: Vec<String>,
    validator: Option<Validator>,
}

impl UserDetector {
    /// True when the keywords let the prefilter pass over texts without one of them.
    pub(super) fn is_anchored(&self) -> bool {
        !self.keywords.is_empty() && self.keywords.iter().all(|word| word.is_ascii())
    }

    /// # Errors
    /// When the expression is none, or too large.
    pub(super) fn compile(&self) -> Result<Compiled, regex::Error> {
        let build = |text: &str, any_case| {
            RegexBuilder::new(text).case_insensitive(any_case).size_limit(SIZE_MAX).dfa_size_limit(SIZE_MAX).build()
        };
        let regex = build(&self.regex, false)?;
        let words: Vec<_> = self.keywords.iter().map(|word| regex::escape(word)).collect();
        let keywords = if words.is_empty() { None } else { Some(build(&words.join("|"), true)?) };
        let named = regex.capture_names().position(|name| name == Some("secret"));
        let group = named.unwrap_or(usize::from(regex.captures_len() > 1));
        let context = self.context.iter().map(|word| word.to_lowercase()).collect();
        Ok(Compiled { keywords, regex, group, context, validator: self.validator })
    }

    /// Finds what is wrong, and runs the tests.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.id.is_empty() || self.id.len() > ID_LEN_MAX || !self.id.bytes().all(fits) {
            problems.add(&at.key("id"), "the name of a detector has 1 to 48 of a-z, 0-9 and `-`");
        }
        for (key, words) in [("keywords", &self.keywords), ("context", &self.context)] {
            for (index, _) in words.iter().enumerate().filter(|(_, word)| word.trim().is_empty()) {
                problems.add(&at.key(key).item(index), "an empty text matches nothing");
            }
        }
        match self.compile() {
            Ok(compiled) if compiled.regex.is_match("") => {
                problems.add(&at.key("regex"), "the expression matches the empty text");
            }
            Ok(compiled) => self.check_tests(&compiled, &at.key("tests"), problems),
            Err(error) => problems.add(&at.key("regex"), said(&error)),
        }
    }

    fn check_tests(&self, compiled: &Compiled, at: &At, problems: &mut Problems) {
        for (index, written) in self.tests.hits.iter().enumerate() {
            let (text, marked) = unmarked(written);
            let found = findings(compiled, &text);
            let at = at.key("hits").item(index);
            match marked {
                _ if found.is_empty() => problems.add(&at, "the detector finds nothing in this text"),
                Some(marked) if found != [marked.clone()] => {
                    problems.add(&at, "the detector finds something else than what stands between « and »");
                }
                _ => {}
            }
        }
        for (index, text) in self.tests.misses.iter().enumerate() {
            if !findings(compiled, text).is_empty() {
                problems.add(&at.key("misses").item(index), "the detector finds something in this text");
            }
        }
    }
}

fn findings(compiled: &Compiled, text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    compiled.each(text, |span| found.push(span));
    found
}

/// The first lines of what the `regex` crate says repeat the expression; the last says what is wrong.
fn said(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("the compiled expression is larger than {limit} bytes"),
        other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}

fn unmarked(written: &str) -> (String, Option<Range<usize>>) {
    let Some((head, rest)) = written.split_once('«') else { return (written.to_owned(), None) };
    let Some((marked, tail)) = rest.split_once('»') else { return (written.to_owned(), None) };
    (format!("{head}{marked}{tail}"), Some(head.len()..head.len() + marked.len()))
}

impl Compiled {
    /// Hands over each finding, in order within a window; one that two windows see comes twice.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        if self.keywords.as_ref().is_some_and(|keywords| !keywords.is_match(text)) {
            return;
        }
        let mut start = 0;
        loop {
            let end = text.floor_char_boundary(start + WINDOW_LEN);
            let last = end == text.len();
            for captures in self.regex.captures_iter(&text[start..end]) {
                let Some(group) = captures.get(self.group) else { continue };
                let span = start + group.start()..start + group.end();
                // What touches the end of the window may go on behind it: the next one sees all of it.
                if !span.is_empty() && (last || group.end() < end - start) && self.holds(text, &span) {
                    found(span);
                }
            }
            if last {
                return;
            }
            start = text.floor_char_boundary(end - OVERLAP_LEN);
        }
    }

    fn holds(&self, text: &str, span: &Range<usize>) -> bool {
        let valid = match self.validator {
            Some(Validator::Luhn) => passes_luhn(&text[span.clone()]),
            None => true,
        };
        valid && (self.context.is_empty() || self.has_context(text, span))
    }

    fn has_context(&self, text: &str, span: &Range<usize>) -> bool {
        let start = text.floor_char_boundary(span.start.saturating_sub(CONTEXT_LEN));
        let end = text.ceil_char_boundary((span.end + CONTEXT_LEN).min(text.len()));
        let around = [&text[start..span.start], &text[span.end..end]].map(str::to_lowercase);
        self.context.iter().any(|word| around.iter().any(|text| text.contains(word)))
    }
}

fn passes_luhn(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let (mut sum, mut count) = (0, 0);
    for (index, digit) in digits.enumerate() {
        let weighed = if index % 2 == 1 { digit * 2 } else { digit };
        sum += if weighed > 9 { weighed - 9 } else { weighed };
        count += 1;
    }
    count > 1 && sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detector(regex: &str) -> UserDetector {
        UserDetector { id: "badge".to_owned(), regex: regex.to_owned(), ..UserDetector::default() }
    }

    fn found(detector: &UserDetector, text: &str) -> Vec<Range<usize>> {
        findings(&detector.compile().unwrap(), text)
    }

    #[test]
    fn the_group_is_what_is_found() {
        let text = "badge=B-1234, B-77";
        assert_eq!(found(&detector("B-[0-9]+"), text), [6..12, 14..18]);
        assert_eq!(found(&detector("badge=(B-[0-9]+)"), text), [Range { start: 6, end: 12 }]);
        assert_eq!(found(&detector("(badge)=(?<secret>B-[0-9]+)"), text), [Range { start: 6, end: 12 }]);
    }

    #[test]
    fn context_keywords_and_check_sums_are_asked_for() {
        let near = UserDetector { context: vec!["Member".to_owned()], ..detector("[0-9]{6}") };
        assert_eq!(found(&near, "member no. 123456").len(), 1);
        assert_eq!(found(&near, &format!("member {} 123456", "x".repeat(80))).len(), 0);
        let keyword = UserDetector { keywords: vec!["acme".to_owned()], ..detector("[0-9]{6}") };
        assert_eq!((found(&keyword, "ACME 123456").len(), found(&keyword, "123456").len()), (1, 0));
        let luhn = UserDetector { validator: Some(Validator::Luhn), ..detector("[0-9-]{6,9}") };
        assert_eq!((found(&luhn, "1234-5674").len(), found(&luhn, "1234-5678").len()), (1, 0));
    }

    #[test]
    fn a_finding_across_windows_is_seen() {
        for at in WINDOW_LEN - 40..WINDOW_LEN + 8 {
            let text = format!("{}badge-0123456789{}", "é".repeat(at / 2), " ".repeat(WINDOW_LEN));
            assert!(found(&detector("badge-[0-9]+"), &text).contains(&(at / 2 * 2..at / 2 * 2 + 16)));
        }
    }

    #[test]
    fn tests_that_fail_and_expressions_that_are_none_are_problems() {
        let problems = |detector: &UserDetector| {
            let mut problems = Problems::default();
            detector.check(&At::new("d"), &mut problems);
            problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect::<Vec<_>>()
        };
        let tests = UserTests {
            hits: vec!["x B-1 y".into(), "«B-1»".into(), "«x» B-1".into(), "none".into()],
            misses: vec!["B-2".into(), "b".into()],
        };
        assert_eq!(
            problems(&UserDetector { tests, ..detector("B-[0-9]") }),
            [
                "d.tests.hits[2]: the detector finds something else than what stands between « and »",
                "d.tests.hits[3]: the detector finds nothing in this text",
                "d.tests.misses[0]: the detector finds something in this text",
            ]
        );
        assert_eq!(problems(&detector("(")), ["d.regex: unclosed group"]);
        assert_eq!(problems(&detector("a*")), ["d.regex: the expression matches the empty text"]);
        assert_eq!(
            problems(&detector("[a-z]{1000}{1000}")),
            ["d.regex: the compiled expression is larger than 1048576 bytes"]
        );
    }
}
