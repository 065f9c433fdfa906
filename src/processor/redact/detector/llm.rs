//! `anthropic-key` (`sk-ant-`) and `openai-key` (`sk-`, `sk-proj-`, `sk-svcacct-`, `sk-admin-`; other vendors' `sk-`
//! keys of that shape too).

use crate::processor::redact::detector::bytes::{has_at, is_base64url, run_end, word_starts};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict};

pub(super) static ANTHROPIC: Detector = Detector {
    id: "anthropic-key",
    title: "keys of Anthropic",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(ANTHROPIC_ANCHORS, anthropic),
    context: &[],
    hits: &["use «sk-ant-api03-abcdefghijklmnopqrstuvwx», please"],
    misses: &["sk-ant-x"],
};

pub(super) static OPENAI: Detector = Detector {
    id: "openai-key",
    title: "keys of OpenAI, and those of other vendors with the same prefix",
    class: Class::Secret,
    family: Family::KnownSecret,
    confidence: Confidence::High,
    profiles: SECRET,
    find: Find::Anchors(OPENAI_ANCHORS, openai),
    context: &[],
    hits: &["use «sk-proj-a1B2c3D4e5F6g7H8i9J0a1B2»"],
    misses: &["task-runner-service-deployment-7"],
};

const ANTHROPIC_ANCHORS: &[&str] = &["sk-ant-"];
const OPENAI_ANCHORS: &[&str] = &["sk-"];

const ANTHROPIC_LEN_MIN: usize = 16;
/// What follows `sk-`, at least.
pub(in super::super) const OPENAI_LEN_MIN: usize = 20;
/// The longest part without a dash, at least.
const PART_LEN_MIN: usize = 16;

fn anthropic(text: &[u8], at: usize) -> Verdict {
    let body = at + ANTHROPIC_ANCHORS[0].len();
    let end = run_end(text, body, is_base64url);
    if end - body >= ANTHROPIC_LEN_MIN { Verdict::Hit(at..end) } else { Verdict::NO }
}

/// A key has a long part with letters and digits; `task-runner-with-many-parts` has none.
fn openai(text: &[u8], at: usize) -> Verdict {
    let body = at + OPENAI_ANCHORS[0].len();
    if has_at(text, at, ANTHROPIC_ANCHORS[0]) || !word_starts(text, at) {
        return Verdict::NO;
    }
    let end = run_end(text, body, is_base64url);
    let random = |part: &[u8]| {
        part.len() >= PART_LEN_MIN && part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic)
    };
    if end - body >= OPENAI_LEN_MIN && text[body..end].split(|byte| *byte == b'-').any(random) {
        return Verdict::Hit(at..end);
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
