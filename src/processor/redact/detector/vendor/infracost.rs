//! `infracost-key`: API keys of Infracost.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "infracost-key",
    "API keys of Infracost",
    &["ico-{alnum:32}"],
    &["curl -H \"X-Key: «ico-On4rhcGi4zNAPeELD8vKIwwTWBulZESb»\""],
    &["ico-short", "ico-your-key-goes-here-0123"],
);
