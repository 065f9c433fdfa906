//! `nuget-key`: API keys of NuGet.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "nuget-key",
    "API keys of NuGet",
    &["oy2{lower:43}"],
    &["\n«oy217tovv4gl5gxmr5civ02s0jujlkwrdpvcld11mjx6hh»\n"],
    &["oy2short", "oy2your-key-goes-here-0123"],
);
