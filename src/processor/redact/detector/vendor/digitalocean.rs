//! `digitalocean-token`: tokens of DigitalOcean.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "digitalocean-token",
    "tokens of DigitalOcean",
    &["dop_v1_{hex:64}", "doo_v1_{hex:64}", "dor_v1_{hex:64}"],
    &[
        "«dop_v1_a6a9421cc1c93016f1c4261e5351d30b49895d1a0d1f13dce20c4fd32f640d00»",
        "use «doo_v1_32634f087e51b429fe8110102c995f1abef543b5dfce8a981a049d7ccc7e90a8», please",
        "curl -H \"X-Key: «dor_v1_8d519448fb2fc6791ce680ce2b27c8af6666259bbc471fb3be24a0b80316f688»\"",
    ],
    &["dop_v1_short", "dop_v1_your-key-goes-here-0123"],
);
