//! What belongs to a payment card besides its number: the security code, the expiry date, the magnetic track.

use crate::processor::redact::detector::bytes::{run_end, run_end_within};
use crate::processor::redact::detector::code::{self, number};
use crate::processor::redact::detector::{CARD, Class, Confidence, Detector, Family, Find, Verdict};

pub(super) static SECURITY_CODE: Detector = Detector {
    id: "card-security-code",
    title: "security codes of payment cards (CVV, CVC)",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::Medium,
    profiles: CARD,
    find: Find::Near(|text, at| code::find(text, at, &["9999", "999"], |_| true)),
    context: &["cvv", "cvv2", "cvc", "cvc2", "card security code", "card verification"],
    hits: &["cvv: «123»", "cvc2=«1234»"],
    misses: &["123", "cvv: 12345"],
};

pub(super) static EXPIRY: Detector = Detector {
    id: "card-expiry",
    title: "expiry dates of payment cards",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::Medium,
    profiles: &["pci", "strict"],
    find: Find::Near(|text, at| {
        code::find(text, at, &["99/99", "99/9999", "99-99", "99-9999"], |code| {
            let digits: Vec<u8> = code.iter().copied().filter(u8::is_ascii_digit).collect();
            (1..=12).contains(&number(&digits[..2]))
        })
    }),
    context: &["exp", "expiry", "expiration", "exp date", "expiry date", "valid thru", "valid through"],
    hits: &["expiry «09/27»", "valid thru: «12/2029»"],
    misses: &["expiry 13/27", "at 09/27"],
};

pub(super) static TRACK: Detector = Detector {
    id: "card-track-data",
    title: "tracks 1 and 2 of payment cards",
    class: Class::Personal,
    family: Family::Financial,
    confidence: Confidence::High,
    profiles: CARD,
    find: Find::Anchors(&["%B0", "%B1", "%B2", "%B3", "%B4", "%B5", "%B6", "%B7", "%B8", "%B9"], track),
    context: &[],
    hits: &["swipe «%B4111111111111111^DOE/JANE^29121010000000000000?»"],
    misses: &["100%Based", "%B12^x"],
};

const FIELD_LEN_MAX: usize = 128;

/// `%B`, the number, `^`, the name, `^`, the rest up to `?`.
fn track(text: &[u8], at: usize) -> Verdict {
    let digits = at + 2;
    let name = run_end_within(text, digits, 20, |byte| byte.is_ascii_digit());
    let inside = |byte: u8| !matches!(byte, 0..=b'\x1f' | b'^' | b'?' | b'"' | 0x7f);
    if name - digits < 12 || text.get(name) != Some(&b'^') {
        return Verdict::NO;
    }
    let rest = run_end_within(text, name + 1, FIELD_LEN_MAX, inside);
    if text.get(rest) != Some(&b'^') {
        return Verdict::NO;
    }
    let end = run_end_within(text, rest + 1, FIELD_LEN_MAX, |byte| byte.is_ascii_alphanumeric() || byte == b' ');
    Verdict::Hit(at..run_end(&text[..text.len().min(end + 1)], end, |byte| byte == b'?'))
}
