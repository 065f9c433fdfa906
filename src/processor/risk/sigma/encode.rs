//! Modifiers that make other texts of a rule's text: Base64, UTF-16, dashes that Windows tools also take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Dashes that programs of Windows accept in place of `-`.
const DASHES: [&str; 5] = ["-", "/", "\u{2013}", "\u{2014}", "\u{2015}"];
/// Dashes of one value that are varied independently; beyond that all change together.
const DASHES_MAX: usize = 3;

/// Every spelling of a value whose words start with dashes.
pub(super) fn windash(text: &str) -> Vec<String> {
    let places: Vec<usize> = text
        .char_indices()
        .filter(|(at, c)| matches!(c, '-' | '/') && starts_word(text, *at))
        .map(|(at, _)| at)
        .collect();
    if places.is_empty() {
        return vec![text.to_owned()];
    }
    if places.len() > DASHES_MAX {
        return DASHES.iter().map(|dash| replaced(text, &places, &vec![*dash; places.len()])).collect();
    }
    let mut choices: Vec<Vec<&str>> = vec![vec![]];
    for _ in &places {
        choices = choices.iter().flat_map(|had| DASHES.iter().map(|dash| [&had[..], &[*dash]].concat())).collect();
    }
    choices.iter().map(|dashes| replaced(text, &places, dashes)).collect()
}

/// A dash counts when no word ends before it and one starts after it.
fn starts_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + 1..].chars().next();
    before.is_none_or(|c| !c.is_alphanumeric() && c != '_') && after.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn replaced(text: &str, places: &[usize], dashes: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + 2 * places.len());
    let mut from = 0;
    for (at, dash) in places.iter().zip(dashes) {
        out.push_str(&text[from..*at]);
        out.push_str(dash);
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out
}

/// The bytes of the text in a two-byte encoding.
pub(super) fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    let start = mark.then_some(0xfeff);
    start.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// Base64 of the whole value, without padding: text after it would change that.
pub(super) fn base64(bytes: &[u8]) -> String {
    let padded = base64::engine::general_purpose::STANDARD.encode(bytes);
    padded.trim_end_matches('=').to_owned()
}

/// The three texts of which one occurs in the Base64 of any text that holds the value, by its place modulo 3.
pub(super) fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    let at_offset = |offset: usize| {
        let shifted = [&vec![b' '; offset][..], bytes].concat();
        let encoded = STANDARD_NO_PAD.encode(&shifted);
        // What the bytes before and after have a share in is left out.
        let start = [0, 2, 3][offset];
        let end = shifted.len() * 8 / 6;
        encoded.get(start..end).unwrap_or_default().to_owned()
    };
    (0..3).map(at_offset).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_three_offsets_occurs_wherever_the_value_stands() {
        let offsets = base64_offsets(b"/bin/bash");
        for before in ["", "x", "xy", "xyz", "run "] {
            let whole = STANDARD_NO_PAD.encode(format!("{before}/bin/bash -i >"));
            assert!(offsets.iter().any(|part| whole.contains(part)), "{before}: {whole} {offsets:?}");
        }
        assert_eq!(base64(b"ab"), "YWI");
    }

    #[test]
    fn wide_text_has_two_bytes_a_letter() {
        assert_eq!(utf16("ab", false, false), b"a\0b\0");
        assert_eq!(utf16("a", true, false), b"\0a");
        assert_eq!(utf16("a", false, true), b"\xff\xfea\0");
    }

    #[test]
    fn dashes_before_words_are_varied() {
        assert_eq!(windash(" -enc"), [" -enc", " /enc", " \u{2013}enc", " \u{2014}enc", " \u{2015}enc"]);
        assert_eq!(windash("a-b"), ["a-b"]);
        assert_eq!(windash("-a -b").len(), 25);
        assert_eq!(windash("-a -b -c -d").len(), 5);
    }
}
