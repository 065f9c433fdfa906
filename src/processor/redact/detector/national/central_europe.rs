//! Numbers of Germany, the Netherlands, Belgium, Poland, Czechia, Romania, Bulgaria and Croatia.

use crate::processor::redact::detector::code::{self, is_day, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static STEUER_ID: Detector = Detector {
    id: "de-steuer-id",
    title: "German tax numbers of persons",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-999-999-999"], is_steuer_id)),
    context: &["steuer-id", "steuer id", "steueridentifikationsnummer", "steuerid", "identifikationsnummer", "idnr"],
    hits: &["Steuer-ID «86 095 742 719»"],
    misses: &["Steuer-ID 86 095 742 718"],
};

pub(in super::super) static BSN: Detector = Detector {
    id: "nl-bsn",
    title: "Dutch citizen service numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999-99-999", "999999999"], is_bsn)),
    context: &["bsn", "burgerservicenummer", "sofinummer", "sofi"],
    hits: &["BSN «111222333»"],
    misses: &["BSN 111222334"],
};

pub(in super::super) static NRN: Detector = Detector {
    id: "be-national-number",
    title: "Belgian national register numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-99-99-999-99"], is_nrn)),
    context: &[
        "rijksregister",
        "rijksregisternummer",
        "registre national",
        "numéro national",
        "national register",
        "nrn",
    ],
    hits: &["rijksregisternummer «85.07.30-033.28»"],
    misses: &["rijksregisternummer 85.07.30-033.29"],
};

pub(in super::super) static PESEL: Detector = Detector {
    id: "pl-pesel",
    title: "Polish national numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999999999"], is_pesel)),
    context: &["pesel"],
    hits: &["PESEL: «44051401359»"],
    misses: &["PESEL: 44051401358"],
};

pub(in super::super) static RODNE: Detector = Detector {
    id: "cz-rodne-cislo",
    title: "Czech and Slovak birth numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999-9999"], is_rodne)),
    context: &["rodné číslo", "rodne cislo", "rodné č", "rč"],
    hits: &["rodné číslo «736028/5163»"],
    misses: &["rodné číslo 736028/5164"],
};

pub(in super::super) static CNP: Detector = Detector {
    id: "ro-cnp",
    title: "Romanian personal codes",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999999999999"], is_cnp)),
    context: &["cnp", "cod numeric personal"],
    hits: &["CNP «1800101221144»"],
    misses: &["CNP 1800101221145"],
};

pub(in super::super) static EGN: Detector = Detector {
    id: "bg-egn",
    title: "Bulgarian citizen numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999999999"], is_egn)),
    context: &["egn", "егн"],
    hits: &["EGN «7523169263»"],
    misses: &["EGN 7523169264"],
};

pub(in super::super) static OIB: Detector = Detector {
    id: "hr-oib",
    title: "Croatian personal numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999999999"], is_oib)),
    context: &["oib"],
    hits: &["OIB «33392005961»"],
    misses: &["OIB 33392005962"],
};

/// ISO 7064, mod 11, 10.
fn mod_11_10(code: &[u8]) -> bool {
    let (check, digits) = (code[code.len() - 1], &code[..code.len() - 1]);
    let product = digits.iter().fold(10, |product, digit| {
        let sum = (value(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == value(check)
}

/// No leading zero; among the first ten digits one stands twice or three times.
fn is_steuer_id(code: &[u8]) -> bool {
    let twice = (b'0'..=b'9').map(|digit| code[..10].iter().filter(|other| **other == digit).count());
    code[0] != b'0' && twice.max().is_some_and(|most| matches!(most, 2 | 3)) && mod_11_10(code)
}

/// The test of eleven, whose last weight is minus one.
fn is_bsn(code: &[u8]) -> bool {
    let sum = weighted(&code[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    varies(code) && (sum + 11 - value(code[8])).is_multiple_of(11)
}

/// Of those born since 2000 a two stands before the number.
fn is_nrn(code: &[u8]) -> bool {
    let (born, check) = (number(&code[..9]), number(&code[9..]));
    let month = number(&code[2..4]) % 20;
    month <= 12 && number(&code[4..6]) <= 31 && (97 - born % 97 == check || 97 - (born + 2_000_000_000) % 97 == check)
}

/// The month says the century: plus 20, 40, 60 or 80.
fn is_pesel(code: &[u8]) -> bool {
    let month = number(&code[2..4]) % 20;
    (1..=12).contains(&month)
        && (1..=31).contains(&number(&code[4..6]))
        && weighted(code, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Women's months are raised by 50, a second series by 20.
fn is_rodne(code: &[u8]) -> bool {
    let month = number(&code[2..4]) % 50 % 20;
    let rest = number(&code[..9]) % 11 % 10;
    (1..=12).contains(&month) && (number(code).is_multiple_of(11) || rest == number(&code[9..]))
}

fn is_cnp(code: &[u8]) -> bool {
    let rest = weighted(&code[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    code[0] != b'0' && is_day(&code[3..5], &code[5..7]) && (if rest == 10 { 1 } else { rest }) == value(code[12])
}

fn is_egn(code: &[u8]) -> bool {
    let month = number(&code[2..4]) % 20;
    let rest = weighted(&code[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    (1..=12).contains(&month) && rest == value(code[9])
}

fn is_oib(code: &[u8]) -> bool {
    varies(code) && mod_11_10(code)
}
