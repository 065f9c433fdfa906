//! `together-key`: API keys of Together.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "together-key",
    "API keys of Together",
    &["tgp_v1_{url:43}"],
    &["?k=«tgp_v1_U8VojlZiVNVGcAqiEV6v3dqyVKIO3r2s_JzpJ2LJfjA»&x=1"],
    &["tgp_v1_short", "tgp_v1_your-key-goes-here-0123"],
);
