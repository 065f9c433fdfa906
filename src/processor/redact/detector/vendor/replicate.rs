//! `replicate-token`: tokens of Replicate.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "replicate-token",
    "tokens of Replicate",
    &["r8_{alnum:37}"],
    &["\n«r8_H4l9YOgHNj3yitnLWvEf7EvYzn9Xwb9F5FmmI»\n"],
    &["r8_unorm", "r8_your-key-goes-here-0123"],
);
