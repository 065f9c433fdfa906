//! `nightfall-key`: API keys of Nightfall.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "nightfall-key",
    "API keys of Nightfall",
    &["NF-{alnum:32}"],
    &["use «NF-wAv1UJyUVKKS3ymjuxCuTaDXDH9EmTbe», please"],
    &["NF-short", "NF-your-key-goes-here-0123"],
);
