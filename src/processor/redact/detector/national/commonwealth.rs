//! Numbers of Canada, Australia, New Zealand and South Africa.

use crate::processor::redact::detector::code::{self, is_day, luhn, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static SIN: Detector = Detector {
    id: "ca-sin",
    title: "Canadian social insurance numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-999-999"], is_sin)),
    context: &["social insurance", "sin number", "sin no", "numéro d'assurance sociale"],
    hits: &["social insurance number «046 454 286»"],
    misses: &["social insurance number 046 454 287", "sin 046 454 286"],
};

pub(in super::super) static TFN: Detector = Detector {
    id: "au-tfn",
    title: "Australian tax file numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-999-999"], is_tfn)),
    context: &["tfn", "tax file"],
    hits: &["TFN «123 456 782»"],
    misses: &["TFN 123 456 789"],
};

pub(in super::super) static MEDICARE: Detector = Detector {
    id: "au-medicare",
    title: "Australian Medicare numbers",
    class: Class::Personal,
    family: Family::Health,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999-99999-9", "9999-99999-9/9"], is_medicare)),
    context: &["medicare"],
    hits: &["Medicare «2123 45670 1»"],
    misses: &["Medicare 2123 45671 1"],
};

pub(in super::super) static IRD: Detector = Detector {
    id: "nz-ird",
    title: "New Zealand tax numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-999-999", "999-999-999"], is_ird)),
    context: &["ird", "inland revenue"],
    hits: &["IRD number «49-091-850»"],
    misses: &["IRD number 49-091-851"],
};

pub(in super::super) static ZA: Detector = Detector {
    id: "za-id",
    title: "South African identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999999999999"], is_za)),
    context: &["sa id", "south african id", "rsa id", "id number"],
    hits: &["SA ID «8001015009087»"],
    misses: &["SA ID 8001015009088", "SA ID 8013015009087"],
};

fn is_sin(code: &[u8]) -> bool {
    code[0] != b'8' && varies(code) && luhn(code)
}

fn is_tfn(code: &[u8]) -> bool {
    varies(code) && weighted(code, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

fn is_medicare(code: &[u8]) -> bool {
    matches!(code[0], b'2'..=b'6') && weighted(&code[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == value(code[8])
}

fn is_ird(code: &[u8]) -> bool {
    let padded = [&b"0"[..9 - code.len()], code].concat();
    let check = |weights: &[u32]| (11 - weighted(&padded[..8], weights) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    number(code) > 10_000_000 && check == value(padded[8])
}

/// Date of birth, sex, citizenship, and Luhn's check.
fn is_za(code: &[u8]) -> bool {
    is_day(&code[2..4], &code[4..6]) && matches!(code[10], b'0' | b'1' | b'2') && luhn(code)
}
