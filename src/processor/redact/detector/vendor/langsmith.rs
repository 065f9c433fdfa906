//! `langsmith-key`: API keys of LangSmith.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "langsmith-key",
    "API keys of LangSmith",
    &["lsv2_pt_{hex:32}_{hex:10}", "lsv2_sk_{hex:32}_{hex:10}"],
    &[
        "export TOKEN=«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»",
        "«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»",
    ],
    &["lsv2_pt_short", "lsv2_pt_your-key-goes-here-0123"],
);
