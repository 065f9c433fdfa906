//! `sendgrid-key`: API keys of SendGrid.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "sendgrid-key",
    "API keys of SendGrid",
    &["SG.{url:22}.{url:43}"],
    &["«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»"],
    &["SG.UTF8", "SG.your-key-goes-here-0123"],
);
