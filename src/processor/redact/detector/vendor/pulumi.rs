//! `pulumi-token`: access tokens of Pulumi.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "pulumi-token",
    "access tokens of Pulumi",
    &["pul-{hex:40}"],
    &["export TOKEN=«pul-580d08fb6d0ed62279c6dbedbc37293edbd57da8»"],
    &["pul-short", "pul-your-key-goes-here-0123"],
);
