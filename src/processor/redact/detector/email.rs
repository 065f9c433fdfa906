//! `email`: addresses. An address ends in a domain with a dot and a top-level domain of letters; `git@` remotes, package
//! versions (`left-pad@1.3.0`) and image files (`logo@2x.png`) are none.

use crate::processor::redact::detector::bytes::{before, run_end, run_end_within, run_start_within};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "email",
    title: "e-mail addresses",
    class: Class::Personal,
    family: Family::Contact,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["mail «bob@example.com»."],
    misses: &["git@github.com:example/api.git"],
};

const ANCHORS: &[&str] = &["@"];

/// Endings of files, none of which is a top-level domain.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "bmp", "css", "js", "mjs", "ts", "tsx", "jsx", "json", "html",
    "xml", "yaml", "yml", "toml", "txt", "pdf", "service", "socket", "timer",
];

const USERINFO_LEN_MAX: usize = 256;
/// How far the prefilter looks for a domain's dot.
const DOMAIN_LOOK_LEN: usize = 256;

/// The `@` stops both walks, so addresses in a row are walked once.
fn find(text: &[u8], at: usize) -> Verdict {
    let start = local_start(text, at);
    let local = &text[start..at];
    let worthy = local.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    if !worthy || local.eq_ignore_ascii_case(b"git") {
        return Verdict::NO;
    }
    match domain_end(text, at + 1) {
        Some(end) if !is_userinfo(text, at) => Verdict::Hit(start..end),
        _ => Verdict::NO,
    }
}

/// False when no address can have its `@` here, whatever stands before and behind the text: the prefilter's question.
pub(in super::super) fn may_be(raw: &[u8], at: usize) -> bool {
    let local = before(raw, at).is_some_and(is_local);
    let end = run_end_within(raw, at + 1, DOMAIN_LOOK_LEN, |byte| is_label(byte) || byte == b'.');
    local && (memchr::memchr(b'.', &raw[at + 1..end]).is_some_and(|dot| dot > 0) || end == at + 1 + DOMAIN_LOOK_LEN)
}

/// The `@` of `scheme://user:password@host`.
fn is_userinfo(text: &[u8], at: usize) -> bool {
    let start = run_start_within(text, at, USERINFO_LEN_MAX, |byte| !matches!(byte, 0..=b' ' | b'/' | b'"' | b'\''));
    text[..start].ends_with(b"://") && text[start..at].contains(&b':')
}

fn local_start(text: &[u8], at: usize) -> usize {
    let start = run_start_within(text, at, at, is_local);
    run_end(&text[..at], start, |byte| matches!(byte, b'.' | b'-' | b'\'' | b'%'))
}

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'') || !byte.is_ascii()
}

const fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || !byte.is_ascii()
}

fn domain_end(text: &[u8], at: usize) -> Option<usize> {
    let mut end = run_end(text, at, |byte| is_label(byte) || byte == b'.');
    // Dots and dashes after the address belong to the sentence.
    while end > at && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let domain = &text[at..end];
    let dot = domain.iter().rposition(|byte| *byte == b'.')?;
    let last = &domain[dot + 1..];
    let letters = last.len() >= 2 && last.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    let valid = dot > 0 && (letters || last.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--")));
    (valid && !FILES.iter().any(|file| last.eq_ignore_ascii_case(file.as_bytes()))).then_some(end)
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn addresses_are_masked() {
        masks("mail bob@example.com.", "mail [REDACTED:email].");
        masks("<first.last+tag@mail.example.co.uk>", "<[REDACTED:email]>");
        masks(r#"{\"customer\":\"user77@leak.example.com\"}"#, r#"{\"customer\":\"[REDACTED:email]\"}"#);
        masks("jörg@bücher.example", "[REDACTED:email]");
        masks("a@x.io,b@y.dev", "[REDACTED:email],[REDACTED:email]");
        masks("o'brien@example.com", "[REDACTED:email]");
        masks("x@xn--bcher-kva.xn--p1ai", "[REDACTED:email]");
    }

    #[test]
    fn what_only_has_an_at_sign_passes() {
        for text in [
            "git@github.com:example/api.git",
            "react@18.2.0",
            "logo@2x.png",
            "@decorator",
            "a@b",
            "user@localhost",
            "@",
            "@@",
        ] {
            passes(text);
        }
    }
}
