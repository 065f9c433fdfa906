//! `groq-key`: API keys of Groq.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "groq-key",
    "API keys of Groq",
    &["gsk_{alnum:52}"],
    &["\n«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»\n"],
    &["gsk_short", "gsk_your-key-goes-here-0123"],
);
