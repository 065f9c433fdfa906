//! Reads our own lines byte by byte: exactly as they are written, or not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What is left of a line. Every step takes the expected bytes or fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a>(pub(super) &'a [u8]);

impl<'a> Scan<'a> {
    pub(super) fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// A decimal number without leading zeros.
    pub(super) fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        decimal(number)
    }

    /// The bytes of a string that needs no escapes, and its closing quote.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(b'"', self.0)?;
        let (text, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte >= b' ' && byte != b'\\'))
    }

    /// A string of base64 that holds exactly `N` bytes, and its closing quote.
    pub(super) fn base64<const N: usize>(&mut self) -> Option<[u8; N]> {
        base64_exact(self.text()?.as_bytes())
    }

    /// A string that holds a note, and its closing quote: line ends are escaped, and nothing else can be.
    pub(super) fn note(&mut self) -> Option<String> {
        let end = memchr::memchr(b'"', self.0)?;
        let (text, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        let escaped = std::str::from_utf8(text).ok().filter(|text| !text.contains('\n'))?;
        let note = escaped.replace("\\n", "\n");
        note.chars().all(|c| c == '\n' || !(c.is_control() || c == '\\')).then_some(note)
    }

    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A decimal number without leading zeros.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// Standard base64 of exactly `N` bytes; one value has one spelling.
pub(super) fn base64_exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != base64_len(N) {
        return None;
    }
    (STANDARD.decode_slice(text, &mut bytes).ok()? == N).then_some(bytes)
}

/// How long the base64 of so many bytes is.
pub(super) const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends standard base64.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + base64_len(bytes.len()), 0);
    // The room is exact, so this cannot fail; if it did, the line would not verify.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert!(written.is_ok_and(|written| written == out.len() - start));
}

/// Appends a decimal number.
pub(super) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_base64_come_back(number: u64, bytes: [u8; 16]) {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            prop_assert_eq!(out.clone(), number.to_string().into_bytes());
            prop_assert_eq!(decimal(&out), Some(number));
            out.clear();
            push_base64(&mut out, &bytes);
            prop_assert_eq!(base64_exact::<16>(&out), Some(bytes));
            prop_assert_eq!(base64_exact::<17>(&out), None);
        }
    }

    #[test]
    fn a_value_has_one_spelling_only() {
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1x", "18446744073709551616"] {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(base64_exact::<1>(b"AA=="), Some([0]));
        for wrong in ["AB==", "AA=", "AA", "AAAA", "AA==="] {
            assert_eq!(base64_exact::<1>(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
