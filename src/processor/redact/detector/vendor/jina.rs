//! `jina-key`: API keys of Jina.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "jina-key",
    "API keys of Jina",
    &["jina_{url:60}"],
    &["(\"«jina_RNYONhOlLgPEtwF7dzPp-U8NjniX39iGC5O91V5Ogn6lJreqi7eMiR3ksYmg»\")"],
    &["jina_short", "jina_your-key-goes-here-0123"],
);
