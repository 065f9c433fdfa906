//! `notion-token`: integration tokens of Notion.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "notion-token",
    "integration tokens of Notion",
    &["ntn_{digit:11}{alnum:35}", "secret_{alnum:43}"],
    &[
        "curl -H \"X-Key: «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»\"",
        "key: «secret_NrQGiGbABQMlcIsrhXOTCXxHEpT73GIyIssz1Tc0qEu» # old",
    ],
    &["secret_name", "ntn_your-key-goes-here-0123"],
);
