//! `buildkite-token`: tokens of Buildkite.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "buildkite-token",
    "tokens of Buildkite",
    &["bkua_{hex:40}", "bkaa_{hex:40}", "bkct_{alnum:40-80}"],
    &[
        "?k=«bkua_1dff02cee737443e210471948d33296c87009e8a»&x=1",
        "export TOKEN=«bkaa_7f770d9106fd287db7f1adbc60926f6967e7893f»",
        "«bkct_Nl5oFA6Qd8Mj7zdnbMjAdTdlzC5T4uUhf7kvmlP7»",
    ],
    &["bkua_short", "bkua_your-key-goes-here-0123"],
);
