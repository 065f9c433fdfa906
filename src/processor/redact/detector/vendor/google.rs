//! `google-api-key`: API keys of Google and Gemini.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "google-api-key",
    "API keys of Google and Gemini",
    &["AIza{url:35}"],
    &["«AIzamnEot_IpP7Fuf-GUzKZAqE-Embng_ADlvtH»"],
    &["AIzaShort", "AIzayour-key-goes-here-0123"],
);
