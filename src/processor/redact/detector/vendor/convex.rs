//! `convex-key`: deploy keys of Convex.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "convex-key",
    "deploy keys of Convex",
    &["prod:{lower:4-20}-{lower:4-20}-{digit:3}|{base64:40-400}"],
    &["key: «prod:u1go-7w5m-832|+4sKEdc3B0ZHZ99BscnPUL2VZCrj0J1DygCqZVDd» # old"],
    &["prod:8080", "prod:your-key-goes-here-0123"],
);
