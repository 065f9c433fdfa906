//! `shippo-token`: tokens of Shippo.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "shippo-token",
    "tokens of Shippo",
    &["shippo_live_{hex:40}", "shippo_test_{hex:40}"],
    &[
        "curl -H \"X-Key: «shippo_live_a9a3a1bcbbe842926d1195d24734e0717074c45c»\"",
        "key: «shippo_test_f807a9f1bd4e4a0f40afcb0f13f22ca78e2ee9bf» # old",
    ],
    &["shippo_live_short", "shippo_live_your-key-goes-here-0123"],
);
