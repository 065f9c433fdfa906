//! Text that is written in another way within a text: backslash escapes, URL encoding, base64. Each decoder keeps where
//! its characters came from, so that what is found in the decoded text can be cut out of the text as it stands.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// The shortest base64 that is opened: it holds fifteen characters, as few as an address or card number has.
pub(super) const BASE64_LEN_MIN: usize = 20;
/// The longest: 64 KiB of text.
pub(super) const BASE64_LEN_MAX: usize = 64 * 1024 / 3 * 4 + 4;
/// How much of a run is looked at to tell text from other bytes before all of it is decoded.
const PEEK_LEN: usize = 16;

/// A decoded text, and where its parts came from.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// The escapes, in order.
    escapes: Vec<Escape>,
}

/// An escape that was undone.
#[derive(Debug)]
struct Escape {
    /// Its place in the decoded text.
    decoded: Range<usize>,
    /// Its place in the text as it stands.
    written: Range<usize>,
}

impl Decoded {
    /// Where a range of the decoded text stands in the text as written; escapes are taken whole.
    pub(super) fn written(&self, range: &Range<usize>) -> Range<usize> {
        self.place(range.start, |escape| escape.written.start)..self.place(range.end, |escape| escape.written.end)
    }

    fn place(&self, at: usize, inside: fn(&Escape) -> usize) -> usize {
        let after = self.escapes.partition_point(|escape| escape.decoded.start < at);
        match after.checked_sub(1).map(|index| &self.escapes[index]) {
            Some(escape) if at < escape.decoded.end => inside(escape),
            Some(escape) => escape.written.end + (at - escape.decoded.end),
            None => at,
        }
    }
}

/// Undoes the escapes that start with `mark`; `None` when there is none. `read` says what the escape at the start of its
/// argument stands for and how long it is.
fn undo(text: &str, mark: u8, read: impl Fn(&[u8]) -> Option<(Cow<'static, str>, usize)>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    let mut decoded = Decoded { text: String::new(), escapes: Vec::new() };
    let mut passed = 0;
    while let Some(at) = memchr::memchr(mark, &bytes[passed..]).map(|at| passed + at) {
        let Some((character, len)) = read(&bytes[at..]) else {
            decoded.text.push_str(text.get(passed..=at)?);
            passed = at + 1;
            continue;
        };
        decoded.text.push_str(text.get(passed..at)?);
        let start = decoded.text.len();
        decoded.text.push_str(&character);
        passed = at + len;
        decoded.escapes.push(Escape { decoded: start..decoded.text.len(), written: at..passed });
    }
    if decoded.escapes.is_empty() {
        return None;
    }
    decoded.text.push_str(text.get(passed..)?);
    Some(decoded)
}

/// Undoes backslash escapes as most notations have them, and `\x40`. `\b` and `\f` are parts of Windows paths more often.
pub(super) fn backslashes(text: &str) -> Option<Decoded> {
    undo(text, b'\\', |bytes| {
        let plain = match bytes.get(1)? {
            b'"' => "\"",
            b'\'' => "'",
            b'\\' => "\\",
            b'/' => "/",
            b'n' => "\n",
            b'r' => "\r",
            b't' => "\t",
            b'x' => return Some((Cow::Owned(char::from(hex(bytes.get(2..4)?)?).to_string()), 4)),
            b'u' => return unicode(bytes),
            _ => return None,
        };
        Some((Cow::Borrowed(plain), 2))
    })
}

/// Undoes the escapes of the content of a JSON string.
pub(super) fn json_escapes(content: &str) -> Option<Decoded> {
    undo(content, b'\\', |bytes| {
        let plain = match bytes.get(1)? {
            b'"' => "\"",
            b'\\' => "\\",
            b'/' => "/",
            b'n' => "\n",
            b'r' => "\r",
            b't' => "\t",
            b'b' => "\u{8}",
            b'f' => "\u{c}",
            _ => return unicode(bytes),
        };
        Some((Cow::Borrowed(plain), 2))
    })
}

fn unicode(bytes: &[u8]) -> Option<(Cow<'static, str>, usize)> {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        Some(u16::from(hex(&digits[..2])?) << 8 | u16::from(hex(&digits[2..])?))
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Some((character.to_string().into(), 6));
    }
    let character = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((character.to_string().into(), 12))
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*digits.first()?)? << 4 | digit(*digits.get(1)?)?)
}

/// True when characters that a detector hangs on may be written as `\u0040` or `\x40`.
pub(super) fn hides_ascii(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\\', bytes).any(|at| match bytes.get(at + 1..) {
        Some([b'u', b'0', b'0', digits @ ..]) => digits.get(..2).and_then(hex).is_some_and(|code| code < 0x80),
        Some([b'x', digits @ ..]) => digits.get(..2).and_then(hex).is_some_and(|code| code < 0x80),
        _ => false,
    })
}

/// Undoes URL encoding. A `+` stays: in an address it is no space.
pub(super) fn percents(text: &str) -> Option<Decoded> {
    undo(text, b'%', |bytes| {
        let first = encoded(bytes)?;
        let len = match first {
            0..0x80 => 1,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => return None,
        };
        let mut character = [0; 4];
        for (index, byte) in character[..len].iter_mut().enumerate() {
            *byte = encoded(bytes.get(3 * index..)?)?;
        }
        let character = std::str::from_utf8(&character[..len]).ok()?;
        Some((character.to_owned().into(), 3 * len))
    })
}

/// The byte that stands as `%41` at the start of these.
pub(super) fn encoded(bytes: &[u8]) -> Option<u8> {
    bytes.strip_prefix(b"%").and_then(hex)
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A table of the bytes of a kind.
macro_rules! kinds {
    ($is:expr) => {{
        let mut all = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            all[byte] = $is(byte as u8);
            byte += 1;
        }
        all
    }};
}
pub(super) use kinds;

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Calls `found` with the place of each run that may be base64 of text.
pub(super) fn each_base64(bytes: &[u8], found: impl FnMut(Range<usize>)) {
    const BASE64: [bool; 256] = kinds!(is_base64);
    each_run(bytes, &BASE64, BASE64_LEN_MIN, found);
}

/// Calls `found` with the place of each run of a kind of at least `len_min` bytes. Looks from the end of where the next
/// one may be, so that most bytes between runs are passed over unseen.
pub(super) fn each_run(bytes: &[u8], kind: &[bool; 256], len_min: usize, mut found: impl FnMut(Range<usize>)) {
    let mut start = 0;
    while let Some(next) = bytes.get(start..start + len_min) {
        match next.iter().rposition(|byte| !kind[usize::from(*byte)]) {
            Some(other) => start += other + 1,
            None => {
                let rest = &bytes[start + len_min..];
                let more = rest.iter().position(|byte| !kind[usize::from(*byte)]).unwrap_or(rest.len());
                let end = start + len_min + more;
                found(start..end);
                start = end + 1;
            }
        }
    }
}

/// True when base64 of text may start in this run of wire bytes: at its start, behind the byte that is its length, or
/// behind a separator.
pub(super) fn may_hold_text(bytes: &[u8], run: &Range<usize>) -> bool {
    base64_start(bytes, run, run.start + 1).is_some()
}

/// The place and text of base64 within such a run; `None` when it is none. It may start behind a `/` or the like, as in
/// a path or a data URL, and ends with its padding.
pub(super) fn base64_text(bytes: &[u8], run: &Range<usize>) -> Option<(Range<usize>, String)> {
    let start = base64_start(bytes, run, run.start)?;
    let end = bytes.len().min(run.end + 2);
    let padding = bytes[run.end..end].iter().take_while(|byte| **byte == b'=').count();
    let content = bytes.get(start..run.end).filter(|content| content.len() <= BASE64_LEN_MAX)?;
    let url_safe = content.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let whole = content.len() - usize::from(content.len() % 4 == 1);
    let decoded = if url_safe { URL_SAFE.decode(&content[..whole]) } else { STANDARD.decode(&content[..whole]) };
    Some((start..run.end + padding, readable(decoded.ok()?)?))
}

/// The first place at which the characters stand for text, of all that may be the start: behind a separator, or among
/// those up to `first`.
fn base64_start(bytes: &[u8], run: &Range<usize>, first: usize) -> Option<usize> {
    let end = (run.end + 1).saturating_sub(BASE64_LEN_MIN);
    let may_start = |at: usize| may_start_text(bytes[at]) && looks_like_text(&bytes[at..at + PEEK_LEN]);
    let starts = |at: &usize| *at <= first || matches!(bytes[*at - 1], b'/' | b'-' | b'_');
    (run.start..end).filter(starts).find(|at| may_start(*at))
}

/// True when the first character of base64 may be that of text: its first byte starts with these six bits.
const fn may_start_text(byte: u8) -> bool {
    matches!(byte, b'C' | b'D' | b'I'..=b'Z' | b'a'..=b'f')
}

/// The text of these bytes, without a tail that is none: more than half must be text.
fn readable(mut bytes: Vec<u8>) -> Option<String> {
    if let Err(error) = std::str::from_utf8(&bytes) {
        let valid = error.valid_up_to();
        if valid * 2 < bytes.len() {
            return None;
        }
        bytes.truncate(valid);
    }
    String::from_utf8(bytes).ok().filter(|text| is_mostly_printable(text))
}

/// True when the first sixteen characters stand for twelve bytes of ASCII, as far as their top bits say. One in eight
/// groups of random characters does.
fn looks_like_text(characters: &[u8]) -> bool {
    characters.as_chunks::<4>().0.iter().all(|[a, b, c, d]| {
        let (a, b, c, d) = (value(*a), value(*b), value(*c), value(*d));
        let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
        (a | b | c | d) & 0x40 == 0 && is_text(a << 2 | b >> 4) && is_text(b << 4 | c >> 2) && is_text(c << 6 | d)
    })
}

/// What a character of base64 stands for; 0x40 for any other.
const fn value(byte: u8) -> u8 {
    VALUES[byte as usize]
}

const VALUES: [u8; 256] = {
    let mut values = [0x40; 256];
    let mut byte = 0;
    while byte < 128 {
        values[byte as usize] = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => 0x40,
        };
        byte += 1;
    }
    values
};

fn is_mostly_printable(text: &str) -> bool {
    let odd = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')).count();
    odd * 20 <= text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_in_decoded_text_lead_back_to_the_escapes() {
        let text = r"to \u0062ob\x40host.io\n\ud83d\ude00!";
        let decoded = backslashes(text).unwrap();
        assert_eq!(decoded.text, "to bob@host.io\n\u{1f600}!");
        assert_eq!(&text[decoded.written(&(3..14))], r"\u0062ob\x40host.io");
        assert_eq!(&text[decoded.written(&(15..19))], r"\ud83d\ude00");
        assert_eq!(&text[decoded.written(&(16..17))], r"\ud83d\ude00");
        let text = "a=bob%40host%C3%A9&%zz%";
        let decoded = percents(text).unwrap();
        assert_eq!(decoded.text, "a=bob@hosté&%zz%");
        assert_eq!(&text[decoded.written(&(2..12))], "bob%40host%C3%A9");
        assert!(percents("100% %zz %").is_none() && backslashes(r"C:\d\q \").is_none());
    }

    fn texts(bytes: &[u8]) -> Vec<(Range<usize>, String)> {
        let mut out = vec![];
        each_base64(bytes, |run| out.extend(base64_text(bytes, &run)));
        out
    }

    #[test]
    fn base64_of_text_is_found_at_every_offset() {
        let encoded = "cGFzc3dvcmQ9aHVudGVyMg==";
        for offset in 0..40 {
            for around in [" ", "\"", ",", "="] {
                let text = format!("{}{around}{encoded}{around}x", ".".repeat(offset));
                let start = offset + around.len();
                let found = texts(text.as_bytes());
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!((found[0].0.start, &*found[0].1), (start, "password=hunter2"), "{text}");
            }
        }
        let path = format!("data:text/plain;base64,{encoded}");
        assert_eq!(texts(path.as_bytes())[0].1, "password=hunter2");
        assert_eq!(texts(b"/x/cGFzc3dvcmQ9aHVudGVyMg")[0].1, "password=hunter2");
    }

    #[test]
    fn hashes_identifiers_and_pictures_are_no_text() {
        for text in [
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "550e8400-e29b-41d4-a716-446655440000",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
            "/home/agent/projects/payments/src/main.rs",
            "sha512-Wnjq1QhmA7/eaQWkkQp6bW1jPKvNkzRxZlzcQFo2kvTpjpvD==",
        ] {
            assert_eq!(texts(text.as_bytes()), vec![], "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_run_long_enough_is_seen(before in "[ .,]{0,17}", run in "[A-Za-z0-9+/]{20,60}", after in "[ .,]{0,17}") {
            let text = format!("{before}{run}{after}");
            let mut runs = vec![];
            each_base64(text.as_bytes(), |run| runs.push(run));
            prop_assert_eq!(runs, vec![Range { start: before.len(), end: before.len() + run.len() }]);
        }
    }
}
