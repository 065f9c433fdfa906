//! Numbers of the United States besides the social security number in its usual form.

use crate::processor::redact::detector::code::{self, luhn, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, us_ssn};

pub(in super::super) static SSN_PLAIN: Detector = Detector {
    id: "us-ssn-plain",
    title: "US social security numbers without dashes, near a word for them",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999 99 9999", "999999999", "999.99.9999"], is_ssn)),
    context: &["ssn", "social security", "social sec", "ss number"],
    hits: &["SSN: «123456789»", "social security number «123 45 6789»"],
    misses: &["SSN: 000456789", "build 123456789"],
};

pub(in super::super) static ITIN: Detector = Detector {
    id: "us-itin",
    title: "US individual taxpayer numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-99-9999"], is_itin)),
    context: &["itin", "taxpayer identification", "taxpayer id", "tax id"],
    hits: &["ITIN «912-70-1234»", "taxpayer id: «900701234»"],
    misses: &["ITIN 912-49-1234", "912-70-1234 apples"],
};

pub(in super::super) static EIN: Detector = Detector {
    id: "us-ein",
    title: "US employer numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99=9999999"], is_ein)),
    context: &["ein", "fein", "employer identification", "employer id", "tax id", "federal tax"],
    hits: &["EIN: «12-3456789»"],
    misses: &["EIN: 07-3456789", "12-3456789"],
};

pub(in super::super) static MBI: Detector = Detector {
    id: "us-medicare-beneficiary",
    title: "US Medicare beneficiary identifiers",
    class: Class::Personal,
    family: Family::Health,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9aX9-aX9-aa99"], is_mbi)),
    context: &["mbi", "medicare"],
    hits: &["MBI «1EG4-TE5-MK73»", "Medicare number: «1EG4TE5MK73»"],
    misses: &["MBI 1SG4-TE5-MK73"],
};

pub(in super::super) static NPI: Detector = Detector {
    id: "us-npi",
    title: "US national provider identifiers",
    class: Class::Personal,
    family: Family::Health,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999999999"], is_npi)),
    context: &["npi", "national provider"],
    hits: &["NPI «1234567893»"],
    misses: &["NPI 1234567890", "1234567893"],
};

pub(in super::super) static DEA: Detector = Detector {
    id: "us-dea",
    title: "US DEA registration numbers",
    class: Class::Personal,
    family: Family::Health,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["aX9999999"], is_dea)),
    context: &["dea"],
    hits: &["DEA number «AB1234563»"],
    misses: &["DEA number AB1234567"],
};

pub(in super::super) static ABA: Detector = Detector {
    id: "us-aba-routing",
    title: "US bank routing numbers",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999999", "9999-9999-9"], is_aba)),
    context: &["aba", "routing", "rtn", "routing transit"],
    hits: &["routing number «021000021»", "ABA: «1210-0024-8»"],
    misses: &["routing number 021000022", "021000021"],
};

fn is_ssn(code: &[u8]) -> bool {
    us_ssn::is_issued(&code[..3], &code[3..5], &code[5..]) && varies(code)
}

/// Groups as the Internal Revenue Service gives them out.
fn is_itin(code: &[u8]) -> bool {
    let group = number(&code[3..5]);
    code[0] == b'9' && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Prefixes of the campuses of the Internal Revenue Service; the ones missing were never given out.
fn is_ein(code: &[u8]) -> bool {
    let never = [0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97];
    !never.contains(&number(&code[..2])) && varies(&code[2..])
}

/// No letters that look like digits: S, L, O, I, B, Z.
fn is_mbi(code: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() && !b"SLOIBZ".contains(&byte);
    let either = |byte: u8| byte.is_ascii_digit() || letter(byte);
    code[0] != b'0' && [1, 4, 7, 8].iter().all(|index| letter(code[*index])) && either(code[2]) && either(code[5])
}

/// Luhn's check with the prefix of the United States' health cards, 80840.
fn is_npi(code: &[u8]) -> bool {
    matches!(code[0], b'1' | b'2') && luhn(&[b"80840", code].concat())
}

fn is_dea(code: &[u8]) -> bool {
    let odd = value(code[2]) + value(code[4]) + value(code[6]);
    let even = value(code[3]) + value(code[5]) + value(code[7]);
    b"ABCDEFGHJKLMPRSTUX".contains(&code[0])
        && (code[1].is_ascii_alphabetic() || code[1] == b'9')
        && (odd + 2 * even) % 10 == value(code[8])
}

/// The first two digits are a district of the Federal Reserve.
fn is_aba(code: &[u8]) -> bool {
    let district = number(&code[..2]);
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(code, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}
