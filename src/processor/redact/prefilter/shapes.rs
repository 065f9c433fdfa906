//! Shapes of numbers, such as `999-99-9999` or `AA99`, found in wire bytes without a look at what they mean.

use std::ops::Range;

use memchr::memchr_iter;

use crate::processor::redact::detector::{Shape, iban, phone};
use crate::processor::redact::prefilter::kinds::Kinds;

/// The shortest run of digits, dashes and spaces that holds a shape.
pub(super) const NUMBER_LEN_MIN: usize = 8;

/// The shapes of the detectors in force, by how they are found.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Digits and dashes: within runs of those and spaces.
    numbers: Vec<&'static [u8]>,
    /// Digits and capital letters.
    classes: Vec<Classes>,
    /// All others: by the character, and its place in the shape.
    marks: Vec<(u8, usize, &'static [u8])>,
    /// Every digit deserves a look.
    any: bool,
}

impl Shapes {
    pub(super) fn new(shapes: impl Iterator<Item = Shape>) -> Self {
        let mut all = Self::default();
        for shape in shapes {
            match shape {
                Shape::Long => {}
                Shape::Any => all.any = true,
                Shape::Like(patterns) => patterns.iter().for_each(|pattern| all.add(pattern.as_bytes())),
            }
        }
        all
    }

    fn add(&mut self, pattern: &'static [u8]) {
        let number = pattern.len() >= NUMBER_LEN_MIN && pattern.iter().all(|kind| matches!(kind, b'9' | b'-'));
        match pattern.iter().position(|kind| !matches!(kind, b'9' | b'A')) {
            None => self.classes.push(Classes::new(pattern)),
            Some(_) if number => self.numbers.push(pattern),
            Some(at) => self.marks.push((pattern[at], at, pattern)),
        }
    }

    /// Hands over the shapes that are found by a character of their own.
    pub(super) fn at_marks(&self, raw: &[u8], kinds: Kinds, found: &mut impl FnMut(Range<usize>)) {
        for (byte, offset, pattern) in self.marks.iter().filter(|(.., pattern)| kinds.digits >= digits_min(pattern)) {
            memchr_iter(*byte, raw)
                .filter_map(|at| at.checked_sub(*offset))
                .for_each(|at| look(raw, at, pattern, found));
        }
    }

    /// Hands over every digit where that is asked for, and the shapes of digits and capital letters.
    pub(super) fn by_class(&self, raw: &[u8], kinds: Kinds, found: &mut impl FnMut(Range<usize>)) {
        if self.any {
            raw.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).for_each(|(at, _)| found(at..at + 1));
        }
        self.classes.iter().filter(|classes| classes.may_be(kinds)).for_each(|classes| classes.scan(raw, found));
    }

    /// How many digits a text has at least that has a shape of those found in numbers.
    pub(super) fn number_digits_min(&self) -> u32 {
        self.numbers.iter().map(|pattern| digits_min(pattern)).min().unwrap_or(u32::MAX)
    }

    /// Hands over the shapes within a run of digits, dashes and spaces.
    pub(super) fn in_number(&self, raw: &[u8], run: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
        for pattern in &self.numbers {
            run.clone().for_each(|at| look(raw, at, pattern, found));
        }
    }
}

/// How many characters of a pattern mean this kind.
fn count(pattern: &[u8], kind: u8) -> u32 {
    pattern.iter().filter(|known| **known == kind).map(|_| 1).sum()
}

/// How many digits stand in what a shape is the start of, at least.
fn digits_min(pattern: &[u8]) -> u32 {
    if pattern == b"+9" { phone::INTERNATIONAL_DIGITS_MIN } else { count(pattern, b'9') }
}

/// Hands over the place when the shape stands there and may mean something.
fn look(raw: &[u8], at: usize, pattern: &[u8], found: &mut impl FnMut(Range<usize>)) {
    let span = at..at + pattern.len();
    if has(raw, &span, pattern) && may_be(raw, &span, pattern) {
        found(span);
    }
}

/// A shape of digits and capital letters. It is looked for by its last byte, and what stands there instead says how far
/// the next one may end (Horspool's search).
#[derive(Debug)]
struct Classes {
    pattern: &'static [u8],
    skips: [u8; 256],
}

impl Classes {
    fn new(pattern: &'static [u8]) -> Self {
        let last = pattern.len().saturating_sub(1);
        let skip = |byte: u8| {
            let before = pattern[..last].iter().rposition(|kind| is(*kind, byte));
            u8::try_from(before.map_or(pattern.len(), |at| last - at)).unwrap_or(1)
        };
        Self { pattern, skips: std::array::from_fn(|byte| u8::try_from(byte).map_or(1, skip)) }
    }

    /// False when the text has too few bytes of a kind.
    fn may_be(&self, kinds: Kinds) -> bool {
        kinds.digits >= digits_min(self.pattern) && kinds.capitals >= count(self.pattern, b'A')
    }

    fn scan(&self, raw: &[u8], found: &mut impl FnMut(Range<usize>)) {
        let Some((kind, head)) = self.pattern.split_last() else { return };
        let mut last = head.len();
        while let Some(byte) = raw.get(last) {
            if is(*kind, *byte) {
                look(raw, last - head.len(), self.pattern, found);
            }
            last += usize::from(self.skips[usize::from(*byte)]);
        }
    }
}

/// True for a byte of the kind that this character of a pattern means.
#[inline]
const fn is(kind: u8, byte: u8) -> bool {
    match kind {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        other => byte == other,
    }
}

fn has(raw: &[u8], span: &Range<usize>, pattern: &[u8]) -> bool {
    raw.get(span.clone()).is_some_and(|found| found.iter().zip(pattern).all(|(byte, kind)| is(*kind, *byte)))
}

/// False when the bytes around a shape rule out the detector that looks for it, wherever its string starts and ends.
fn may_be(raw: &[u8], span: &Range<usize>, pattern: &[u8]) -> bool {
    match pattern {
        b"AA99" => iban::may_be(raw, span.start),
        b"+9" => phone::may_be_international(raw, span.start),
        b"999-9999" => phone::may_be_north_american(raw, span.start),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(shape: Shape, raw: &str) -> Vec<Range<usize>> {
        let (shapes, raw, mut found) = (Shapes::new([shape].into_iter()), raw.as_bytes(), vec![]);
        let mut found_one = |place| found.push(place);
        shapes.at_marks(raw, Kinds::of(raw), &mut found_one);
        shapes.in_number(raw, 0..raw.len(), &mut found_one);
        shapes.by_class(raw, Kinds::of(raw), &mut found_one);
        found
    }

    #[test]
    fn shapes_are_found_at_every_offset_and_at_both_ends() {
        for (shape, text) in [("A999", "D489"), ("999-99-9999", "123-45-6789"), ("#9", "#4"), ("999-999", "555-267")] {
            let patterns: &'static [&'static str] = Box::leak(Box::new([shape]));
            for offset in 0..200 {
                for tail in ["", "z", "zzzzzzzzzzzz"] {
                    let raw = format!("{}{text}{tail}", "x".repeat(offset));
                    assert_eq!(
                        places(Shape::Like(patterns), &raw),
                        vec![Range { start: offset, end: offset + text.len() }],
                        "{raw}"
                    );
                }
            }
        }
    }

    #[test]
    fn other_texts_have_no_shape() {
        assert!(places(Shape::Like(&["AA99"]), "de89 D89 DE8 DEE8 9999 AAAA").is_empty());
        assert!(places(Shape::Like(&["AA99"]), "DE89 3704 0044 0532 0130 01 ZZ89370400440532013000").is_empty());
        assert_eq!(places(Shape::Like(&["AA99"]), "xDE89370400440532013000").len(), 1);
        assert!(places(Shape::Like(&["+9"]), "@@ -1,2 +3,4 @@ +12345678x").is_empty());
        assert_eq!(places(Shape::Like(&["+9"]), "+49 (0)30\\/901820").len(), 1);
        assert!(places(Shape::Like(&["999-9999"]), "a555-2671 9555-2671 2026-11-555-26").is_empty());
        assert_eq!(places(Shape::Like(&["999-9999"]), "(415) 555-2671 (415)555-2671 415-555-2671").len(), 3);
        assert!(places(Shape::Like(&["999-99-9999"]), "12-45-6789 123-45-678").is_empty());
        assert_eq!(places(Shape::Any, "a1b").len(), 1);
        assert!(places(Shape::Like(&["AA99"]), "").is_empty());
    }
}
