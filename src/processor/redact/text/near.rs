//! Findings by context: a word such as `passport` or `phone`, and near it a value that its detector knows.
//!
//! A word counts where it stands alone: after a separator or as a part of `homePhone`, not within `microphone`. What
//! is looked at is bounded, so that a text of nothing but such words costs no more than a multiple of its length.

use std::ops::Range;

use crate::processor::redact::detector::bytes::{before, escape_ends, steps};
use crate::processor::redact::detector::{Finder, Verdict};

/// How far behind a word of context a value may start, in bytes: a label, some punctuation, a word or two.
const AFTER_LEN: usize = 40;
/// How far before a word of context a value may start, in bytes: `943 476 5919 (NHS number)`.
const BEFORE_LEN: usize = 28;

/// No value near a word is longer.
const VALUE_LEN_MAX: usize = 64;

/// All of what may be a value near the word at this range of a text, and what stands between.
pub(in super::super) fn around(word: &Range<usize>, text_len: usize) -> Range<usize> {
    word.start.saturating_sub(BEFORE_LEN)..text_len.min(word.end + AFTER_LEN + VALUE_LEN_MAX)
}

/// The words of context as they may be written: `date of birth`, `date_of_birth`, `date-of-birth`, `dateofbirth`.
pub(in super::super) fn spellings(word: &str) -> Vec<String> {
    let separators: &[&str] = if word.contains(' ') { &[" ", "_", "-", ""] } else { &[" "] };
    separators.iter().map(|separator| word.replace(' ', separator)).collect()
}

/// True when the text has a word of its own at this range.
pub(super) fn is_word(text: &[u8], word: &Range<usize>) -> bool {
    starts_word(text, word.start) && ends_word(text, word.end)
}

fn starts_word(text: &[u8], at: usize) -> bool {
    match before(text, at) {
        Some(byte) if byte.is_ascii_lowercase() => text[at].is_ascii_uppercase() || escape_ends(text, at),
        Some(byte) if byte.is_ascii_uppercase() => escape_ends(text, at),
        _ => true,
    }
}

/// A plural is the word as well.
fn ends_word(text: &[u8], at: usize) -> bool {
    match text.get(at..) {
        Some([b's' | b'S', next, ..]) if !next.is_ascii_alphabetic() => true,
        Some([b's' | b'S']) => true,
        Some([next, ..]) if next.is_ascii_lowercase() => false,
        Some([next, ..]) if next.is_ascii_uppercase() => before(text, at).is_none_or(|byte| byte.is_ascii_lowercase()),
        _ => true,
    }
}

/// How a detector finds near a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) find: Finder,
    /// What it finds has at least so many digits. The prefilter relies on it.
    pub(super) digits_min: usize,
}

impl Near {
    /// Hands over what the detector finds near the word at this range.
    pub(super) fn around(self, text: &[u8], word: &Range<usize>, mut found: impl FnMut(Range<usize>)) {
        let start = word.start.saturating_sub(BEFORE_LEN);
        let end = text.len().min(word.end + AFTER_LEN);
        self.starts(text, start..word.start, &mut found);
        self.starts(text, word.end..end, &mut found);
    }

    /// Hands over what the detector finds in a text whose key is a word of context.
    pub(super) fn under_key(self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        self.starts(text, 0..text.len().min(AFTER_LEN), &mut found);
    }

    fn starts(self, text: &[u8], range: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
        let mut at = range.start;
        steps::add(range.len());
        while at < range.end {
            let candidate = text[at].is_ascii_alphanumeric() || matches!(text[at], b'+' | b'(');
            match if candidate { (self.find)(text, at) } else { Verdict::NO } {
                Verdict::Hit(span) => {
                    at = span.end.max(at + 1);
                    if text[span.clone()].iter().filter(|byte| byte.is_ascii_digit()).count() >= self.digits_min {
                        found(span);
                    }
                }
                Verdict::Miss(until) => at = until.max(at + 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_word(text: &str, word: &str) -> bool {
        let at = text.to_ascii_lowercase().find(word).unwrap();
        is_word(text.as_bytes(), &(at..at + word.len()))
    }

    #[test]
    fn words_stand_alone_or_in_compound_names() {
        for text in ["phone", "home_phone", "homePhone", "phoneNumber", "PHONE_NO", "phones:", "\\nphone", "Phone2"] {
            assert!(has_word(text, "phone"), "{text}");
        }
        for text in ["microphone", "phoneme", "telephones", "PHONEME", "phonesX"] {
            assert!(!has_word(text, "phone"), "{text}");
        }
    }

    #[test]
    fn words_of_several_words_are_spelt_in_several_ways() {
        assert_eq!(spellings("date of birth"), ["date of birth", "date_of_birth", "date-of-birth", "dateofbirth"]);
        assert_eq!(spellings("dob"), ["dob"]);
    }
}
