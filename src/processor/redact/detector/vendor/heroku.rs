//! `heroku-key`: API keys of Heroku.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "heroku-key",
    "API keys of Heroku",
    &["HRKU-AA{url:58}"],
    &["?k=«HRKU-AAmlEmlVJMNLs_QyakjfoBX60Akchdr3hxL4GrGMSdPWmu4u8PJFb0cRDTQa»&x=1"],
    &["HRKU-x", "HRKU-AAyour-key-goes-here-0123"],
);
