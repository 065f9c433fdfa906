//! `basic-credentials`: what follows `Basic` when it is base64 of `user:password`, and `Authorization: Basic` whatever
//! follows. The scheme's word stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::processor::redact::detector::bearer;
use crate::processor::redact::detector::bytes::{has_at, run_end, word_starts};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "basic-credentials",
    title: "credentials of HTTP basic authentication",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["Basic «dXNlcjpwYXNz»"],
    misses: &["basic authentication"],
};

const ANCHORS: &[&str] = &["basic", "authorization"];

const LEN_MIN: usize = 4;
/// Longer than any credential: taken for one without decoding.
const LEN_MAX: usize = 1024;

fn find(text: &[u8], at: usize) -> Verdict {
    if has_at(text, at, "authorization") {
        return bearer::header(text, at, true).map_or(Verdict::NO, Verdict::Hit);
    }
    if !word_starts(text, at) {
        return Verdict::NO;
    }
    let word = at + "basic".len();
    let start = bearer::gap_end(text, word);
    let end = run_end(text, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if start > word && is_pair(&text[start..end]) {
        let end = run_end(text, end, |byte| byte == b'=');
        return Verdict::Hit(start..end);
    }
    Verdict::NO
}

pub(super) fn is_pair(encoded: &[u8]) -> bool {
    if encoded.len() < LEN_MIN {
        return false;
    }
    // A text that was cut off may end within a group of four.
    let whole = encoded.len() - usize::from(encoded.len() % 4 == 1);
    encoded.len() > LEN_MAX
        || STANDARD_NO_PAD.decode(&encoded[..whole - whole % 4]).ok().is_some_and(|decoded| {
            decoded.contains(&b':') && std::str::from_utf8(&decoded).is_ok_and(|text| !text.contains(char::is_control))
        })
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn credentials_are_masked_and_the_scheme_stays() {
        masks("Basic dXNlcjpwYXNz", "Basic [REDACTED:basic-credentials]");
        masks("basic YTpiYw==,", "basic [REDACTED:basic-credentials],");
        masks("curl -H 'Authorization: Basic Zm9v' x", "curl -H 'Authorization: Basic [REDACTED:basic-credentials]' x");
    }

    #[test]
    fn prose_passes() {
        for text in ["basic authentication", "Basic idea", "basic", "visual basic programming", "Basic auth is used"] {
            passes(text);
        }
    }
}
