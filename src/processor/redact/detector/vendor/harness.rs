//! `harness-token`: tokens of Harness.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "harness-token",
    "tokens of Harness",
    &["pat.{url:22}.{hex:24}.{alnum:20}", "sat.{url:22}.{hex:24}.{alnum:20}"],
    &[
        "(\"«pat.qnGXATGcyJ3Xu3rrboBWdb.2e162aaef6076bc3346eee21.3EkzPR3TpTPES4EMjh6F»\")",
        "?k=«sat.WiEDaYCeFmzae7gZECf0Hf.4e0f33545a3c0202219ec060.l1GZ1DnhTPVnQBhNfIHw»&x=1",
    ],
    &["pat.match", "pat.your-key-goes-here-0123"],
);
