//! `bearer-credentials`: what follows `Bearer`, and `Authorization` headers of every scheme but basic. The scheme's word
//! stays.

use std::ops::Range;

use crate::processor::redact::detector::assignment::{self, Operator};
use crate::processor::redact::detector::bytes::{before, has_at, run_end, run_end_within, word_starts};
use crate::processor::redact::detector::value;
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict, mask_len};

pub(super) static DETECTOR: Detector = Detector {
    id: "bearer-credentials",
    title: "bearer tokens, and the credentials of authorization headers",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["sent Bearer «abc123def456» to"],
    misses: &["a bearer token is needed"],
};

const ANCHORS: &[&str] = &["bearer", "authorization"];

/// Credentials are judged by their head.
const HEAD_LEN_MAX: usize = 256;

/// The schemes, and whether their credentials may hold spaces.
const SCHEMES: &[(&str, bool)] = &[
    ("bearer", false),
    ("basic", false),
    ("token", false),
    ("apikey", false),
    ("api-key", false),
    ("jwt", false),
    ("splunk", false),
    ("bot", false),
    ("ssws", false),
    ("genie", false),
    ("negotiate", false),
    ("ntlm", false),
    ("oauth", true),
    ("digest", true),
    ("hmac", true),
    ("signature", true),
    ("aws4-hmac-sha256", true),
    ("key", true),
];

fn find(text: &[u8], at: usize) -> Verdict {
    if has_at(text, at, "authorization") {
        return header(text, at, false).map_or(Verdict::NO, Verdict::Hit);
    }
    if !word_starts(text, at) {
        return Verdict::NO;
    }
    let start = gap_end(text, at + "bearer".len());
    let end = run_end(text, start, is_token);
    if start > at + "bearer".len() && is_credential(&text[start..end]) {
        return Verdict::Hit(start..end);
    }
    Verdict::NO
}

/// Where the space after a scheme's word ends.
pub(super) fn gap_end(text: &[u8], at: usize) -> usize {
    if has_at(text, at, "%20") {
        at + 3
    } else {
        run_end_within(text, at, 8, |byte| matches!(byte, b' ' | b'\t' | b'+' | b':'))
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'%')
}

/// Prose such as `bearer token` has no digits and short words.
fn is_credential(token: &[u8]) -> bool {
    (token.len() >= 8 && token.iter().any(u8::is_ascii_digit)) || token.len() >= 24
}

/// The credentials of the `Authorization` header at `at`, when its scheme is (or is not) basic.
pub(super) fn header(text: &[u8], at: usize, basic: bool) -> Option<Range<usize>> {
    let (operator, value) = assignment::operator(text, at + "authorization".len(), false)?;
    let quote = assignment::open_quote(text, value);
    let start = quote.map_or(value, |quote| quote.content);
    let (scheme, start, spaces) = scheme(text, start).unwrap_or((start..start, start, false));
    let quoted = quote.is_some() || matches!(before(text, at), Some(b'"' | b'\''));
    let ends_line = spaces || (quoted && scheme.is_empty());
    let inside = |byte: u8| if ends_line { is_line(byte) } else { is_word(byte) };
    let scheme_is_none = scheme.is_empty();
    let head = &text[start..run_end_within(text, start, HEAD_LEN_MAX, inside)];
    let sure = !scheme.is_empty() || quoted || operator == Operator::Tight || assignment::looks_secret(head);
    if text[scheme].eq_ignore_ascii_case(b"basic") != basic
        || !sure
        || mask_len(head) == head.len()
        || (scheme_is_none && quote.is_none() && value::is_code(head, operator, None))
        || assignment::is_reference(head)
    {
        return None;
    }
    Some(start..run_end(text, start, inside))
}

fn is_line(byte: u8) -> bool {
    !matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\' | b'<')
}

fn is_word(byte: u8) -> bool {
    is_line(byte) && !matches!(byte, 0..=b' ' | b';' | b',' | b'}' | b')')
}

/// The scheme's word, where its credentials start, and whether they may hold spaces.
fn scheme(text: &[u8], start: usize) -> Option<(Range<usize>, usize, bool)> {
    SCHEMES.iter().filter(|(name, _)| has_at(text, start, name)).find_map(|(name, spaces)| {
        let end = start + name.len();
        let credentials = gap_end(text, end);
        (credentials > end).then_some((start..end, credentials, *spaces))
    })
}

/// A header's value as its scheme, with the space behind it, and the credentials.
pub(in super::super) fn scheme_of(value: &str) -> Option<(&str, &str)> {
    let (_, credentials, _) = scheme(value.as_bytes(), 0)?;
    value.split_at_checked(credentials)
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn bearer_tokens_are_masked_and_the_scheme_stays() {
        masks("sent Bearer abc123def456 to", "sent Bearer [REDACTED:bearer-credentials] to");
        masks("bearer%20abc123def456&x=1", "bearer%20[REDACTED:bearer-credentials]&x=1");
        masks("'Authorization: Bearer short' x", "'Authorization: Bearer [REDACTED:bearer-credentials]' x");
        masks(r#"\"authorization\": \"Bearer xyz\""#, r#"\"authorization\": \"Bearer [REDACTED:bearer-credentials]\""#);
        masks("Authorization: token 0a1b\nHost: x", "Authorization: token [REDACTED:bearer-credentials]\nHost: x");
        masks(
            "Authorization: AWS4-HMAC-SHA256 Credential=x/y, Signature=z\n",
            "Authorization: AWS4-HMAC-SHA256 [REDACTED:bearer-credentials]\n",
        );
        masks("-H \"Authorization: hunter2\"", "-H \"Authorization: [REDACTED:bearer-credentials]\"");
    }

    #[test]
    fn prose_about_bearers_passes() {
        for text in [
            "a bearer token is needed",
            "Bearer authentication",
            "authorization: required",
            "the authorization failed",
            "Authorization: Bearer $TOKEN",
            "forbearer 12345678",
            "headers['Authorization'] = authorization_header",
        ] {
            passes(text);
        }
    }
}
