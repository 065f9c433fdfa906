//! `scalingo-token`: API tokens of Scalingo.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "scalingo-token",
    "API tokens of Scalingo",
    &["tk-us-{url:48}"],
    &["?k=«tk-us-tUQCsHp4Ey4ozirCgpkrI2hX-FLh6o6SWfrM3t_w_XKG3BAK»&x=1"],
    &["tk-us-short", "tk-us-your-key-goes-here-0123"],
);
