//! Shapes of numbers, such as `999-99-9999` or `AA99`, found in wire bytes without a look at what they mean.
//!
//! A shape with a character of its own is found by that one; a shape of digits and capital letters by a loop without
//! branches over classes of bytes, which the compiler turns into SIMD.

use std::ops::Range;

use memchr::memchr_iter;

use crate::processor::redact::detector::{Shape, iban, phone};

const BLOCK_LEN: usize = 64;

/// The shapes of the detectors in force.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    by_byte: Vec<(u8, usize, &'static [u8])>,
    by_class: Vec<&'static [u8]>,
    /// Every digit deserves a look.
    pub(super) any: bool,
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
        match pattern.iter().position(|kind| !matches!(kind, b'9' | b'A')) {
            Some(at) => self.by_byte.push((pattern[at], at, pattern)),
            None => self.by_class.push(pattern),
        }
    }

    /// Hands over the places in which a shape stands. `classes` is scratch.
    pub(super) fn scan(&self, raw: &[u8], classes: &mut Vec<u8>, found: &mut impl FnMut(Range<usize>)) {
        if self.any {
            raw.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).for_each(|(at, _)| found(at..at + 1));
        }
        for (byte, offset, pattern) in &self.by_byte {
            for at in memchr_iter(*byte, raw) {
                let span = at.checked_sub(*offset).map(|start| start..start + pattern.len());
                span.filter(|span| has(raw, span, pattern) && may_be(raw, span, pattern))
                    .into_iter()
                    .for_each(&mut *found);
            }
        }
        if self.by_class.is_empty() {
            return;
        }
        classes.clear();
        classes.extend(raw.iter().map(|byte| class(*byte)));
        self.by_class.iter().for_each(|pattern| blocks(raw, classes, pattern, found));
    }
}

/// One bit for digits, one for capital letters.
const fn class(byte: u8) -> u8 {
    byte.is_ascii_digit() as u8 | (byte.is_ascii_uppercase() as u8) << 1
}

fn has(raw: &[u8], span: &Range<usize>, pattern: &[u8]) -> bool {
    let fits = |(byte, kind): (&u8, &u8)| match kind {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        other => byte == other,
    };
    raw.get(span.clone()).is_some_and(|found| found.iter().zip(pattern).all(fits))
}

fn blocks(raw: &[u8], classes: &[u8], pattern: &[u8], found: &mut impl FnMut(Range<usize>)) {
    for start in (0..raw.len()).step_by(BLOCK_LEN) {
        let end = (start + BLOCK_LEN).min((raw.len() + 1).saturating_sub(pattern.len()));
        if start >= end || !any(&classes[start..end + pattern.len() - 1], pattern) {
            continue;
        }
        (start..end)
            .map(|at| at..at + pattern.len())
            .filter(|span| has(raw, span, pattern) && may_be(raw, span, pattern))
            .for_each(&mut *found);
    }
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

/// True when the pattern may stand somewhere in these classes.
fn any(classes: &[u8], pattern: &[u8]) -> bool {
    let len = (classes.len() + 1).saturating_sub(pattern.len()).min(BLOCK_LEN);
    let mut fits = [1_u8; BLOCK_LEN];
    for (offset, kind) in pattern.iter().enumerate() {
        let shift = u8::from(*kind == b'A');
        for (fit, class) in fits[..len].iter_mut().zip(&classes[offset..]) {
            *fit &= class >> shift;
        }
    }
    fits[..len].iter().any(|fit| fit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(shape: Shape, raw: &str) -> Vec<Range<usize>> {
        let mut found = vec![];
        Shapes::new([shape].into_iter()).scan(raw.as_bytes(), &mut vec![], &mut |place| found.push(place));
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
