//! `cerebras-key`: API keys of Cerebras.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "cerebras-key",
    "API keys of Cerebras",
    &["csk-{lower:48}"],
    &["export TOKEN=«csk-73ctyxv2kgafrfw0h9nywt1fd4mx82mux4b0pzcyc3edqmev»"],
    &["csk-short", "csk-your-key-goes-here-0123"],
);
