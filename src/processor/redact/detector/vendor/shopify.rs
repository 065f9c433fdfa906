//! `shopify-token`: tokens and secrets of Shopify.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "shopify-token",
    "tokens and secrets of Shopify",
    &["shpat_{HEX:32}", "shpca_{HEX:32}", "shppa_{HEX:32}", "shpss_{HEX:32}", "shptka_{HEX:32}"],
    &[
        "key: «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» # old",
        "\n«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»\n",
        "(\"«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»\")",
        "?k=«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»&x=1",
        "export TOKEN=«shptka_e75B8AafF8dDBC620BBC14ea5ddC9d60»",
    ],
    &["shpat_short", "shpat_your-key-goes-here-0123"],
);
