//! `docker-token`: access tokens of Docker Hub.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "docker-token",
    "access tokens of Docker Hub",
    &["dckr_pat_{url:27}", "dckr_oat_{url:24-40}"],
    &["use «dckr_pat_2m5qGeRzxWkdgeV6_iYplGODl-Y», please", "curl -H \"X-Key: «dckr_oat_x5uVECweGThdgH9hmsOazM4n»\""],
    &["dckr_pat_short", "dckr_pat_your-key-goes-here-0123"],
);
