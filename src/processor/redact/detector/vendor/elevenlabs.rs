//! `elevenlabs-key`: API keys of ElevenLabs.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "elevenlabs-key",
    "API keys of ElevenLabs",
    &["sk_{hex:48}"],
    &["export TOKEN=«sk_b01d4921da2e055c90eb6f2aed4c21a9dbf49a067e24bdb7»"],
    &["sk_buff", "sk_your-key-goes-here-0123"],
);
