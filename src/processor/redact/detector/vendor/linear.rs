//! `linear-key`: API keys of Linear.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "linear-key",
    "API keys of Linear",
    &["lin_api_{alnum:40}", "lin_oauth_{hex:64}"],
    &[
        "use «lin_api_ox48VBkyOTe7AmutvGUlFIWGaQ3jM9y1J5Yklb6P», please",
        "curl -H \"X-Key: «lin_oauth_3b11606e4644e0d4887d6e120a578757563e68d1f0e22d4ae56ad7675dbd9956»\"",
    ],
    &["lin_api_short", "lin_api_your-key-goes-here-0123"],
);
