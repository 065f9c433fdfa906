//! `url-credentials`: the password in `scheme://user:password@host`; user and host stay.

use std::ops::Range;

use crate::processor::redact::detector::assignment;
use crate::processor::redact::detector::bytes::{before, run_end, run_end_within};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict, mask_len};

pub(super) static DETECTOR: Detector = Detector {
    id: "url-credentials",
    title: "passwords in URLs",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["postgres://app:«hunter2»@db.internal:5432/x"],
    misses: &["https://u:$TOKEN@h"],
};

const ANCHORS: &[&str] = &["://"];

/// How far an unescaped `/` in a password is followed.
const STRAY_LEN_MAX: usize = 256;

fn find(text: &[u8], at: usize) -> Verdict {
    let start = at + ANCHORS[0].len();
    if !before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return Verdict::NO;
    }
    match password(text, start) {
        Some(span) if !is_harmless(&text[span.clone()]) => Verdict::Hit(span),
        _ => Verdict::NO,
    }
}

fn password(text: &[u8], start: usize) -> Option<Range<usize>> {
    let authority = run_end(text, start, |byte| is_inside(byte) && !matches!(byte, b'/' | b'?' | b'#'));
    let at = memchr::memrchr(b'@', &text[start..authority]).map(|at| start + at);
    let end = at.or_else(|| stray_at(text, start, authority))?;
    let colon = start + memchr::memchr(b':', &text[start..end])?;
    (colon + 1 < end).then_some(colon + 1..end)
}

fn is_inside(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'|' | 0x7f)
}

/// The `@` behind a password with a `/`, `?` or `#` in it. What follows the colon of a plain host is a port.
fn stray_at(text: &[u8], start: usize, authority: usize) -> Option<usize> {
    let colon = start + memchr::memchr(b':', &text[start..authority])?;
    if text[start] == b'[' || text[colon + 1..authority].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let end = run_end_within(text, authority, STRAY_LEN_MAX, is_inside);
    memchr::memchr(b'@', &text[authority..end]).map(|at| authority + at)
}

fn is_harmless(password: &[u8]) -> bool {
    mask_len(password) == password.len() || assignment::is_reference(password)
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn passwords_in_urls_are_masked_and_the_rest_stays() {
        masks(
            "postgres://app:hunter2@db.internal:5432/x",
            "postgres://app:[REDACTED:url-credentials]@db.internal:5432/x",
        );
        masks("redis://:pa:ss@host", "redis://:[REDACTED:url-credentials]@host");
        masks("amqp://u:p@ss@host/", "amqp://u:[REDACTED:url-credentials]@host/");
        masks("http://u:pa/ss@host/", "http://u:[REDACTED:url-credentials]@host/");
        masks("\\\"https://u:secretive@h\\\"", "\\\"https://u:[REDACTED:url-credentials]@h\\\"");
    }

    #[test]
    fn urls_without_a_password_pass() {
        for text in [
            "https://example.com:8443/a@b",
            "ssh://git@github.com/x",
            "https://u:$TOKEN@h",
            "https://u:***@h",
            "http://[::1]:80/x@y",
            "https://u:@h",
            "://a:b@c",
        ] {
            passes(text);
        }
    }
}
