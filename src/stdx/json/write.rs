//! Writing JSON: strings with the fewest escapes (those of RFC 8785), and numbers without an allocation.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
const HIGHS: u64 = ONES << 7;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The numbers below 100, two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// How many leading bytes of `bytes` stand in a JSON string as they are: all but `"`, `\` and control characters.
///
/// Long text goes by in blocks that the compiler tests as vectors, the rest by words; the last word may overlap the one before.
#[inline]
#[must_use]
pub fn clean_prefix(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<16>();
    let is_clean = |block: &&[u8; 16]| !block.iter().fold(false, |dirty, byte| dirty | needs_escape(*byte));
    let mut at = 16 * blocks.iter().take_while(is_clean).count();
    let (words, rest) = bytes[at..].as_chunks();
    for word in words {
        match first_mark(*word) {
            8 => at += 8,
            clean => return at + clean,
        }
    }
    match bytes.last_chunk() {
        Some(word) if !rest.is_empty() => bytes.len() - 8 + first_mark(*word),
        _ => at + rest.iter().position(|byte| needs_escape(*byte)).unwrap_or(rest.len()),
    }
}

/// How many leading bytes of a word need no escape.
///
/// Each test may also mark bytes after its first hit, never one before it, so the lowest mark of all three is right.
#[inline]
fn first_mark(word: [u8; 8]) -> usize {
    let word = u64::from_le_bytes(word);
    let (quote, backslash) = (word ^ QUOTES, word ^ BACKSLASHES);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let marks = (control | quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash) & HIGHS;
    marks.trailing_zeros() as usize / 8
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends `text` as a JSON string.
#[inline]
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
#[inline]
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    escape(out, text.as_bytes());
}

/// Appends `bytes` as a JSON string; false, and nothing appended, when they are not UTF-8. Nearly all text is ASCII,
/// which is quickly seen, and then nothing needs to be decoded.
#[inline]
pub fn write_utf8(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
        return false;
    }
    out.push(b'"');
    escape(out, bytes);
    out.push(b'"');
    true
}

#[inline]
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let (clean, more) = rest.split_at(clean_prefix(rest));
        out.extend_from_slice(clean);
        let Some((byte, after)) = more.split_first() else { return };
        write_escape(out, *byte);
        rest = after;
    }
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            return write_hex(out, &[byte]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends lower-case hexadecimal digits.
#[inline]
pub fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Appends standard base64 with padding.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + base64::encoded_len(bytes.len(), true).unwrap_or_default(), 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

/// Appends a finite double: the fewest digits that read back as the same, always with a point or an exponent.
pub fn write_f64(out: &mut Vec<u8>, number: f64) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{number:?}");
}

/// Appends a number in decimal, two digits a step.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    while number >= 100 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    start -= 2;
    digits[start..start + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
    start += usize::from(number < 10);
    out.extend_from_slice(&digits[start..]);
}

/// Appends a number in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    write_u64(out, number.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_must_be_escaped_is_escaped() {
        let mut out = vec![];
        write_str(&mut out, "a\"b\\c\u{0}\u{8}\t\n\u{c}\r\u{1f}\u{7f}/é😀");
        assert_eq!(std::str::from_utf8(&out).unwrap(), "\"a\\\"b\\\\c\\u0000\\b\\t\\n\\f\\r\\u001f\u{7f}/é😀\"");
    }

    proptest! {
        #[test]
        fn the_clean_prefix_ends_at_the_first_byte_that_needs_an_escape(bytes: Vec<u8>) {
            let naive = bytes.iter().position(|byte| needs_escape(*byte)).unwrap_or(bytes.len());
            prop_assert_eq!(clean_prefix(&bytes), naive);
        }

        #[test]
        fn long_clean_text_ends_at_its_one_escape(len in 0..100_usize, at in 0..100_usize, byte in prop_oneof![Just(b'"'), Just(b'\\'), 0..0x20_u8]) {
            let mut bytes = vec![b'x'; len];
            prop_assert_eq!(clean_prefix(&bytes), len);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
                prop_assert_eq!(clean_prefix(&bytes), at);
            }
        }

        #[test]
        fn numbers_are_written_as_std_writes_them(unsigned: u64, bits in 0..64_u32, signed: i64) {
            let unsigned = unsigned >> bits;
            let mut out = vec![];
            write_u64(&mut out, unsigned);
            out.push(b' ');
            write_i64(&mut out, signed);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{unsigned} {signed}"));
        }
    }
}
