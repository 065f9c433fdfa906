//! `us-ssn`: social security numbers written `ddd-dd-dddd`, by the rules of their issuer: no area 000, 666 or 9xx, no
//! group 00, no serial 0000. Parts of longer numbers are none.

use crate::processor::redact::detector::bytes::before;
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, Shape, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "us-ssn",
    title: "US social security numbers, written ddd-dd-dddd",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Digits(Shape::Like(&["999-99-9999"]), find),
    context: &[],
    hits: &["ssn «123-45-6789»."],
    misses: &["666-12-3456"],
};

const LEN: usize = 11;

/// `at` is the start of a run of digits.
fn find(text: &[u8], at: usize) -> Verdict {
    let Some(number) = text.get(at..at + LEN) else { return Verdict::NO };
    if is_shaped(number) && is_issued(&number[..3], &number[4..6], &number[7..]) && !is_part(text, at) {
        return Verdict::Hit(at..at + LEN);
    }
    Verdict::NO
}

/// True for `ddd-dd-dddd`.
fn is_shaped(number: &[u8]) -> bool {
    number.iter().enumerate().all(|(index, byte)| match index {
        3 | 6 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    })
}

/// True for an area, a group and a serial number that may have been given out.
pub(super) fn is_issued(area: &[u8], group: &[u8], serial: &[u8]) -> bool {
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}

fn is_part(text: &[u8], at: usize) -> bool {
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let (next, second) = (text.get(at + LEN).copied(), text.get(at + LEN + 1).copied());
    digit(before(text, at))
        || digit(next)
        || (next == Some(b'-') && digit(second))
        || (before(text, at) == Some(b'-') && digit(before(text, at - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn numbers_are_masked_wherever_they_stand() {
        masks("ssn 123-45-6789.", "ssn [REDACTED:us-ssn].");
        masks("ssn123-45-6789x", "ssn[REDACTED:us-ssn]x");
        masks(r#"{"ssn":"899-99-9999"}"#, r#"{"ssn":"[REDACTED:us-ssn]"}"#);
    }

    #[test]
    fn numbers_never_issued_and_parts_of_longer_ones_pass() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "999-12-3456",
            "123-00-4567",
            "123-45-0000",
            "1123-45-6789",
            "123-45-67890",
            "1-123-45-6789",
            "123-45-6789-1",
            "123 45 6789",
            "123-456-7890",
        ] {
            passes(text);
        }
    }

    #[test]
    fn every_area_and_group_obeys_the_rules() {
        for area in 0..1000 {
            for group in 0..100 {
                let text = format!("{area:03}-{group:02}-0001");
                let issued = area != 0 && area != 666 && area < 900 && group != 0;
                assert_eq!(find(text.as_bytes(), 0) != Verdict::NO, issued, "{text}");
            }
        }
    }
}
