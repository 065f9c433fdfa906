//! `adobe-secret`: client secrets of Adobe.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "adobe-secret",
    "client secrets of Adobe",
    &["p8e-{lower:32}"],
    &["export TOKEN=«p8e-ujzde8gxd6ncf10epf91dhodzdoc9is0»"],
    &["p8e-short", "p8e-your-key-goes-here-0123"],
);
