//! Values of rules as patterns: Sigma's strings with `*`, `?` and escapes, and what their modifiers make of them.
//!
//! Letters match whatever their case unless `cased` says otherwise. Time is linear in the text for a given pattern.

use memchr::{memchr, memchr2};

/// A piece of a Sigma string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// `*`: any text, also none.
    Any,
    /// `?`: one character.
    One,
}

/// Reads a Sigma string: `*` and `?` are wildcards unless a backslash stands before them.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![];
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|next| matches!(next, '*' | '?' | '\\')) => {
                literal.extend(chars.next());
            }
            '*' | '?' => {
                flush(&mut literal, &mut parts);
                let part = if c == '*' { Part::Any } else { Part::One };
                if part == Part::One || parts.last() != Some(&Part::Any) {
                    parts.push(part);
                }
            }
            _ => literal.push(c),
        }
    }
    flush(&mut literal, &mut parts);
    parts
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Puts wildcards around a string, as `contains`, `startswith` and `endswith` do.
pub(super) fn around(mut parts: Vec<Part>, before: bool, after: bool) -> Vec<Part> {
    if before && parts.first() != Some(&Part::Any) {
        parts.insert(0, Part::Any);
    }
    if after && parts.last() != Some(&Part::Any) {
        parts.push(Part::Any);
    }
    parts
}

/// A pattern ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    shape: Shape,
    /// Letters must have the same case.
    cased: bool,
    /// All literals are ASCII: no text needs to be lowered.
    ascii: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Any text but the empty one.
    Something,
    Equals(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// Segments between the `*`; the flags say that the first starts, and the last ends the text.
    Glob(Vec<Vec<Part>>, bool, bool),
}

impl Pattern {
    pub(super) fn new(mut parts: Vec<Part>, cased: bool) -> Self {
        let ascii = parts.iter().all(|part| !matches!(part, Part::Literal(text) if !text.is_ascii()));
        if !cased {
            for part in &mut parts {
                if let Part::Literal(text) = part {
                    *text = text.to_lowercase();
                }
            }
        }
        Self { shape: shape(parts), cased, ascii: ascii || cased }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        if self.ascii { self.fits(text, self.cased) } else { self.fits(&text.to_lowercase(), true) }
    }

    fn fits(&self, text: &str, cased: bool) -> bool {
        match &self.shape {
            Shape::Something => !text.is_empty(),
            Shape::Equals(own) => own.len() == text.len() && same(own.as_bytes(), text.as_bytes(), cased),
            Shape::Prefix(own) => starts(text.as_bytes(), own.as_bytes(), cased),
            Shape::Suffix(own) => ends(text.as_bytes(), own.as_bytes(), cased),
            Shape::Contains(own) => find(text.as_bytes(), own.as_bytes(), cased).is_some(),
            Shape::Glob(segments, from_start, to_end) => glob(text, segments, *from_start, *to_end, cased),
        }
    }

    /// The longest text that must occur in whatever matches.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.shape {
            Shape::Something => None,
            Shape::Equals(own) | Shape::Prefix(own) | Shape::Suffix(own) | Shape::Contains(own) => Some(own),
            Shape::Glob(segments, ..) => {
                let literals = segments.iter().flatten().filter_map(|part| match part {
                    Part::Literal(text) => Some(text.as_str()),
                    _ => None,
                });
                literals.max_by_key(|text| text.len())
            }
        }
    }

    /// The whole text that it matches, when there is just one.
    pub(super) fn exact(&self) -> Option<&str> {
        match &self.shape {
            Shape::Equals(own) => Some(own),
            _ => None,
        }
    }

    /// The end that every match has, when that is all it asks.
    pub(super) fn suffix(&self) -> Option<&str> {
        match &self.shape {
            Shape::Suffix(own) => Some(own),
            _ => None,
        }
    }
}

fn shape(parts: Vec<Part>) -> Shape {
    match &parts[..] {
        [] => Shape::Equals(String::new()),
        [Part::Any] => Shape::Something,
        [Part::Literal(text)] => Shape::Equals(text.clone()),
        [Part::Literal(text), Part::Any] => Shape::Prefix(text.clone()),
        [Part::Any, Part::Literal(text)] => Shape::Suffix(text.clone()),
        [Part::Any, Part::Literal(text), Part::Any] => Shape::Contains(text.clone()),
        _ => {
            let from_start = parts.first() != Some(&Part::Any);
            let to_end = parts.last() != Some(&Part::Any);
            let segments = parts.split(|part| *part == Part::Any).filter(|segment| !segment.is_empty());
            Shape::Glob(segments.map(<[Part]>::to_vec).collect(), from_start, to_end)
        }
    }
}

fn same(own: &[u8], text: &[u8], cased: bool) -> bool {
    if cased { own == text } else { own.eq_ignore_ascii_case(text) }
}

pub(super) fn starts(text: &[u8], own: &[u8], cased: bool) -> bool {
    text.get(..own.len()).is_some_and(|head| same(own, head, cased))
}

pub(super) fn ends(text: &[u8], own: &[u8], cased: bool) -> bool {
    text.len().checked_sub(own.len()).is_some_and(|at| same(own, &text[at..], cased))
}

/// Where `own` occurs first.
pub(super) fn find(text: &[u8], own: &[u8], cased: bool) -> Option<usize> {
    let Some(first) = own.first() else { return Some(0) };
    let mut from = 0;
    while from + own.len() <= text.len() {
        let rest = &text[from..=text.len() - own.len()];
        let next = if cased {
            memchr(*first, rest)?
        } else {
            memchr2(first.to_ascii_lowercase(), first.to_ascii_uppercase(), rest)?
        };
        from += next;
        if same(own, &text[from..from + own.len()], cased) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn glob(text: &str, segments: &[Vec<Part>], from_start: bool, to_end: bool, cased: bool) -> bool {
    let mut at = 0;
    for (number, segment) in segments.iter().enumerate() {
        let (first, last) = (number == 0, number + 1 == segments.len());
        let end = match (first && from_start, last && to_end) {
            (true, true) => segment_at(text, at, segment, cased).filter(|end| *end == text.len()),
            (true, false) => segment_at(text, at, segment, cased),
            (false, true) => last_place(text, at, segment, cased),
            (false, false) => first_place(text, at, segment, cased),
        };
        match end {
            Some(end) => at = end,
            None => return false,
        }
    }
    true
}

/// The end of the segment, if it stands at `at`.
fn segment_at(text: &str, mut at: usize, segment: &[Part], cased: bool) -> Option<usize> {
    for part in segment {
        match part {
            Part::Literal(own) => {
                if !starts(text.as_bytes().get(at..)?, own.as_bytes(), cased) {
                    return None;
                }
                at += own.len();
            }
            Part::One => at += text.get(at..)?.chars().next()?.len_utf8(),
            Part::Any => {}
        }
    }
    Some(at)
}

fn first_place(text: &str, from: usize, segment: &[Part], cased: bool) -> Option<usize> {
    (from..=text.len()).filter(|at| text.is_char_boundary(*at)).find_map(|at| segment_at(text, at, segment, cased))
}

/// A segment that must end the text: its length in characters is known, so there is one place for it.
fn last_place(text: &str, from: usize, segment: &[Part], cased: bool) -> Option<usize> {
    let long: usize =
        segment.iter().map(|part| if let Part::Literal(own) = part { own.chars().count() } else { 1 }).sum();
    let at = match long {
        0 => text.len(),
        _ => text.char_indices().rev().nth(long - 1)?.0,
    };
    if at < from {
        return None;
    }
    segment_at(text, at, segment, cased).filter(|end| *end == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(parts(pattern), false).matches(text)
    }

    #[test]
    fn wildcards_and_escapes_are_those_of_sigma() {
        let yes = [
            ("curl", "CURL"),
            ("*curl", "/usr/bin/curl"),
            ("cu*", "curl"),
            ("*ur*", "curl"),
            ("c?rl", "cürl"),
            ("a*b*c", "a--b--b--c"),
            ("*a?c", "xxabc"),
            ("?a*", "bab"),
            (r"\*", "*"),
            (r"a\?", "a?"),
            (r"C:\\Windows", r"c:\windows"),
            (r"C:\Windows", r"C:\WINDOWS"),
            ("straße*", "STRAßE 1"),
            ("", ""),
            ("*", "x"),
        ];
        let no = [
            ("curl", "curls"),
            ("*curl", "curl "),
            ("c?rl", "crl"),
            ("a*b*c", "a--c--b"),
            ("*a?c", "abcd"),
            (r"\*", "x"),
            ("*", ""),
            ("ab*ba", "aba"),
        ];
        yes.iter().for_each(|(pattern, text)| assert!(matches(pattern, text), "{pattern} on {text}"));
        no.iter().for_each(|(pattern, text)| assert!(!matches(pattern, text), "{pattern} on {text}"));
    }

    #[test]
    fn case_counts_when_it_is_asked_for() {
        let cased = Pattern::new(parts("*Ab*"), true);
        assert!(cased.matches("xAbx") && !cased.matches("xabx"));
    }

    #[test]
    fn what_must_occur_is_known() {
        let literal = |pattern| Pattern::new(parts(pattern), false).literal().map(str::to_owned);
        assert_eq!(literal("*a?BCD*e"), Some("bcd".into()));
        assert_eq!(literal("*?*"), None);
        assert_eq!(Pattern::new(parts("Sh"), false).exact(), Some("sh"));
    }

    #[test]
    fn a_glob_takes_linear_time() {
        let text = "ab".repeat(200_000);
        assert!(!matches("*a*b*a*b*?x", &text));
        assert!(matches("*ab?b*ab", &text));
    }
}
