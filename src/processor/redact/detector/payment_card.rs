//! `payment-card`: 12 to 19 digits, in one piece or in groups with one kind of single separator, that have the prefix
//! of an issuer with a fitting length and pass Luhn's check. Parts of longer numbers, decimal fractions and hexadecimal
//! ids are none.

use std::ops::Range;

use crate::processor::redact::detector::bytes::{before, run_end_within, run_start_within};
use crate::processor::redact::detector::{CARD, Class, Confidence, Detector, Family, Find, Shape, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "payment-card",
    title: "numbers of payment cards: issuer, length, Luhn",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::High,
    profiles: CARD,
    find: Find::Digits(Shape::Long, find),
    context: &[],
    hits: &["paid with «4111 1111 1111 1111»", "«378282246310005»"],
    misses: &["4111111111111112"],
};

const DIGITS_MAX: usize = 19;

/// Digits being collected, with the ends of the groups.
struct Groups {
    digits: [u8; DIGITS_MAX],
    len: usize,
    separator: Option<u8>,
}

/// `at` is the start of a run of digits.
fn find(text: &[u8], at: usize) -> Verdict {
    if !matches!(text.get(at), Some(b'2'..=b'6' | b'8' | b'9')) || !is_long(text, at) || is_fraction(text, at) {
        return Verdict::NO;
    }
    match longest(text, at) {
        Some(span) if is_part(text, &span) || (is_whole(text, &span) && is_labelled_otherwise(text, at)) => Verdict::NO,
        Some(span) => Verdict::Hit(span),
        _ => Verdict::NO,
    }
}

/// True when the first group is a whole number's, or one of four or six digits before another.
fn is_long(text: &[u8], at: usize) -> bool {
    let is_digit = |index: usize| text.get(at + index).is_some_and(u8::is_ascii_digit);
    is_digit(1) && is_digit(2) && is_digit(3) && (is_digit(5) || matches!(text.get(at + 4), Some(b' ' | b'-')))
}

/// The longest number that starts at `at`, ends with a group and is a card's.
fn longest(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut groups = Groups { digits: [0; DIGITS_MAX], len: 0, separator: None };
    let mut found = None;
    let mut start = at;
    loop {
        let end = run_end_within(text, start, DIGITS_MAX + 1, |byte| byte.is_ascii_digit());
        if !groups.take(&text[start..end]) {
            return found;
        }
        if is_card(&groups.digits[..groups.len]) {
            found = Some(at..end);
        }
        if !groups.goes_on(text, end, end - at) {
            return found;
        }
        start = end + 1;
    }
}

impl Groups {
    fn take(&mut self, group: &[u8]) -> bool {
        let Some(room) = self.digits.get_mut(self.len..self.len + group.len()) else { return false };
        for (digit, byte) in room.iter_mut().zip(group) {
            *digit = byte - b'0';
        }
        self.len += group.len();
        true
    }

    /// A number in groups starts with four or six digits, and keeps to its separator.
    fn goes_on(&mut self, text: &[u8], end: usize, first: usize) -> bool {
        let Some(separator @ (b' ' | b'-')) = text.get(end).copied() else { return false };
        let same = match self.separator {
            Some(known) => known == separator,
            None => matches!(first, 4 | 6),
        };
        self.separator = Some(separator);
        same && text.get(end + 1).is_some_and(u8::is_ascii_digit)
    }
}

/// `0.4111111111111111` is a number with a fraction.
fn is_fraction(text: &[u8], at: usize) -> bool {
    before(text, at) == Some(b'.') && before(text, at - 1).is_some_and(|byte| byte.is_ascii_digit())
}

/// In one piece.
fn is_whole(text: &[u8], span: &Range<usize>) -> bool {
    text[span.clone()].iter().all(u8::is_ascii_digit)
}

/// More groups joined by dashes, or letters around that make it a hexadecimal id.
fn is_part(text: &[u8], span: &Range<usize>) -> bool {
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let dashed_before = before(text, span.start) == Some(b'-') && digit(before(text, span.start - 1));
    let dashed_after = text.get(span.end) == Some(&b'-') && digit(text.get(span.end + 1).copied());
    dashed_before || dashed_after || is_hexadecimal(text, span)
}

fn is_hexadecimal(text: &[u8], span: &Range<usize>) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    let start = run_start_within(text, span.start, 64, word);
    let end = run_end_within(text, span.end, 64, word);
    let around = text[start..span.start].iter().chain(&text[span.end..end]);
    let letters = around.clone().filter(|byte| byte.is_ascii_alphabetic()).count();
    letters >= 2 && end - start >= 20 && around.into_iter().all(u8::is_ascii_hexdigit)
}

fn is_card(digits: &[u8]) -> bool {
    (12..=DIGITS_MAX).contains(&digits.len()) && has_issuer(digits) && passes_luhn(digits)
}

/// The ranges of the issuers, by the first six digits and the length. Where an issuer has a range of lengths, those
/// that are given out; twelve and thirteen digits start a card only with a prefix of Maestro's own.
fn has_issuer(digits: &[u8]) -> bool {
    let prefix = digits[..6].iter().fold(0, |number: u32, digit| number * 10 + u32::from(*digit));
    let len = digits.len();
    match prefix {
        400_000..=499_999 => matches!(len, 13 | 16 | 19),
        510_000..=559_999 | 222_100..=272_099 | 979_200..=979_299 | 986_000..=986_099 | 860_000..=860_099 => len == 16,
        340_000..=349_999 | 370_000..=379_999 => len == 15,
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => matches!(len, 14 | 16 | 19),
        352_800..=358_999 | 220_000..=220_499 | 636_000..=636_999 => matches!(len, 16 | 19),
        601_100..=601_199 | 644_000..=659_999 => matches!(len, 16 | 19),
        620_000..=629_999 => (16..=19).contains(&len),
        506_099..=506_198 | 507_865..=507_964 => matches!(len, 16 | 18 | 19),
        508_000..=508_999 | 506_699..=506_778 | 509_000..=509_999 | 501_900..=501_999 => len == 16,
        600_000..=609_999 | 637_000..=638_999 | 810_000..=829_999 => len == 16,
        501_800..=501_899 | 502_000..=502_099 | 503_800..=503_899 | 561_200..=561_299 | 589_300..=589_399 => {
            (12..=19).contains(&len)
        }
        630_400..=630_499 | 639_000..=639_099 | 675_900..=675_999 | 676_100..=676_399 | 676_770..=676_774 => {
            (12..=19).contains(&len)
        }
        _ => false,
    }
}

/// Words before a number in one piece that say what else it is.
const OTHERS: &[&str] = &[
    "order",
    "tracking",
    "invoice",
    "ticket",
    "timestamp",
    "ts",
    "ns",
    "trace",
    "span",
    "request",
    "seq",
    "sequence",
    "offset",
    "isbn",
    "ean",
    "upc",
    "gtin",
    "sku",
    "imei",
    "snowflake",
    "tweet",
    "block",
    "build",
    "nonce",
    "sent",
    "parcel",
    "shipment",
    "barcode",
    "serial",
    "uid",
    "checksum",
    "crc",
    "hash",
    "version",
    "epoch",
    "time",
    "iccid",
    "imsi",
    "meter",
    "channel",
];

/// `order_id=4539…`, `tracking number 4539…`: a label of the number itself.
fn is_labelled_otherwise(text: &[u8], at: usize) -> bool {
    let separator = |byte: u8| byte.is_ascii_punctuation() || byte == b' ';
    let letter = |byte: u8| byte.is_ascii_alphabetic();
    let mut end = run_start_within(text, at, 4, separator);
    for _ in 0..2 {
        let start = run_start_within(text, end, 12, letter);
        let word = text[start..end].to_ascii_lowercase();
        if OTHERS.iter().any(|other| other.as_bytes() == word) {
            return true;
        }
        if !["id", "no", "nr", "number", "num", "code"].iter().any(|filler| filler.as_bytes() == word) {
            return false;
        }
        end = run_start_within(text, start, 3, separator);
    }
    false
}

fn passes_luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| u32::from(if index % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::text::tests::{masks, passes, redacted};

    #[test]
    fn card_numbers_are_masked_in_one_piece_and_in_groups() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "378282246310005",
            "3782 822463 10005",
            "5555555555554444",
            "2223003122003222",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "6200000000000005",
            "4222222222222",
            "6759649826438453",
            "2200000000000004",
        ] {
            masks(card, "[REDACTED:payment-card]");
            masks(&format!("pan='{card}' where"), "pan='[REDACTED:payment-card]' where");
            masks(&format!("card{card}x"), "card[REDACTED:payment-card]x");
        }
        masks("7 4111 1111 1111 1111 12", "7 [REDACTED:payment-card] 12");
    }

    #[test]
    fn other_numbers_pass() {
        for text in [
            "4111111111111112",
            "41111111111111111111",
            "0.4111111111111111",
            "1732200000000",
            "1732200000000000000",
            "4111-1111-1111-1111-1111",
            "4111 1111-1111 1111",
            "4111  1111 1111 1111",
            "9999999999999995",
            "order_id=4111111111111111",
            "tracking number: 4111111111111111",
            "503812345670",
            "a4111111111111111bcdef0",
            "2026-11-21 10:22:33",
        ] {
            passes(text);
        }
    }

    /// A prefix of an issuer whose numbers have this length.
    fn prefix(len: usize) -> Option<u32> {
        let digits = |number: u32| {
            number.to_string().bytes().map(|byte| byte - b'0').chain([0; DIGITS_MAX]).take(len).collect::<Vec<_>>()
        };
        (400_000..700_000).step_by(97).chain(300_000..399_999).find(|prefix| has_issuer(&digits(*prefix)))
    }

    #[test]
    fn numbers_of_every_length_are_found_and_no_longer_number_is_cut() {
        for len in 12..=DIGITS_MAX {
            let prefix = prefix(len).unwrap_or(501_800).to_string();
            let head: Vec<u8> = prefix.bytes().map(|byte| byte - b'0').chain((0..9).cycle()).take(len - 1).collect();
            let number = with_check_digit(&head);
            masks(&format!("x {number}, y"), "x [REDACTED:payment-card], y");
            masks(&format!("\"{number}\""), "\"[REDACTED:payment-card]\"");
            let longer = format!("{number}{}", "0".repeat(DIGITS_MAX + 1 - len));
            assert_eq!(find(longer.as_bytes(), 0), Verdict::NO, "{longer}");
            passes(&format!("0.{number}"));
        }
        for len in [1, 8, 11, 20, 24] {
            passes(&"4".repeat(len));
        }
    }

    #[test]
    fn every_digit_counts_in_the_check() {
        let number = b"4111111111111111".map(|byte| byte - b'0');
        for place in 0..number.len() {
            for digit in (0..10).filter(|digit| *digit != number[place]) {
                let mut other = number;
                other[place] = digit;
                assert!(passes_luhn(&number) && !passes_luhn(&other), "{other:?}");
            }
        }
    }

    fn with_check_digit(head: &[u8]) -> String {
        let digits = |last: u8| [head, &[last]].concat();
        let last = (0..10).find(|last| passes_luhn(&digits(*last))).unwrap();
        digits(last).iter().map(|digit| char::from(b'0' + digit)).collect()
    }

    proptest! {
        #[test]
        fn every_valid_number_is_found_wherever_it_stands(
            prefix in prop::sample::select(vec![("4", 16), ("4", 13), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16),
                ("34", 15), ("37", 15), ("6011", 16), ("65", 19), ("36", 14), ("3528", 16), ("3589", 16), ("62", 17)]),
            filler in prop::collection::vec(0..10_u8, 18),
            // No word of these letters says that the number is something else.
            around in "[g-m ,:;/\"]{0,5}",
        ) {
            let (prefix, len) = prefix;
            let mut head: Vec<u8> = prefix.bytes().map(|byte| byte - b'0').chain(filler).collect();
            head.truncate(len - 1);
            let number = with_check_digit(&head);
            prop_assert_eq!(redacted(&format!("{around}{number}{around}")), format!("{around}[REDACTED:payment-card]{around}"));
            prop_assert_eq!(find(format!("{number}0000000").as_bytes(), 0), Verdict::NO);
        }
    }
}
