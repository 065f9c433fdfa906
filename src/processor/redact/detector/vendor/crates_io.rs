//! `crates-io-token`: tokens of crates.io.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "crates-io-token",
    "tokens of crates.io",
    &["cio{alnum:32}"],
    &["\n«cioCSXqLoivDP4SpGmrtWT01NjUjpUuMHwk»\n"],
    &["cioabc", "cioyour-key-goes-here-0123"],
);
