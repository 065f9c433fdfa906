//! `perplexity-key`: API keys of Perplexity.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "perplexity-key",
    "API keys of Perplexity",
    &["pplx-{alnum:48-56}"],
    &["«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»"],
    &["pplx-70b-online", "pplx-your-key-goes-here-0123"],
);
