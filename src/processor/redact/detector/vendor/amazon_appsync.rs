//! `aws-appsync-key`: API keys of AWS AppSync.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "aws-appsync-key",
    "API keys of AWS AppSync",
    &["da2-{lower:26}"],
    &["curl -H \"X-Key: «da2-p9r7ko74a5c5ez96v8oj1hjhur»\""],
    &["da2-short", "da2-your-key-goes-here-0123"],
);
