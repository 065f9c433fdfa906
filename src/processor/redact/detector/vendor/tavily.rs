//! `tavily-key`: API keys of Tavily.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "tavily-key",
    "API keys of Tavily",
    &["tvly-{alnum:32}", "tvly-dev-{alnum:32}", "tvly-prod-{alnum:32}"],
    &[
        "curl -H \"X-Key: «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»\"",
        "key: «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» # old",
        "\n«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»\n",
    ],
    &["tvly-short", "tvly-your-key-goes-here-0123"],
);
