//! `voyage-key`: API keys of Voyage.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "voyage-key",
    "API keys of Voyage",
    &["pa-{url:43}"],
    &["\n«pa-S7hjKG6teM0qG3V5SbolaH0njFyOjfkFRDqP4wrlE8k»\n"],
    &["pa-system", "pa-your-key-goes-here-0123"],
);
