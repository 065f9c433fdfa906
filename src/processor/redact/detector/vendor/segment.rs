//! `segment-token`: tokens of Segment.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "segment-token",
    "tokens of Segment",
    &["sgp_{alnum:64}"],
    &["export TOKEN=«sgp_zSiFXFljXGzZ4iG47ArrfphD7PxKg42GIGlHnibfvouohdAlcf6EE34QS4UnWAtW»"],
    &["sgp_short", "sgp_your-key-goes-here-0123"],
);
