//! Numbers of China, Korea, Japan, Singapore, Hong Kong, Turkey, Israel and Thailand.

use crate::processor::redact::detector::code::{self, is_day, luhn, number, value, varies, weighted};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static RRN: Detector = Detector {
    id: "kr-rrn",
    title: "Korean resident numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999-9999999"], is_rrn)),
    context: &["주민등록번호", "주민번호", "rrn", "resident registration"],
    hits: &["주민등록번호 «900101-1234568»"],
    misses: &["RRN 901301-1234568"],
};

pub(in super::super) static MY_NUMBER: Detector = Detector {
    id: "jp-my-number",
    title: "Japanese individual numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999-9999-9999"], is_my_number)),
    context: &["マイナンバー", "個人番号", "my number", "mynumber"],
    hits: &["My Number: «1234 5678 9018»"],
    misses: &["My Number: 1234 5678 9012"],
};

pub(in super::super) static NRIC: Detector = Detector {
    id: "sg-nric",
    title: "Singaporean identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["A9999999A", "a9999999a"], is_nric)),
    context: &["nric", "fin", "identity card"],
    hits: &["NRIC «S1234567D»"],
    misses: &["NRIC S1234567A"],
};

pub(in super::super) static HKID: Detector = Detector {
    id: "hk-hkid",
    title: "Hong Kong identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["A999999(X)", "A999999X", "AA999999(X)"], is_hkid)),
    context: &["hkid", "hong kong id", "hong kong identity"],
    hits: &["HKID «A123456(3)»"],
    misses: &["HKID A123456(4)"],
};

pub(in super::super) static TCKN: Detector = Detector {
    id: "tr-tckn",
    title: "Turkish identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99999999999"], is_tckn)),
    context: &["tckn", "tc kimlik", "t.c. kimlik", "kimlik no", "kimlik"],
    hits: &["TC kimlik no «10000000146»"],
    misses: &["TC kimlik no 10000000147"],
};

pub(in super::super) static TEUDAT: Detector = Detector {
    id: "il-id",
    title: "Israeli identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["999999999", "99999999-9"], is_teudat)),
    context: &["teudat zehut", "israeli id", "תעודת זהות"],
    hits: &["teudat zehut «123456782»"],
    misses: &["teudat zehut 123456783"],
};

pub(in super::super) static THAI: Detector = Detector {
    id: "th-id",
    title: "Thai identity numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9-9999-99999-99-9"], is_thai)),
    context: &["thai id", "thai national id", "บัตรประชาชน", "เลขประจำตัวประชาชน"],
    hits: &["Thai ID «1-1017-00230-70-8»"],
    misses: &["Thai ID 1-1017-00230-70-9"],
};

fn is_rrn(code: &[u8]) -> bool {
    let check = (11 - weighted(&code[..12], &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    // Numbers given since October 2020 have no check digit.
    let unchecked = number(&code[..2]) >= 20 && matches!(code[6], b'3' | b'4');
    is_day(&code[2..4], &code[4..6]) && code[6] != b'0' && (unchecked || check == value(code[12]))
}

fn is_my_number(code: &[u8]) -> bool {
    let rest = weighted(&code[..11], &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    (if rest < 2 { 0 } else { 11 - rest }) == value(code[11])
}

fn is_nric(code: &[u8]) -> bool {
    let sum = weighted(&code[1..8], &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, sum): (&[u8; 11], u32) = match code[0] {
        b'S' => (b"JZIHGFEDCBA", sum),
        b'T' => (b"JZIHGFEDCBA", sum + 4),
        b'F' => (b"XWUTRQPNMLK", sum),
        b'G' => (b"XWUTRQPNMLK", sum + 4),
        b'M' => (b"XWUTRQPNJLK", sum + 3),
        _ => return false,
    };
    let index = if code[0] == b'M' { 10 - sum % 11 } else { sum % 11 };
    letters[index as usize] == code[8]
}

/// Letters count from ten; a missing first letter counts as a blank, 36.
fn is_hkid(code: &[u8]) -> bool {
    let bare: Vec<u8> = code.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let letter = |byte: u8| if byte.is_ascii_digit() { value(byte) } else { u32::from(byte - b'A') + 10 };
    let head = if bare.len() == 8 { 36 * 9 } else { 0 };
    let sum: u32 = bare.iter().rev().zip(1..).map(|(byte, weight)| letter(*byte) * weight).sum();
    matches!(bare[bare.len() - 1], b'0'..=b'9' | b'A') && (sum + head).is_multiple_of(11)
}

fn is_tckn(code: &[u8]) -> bool {
    let odd: u32 = [0, 2, 4, 6, 8].iter().map(|index| value(code[*index])).sum();
    let even: u32 = [1, 3, 5, 7].iter().map(|index| value(code[*index])).sum();
    let sum: u32 = code[..10].iter().map(|digit| value(*digit)).sum();
    code[0] != b'0' && (odd * 7 + 90 - even) % 10 == value(code[9]) && sum % 10 == value(code[10])
}

/// Luhn's check.
fn is_teudat(code: &[u8]) -> bool {
    varies(code) && luhn(code)
}

fn is_thai(code: &[u8]) -> bool {
    let sum = weighted(&code[..12], &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    code[0] != b'0' && (11 - sum % 11) % 10 == value(code[12])
}
