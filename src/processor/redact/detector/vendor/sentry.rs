//! `sentry-token`: tokens of Sentry.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "sentry-token",
    "tokens of Sentry",
    &["sntrys_eyJ{base64:40-500}_{base64:43}", "sntryu_{hex:64}", "sntryi_{hex:64}"],
    &[
        "use «sntrys_eyJxUoS6sh2Bi48qmb10FpD4RBPl4xQiPcoG0wRe5pP_AvNtIGJ5tLH4Bvy4qBQwYNZ8YtUg2GwQAWIrqU6ArwR», please",
        "curl -H \"X-Key: «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»\"",
        "key: «sntryi_e51b20a401549935d49a54e5ec549c4a7cb2ae33834aad0335d8a1483bba4ee1» # old",
    ],
    &["sntrys_eyJshort", "sntrys_eyJyour-key-goes-here-0123"],
);
