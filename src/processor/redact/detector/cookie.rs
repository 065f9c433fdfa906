//! `cookie`: what a `Cookie` or `Set-Cookie` header holds, from the first value on. The name of the first cookie stays, and
//! the attributes of `Set-Cookie` (`Path`, `HttpOnly`) as well.

use crate::processor::redact::detector::assignment;
use crate::processor::redact::detector::bytes::{before, run_end, run_end_within};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict, mask_len};

pub(super) static DETECTOR: Detector = Detector {
    id: "cookie",
    title: "the values of cookies in headers",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(&["cookie"], find),
    context: &[],
    hits: &[
        "Cookie: sid=«abc123def456; theme=dark»\n",
        "Set-Cookie: session=«s3ss10nvalue»; Path=/; HttpOnly",
        "-H 'Cookie: a=«b1»' x",
    ],
    misses: &["the cookie: is old", "Cookie: theme=$THEME", "cookies: true", "Cookie: none"],
};

const NAME_LEN_MAX: usize = 96;

fn find(text: &[u8], at: usize) -> Verdict {
    let word = at + "cookie".len();
    let set = at >= 4 && text[at - 4..at].eq_ignore_ascii_case(b"set-");
    if before(text, at - if set { 4 } else { 0 }).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Verdict::NO;
    }
    let Some((_, value)) = assignment::operator(text, word, false) else { return Verdict::NO };
    let start = assignment::open_quote(text, value).map_or(value, |quote| quote.content);
    let name =
        run_end_within(text, start, NAME_LEN_MAX, |byte| byte.is_ascii_alphanumeric() || b"_-.$%".contains(&byte));
    if name == start || text.get(name) != Some(&b'=') {
        return Verdict::NO;
    }
    let value = name + 1;
    let ends: &[u8] = if set { b"\n\r\"'\\`<;" } else { b"\n\r\"'\\`<" };
    let end = run_end(text, value, |byte| !ends.contains(&byte));
    let found = &text[value..end];
    if found.is_empty() || mask_len(found) == found.len() || assignment::is_stand_in(found) {
        return Verdict::NO;
    }
    Verdict::Hit(value..end)
}
