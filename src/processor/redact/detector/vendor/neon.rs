//! `neon-key`: API keys of Neon.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "neon-key",
    "API keys of Neon",
    &["napi_{lower:64}"],
    &["export TOKEN=«napi_svlihl6qvkko4oqqdoktey82ng04udyo347mqk7h9uzki445rxg95vkvgxyhi5sv»"],
    &["napi_create_function", "napi_your-key-goes-here-0123"],
);
