//! `twilio-api-key`: API keys of Twilio.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "twilio-api-key",
    "API keys of Twilio",
    &["SK{HEX:32}"],
    &["export TOKEN=«SKE4Ba124fAE6c5A96176E41A2Bfb3Afac»"],
    &["SKU12345678901234567890123456789012", "SKyour-key-goes-here-0123"],
);
