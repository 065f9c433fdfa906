//! `slack-token`: `xoxb-`, `xoxp-`, `xoxa-`, `xoxr-`, `xoxs-`, `xoxe-`, `xoxe.xoxp-` and `xapp-` tokens.

use crate::processor::redact::detector::bytes::{has_at, run_end};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "slack-token",
    title: "tokens of Slack",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &[concat!("-H «xoxb-", "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx»;")],
    misses: &["xoxb-your-token-here"],
};

const ANCHORS: &[&str] = &["xox", "xapp-"];

const LEN_MIN: usize = 10;

fn find(text: &[u8], at: usize) -> Verdict {
    let Some(body) = body(text, at) else { return Verdict::NO };
    let end = run_end(text, body, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'%' | b'_'));
    if end - body >= LEN_MIN && text[body..end].iter().any(u8::is_ascii_digit) {
        return Verdict::Hit(at..end);
    }
    Verdict::Miss(end)
}

/// Where the text behind the prefix starts.
fn body(text: &[u8], at: usize) -> Option<usize> {
    let kind = if has_at(text, at, "xoxe.xox") { at + "xoxe.xox".len() } else { at + "xox".len() };
    match text.get(kind..)? {
        _ if has_at(text, at, "xapp-") => Some(at + "xapp-".len()),
        [letter, b'-', ..] if letter.is_ascii_alphabetic() => Some(kind + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn tokens_are_masked() {
        for token in [
            concat!("xoxb-", "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
            concat!("xapp-", "1-A0123456789-1234567890123-0123456789abcdef"),
            concat!("xoxe.xoxp-", "1-Mi0yLTEyMzQ1Njc4OTAx"),
            concat!("xoxp-", "1234567890-1234567890-abcdef"),
        ] {
            masks(&format!("-H {token};"), "-H [REDACTED:slack-token];");
        }
    }

    #[test]
    fn similar_texts_pass() {
        for text in ["xoxb-", "xoxb-your-token-here", "xapp-name", "foxox-1234567890123"] {
            passes(text);
        }
    }
}
