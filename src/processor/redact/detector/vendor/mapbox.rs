//! `mapbox-secret-token`: secret tokens of Mapbox.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "mapbox-secret-token",
    "secret tokens of Mapbox",
    &["sk.eyJ{alnum:50-200}.{url:22}"],
    &["?k=«sk.eyJM3BC4UZqfUCPxgcF1UtnePqrYxn6G8GHBXKSZPWrDP3uzR8SE9.pfsLgqTWFH-e49dlkeB78k»&x=1"],
    &["pk.eyJ", "sk.eyJyour-key-goes-here-0123"],
);
