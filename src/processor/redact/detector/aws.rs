//! `aws-access-key-id` by its prefix; `aws-secret-access-key`, forty characters without a mark, by the name before it.

use crate::processor::redact::detector::assignment;
use crate::processor::redact::detector::bytes::run_end;
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};
use crate::processor::redact::names;

pub(super) static ACCESS_KEY_ID: Detector = Detector {
    id: "aws-access-key-id",
    title: "ids of access keys of AWS",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, access_key_id),
    context: &[],
    hits: &["AWS_ACCESS_KEY_ID=«AKIAIOSFODNN7EXAMPLE» aws"],
    misses: &["ASIA_PACIFIC_REGION"],
};

pub(super) static SECRET_ACCESS_KEY: Detector = Detector {
    id: "aws-secret-access-key",
    title: "secret access keys of AWS, by the name before them",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(SECRET_ANCHORS, secret_access_key),
    context: &[],
    hits: &["aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»"],
    misses: &["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
};

const ANCHORS: &[&str] = &["AKIA", "ASIA", "ABIA", "ACCA"];
const SECRET_ANCHORS: &[&str] = &["secret"];

const PREFIX_LEN: usize = 4;
/// Sixteen since there are access keys; the documentation allows more.
pub(in super::super) const ID_LEN: usize = 16;
const ID_LEN_MAX: usize = 124;
const SECRET_LEN: usize = 40;

fn access_key_id(text: &[u8], at: usize) -> Verdict {
    if !text[at..at + PREFIX_LEN].iter().all(u8::is_ascii_uppercase) {
        return Verdict::NO;
    }
    let body = at + PREFIX_LEN;
    let end = run_end(text, body, is_id);
    let digits = text[body..end].iter().any(u8::is_ascii_digit);
    match end - body {
        ID_LEN => Verdict::Hit(at..end),
        ID_LEN..=ID_LEN_MAX if digits => Verdict::Hit(at..end),
        _ => Verdict::Miss(end),
    }
}

/// A byte of an access key id.
pub(in super::super) fn is_id(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// An assignment to a name such as `aws_secret_access_key` of a value of the right length.
fn secret_access_key(text: &[u8], at: usize) -> Verdict {
    let Some(found) = assignment::parse(text, at) else { return Verdict::NO };
    if names::is_aws(&text[found.name.clone()]) && is_secret(&text[found.value.clone()]) {
        return Verdict::Hit(found.value);
    }
    Verdict::NO
}

/// True for text of a secret access key's shape.
pub(in super::super) fn is_secret(value: &[u8]) -> bool {
    value.len() == SECRET_LEN
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'='))
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn access_key_ids_are_masked() {
        masks("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE aws", "AWS_ACCESS_KEY_ID=[REDACTED:aws-access-key-id] aws");
        masks("xASIAIOSFODNN7EXAMPLE.", "x[REDACTED:aws-access-key-id].");
    }

    #[test]
    fn other_capitals_pass() {
        for text in [
            "AKIA",
            "AKIAIOSFODNN7",
            "akiaiosfodnn7example",
            "ASIA_PACIFIC_REGION",
            "ASIAPACIFICREGIONNORTH",
            "asia-east1",
        ] {
            passes(text);
        }
    }

    #[test]
    fn secret_access_keys_are_masked_by_the_name_before_them() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for (head, tail) in [
            ("AWS_SECRET_ACCESS_KEY=", " ls"),
            ("aws_secret_access_key = ", "\n"),
            ("\"SecretAccessKey\": \"", "\","),
            ("\\\"secretAccessKey\\\":\\\"", "\\\""),
        ] {
            masks(&format!("{head}{key}{tail}"), &format!("{head}[REDACTED:aws-secret-access-key]{tail}"));
        }
        passes(key);
    }
}
