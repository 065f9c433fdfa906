//! `wakatime-key`: API keys of WakaTime.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "wakatime-key",
    "API keys of WakaTime",
    &["waka_{uuid:36}"],
    &["(\"«waka_013e484b-a1c8-499d-8a35-39bb23f8cae4»\")"],
    &["waka_time", "waka_your-key-goes-here-0123"],
);
