//! Numbers and codes of a fixed shape, with the separators that people put in, and what check sums are made of.

use crate::processor::redact::detector::Verdict;
use crate::processor::redact::detector::bytes::{before, word_starts};

const CODE_LEN_MAX: usize = 40;

/// A code without its separators, letters in capitals.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Code {
    bytes: [u8; CODE_LEN_MAX],
    len: usize,
}

impl std::ops::Deref for Code {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads a code of a shape at `at`: the code, and where it ends. In a shape `9` is a digit, `A` a capital letter, `a` a
/// letter, `X` a digit or capital letter, `-` one separator (space, dash, dot or slash) or none, `=` one separator; all
/// else stands for itself.
pub(in super::super) fn read(text: &[u8], at: usize, shape: &str) -> Option<(Code, usize)> {
    let mut code = Code { bytes: [0; CODE_LEN_MAX], len: 0 };
    let mut end = at;
    for kind in shape.bytes() {
        let next = text.get(end).copied();
        let fits = match kind {
            b'9' => next.is_some_and(|byte| byte.is_ascii_digit()),
            b'A' => next.is_some_and(|byte| byte.is_ascii_uppercase()),
            b'a' => next.is_some_and(|byte| byte.is_ascii_alphabetic()),
            b'X' => next.is_some_and(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
            b'-' | b'=' => {
                let separated = matches!(next, Some(b' ' | b'-' | b'.' | b'/'));
                end += usize::from(separated);
                if separated || kind == b'-' {
                    continue;
                }
                false
            }
            other => next == Some(other),
        };
        if !fits {
            return None;
        }
        *code.bytes.get_mut(code.len)? = text[end].to_ascii_uppercase();
        code.len += 1;
        end += 1;
    }
    Some((code, end))
}

/// The first of these shapes that stands here whole and passes the check.
pub(in super::super) fn find(text: &[u8], at: usize, shapes: &[&str], valid: fn(&[u8]) -> bool) -> Verdict {
    if !starts(text, at) {
        return Verdict::NO;
    }
    let fits = |shape: &&str| read(text, at, shape).filter(|(code, end)| ends(text, *end) && valid(code));
    Verdict::of(shapes.iter().find_map(fits).map(|(_, end)| at..end))
}

/// True when no longer number or word goes on to `at`.
pub(in super::super) fn starts(text: &[u8], at: usize) -> bool {
    let joined = matches!(before(text, at), Some(b'-' | b'.' | b'/' | b','))
        && before(text, at - 1).is_some_and(|byte| byte.is_ascii_digit());
    word_starts(text, at) && !joined && before(text, at) != Some(b'_')
}

/// True when no longer number or word goes on from `end`.
pub(in super::super) fn ends(text: &[u8], end: usize) -> bool {
    let next = text.get(end).copied();
    let joined =
        matches!(next, Some(b'-' | b'.' | b'/' | b',' | b':')) && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !joined
}

/// The value of an ASCII digit.
pub(in super::super) fn value(digit: u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

/// The number that ASCII digits write, of eighteen at most.
pub(in super::super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(value(*digit)))
}

/// The sum of digits times weights.
pub(in super::super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| value(*digit) * weight).sum()
}

/// Luhn's check over ASCII digits.
pub(in super::super) fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let one = |(index, digit): (usize, &u8)| if index % 2 == 1 { doubled(value(*digit)) } else { value(*digit) };
    digits.iter().rev().enumerate().map(one).sum::<u32>().is_multiple_of(10)
}

/// True unless all characters are the same, as in a number made up to fill a field.
pub(in super::super) fn varies(code: &[u8]) -> bool {
    code.iter().any(|byte| *byte != code[0])
}

/// True for a day that may be written so: month 1 to 12, day 1 to 31.
pub(in super::super) fn is_day(month: &[u8], day: &[u8]) -> bool {
    (1..=12).contains(&number(month)) && (1..=31).contains(&number(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str, shape: &str) -> Option<String> {
        read(text.as_bytes(), 0, shape).map(|(code, _)| String::from_utf8(code.to_vec()).unwrap())
    }

    #[test]
    fn shapes_are_read_with_and_without_separators() {
        assert_eq!(reads("12 34-56", "99-99-99").as_deref(), Some("123456"));
        assert_eq!(reads("123456", "99-99-99").as_deref(), Some("123456"));
        assert_eq!(reads("ab1C", "aa9A").as_deref(), Some("AB1C"));
        assert_eq!(reads("12345", "99=999"), None);
        assert_eq!(reads("12  34", "99-99"), None);
    }

    #[test]
    fn parts_of_longer_numbers_are_none() {
        for text in ["1234", "\\n1234", "x:1234;", "(1234)", "1234.", "no 1234, 5"] {
            let at = text.find("1234").unwrap();
            assert_ne!(find(text.as_bytes(), at, &["9999"], |_| true), Verdict::NO, "{text}");
        }
        for text in ["x1234", "91234", "12345", "1234x", "1.1234", "1234.5", "1-1234", "1234-5", "_1234", "1234_"] {
            let at = text.find("1234").unwrap();
            assert_eq!(find(text.as_bytes(), at, &["9999"], |_| true), Verdict::NO, "{text}");
        }
    }

    #[test]
    fn luhn_finds_every_single_wrong_digit() {
        let number = *b"4539578763621486";
        assert!(luhn(&number));
        for index in 0..number.len() {
            for digit in (b'0'..=b'9').filter(|digit| *digit != number[index]) {
                let mut wrong = number;
                wrong[index] = digit;
                assert!(!luhn(&wrong));
            }
        }
    }
}
