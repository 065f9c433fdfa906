//! `localstack-token`: auth tokens of LocalStack.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "localstack-token",
    "auth tokens of LocalStack",
    &["ls-{alnum:8}-{alnum:4}-{alnum:4}-{alnum:4}-{alnum:12}"],
    &["«ls-ID59PhMB-rojZ-GAHC-W4it-9CgtHIcPVviO»"],
    &["ls-la", "ls-your-key-goes-here-0123"],
);
