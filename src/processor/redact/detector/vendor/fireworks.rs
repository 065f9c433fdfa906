//! `fireworks-key`: API keys of Fireworks.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "fireworks-key",
    "API keys of Fireworks",
    &["fw_{alnum:22-28}"],
    &["key: «fw_OjUQjryreGqwKKHL9iSc6J» # old"],
    &["fw_version", "fw_your-key-goes-here-0123"],
);
