//! `razorpay-key`: keys of Razorpay.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "razorpay-key",
    "keys of Razorpay",
    &["rzp_live_{alnum:14}", "rzp_test_{alnum:14}"],
    &["use «rzp_live_ZUNQ2nsIFMlU6m», please", "curl -H \"X-Key: «rzp_test_tzvbgsw6UmKjlA»\""],
    &["rzp_live_short", "rzp_live_your-key-goes-here-0123"],
);
