//! `twitter-bearer-token`: bearer tokens of X (Twitter).

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "twitter-bearer-token",
    "bearer tokens of X (Twitter)",
    &["AAAAAAAAAAAAAAAAAAAAA{alnum:20-60}%{alnum:30-100}"],
    &["«AAAAAAAAAAAAAAAAAAAAATJcASGJcy4TL4wcs8lX7%Q1Wy7MdJQmIciV2kKGbyb1koP9NhJQ»"],
    &["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAyour-key-goes-here-0123"],
);
