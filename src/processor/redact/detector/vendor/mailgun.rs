//! `mailgun-key`: API keys of Mailgun.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "mailgun-key",
    "API keys of Mailgun",
    &["key-{hex:32}"],
    &["(\"«key-af5ac6860aa8a5f82f14d2d9d0243c83»\")"],
    &["key-value", "key-your-key-goes-here-0123"],
);
