//! `mailchimp-key`: API keys of Mailchimp.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "mailchimp-key",
    "API keys of Mailchimp",
    &["{hex:32}-us{digit:1-2}"],
    &["key: «0bc2b08a9f5c02661449771d833424d6-us0» # old"],
    &["d41d8cd98f00b204e9800998ecf8427e-user"],
);
