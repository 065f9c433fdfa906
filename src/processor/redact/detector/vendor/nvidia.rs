//! `nvidia-key`: API keys of NVIDIA.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "nvidia-key",
    "API keys of NVIDIA",
    &["nvapi-{url:60-70}"],
    &["(\"«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»\")"],
    &["nvapi-short", "nvapi-your-key-goes-here-0123"],
);
