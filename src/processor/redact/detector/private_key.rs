//! `private-key`: blocks in armour (PEM, OpenSSH, PGP), from the first dash to the last; when the end is missing, up to
//! the end of the text.

use memchr::memmem;

use crate::processor::redact::detector::bytes::run_end;
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "private-key",
    title: "private keys in armour: PEM, OpenSSH, PGP",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["key: «-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ\nqkiG9w0\n-----END RSA PRIVATE KEY-----»\nnext"],
    misses: &["-----BEGIN CERTIFICATE-----"],
};

const ANCHORS: &[&str] = &["-----BEGIN"];

const LABEL_LEN_MAX: usize = 64;

fn find(text: &[u8], at: usize) -> Verdict {
    let body = at + ANCHORS[0].len();
    let label = &text[body..text.len().min(body + LABEL_LEN_MAX)];
    let label = &label[..memmem::find(label, b"--").unwrap_or(label.len())];
    if memmem::find(&label.to_ascii_uppercase(), b"PRIVATE KEY").is_none() {
        return Verdict::NO;
    }
    Verdict::Hit(at..block_end(text, body))
}

fn block_end(text: &[u8], body: usize) -> usize {
    let Some(end) = memmem::find(&text[body..], b"-----END") else { return text.len() };
    let label = body + end + "-----END".len();
    match memmem::find(&text[label..text.len().min(label + LABEL_LEN_MAX)], b"-----") {
        Some(dashes) => run_end(text, label + dashes, |byte| byte == b'-'),
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn whole_blocks_are_masked() {
        for kind in
            ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK", "ENCRYPTED PRIVATE KEY"]
        {
            let block = format!("-----BEGIN {kind}-----\nMIIEvQ\nqkiG9w0\n-----END {kind}-----");
            masks(&format!("key:\n{block}\nnext"), "key:\n[REDACTED:private-key]\nnext");
            masks(&block.replace('\n', "\\n"), "[REDACTED:private-key]");
        }
    }

    #[test]
    fn a_block_without_its_end_is_masked_to_the_end_of_the_text() {
        masks("x -----BEGIN PRIVATE KEY-----\nMIIEvQ\nqkiG9w0", "x [REDACTED:private-key]");
        masks("x -----BEGIN PRIVATE KEY", "x [REDACTED:private-key]");
    }

    #[test]
    fn public_blocks_pass() {
        passes("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----");
        passes("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----");
    }
}
