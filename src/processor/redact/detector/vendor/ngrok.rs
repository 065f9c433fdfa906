//! `ngrok-token`: tokens of ngrok.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "ngrok-token",
    "tokens of ngrok",
    &["ngrok_{alnum:30-60}"],
    &["\n«ngrok_oIMCAdiOXklQZkWIB7DdnMiuSDxbKc»\n"],
    &["ngrok_tunnel", "ngrok_your-key-goes-here-0123"],
);
