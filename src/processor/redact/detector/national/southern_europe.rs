//! Numbers of Spain, Portugal, Italy, France, Greece and Switzerland.

use crate::processor::redact::detector::code::{self, is_day, luhn, number, value, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static DNI: Detector = Detector {
    id: "es-dni",
    title: "Spanish identity numbers, DNI and NIE",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999999-a", "a-9999999-a"], is_dni)),
    context: &["dni", "nie", "nif", "documento nacional"],
    hits: &["DNI «12345678Z»", "NIE: «X1234567L»"],
    misses: &["DNI 12345678A"],
};

pub(in super::super) static NIF_PT: Detector = Detector {
    id: "pt-nif",
    title: "Portuguese taxpayer numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-999-999"], is_nif)),
    context: &["nif", "contribuinte"],
    hits: &["NIF: «123456789»"],
    misses: &["NIF: 123456788"],
};

pub(in super::super) static CODICE: Detector = Detector {
    id: "it-codice-fiscale",
    title: "Italian fiscal codes",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["AAAAAA99A99A999A", "aaaaaa99a99a999a"], is_codice)),
    context: &["codice fiscale", "cod fiscale", "fiscal code", "c.f.", "cf"],
    hits: &["codice fiscale: «RSSMRA85T10A562S»"],
    misses: &["codice fiscale: RSSMRA85T10A562T"],
};

pub(in super::super) static NIR: Detector = Detector {
    id: "fr-nir",
    title: "French social security numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9-99-99-99-999-999-99", "9-99-99-9A-999-999-99"], is_nir)),
    context: &["nir", "insee", "sécurité sociale", "securite sociale", "numéro de sécu"],
    hits: &["NIR «1 84 12 76 451 089 46»"],
    misses: &["NIR 1 84 12 76 451 089 47"],
};

pub(in super::super) static AMKA: Detector = Detector {
    id: "gr-amka",
    title: "Greek social security numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999999999"], is_amka)),
    context: &["amka", "αμκα"],
    hits: &["AMKA «01018012342»"],
    misses: &["AMKA 01138012345"],
};

pub(in super::super) static AHV: Detector = Detector {
    id: "ch-ahv",
    title: "Swiss social security numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["756-9999-9999-99"], is_ahv)),
    context: &["ahv", "avs", "sozialversicherung", "oasi"],
    hits: &["AHV «756.9217.0769.85»"],
    misses: &["AHV 756.9217.0769.84"],
};

fn is_dni(code: &[u8]) -> bool {
    let first = match code[0] {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => digit,
    };
    let digits = [&[first], &code[1..8]].concat();
    first.is_ascii_digit() && b"TRWAGMYFPDXBNJZSQVHLCKE"[(number(&digits) % 23) as usize] == code[8]
}

fn is_nif(code: &[u8]) -> bool {
    let rest = weighted(&code[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest < 2 { 0 } else { 11 - rest };
    matches!(code[0], b'1'..=b'3' | b'5' | b'6' | b'8' | b'9') && check == value(code[8])
}

fn is_codice(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let even = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let one = |(index, byte): (usize, &u8)| if index % 2 == 0 { ODD[even(*byte) as usize] } else { even(*byte) };
    let sum: u32 = code[..15].iter().enumerate().map(one).sum();
    sum % 26 == u32::from(code[15] - b'A') && b"ABCDEHLMPRST".contains(&code[8])
}

/// Thirteen digits and 97 less their rest; Corsica's departments are 19 and 18.
fn is_nir(code: &[u8]) -> bool {
    let mut digits = [0; 15];
    digits.copy_from_slice(code);
    match digits[6] {
        b'A' => digits[5..7].copy_from_slice(b"19"),
        b'B' => digits[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    digits.iter().all(u8::is_ascii_digit)
        && matches!(code[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8')
        && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

fn is_amka(code: &[u8]) -> bool {
    is_day(&code[2..4], &code[..2]) && luhn(code)
}

/// The check digit of an EAN-13.
fn is_ahv(code: &[u8]) -> bool {
    weighted(code, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}
