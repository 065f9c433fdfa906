//! `iban`: international bank account numbers, by the length that each country has for them and the check of ISO 13616
//! (mod 97). In groups of four or in one piece, in capitals; a longer run of letters and digits is none.

use crate::processor::redact::detector::bytes::word_starts;
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, Shape, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "iban",
    title: "international bank account numbers: country, length, mod 97",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Digits(Shape::Like(&["AA99"]), find),
    context: &[],
    hits: &["pay to «DE89 3704 0044 0532 0130 00», please", "iban=«GB29NWBK60161331926819»", "«NL91ABNA0417164300»"],
    misses: &["DE89 3704 0044 0532 0130 01", "DE8937040044053201300000", "FR12"],
};

/// Countries and the length of their numbers, from the registry of SWIFT (release 99).
const COUNTRIES: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

const LEN_MAX: usize = 34;
const GROUP_LEN: usize = 4;

/// `at` is the start of a run of digits: the check digits, behind the country.
fn find(text: &[u8], at: usize) -> Verdict {
    let Some(start) = at.checked_sub(2) else { return Verdict::NO };
    if !text[start..at].iter().all(u8::is_ascii_uppercase) {
        return Verdict::NO;
    }
    let Some(len) = country_len(text, start).filter(|_| word_starts(text, start)) else { return Verdict::NO };
    Verdict::of(end(text, start, len).map(|end| start..end))
}

/// False when no number starts at `start`, whatever stands around it: the prefilter's question.
pub(in super::super) fn may_be(raw: &[u8], start: usize) -> bool {
    country_len(raw, start).is_some_and(|len| valid_end(raw, start, len).is_some())
}

/// The length of the numbers of the country whose code stands at `start`.
fn country_len(text: &[u8], start: usize) -> Option<usize> {
    let code: &[u8; 2] = text.get(start..)?.first_chunk()?;
    let index = COUNTRIES.binary_search_by_key(&code, |(country, _)| country).ok()?;
    Some(COUNTRIES[index].1)
}

/// Where the number of this length ends, when it is no part of a longer run.
fn end(text: &[u8], start: usize, len: usize) -> Option<usize> {
    let longer = |end: &usize| text.get(*end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    valid_end(text, start, len).filter(|end| !longer(end))
}

/// Where the number of this length ends: groups of four, all with the same separator or all with none.
fn valid_end(text: &[u8], start: usize, len: usize) -> Option<usize> {
    let mut code = [0; LEN_MAX];
    let separator = text.get(start + GROUP_LEN).copied().filter(|byte| matches!(byte, b' ' | b'-'));
    let mut end = start;
    for (index, place) in code[..len].iter_mut().enumerate() {
        if index > 0 && index % GROUP_LEN == 0 && separator.is_some() {
            if text.get(end).copied() != separator {
                return None;
            }
            end += 1;
        }
        *place = text.get(end).copied().filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())?;
        end += 1;
    }
    is_valid(&code[..len]).then_some(end)
}

/// The number with its first four characters at the end, letters as 10 to 35, is one more than a multiple of 97.
fn is_valid(code: &[u8]) -> bool {
    let (head, rest) = code.split_at(GROUP_LEN);
    let sum = rest.iter().chain(head).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        letter => (sum * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    head[2..].iter().all(u8::is_ascii_digit) && sum == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::text::tests::{masks, passes};

    /// A number of the country with the right check digits.
    fn number(country: &[u8; 2], rest: &str) -> String {
        let country = std::str::from_utf8(country).unwrap();
        (2..=98).map(|check| format!("{country}{check:02}{rest}")).find(|code| is_valid(code.as_bytes())).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn every_number_of_every_country_is_found_in_one_piece_and_in_groups(filler in "[0-9A-Z]{34}", around in "[ :;\"(]") {
            for (country, len) in COUNTRIES {
                let code = number(country, &filler[..len - 4]);
                let groups: Vec<_> = code.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
                for written in [code.clone(), groups.join(" "), groups.join("-")] {
                    let text = format!("{around}{written}{around}");
                    let found = find(text.as_bytes(), 3);
                    prop_assert_eq!(found, Verdict::Hit(1..1 + written.len()), "{}", text);
                }
                prop_assert_eq!(find(format!("{code}7").as_bytes(), 2), Verdict::NO);
                prop_assert_eq!(find(&code.as_bytes()[..len - 1], 2), Verdict::NO);
            }
        }
    }

    #[test]
    fn numbers_are_masked_as_they_are_written() {
        masks("IBAN:DE89370400440532013000.", "IBAN:[REDACTED:iban].");
        masks("FR14 2004 1010 0505 0001 3M02 606 ok", "[REDACTED:iban] ok");
        masks("\\nMT84 MALT 0110 0001 2345 MTLC AST0 01S\\n", "\\n[REDACTED:iban]\\n");
        passes("XDE89370400440532013000");
        passes("DE89 37040044 0532013000");
    }
}
