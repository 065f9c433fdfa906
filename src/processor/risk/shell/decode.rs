//! Undoing what hides text: escapes, base64, hexadecimal, percent signs, the operators of `${..}`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Decoded text beyond this is of no interest.
const DECODED_BYTES_MAX: usize = 64 * 1024;

const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// Undoes backslash escapes as `$'..'`, `echo -e` and `printf` do; true when one of them hid a printable character.
pub(super) fn escapes(text: &str) -> (String, bool) {
    let (mut out, mut hidden) = (Vec::with_capacity(text.len()), false);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let (len, coded) = escape(&bytes[at + 1..], &mut out);
        hidden |= coded;
        at += 1 + len;
    }
    (String::from_utf8_lossy(&out).into_owned(), hidden)
}

/// One escape behind its backslash: how long it is, and whether it hid a printable character.
fn escape(bytes: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let Some(kind) = bytes.first().copied() else {
        out.push(b'\\');
        return (0, false);
    };
    let simple = match kind {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'a' | b'b' | b'f' | b'v' => b' ',
        b'e' | b'E' => 0x1b,
        b'\\' | b'\'' | b'"' | b'?' => kind,
        b'x' | b'u' | b'U' | b'0'..=b'7' => return numbered(kind, bytes, out),
        _ => {
            out.extend([b'\\', kind]);
            return (1, false);
        }
    };
    out.push(simple);
    (1, false)
}

fn numbered(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let (skip, radix, digits_max) = match kind {
        b'x' => (1, 16, 2),
        b'u' => (1, 16, 4),
        b'U' => (1, 16, 8),
        b'0' => (1, 8, 3),
        _ => (0, 8, 3),
    };
    let digits = bytes[skip..].iter().take(digits_max).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let text = str::from_utf8(&bytes[skip..skip + digits]).unwrap_or_default();
    let Ok(number) = u32::from_str_radix(if text.is_empty() { "0" } else { text }, radix) else {
        return (1, false);
    };
    if matches!(kind, b'u' | b'U') {
        let character = char::from_u32(number).unwrap_or(' ');
        out.extend(character.encode_utf8(&mut [0; 4]).bytes());
        return (skip + digits, character.is_ascii_graphic());
    }
    let byte = number.to_le_bytes()[0];
    out.push(byte);
    (skip + digits, byte.is_ascii_graphic())
}

/// Decodes base64 of either alphabet, white space and padding as they may be; `None` when it is no text.
pub(super) fn base64(text: &str) -> Option<String> {
    as_text(base64_bytes(text)?)
}

fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let clean: String = text.chars().filter(|c| !c.is_ascii_whitespace()).take(DECODED_BYTES_MAX * 4 / 3).collect();
    let clean = clean.trim_end_matches('=');
    if clean.len() < 4 {
        return None;
    }
    // A cut end is no reason to give up.
    let whole = if clean.len() % 4 == 1 { clean.get(..clean.len() - 1)? } else { clean };
    STANDARD.decode(whole).or_else(|_| URL_SAFE.decode(whole)).ok()
}

/// Base64 of UTF-16, as PowerShell takes it.
pub(super) fn base64_utf16(text: &str) -> Option<String> {
    let bytes = base64_bytes(text)?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).ok()?;
    text.chars().all(|c| !c.is_control() || c.is_whitespace()).then_some(text)
}

/// Base32 (RFC 4648).
pub(super) fn base32(text: &str) -> Option<String> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0_u64);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').take(DECODED_BYTES_MAX) {
        let five = match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u64::from(five);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).unwrap_or(0));
            held &= (1 << bits) - 1;
        }
    }
    as_text(out)
}

/// Pairs of hexadecimal digits, between whatever else.
pub(super) fn hexadecimal(text: &str) -> Option<String> {
    let clean = text.replace("0x", "").replace("\\x", "");
    let digits: Vec<u8> = clean.bytes().filter(u8::is_ascii_hexdigit).take(DECODED_BYTES_MAX * 2).collect();
    let foreign =
        clean.bytes().any(|byte| !byte.is_ascii_hexdigit() && !byte.is_ascii_whitespace() && !b":,-".contains(&byte));
    if digits.len() < 4 || foreign {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    as_text(digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

/// `%72%6d` is `rm`; `None` when there is nothing to undo.
pub(super) fn percent(text: &str) -> Option<String> {
    if text.bytes().filter(|byte| *byte == b'%').take(3).count() < 3 {
        return None;
    }
    let (bytes, mut out, mut at, mut undone) = (text.as_bytes(), Vec::with_capacity(text.len()), 0, 0);
    while let Some(byte) = bytes.get(at).copied() {
        let coded = bytes.get(at + 1..at + 3).and_then(|pair| str::from_utf8(pair).ok());
        match coded.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                (at, undone) = (at + 3, undone + 1);
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    if undone < 3 { None } else { as_text(out) }
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let readable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r' | '\0' | '\u{1b}'));
    (readable && !text.is_empty()).then_some(text)
}

/// What `tr` does with two sets of characters.
pub(super) fn translate(text: &str, from: &str, to: &str) -> String {
    let (from, to) = (set(from), set(to));
    let image = |c: char| match from.iter().rposition(|known| *known == c) {
        Some(place) => to.get(place).or(to.last()).copied(),
        None => Some(c),
    };
    text.chars().filter_map(image).collect()
}

/// The members of a set of `tr`: ranges and classes written out.
fn set(text: &str) -> Vec<char> {
    let text = text.replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z").replace("[:digit:]", "0-9");
    let text = text.replace("[:space:]", " \t\n");
    let text: Vec<char> = escapes(&text).0.chars().take(256).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(first) = text.get(at).copied() {
        match (text.get(at + 1), text.get(at + 2)) {
            (Some('-'), Some(last)) if first <= *last && (*last as u32 - first as u32) < 256 => {
                out.extend(first..=*last);
                at += 3;
            }
            _ => {
                out.push(first);
                at += 1;
            }
        }
    }
    out
}

/// What `${name<operation>}` gives for a value; `None` when it cannot be known.
pub(super) fn operation(value: Option<&str>, operation: &str) -> Option<String> {
    if let Some(default) = operation.strip_prefix(":-").or_else(|| operation.strip_prefix(":=")) {
        let plain = !default.contains('$') && !default.contains('`');
        return value.filter(|value| !value.is_empty()).map(str::to_owned).or_else(|| plain.then(|| unquoted(default)));
    }
    let value = value?;
    let two = |pattern: &str| {
        (operation.len() > pattern.len() && operation.starts_with(pattern)).then(|| &operation[pattern.len()..])
    };
    if let Some(argument) = two(":+") {
        return Some(unquoted(argument));
    }
    if let Some(range) = operation.strip_prefix(':') {
        return substring(value, range);
    }
    if matches!(operation, "[@]" | "[*]") {
        return Some(value.to_owned());
    }
    if let Some(place) = operation.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return value.split_ascii_whitespace().nth(place.parse().ok()?).map(str::to_owned);
    }
    if operation == "^^" || operation == "@U" {
        return Some(value.to_uppercase());
    }
    if operation == ",," || operation == "@L" {
        return Some(value.to_lowercase());
    }
    if let Some(pair) = two("//") {
        let (from, to) = pair.split_once('/').unwrap_or((pair, ""));
        return Some(value.replace(&unquoted(from), &unquoted(to)));
    }
    if let Some(pair) = two("/") {
        let (from, to) = pair.split_once('/').unwrap_or((pair, ""));
        return Some(value.replacen(&unquoted(from), &unquoted(to), 1));
    }
    trimmed(value, operation)
}

fn unquoted(text: &str) -> String {
    text.replace(['\'', '"', '\\'], "")
}

/// `offset:length` of characters.
fn substring(value: &str, range: &str) -> Option<String> {
    let (from, len) = range.split_once(':').unwrap_or((range, ""));
    let count = value.chars().count();
    let from = from.trim();
    let from = match from.strip_prefix('-') {
        Some(back) => count.saturating_sub(back.parse().ok()?),
        None => {
            if from.is_empty() {
                0
            } else {
                from.parse().ok()?
            }
        }
    };
    let len = if len.is_empty() { count } else { len.trim().parse().ok()? };
    Some(value.chars().skip(from).take(len).collect())
}

/// `#`, `##`, `%` and `%%` with a literal pattern, or one with a star at its open end.
fn trimmed(value: &str, operation: &str) -> Option<String> {
    let pattern = operation.trim_start_matches(['#', '%']);
    let longest = operation.len() - pattern.len() > 1;
    let literal = pattern.trim_matches('*');
    let place = |last: bool| if last { value.rfind(literal) } else { value.find(literal) };
    let cut = match operation.as_bytes().first()? {
        b'#' if pattern.starts_with('*') => place(longest).map(|at| &value[at + literal.len()..]),
        b'#' => value.strip_prefix(literal),
        b'%' if pattern.ends_with('*') => place(!longest).map(|at| &value[..at]),
        b'%' => value.strip_suffix(literal),
        _ => return None,
    };
    Some(cut.unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_reported_when_they_hide_letters() {
        assert_eq!(escapes(r"\x72\155 -rf"), ("rm -rf".into(), true));
        assert_eq!(escapes(r"a\tb\n"), ("a\tb\n".into(), false));
        assert_eq!(escapes(r"\u0072m \q \"), (r"rm \q \".into(), true));
    }

    #[test]
    fn encodings_are_undone_when_they_hold_text() {
        assert_eq!(base64("cm0gLXJmIC8=").as_deref(), Some("rm -rf /"));
        assert_eq!(base64("cm0gLXJmIC8").as_deref(), Some("rm -rf /"));
        assert_eq!(base64("//79/Pv6"), None);
        assert_eq!(base32("OJWSALLSMYQC6===").as_deref(), Some("rm -rf /"));
        assert_eq!(hexadecimal("726d202d7266202f").as_deref(), Some("rm -rf /"));
        assert_eq!(hexadecimal("deadbeef"), None);
        assert_eq!(percent("%72%6d%20-rf").as_deref(), Some("rm -rf"));
        assert_eq!(percent("100%"), None);
    }

    #[test]
    fn rot13_is_undone_by_its_own_sets() {
        assert_eq!(translate("ez -es /", "a-z", "n-za-m"), "rm -rf /");
        assert_eq!(translate("RM", "[:upper:]", "[:lower:]"), "rm");
    }

    #[test]
    fn operators_work_on_known_values() {
        assert_eq!(operation(Some("abcdef"), ":1:2").as_deref(), Some("bc"));
        assert_eq!(operation(Some("abcdef"), ": -2").as_deref(), Some("ef"));
        assert_eq!(operation(Some("rXm"), "/X/").as_deref(), Some("rm"));
        assert_eq!(operation(Some("a.b.c"), "%.*").as_deref(), Some("a.b"));
        assert_eq!(operation(Some("a.b.c"), "%%.*").as_deref(), Some("a"));
        assert_eq!(operation(Some("a/b/c"), "##*/").as_deref(), Some("c"));
        assert_eq!(operation(None, ":-rm").as_deref(), Some("rm"));
        assert_eq!(operation(None, "//a/b"), None);
    }
}
