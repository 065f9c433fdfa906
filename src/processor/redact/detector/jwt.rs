//! `jwt`: signed tokens of three parts, the first two being JSON objects in base64 (`eyJ`); also cut off after the
//! second part, and encrypted ones of five parts.

use crate::processor::redact::detector::bytes::{is_base64url, run_end};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "jwt",
    title: "JSON web tokens, signed or encrypted",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["jwt «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g»!"],
    misses: &["eyJhbGciOiJIUzI1NiJ9.txt"],
};

const ANCHORS: &[&str] = &["eyJ"];

const PART_LEN_MIN: usize = 10;

fn find(text: &[u8], at: usize) -> Verdict {
    if !text[at..].starts_with(b"eyJ") {
        return Verdict::NO;
    }
    let header = run_end(text, at, is_base64url);
    let mut end = header;
    let mut parts = 1;
    while parts < 5 && text.get(end) == Some(&b'.') {
        end = run_end(text, end + 1, is_base64url);
        parts += 1;
    }
    let signed = text[header..].starts_with(b".eyJ") && end - header > PART_LEN_MIN;
    if header - at >= PART_LEN_MIN && (signed || (parts == 5 && end - header > 4 * PART_LEN_MIN)) {
        return Verdict::Hit(at..end);
    }
    // The anchors within the header have the same parts behind them.
    Verdict::Miss(header)
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";
    const CLAIMS: &str = "eyJzdWIiOiIxMjM0NTY3ODkwIn0";

    #[test]
    fn tokens_are_masked() {
        masks(&format!("jwt {HEADER}.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g!"), "jwt [REDACTED:jwt]!");
        masks(&format!("cut {HEADER}.{CLAIMS}"), "cut [REDACTED:jwt]");
        masks(&format!("\\n{HEADER}.{CLAIMS}.sig"), "\\n[REDACTED:jwt]");
        masks(&format!("{HEADER}.{0}.{0}.{0}.{0}", "aBcDeFgHiJkL_-0123"), "[REDACTED:jwt]");
    }

    #[test]
    fn single_parts_pass() {
        for text in ["eyJ", HEADER, "eyJhbGciOiJIUzI1NiJ9.txt", "eyjafjallajokull.example.is", "eyJ.eyJ.x"] {
            passes(text);
        }
    }
}
