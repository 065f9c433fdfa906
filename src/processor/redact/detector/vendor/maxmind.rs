//! `maxmind-key`: license keys of MaxMind.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "maxmind-key",
    "license keys of MaxMind",
    &["{word:36}_mmk"],
    &["(\"«x2rAkhWABPjb31jwopk2JDXibl7TSJ1BAVBv_mmk»\")"],
    &["x_mmk"],
);
