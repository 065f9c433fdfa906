//! `square-token`: tokens and secrets of Square.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "square-token",
    "tokens and secrets of Square",
    &["sq0atp-{url:22}", "sq0csp-{url:43}", "EAAA{url:60}"],
    &[
        "?k=«sq0atp-lUKtTOP0_atqAVCZQXq4fE»&x=1",
        "export TOKEN=«sq0csp-QesiNV1_KW-VzJDC_Iw_oA8j1-GjpmT_C8k9VGt_qgu»",
        "«EAAAz_tC9I7anYHEKnLgGvEr6r8bsASNKgO7iDXG5tGorF-B5vnO6PWxxtJZb9mi»",
    ],
    &["sq0idp-public", "sq0atp-your-key-goes-here-0123"],
);
