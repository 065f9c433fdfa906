//! `postman-key`: API keys of Postman.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "postman-key",
    "API keys of Postman",
    &["PMAK-{hex:24}-{hex:34}", "PMAT-{upper:26}"],
    &[
        "\n«PMAK-7c0de4f91904a170587c7a43-7ecb4e59b08f1350c2aa24c4913e4f3649»\n",
        "(\"«PMAT-OADQGL27UILUZJ2RQ8LIXJPBHM»\")",
    ],
    &["PMAK-short", "PMAK-your-key-goes-here-0123"],
);
