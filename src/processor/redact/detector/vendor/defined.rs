//! `defined-networking-token`: API tokens of Defined Networking.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "defined-networking-token",
    "API tokens of Defined Networking",
    &["dnkey-{lower:26}-{lower:52}"],
    &["export TOKEN=«dnkey-5n7f2h9hq0oi459d43j5p5k8ak-u35s3x10elxbbcvg645jcn0ivgxv479ns1v1q9dssw5zv6r6wn5h»"],
    &["dnkey-short", "dnkey-your-key-goes-here-0123"],
);
