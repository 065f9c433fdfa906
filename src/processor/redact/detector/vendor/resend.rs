//! `resend-key`: API keys of Resend.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "resend-key",
    "API keys of Resend",
    &["re_{alnum:8}_{alnum:24}"],
    &["(\"«re_G8hS2DX9_VoMWgv9jgmYJUPuxRfAgWIct»\")"],
    &["re_compile_pattern", "re_your-key-goes-here-0123"],
);
