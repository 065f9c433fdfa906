//! Small things that finders do with bytes. No byte of a multi-byte character is ASCII, so spans that begin and end at
//! ASCII bytes never cut a character.

use std::ops::Range;

/// True when `bytes` has `literal` at `at`, whatever the case.
pub(in super::super) fn has_at(bytes: &[u8], at: usize, literal: &str) -> bool {
    bytes.get(at..at + literal.len()).is_some_and(|found| found.eq_ignore_ascii_case(literal.as_bytes()))
}

/// The byte before `at`.
pub(in super::super) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|index| bytes.get(index)).copied()
}

/// Where the run of bytes of a kind that starts at `at` ends.
pub(in super::super) fn run_end(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len());
    steps::add(len + 1);
    at + len
}

/// The same, at most `max` bytes far.
pub(in super::super) fn run_end_within(bytes: &[u8], at: usize, max: usize, is: impl Fn(u8) -> bool) -> usize {
    run_end(&bytes[..bytes.len().min(at.saturating_add(max))], at, is)
}

/// Where the run of bytes of a kind that ends before `at` starts, at most `max` bytes back.
pub(in super::super) fn run_start_within(bytes: &[u8], at: usize, max: usize, is: impl Fn(u8) -> bool) -> usize {
    let head = &bytes[at.saturating_sub(max)..at];
    let len = head.iter().rev().position(|byte| !is(*byte)).unwrap_or(head.len());
    steps::add(len + 1);
    at - len
}

/// How much work was done: tests count it, since seconds depend on the machine.
pub(in super::super) mod steps {
    #[cfg(test)]
    std::thread_local! {
        static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// So many bytes were looked at.
    #[cfg(test)]
    pub(in super::super::super) fn add(count: usize) {
        STEPS.with(|steps| steps.set(steps.get() + count));
    }

    #[cfg(not(test))]
    pub(in super::super::super) const fn add(_: usize) {}

    /// The steps since this was asked last.
    #[cfg(test)]
    pub(in super::super::super) fn taken() -> usize {
        STEPS.with(std::cell::Cell::take)
    }
}

/// True when a word may start at `at`: before it stands no letter or digit, or one that belongs to an escape such as
/// `\n`, `\u0022` or `%3D`.
pub(in super::super) fn word_starts(bytes: &[u8], at: usize) -> bool {
    match before(bytes, at) {
        Some(byte) if byte.is_ascii_alphanumeric() => escape_ends(bytes, at),
        _ => true,
    }
}

/// True when an escape such as `\n`, `\u0022` or `%3D` ends before `at`.
pub(in super::super) fn escape_ends(bytes: &[u8], at: usize) -> bool {
    let back = |count: usize| at.checked_sub(count).and_then(|index| bytes.get(index)).copied();
    let hex =
        |range: Range<usize>| range.into_iter().all(|count| back(count).is_some_and(|byte| byte.is_ascii_hexdigit()));
    (back(2) == Some(b'\\') && matches!(back(1), Some(b'n' | b't' | b'r' | b'b' | b'f')))
        || (back(3) == Some(b'%') && hex(1..3))
        || colour_ends(&bytes[..at])
        || (back(6) == Some(b'\\') && back(5) == Some(b'u') && hex(1..5))
}

/// `\x1b[31m` and its like, of which terminals make colours.
fn colour_ends(head: &[u8]) -> bool {
    let Some((b'm', head)) = head.split_last() else { return false };
    let start = run_start_within(head, head.len(), 10, |byte| byte.is_ascii_digit() || byte == b';');
    before(head, start) == Some(b'[')
}

/// Letters, digits, `-` and `_`.
pub(in super::super) fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_start_after_escapes_too() {
        for text in ["x", " x", "\\nx", "%3Dx", "\\u0022x", "=x", "\x1b[1;31mx"] {
            assert!(word_starts(text.as_bytes(), text.len() - 1), "{text}");
        }
        for text in ["ax", "nx", "3Dx", "0022x"] {
            assert!(!word_starts(text.as_bytes(), text.len() - 1), "{text}");
        }
    }

    #[test]
    fn runs_respect_their_bounds() {
        let text = b"..aaaa..";
        assert_eq!(run_end(text, 2, |byte| byte == b'a'), 6);
        assert_eq!(run_end_within(text, 2, 3, |byte| byte == b'a'), 5);
        assert_eq!(run_start_within(text, 6, 2, |byte| byte == b'a'), 4);
        assert_eq!(run_start_within(text, 6, 9, |byte| byte == b'a'), 2);
    }
}
