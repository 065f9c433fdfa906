//! `amazon-mws-token`: tokens of Amazon marketplace services.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "amazon-mws-token",
    "tokens of Amazon marketplace services",
    &["amzn.mws.{uuid:36}"],
    &["«amzn.mws.e74263ce-5f2b-4305-8c94-4446288f9c29»"],
    &["amzn.mws.short", "amzn.mws.your-key-goes-here-0123"],
);
