//! `github-token`: `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and `github_pat_` tokens.

use crate::processor::redact::detector::bytes::{has_at, run_end};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static DETECTOR: Detector = Detector {
    id: "github-token",
    title: "tokens of GitHub",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["push «ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8» x"],
    misses: &["ghp_short"],
};

const ANCHORS: &[&str] = &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// Tokens have had 36 characters and more since 2021.
const LEN_MIN: usize = 36;
const FINE_LEN_MIN: usize = 22;

fn find(text: &[u8], at: usize) -> Verdict {
    let fine = "github_pat_";
    let (body, len_min, underscore) =
        if has_at(text, at, fine) { (at + fine.len(), FINE_LEN_MIN, true) } else { (at + 4, LEN_MIN, false) };
    let end = run_end(text, body, |byte| byte.is_ascii_alphanumeric() || (underscore && byte == b'_'));
    if end - body >= len_min {
        return Verdict::Hit(at..end);
    }
    Verdict::NO
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn tokens_are_masked() {
        for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"] {
            let token = format!("{prefix}{}", "aB3".repeat(12));
            masks(&format!("push {token}\\n"), "push [REDACTED:github-token]\\n");
        }
        let token = format!("github_pat_11ABCDEFG0123456789_{}", "x".repeat(59));
        masks(&format!("x{token}@"), "x[REDACTED:github-token]@");
    }

    #[test]
    fn short_and_similar_texts_pass() {
        for text in
            ["ghp_short", "ghp_", "github_pat_", "high_performance", "ghx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            passes(text);
        }
    }
}
