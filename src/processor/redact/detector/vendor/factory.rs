//! `factory-key`: API keys of Factory.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "factory-key",
    "API keys of Factory",
    &["fk-{url:20-200}"],
    &["«fk-4YHoDxzoCGmyG_D6Cok0»"],
    &["fk-constraint", "fk-your-key-goes-here-0123"],
);
