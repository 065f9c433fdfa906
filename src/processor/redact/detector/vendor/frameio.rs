//! `frameio-token`: tokens of Frame.io.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "frameio-token",
    "tokens of Frame.io",
    &["fio-u-{url:64}"],
    &["?k=«fio-u-qyViAQjk5WY1_dn77318wi4Y_rbDzZfLQX6plCjbn_lB6hzQ9h1r0gsPQyaxJHlO»&x=1"],
    &["fio-u-short", "fio-u-your-key-goes-here-0123"],
);
