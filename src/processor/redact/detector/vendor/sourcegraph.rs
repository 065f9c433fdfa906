//! `sourcegraph-token`: tokens of Sourcegraph.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "sourcegraph-token",
    "tokens of Sourcegraph",
    &["sgp_{hex:40}", "sgp_{hex:16}_{hex:40}", "sgp_local_{hex:40}", "slk_{hex:64}"],
    &[
        "(\"«sgp_4f6906ad6e791ac7dc223393f1216147dc78b4ae»\")",
        "?k=«sgp_5e8e1967f9b04237_405f508bc6f087a4d8baa409f072fe6f43e30a56»&x=1",
        "export TOKEN=«sgp_local_c2069235eb36c868c3d78cd3d5548446f56754c2»",
        "«slk_fba27200323b7dabcd519665ce7df72fdd89d8f1efb0f5993ff225eebf8ac4e0»",
    ],
    &["sgp_short", "sgp_your-key-goes-here-0123"],
);
