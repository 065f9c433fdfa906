//! `packagist-token`: tokens of Packagist.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "packagist-token",
    "tokens of Packagist",
    &["packagist_uut_{hex:68}", "packagist_ort_{hex:68}", "packagist_ack_{hex:68}"],
    &[
        "export TOKEN=«packagist_uut_09e7b7d3703a3ef076b1acdc79d2edf85dd616e732bd008f56f49d64c090cea7a241»",
        "«packagist_ort_29199532290b5cd33e9fec3d7c6afcc831e864ec8b45d48730d21e9e233c90cb4f20»",
        "use «packagist_ack_047226249de87a13d9133d268f95d09ea9823fa7b3a99b7d87de86440285b86ce539», please",
    ],
    &["packagist_uut_short", "packagist_uut_your-key-goes-here-0123"],
);
