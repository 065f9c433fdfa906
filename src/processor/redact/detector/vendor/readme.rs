//! `readme-key`: API keys of ReadMe.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "readme-key",
    "API keys of ReadMe",
    &["rdme_{lower:70}"],
    &["curl -H \"X-Key: «rdme_shxjgtq60r3s9vqaovoum1qvbtsa6rinxhxvh6l1qf25tx77cv0q9l45vipqgpppcm7pi8»\""],
    &["rdme_short", "rdme_your-key-goes-here-0123"],
);
