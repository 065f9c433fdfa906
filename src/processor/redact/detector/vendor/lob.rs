//! `lob-key`: API keys of Lob.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "lob-key",
    "API keys of Lob",
    &["live_{hex:35}", "test_{hex:35}"],
    &[
        "curl -H \"X-Key: «live_e246a395dfeff8f6f4572bc2c3bdabc4e01»\"",
        "key: «test_fbcd9504bca7a5c59340afef8b0baf3a8c8» # old",
    ],
    &["test_helper", "live_your-key-goes-here-0123"],
);
