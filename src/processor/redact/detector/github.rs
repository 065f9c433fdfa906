//! `github-token`: `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and `github_pat_` tokens.
//!
//! The last six characters of a token are the CRC-32 of the thirty before, in base 62. With it a token is one whatever it
//! looks like; without it, it must not be a stand-in, because a token that somebody changed by a character is worth a mask,
//! but `ghp_xxxx…` is not.

use crate::processor::redact::detector::bytes::{has_at, run_end};
use crate::processor::redact::detector::format::names_a_stand_in;
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
    misses: &["ghp_short", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
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
    let content = &text[body..end];
    if content.len() >= len_min && (underscore || has_checksum(content) || !is_stand_in(content)) {
        return Verdict::Hit(at..end);
    }
    Verdict::NO
}

/// Fewer different characters are typed, not drawn.
const DISTINCT_MIN: u32 = 3;

fn is_stand_in(content: &[u8]) -> bool {
    let distinct = content.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 0x7f)).count_ones();
    distinct < DISTINCT_MIN || names_a_stand_in(content)
}

const CHECKED_LEN: usize = 30;
const CHECKSUM_LEN: usize = LEN_MIN - CHECKED_LEN;

fn has_checksum(content: &[u8]) -> bool {
    let Some((checked, rest)) = content.split_at_checked(CHECKED_LEN) else { return false };
    rest.first_chunk() == Some(&checksum(checked))
}

/// CRC-32 in base 62: digits, capital letters, small letters.
fn checksum(checked: &[u8]) -> [u8; CHECKSUM_LEN] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32(checked);
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// The one of Ethernet and zip, bit by bit: few texts come so far.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn the_checksum_is_that_of_others() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // A token that GitHub gave out and took back, as published by who got it.
        assert!(has_checksum(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"));
        assert!(!has_checksum(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18") && !has_checksum(b""));
    }

    proptest! {
        #[test]
        fn every_token_with_its_checksum_is_masked_however_plain(
            checked in "[0-9A-Za-z]{30}|[ax]{30}", around in "[ ,;\"'/=]{0,3}",
        ) {
            let checksum = checksum(checked.as_bytes());
            let token = format!("ghp_{checked}{}", String::from_utf8_lossy(&checksum));
            let text = format!("{around}{token}{around}");
            prop_assert_eq!(find(text.as_bytes(), around.len()), Verdict::Hit(around.len()..around.len() + token.len()));
            prop_assert_eq!(find(&text.as_bytes()[..around.len() + token.len() - 1], around.len()), Verdict::NO);
        }
    }

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
        for text in [
            "ghp_short",
            "ghp_",
            "github_pat_",
            "high_performance",
            "ghx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "ghp_yourTokenGoesHere0123456789abcdefABCD",
            "ghs_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            passes(text);
        }
    }
}
