//! `anthropic-key` (`sk-ant-`) and `openai-key` (`sk-`, `sk-proj-`, `sk-svcacct-`, `sk-admin-`; other vendors' `sk-`
//! keys of that shape too).

use crate::processor::redact::rules::bytes::{has_at, is_base64url, run_end, word_starts};
use crate::processor::redact::rules::{Id, Verdict};

pub(super) const ANTHROPIC: &[&str] = &["sk-ant-"];
pub(super) const OPENAI: &[&str] = &["sk-"];

const ANTHROPIC_LEN_MIN: usize = 16;
/// What follows `sk-`, at least.
pub(in super::super) const OPENAI_LEN_MIN: usize = 20;
/// The longest part without a dash, at least.
const PART_LEN_MIN: usize = 16;

pub(super) fn anthropic(text: &[u8], at: usize) -> Verdict {
    let body = at + ANTHROPIC[0].len();
    let end = run_end(text, body, is_base64url);
    if end - body >= ANTHROPIC_LEN_MIN { Verdict::Hit(at..end, Id::AnthropicKey) } else { Verdict::NO }
}

/// A key has a long part with letters and digits; `task-runner-with-many-parts` has none.
pub(super) fn openai(text: &[u8], at: usize) -> Verdict {
    let body = at + OPENAI[0].len();
    if has_at(text, at, ANTHROPIC[0]) || !word_starts(text, at) {
        return Verdict::NO;
    }
    let end = run_end(text, body, is_base64url);
    let random = |part: &[u8]| {
        part.len() >= PART_LEN_MIN && part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic)
    };
    if end - body >= OPENAI_LEN_MIN && text[body..end].split(|byte| *byte == b'-').any(random) {
        return Verdict::Hit(at..end, Id::OpenaiKey);
    }
    Verdict::Miss(end)
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    #[test]
    fn anthropic_keys_are_masked() {
        let key = format!("sk-ant-api03-{}-{}AA", "aB3_".repeat(15), "x".repeat(30));
        masks(&format!("use {key}, please"), "use [REDACTED:anthropic-key], please");
    }

    #[test]
    fn openai_keys_are_masked() {
        for key in [
            format!("sk-{}T3BlbkFJ{}", "a1B2".repeat(5), "c3D4".repeat(5)),
            format!("sk-proj-{}", "a1B2_".repeat(20)),
            format!("sk-or-v1-{}", "0123456789abcdef".repeat(4)),
        ] {
            masks(&format!("\\n{key}\\n"), "\\n[REDACTED:openai-key]\\n");
        }
    }

    #[test]
    fn names_with_the_same_letters_pass() {
        for text in [
            "sk-",
            "sk-learn",
            "task-runner-service-deployment-7",
            "disk-0123456789abcdef0123",
            "risk-assessment",
            "sk-ant-x",
        ] {
            passes(text);
        }
    }
}
