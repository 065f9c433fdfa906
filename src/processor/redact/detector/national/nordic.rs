//! Numbers of Sweden, Norway, Denmark and Finland.

use crate::processor::redact::detector::code::{self, is_day, luhn, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static PERSONNUMMER: Detector = Detector {
    id: "se-personnummer",
    title: "Swedish personal numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| {
        code::find(text, at, &["99999999-9999", "999999-9999", "999999+9999"], is_personnummer)
    }),
    context: &["personnummer", "personnr", "samordningsnummer"],
    hits: &["personnummer «811228-9874»", "personnummer: «19811228-9874»"],
    misses: &["personnummer 811228-9875"],
};

pub(in super::super) static FODSELSNUMMER: Detector = Detector {
    id: "no-fodselsnummer",
    title: "Norwegian birth numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999-99999"], is_fodselsnummer)),
    context: &["fødselsnummer", "fodselsnummer", "fnr", "personnummer"],
    hits: &["fødselsnummer «15076500565»"],
    misses: &["fødselsnummer 15076500566"],
};

pub(in super::super) static CPR: Detector = Detector {
    id: "dk-cpr",
    title: "Danish civil register numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999-9999"], is_cpr)),
    context: &["cpr", "personnummer"],
    hits: &["CPR: «211062-5629»"],
    misses: &["CPR: 211362-5629", "211062-5629"],
};

pub(in super::super) static HETU: Detector = Detector {
    id: "fi-hetu",
    title: "Finnish personal codes",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999-999X", "999999A999X", "999999+999X"], is_hetu)),
    context: &["hetu", "henkilötunnus", "henkilotunnus", "personbeteckning"],
    hits: &["henkilötunnus «131052-308T»"],
    misses: &["henkilötunnus 131052-308U"],
};

/// Days of coordination numbers are raised by 60.
fn is_personnummer(code: &[u8]) -> bool {
    let digits: Vec<u8> = code.iter().copied().filter(u8::is_ascii_digit).collect();
    let short = &digits[digits.len() - 10..];
    (1..=12).contains(&number(&short[2..4])) && (1..=91).contains(&number(&short[4..6])) && luhn(short)
}

fn is_fodselsnummer(code: &[u8]) -> bool {
    let check = |weights: &[u32], digits: &[u8]| (11 - weighted(digits, weights) % 11) % 11;
    varies(code)
        && check(&[3, 7, 6, 1, 8, 9, 4, 5, 2], &code[..9]) == value(code[9])
        && check(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], &code[..10]) == value(code[10])
}

/// The old check by eleven is not asked for since 2007.
fn is_cpr(code: &[u8]) -> bool {
    is_day(&code[2..4], &code[..2])
}

/// The sign in the middle is the century.
fn is_hetu(code: &[u8]) -> bool {
    let digits: Vec<u8> = code[..code.len() - 1].iter().copied().filter(u8::is_ascii_digit).collect();
    is_day(&digits[2..4], &digits[..2])
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(number(&digits) % 31) as usize] == code[code.len() - 1]
}
