//! Signatures in URLs that let whoever has them in: Azure's shared access signatures, presigned URLs of AWS and Google.

use memchr::memmem;

use crate::processor::redact::detector::bytes::{before, run_end};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "signed-url",
    title: "signatures in URLs: Azure SAS, AWS and Google presigned, CloudFront",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(&["sig=", "Signature="], find),
    context: &[],
    hits: &[
        "https://a.blob.core.windows.net/c/f?sv=2020-08-04&sr=b&sp=r&sig=«Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmF6MDE%3D»&se=2026",
        "https://b.s3.amazonaws.com/x?X-Amz-Signature=«3f786850e387550fdab836ed7e6dc881de23001b3f786850e387550fdab836ed»",
    ],
    misses: &["sig=SIGTERM", "?x-signature=none", "sig=0123456789abcdef0123456789abcdef0123456789"],
};

const LEN_MIN: usize = 40;
const LEN_MAX: usize = 1024;
/// How far around the signature its companions are looked for.
const QUERY_LEN: usize = 512;
/// What stands beside a signature in the URLs of Azure.
const COMPANIONS: &[&[u8]] = &[b"sv=", b"&se=", b"&sp=", b"?se=", b"?sp="];

fn find(text: &[u8], at: usize) -> Verdict {
    let azure = text[at..].len() > 4 && text[at..at + 4].eq_ignore_ascii_case(b"sig=");
    let start = at + if azure { 4 } else { "signature=".len() };
    let end = run_end(text, start, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'+' | b'/' | b'=' | b'_' | b'-' | b'~')
    });
    let signature = text.get(start..end).unwrap_or_default();
    let random = signature.iter().any(u8::is_ascii_digit) && signature.iter().any(u8::is_ascii_alphabetic);
    if !(LEN_MIN..=LEN_MAX).contains(&signature.len()) || !random {
        return Verdict::Miss(end);
    }
    let joined = matches!(before(text, at), Some(b'&' | b'?' | b'-'));
    let around = &text[at.saturating_sub(QUERY_LEN)..text.len().min(end + QUERY_LEN)];
    let known = if azure { COMPANIONS.iter().any(|word| memmem::find(around, word).is_some()) } else { true };
    if joined && known { Verdict::Hit(start..end) } else { Verdict::Miss(end) }
}
