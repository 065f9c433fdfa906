//! `launchdarkly-key`: API and SDK keys of LaunchDarkly.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "launchdarkly-key",
    "API and SDK keys of LaunchDarkly",
    &["sdk-{uuid:36}"],
    &["«sdk-fab9b32f-ed07-466b-8b31-ed04d259b371»"],
    &["sdk-version-12", "sdk-your-key-goes-here-0123"],
);
