//! Numbers of Brazil, Argentina, Chile and Mexico.

use crate::processor::redact::detector::code::{self, is_day, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static CPF: Detector = Detector {
    id: "br-cpf",
    title: "Brazilian taxpayer numbers of persons",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999-999-999-99"], is_cpf)),
    context: &["cpf", "cadastro de pessoa"],
    hits: &["CPF: «529.982.247-25»", "cpf=«52998224725»"],
    misses: &["CPF: 529.982.247-26", "CPF: 111.111.111-11"],
};

pub(in super::super) static CNPJ: Detector = Detector {
    id: "br-cnpj",
    title: "Brazilian numbers of companies",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-999-999-9999-99"], is_cnpj)),
    context: &["cnpj"],
    hits: &["CNPJ «11.222.333/0001-81»"],
    misses: &["CNPJ 11.222.333/0001-82"],
};

pub(in super::super) static CUIT: Detector = Detector {
    id: "ar-cuit",
    title: "Argentine tax numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-99999999-9"], is_cuit)),
    context: &["cuit", "cuil"],
    hits: &["CUIT «20-12345678-6»"],
    misses: &["CUIT 20-12345678-5"],
};

pub(in super::super) static RUT: Detector = Detector {
    id: "cl-rut",
    title: "Chilean national numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-999-999-X", "9-999-999-X", "99-999-999-k"], is_rut)),
    context: &["rut", "rol único"],
    hits: &["RUT «12.345.678-5»"],
    misses: &["RUT 12.345.678-9"],
};

pub(in super::super) static CURP: Detector = Detector {
    id: "mx-curp",
    title: "Mexican population register codes",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["AAAA999999AAAAAAX9"], is_curp)),
    context: &["curp"],
    hits: &["CURP «HEGG560427MVZRRL04»"],
    misses: &["CURP HEGG561327MVZRRL04"],
};

pub(in super::super) static RFC: Detector = Detector {
    id: "mx-rfc",
    title: "Mexican taxpayer codes",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["AAAA999999XXX", "AAA999999XXX"], is_rfc)),
    context: &["rfc"],
    hits: &["RFC: «VECJ880326XXX»"],
    misses: &["RFC 7231 section 5", "RFC: VECJ881326XXX"],
};

/// One check digit: weights, rest of eleven, ten and eleven count as zero.
fn brazilian(code: &[u8], weights: &[u32]) -> u32 {
    let rest = weighted(code, weights) % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

fn is_cpf(code: &[u8]) -> bool {
    varies(code)
        && brazilian(&code[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) == value(code[9])
        && brazilian(&code[..10], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == value(code[10])
}

fn is_cnpj(code: &[u8]) -> bool {
    varies(code)
        && brazilian(&code[..12], &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == value(code[12])
        && brazilian(&code[..13], &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == value(code[13])
}

fn is_cuit(code: &[u8]) -> bool {
    let check = (11 - weighted(&code[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    matches!(number(&code[..2]), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34) && check == value(code[10])
}

fn is_rut(code: &[u8]) -> bool {
    let (check, digits) = (code[code.len() - 1], &code[..code.len() - 1]);
    let sum: u32 =
        digits.iter().rev().zip([2, 3, 4, 5, 6, 7, 2, 3]).map(|(digit, weight)| value(*digit) * weight).sum();
    b"0K987654321"[(sum % 11) as usize] == check
}

/// Letters of the name, the date of birth, the sex.
fn is_curp(code: &[u8]) -> bool {
    is_day(&code[6..8], &code[8..10]) && matches!(code[10], b'H' | b'M' | b'X')
}

fn is_rfc(code: &[u8]) -> bool {
    let date = code.len() - 9;
    is_day(&code[date + 2..date + 4], &code[date + 4..date + 6])
}
