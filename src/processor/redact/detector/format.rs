//! Published formats of tokens, written as they are told to people: `SG.{url:22}.{url:43}`.
//!
//! A format is literals and runs, at most one run before the first literal, which is the anchor. A token starts where a
//! word may start, and is no part of a longer run. Stand-ins such as `ghp_xxxx…` or `hf_your_token_here` are none.

use crate::processor::redact::detector::Verdict;
use crate::processor::redact::detector::bytes::{before, has_at, run_end_within, run_start_within, word_starts};

/// A format, ready to be looked for.
#[derive(Debug, Clone)]
pub(in super::super) struct Format {
    lead: Option<Run>,
    /// The first literal, by which the format is found.
    pub(in super::super) anchor: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Run(Run),
}

/// So many bytes of a kind.
#[derive(Debug, Clone)]
struct Run {
    set: Set,
    min: usize,
    max: usize,
}

/// A kind of bytes.
type Set = fn(u8) -> bool;

/// The kinds, by the names that formats have for them.
const SETS: &[(&str, Set)] = &[
    ("digit", |byte| byte.is_ascii_digit()),
    ("hex", |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
    ("HEX", |byte| byte.is_ascii_hexdigit()),
    ("lower", |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
    ("upper", |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
    ("letter", |byte| byte.is_ascii_alphabetic()),
    ("alnum", |byte| byte.is_ascii_alphanumeric()),
    ("word", |byte| byte.is_ascii_alphanumeric() || byte == b'_'),
    ("url", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
    ("dotted", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')),
    ("base64", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')),
    ("uuid", |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')),
];

/// Shorter literals are in every other text.
const LITERAL_LEN_MIN: usize = 3;
/// A body shorter than that is not asked how random it is.
const RANDOM_LEN_MIN: usize = 12;
const DISTINCT_MIN: usize = 6;

impl Format {
    /// Reads a format. What is no `{set:min-max}` is a literal.
    pub(in super::super) fn new(format: &str) -> Self {
        let mut parts = Vec::new();
        for piece in format.split_inclusive('}') {
            let (literal, run) = piece.split_once('{').unwrap_or((piece, ""));
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.extend(Run::new(run.trim_end_matches('}')).map(Part::Run));
        }
        let mut parts = parts.into_iter().peekable();
        let lead = parts.next_if(|part| matches!(part, Part::Run(_)));
        let lead = if let Some(Part::Run(run)) = lead { Some(run) } else { None };
        let anchor = if let Some(Part::Literal(literal)) = parts.next() { literal } else { String::new() };
        Self { lead, anchor, parts: parts.collect() }
    }

    /// The literals by which the format is found: its anchor, or where that is so short that it stands everywhere, the
    /// anchor and what may follow it.
    pub(in super::super) fn literals(&self) -> Vec<String> {
        match self.parts.first() {
            Some(Part::Run(run)) if self.anchor.len() < LITERAL_LEN_MIN && run.min > 0 => {
                let follows = (0..=u8::MAX).filter(|byte| (run.set)(*byte) && !byte.is_ascii_uppercase());
                let longer = |byte| format!("{}{}", self.anchor, char::from(byte));
                follows.map(longer).collect()
            }
            _ => vec![self.anchor.clone()],
        }
    }

    /// The token whose anchor starts at `at`.
    pub(in super::super) fn find(&self, text: &[u8], at: usize) -> Verdict {
        if !text[at..].starts_with(self.anchor.as_bytes()) {
            return Verdict::NO;
        }
        let Some(start) = self.start(text, at) else { return Verdict::NO };
        let mut end = at + self.anchor.len();
        let mut body = Body::default();
        body.take(&text[start..at]);
        for part in &self.parts {
            let from = end;
            let Some(to) = part.end(text, from) else { return Verdict::NO };
            end = to;
            if matches!(part, Part::Run(_)) {
                body.take(&text[from..end]);
            }
        }
        if body.is_random() && !names_a_stand_in(&text[start..end]) { Verdict::Hit(start..end) } else { Verdict::NO }
    }

    /// False when no token can stand at this anchor, whatever follows: the prefilter's question, in bytes of which those
    /// before and behind the text may be anything.
    pub(in super::super) fn may_be(&self, raw: &[u8], at: usize) -> bool {
        let lead = |run: &Run| at - run_start_within(raw, at, run.max, run.set) >= run.min;
        let follows = match self.parts.first() {
            Some(Part::Run(run)) => {
                let end = at + self.anchor.len();
                run_end_within(raw, end, run.min, run.set) == end + run.min
            }
            _ => true,
        };
        raw[at..].starts_with(self.anchor.as_bytes()) && self.lead.as_ref().is_none_or(lead) && follows
    }

    fn start(&self, text: &[u8], at: usize) -> Option<usize> {
        let start = match &self.lead {
            None => at,
            Some(run) => {
                let start = run_start_within(text, at, run.max, run.set);
                let longer = before(text, start).is_some_and(run.set) && !word_starts(text, start);
                (at - start >= run.min && !longer).then_some(start)?
            }
        };
        // `cache-key-0a1b…` is a longer name.
        let named = matches!(before(text, start), Some(b'-' | b'_'));
        (!named && word_starts(text, start)).then_some(start)
    }
}

impl Part {
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Literal(literal) => text[at..].starts_with(literal.as_bytes()).then_some(at + literal.len()),
            Self::Run(run) => {
                let end = run_end_within(text, at, run.max, run.set);
                let longer = text.get(end).copied().is_some_and(run.set);
                (end - at >= run.min && !longer).then_some(end)
            }
        }
    }
}

impl Run {
    /// `url:22`, `url:20-300`; a kind without a name is the character itself: `=:0-2`.
    fn new(text: &str) -> Option<Self> {
        let (set, len) = text.split_once(':')?;
        let (min, max) = len.split_once('-').unwrap_or((len, len));
        let set = SETS.iter().find(|(name, _)| *name == set).map_or(is_padding as Set, |(_, set)| *set);
        Some(Self { set, min: min.parse().ok()?, max: max.parse().ok()? })
    }
}

fn is_padding(byte: u8) -> bool {
    byte == b'='
}

/// What stands in the runs of a token.
#[derive(Debug, Default)]
struct Body {
    len: usize,
    seen: u128,
}

impl Body {
    fn take(&mut self, run: &[u8]) {
        self.len += run.len();
        self.seen = run.iter().fold(self.seen, |seen, byte| seen | 1 << (byte & 0x7f));
    }

    /// Many kinds of characters, and not only letters of one case: no word, no row of the same character.
    fn is_random(&self) -> bool {
        let has = |from: u8, to: u8| (from..=to).any(|byte| self.seen & (1 << byte) != 0);
        let mixed = has(b'0', b'9') || (has(b'a', b'z') && has(b'A', b'Z'));
        self.len < RANDOM_LEN_MIN || (mixed && self.seen.count_ones() as usize >= DISTINCT_MIN)
    }
}

/// What people write where a secret belongs.
const STAND_INS: &[&str] = &["xxxxx", "your", "placeholder", "changeme", "change-me", "goeshere", "go-here"];

/// True when the text says of itself that it is none.
pub(in super::super) fn names_a_stand_in(text: &[u8]) -> bool {
    (0..text.len()).any(|at| STAND_INS.iter().any(|word| has_at(text, at, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(format: &str, text: &str) -> Option<String> {
        let format = Format::new(format);
        let at = text.find(&format.anchor)?;
        match format.find(text.as_bytes(), at) {
            Verdict::Hit(span) => Some(text[span].to_owned()),
            Verdict::Miss(_) => None,
        }
    }

    #[test]
    fn formats_are_literals_and_runs() {
        let format = "SG.{url:4}.{digit:2-3}";
        assert_eq!(found(format, "x SG.aB3_.123, y").as_deref(), Some("SG.aB3_.123"));
        assert_eq!(found(format, "\\nSG.aB3_.12").as_deref(), Some("SG.aB3_.12"));
        for text in ["xSG.aB3_.123", "SG.aB3_.1234", "SG.aB3_.1", "SG.aB3.123", "sg.aB3_.123"] {
            assert_eq!(found(format, text), None, "{text}");
        }
    }

    #[test]
    fn a_run_may_stand_before_the_first_literal() {
        assert_eq!(found("{digit:3-5}:AA{url:2}", "bot12345:AAxy!"), None);
        assert_eq!(found("{digit:3-5}:AA{url:2}", "bot 12345:AAxy!").as_deref(), Some("12345:AAxy"));
        assert_eq!(found("{digit:3-5}:AA{url:2}", "123456:AAxy"), None);
    }

    #[test]
    fn stand_ins_are_no_tokens() {
        let format = "hf_{alnum:20}";
        assert!(found(format, "hf_aB3dE6gH9jK2mN5pQ8sT").is_some());
        for text in
            ["hf_xxxxxxxxxxxxxxxxxxxx", "hf_YourTokenGoesHere123", "hf_aaaaaaaaaaaaaaaaaaaa", "hf_abcdefghijklmnopqrst"]
        {
            assert_eq!(found(format, text), None, "{text}");
        }
    }
}
