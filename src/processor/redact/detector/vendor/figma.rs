//! `figma-token`: personal access tokens of Figma.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "figma-token",
    "personal access tokens of Figma",
    &["figd_{url:40}", "figo_{url:40}"],
    &[
        "use «figd_j4r--on6Yvy8lrVhZEgVfbB6Mpr2lzoTvURbGpEV», please",
        "curl -H \"X-Key: «figo_T_fTmTPoeFGTy5c4oc_ojHxtLWsGI4bdRt_-9eej»\"",
    ],
    &["figd_short", "figd_your-key-goes-here-0123"],
);
