//! Numbers of India.

use crate::processor::redact::detector::code::{self, number, value};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL};

pub(in super::super) static AADHAAR: Detector = Detector {
    id: "in-aadhaar",
    title: "Aadhaar numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["9999-9999-9999"], is_aadhaar)),
    context: &["aadhaar", "aadhar", "adhaar", "uidai", "आधार"],
    hits: &["Aadhaar: «2341 2341 2346»"],
    misses: &["Aadhaar: 2341 2341 2347"],
};

pub(in super::super) static PAN: Detector = Detector {
    id: "in-pan",
    title: "Indian permanent account numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["AAAAA9999A"], is_pan)),
    context: &["pan card", "pan number", "pan no", "permanent account", "income tax", "pan"],
    hits: &["PAN card «ABCPE1234F»"],
    misses: &["PAN card ABCDE1234F", "sku ABCPE1234F"],
};

pub(in super::super) static GSTIN: Detector = Detector {
    id: "in-gstin",
    title: "Indian GST numbers",
    class: Class::Personal,
    family: Family::GovernmentId,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99AAAAA9999AXAX"], is_gstin)),
    context: &["gstin", "gst"],
    hits: &["GSTIN «27AAPFU0939F1ZV»"],
    misses: &["GSTIN 27AAPFU0939F1ZX"],
};

/// Verhoeff's check: digits permuted by their place, multiplied in the group of the pentagon's symmetries.
fn is_aadhaar(code: &[u8]) -> bool {
    code[0] >= b'2' && verhoeff(code) == 0
}

fn verhoeff(code: &[u8]) -> u32 {
    const PERMUTED: [[u32; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    code.iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (index, digit)| multiply(sum, PERMUTED[index % 8][value(*digit) as usize]))
}

/// Turns are 0 to 4, reflections 5 to 9.
fn multiply(one: u32, other: u32) -> u32 {
    match (one < 5, other < 5) {
        (true, true) => (one + other) % 5,
        (true, false) => (one + other - 5) % 5 + 5,
        (false, true) => (one - 5 + 5 - other) % 5 + 5,
        (false, false) => (one + 5 - other) % 5,
    }
}

/// The fourth letter is the kind of holder.
fn is_pan(code: &[u8]) -> bool {
    b"ABCFGHJLPT".contains(&code[3])
}

/// A state, a PAN, and a check character in base 36.
fn is_gstin(code: &[u8]) -> bool {
    let digit = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 });
    let one = |(index, byte): (usize, &u8)| {
        let product = digit(*byte) * if index % 2 == 0 { 1 } else { 2 };
        product / 36 + product % 36
    };
    let sum: u32 = code[..14].iter().enumerate().map(one).sum();
    (1..=38).contains(&number(&code[..2])) && (36 - sum % 36) % 36 == digit(code[14])
}
