//! `npm-token`: tokens of npm.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "npm-token",
    "tokens of npm",
    &["npm_{alnum:36}"],
    &["key: «npm_URnUC3wTtDxfWxUPn0oYBPVRqOxSbrJdvxAc» # old"],
    &["npm_config_registry", "npm_lifecycle_event", "npm_your-key-goes-here-0123"],
);
