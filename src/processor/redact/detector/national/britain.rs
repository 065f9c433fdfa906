//! Numbers of the United Kingdom and Ireland.

use crate::processor::redact::detector::code::{self, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static NHS: Detector = Detector {
    id: "uk-nhs",
    title: "NHS numbers of England and Wales",
    class: Class::Personal,
    family: Family::Health,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-999-9999"], is_nhs)),
    context: &["nhs", "patient"],
    hits: &["NHS number: «943 476 5919»", "«9434765919» (NHS)"],
    misses: &["NHS number: 943 476 5918"],
};

pub(in super::super) static NINO: Detector = Detector {
    id: "uk-nino",
    title: "UK national insurance numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["AA-99-99-99-A", "aa-99-99-99-a"], is_nino)),
    context: &["nino", "national insurance", "ni number", "ni no"],
    hits: &["NINO «AB 12 34 56 C»", "national insurance number «AB123456C»"],
    misses: &["NINO BG 12 34 56 C", "part AB123456C"],
};

pub(in super::super) static SORT: Detector = Detector {
    id: "uk-sort-code",
    title: "UK sort codes",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-99-99"], varies)),
    context: &["sort code", "sortcode"],
    hits: &["sort code «20-00-00»"],
    misses: &["20-11-26"],
};

pub(in super::super) static UTR: Detector = Detector {
    id: "uk-taxpayer-reference",
    title: "UK unique taxpayer references",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999-99999"], is_utr)),
    context: &["utr", "unique taxpayer"],
    hits: &["UTR: «1123456789»"],
    misses: &["UTR: 2123456789"],
};

pub(in super::super) static PPS: Detector = Detector {
    id: "ie-pps",
    title: "Irish personal public service numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999999aa", "9999999a"], is_pps)),
    context: &["pps", "ppsn", "personal public service"],
    hits: &["PPS number «1234567T»", "PPSN: «1234567FA»"],
    misses: &["PPS number 1234567A"],
};

fn is_nhs(code: &[u8]) -> bool {
    let check = 11 - weighted(&code[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    varies(code) && check != 10 && check % 11 == value(code[9])
}

fn is_nino(code: &[u8]) -> bool {
    let prefix = [code[0], code[1]];
    let never: [&[u8; 2]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    !b"DFIQUV".contains(&prefix[0])
        && !b"DFIQUVO".contains(&prefix[1])
        && !never.contains(&&prefix)
        && matches!(code[8], b'A'..=b'D')
}

/// The first digit checks the other nine.
fn is_utr(code: &[u8]) -> bool {
    const CHECKS: &[u8; 11] = b"21987654321";
    let rest = weighted(&code[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    code[0] == CHECKS[rest as usize]
}

fn is_pps(code: &[u8]) -> bool {
    let extra = code.get(8).map_or(0, |letter| if *letter == b'W' { 0 } else { u32::from(letter - b'A' + 1) });
    let sum = weighted(&code[..7], &[8, 7, 6, 5, 4, 3, 2]) + 9 * extra;
    b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize] == code[7]
}
