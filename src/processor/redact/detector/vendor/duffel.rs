//! `duffel-token`: tokens of Duffel.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "duffel-token",
    "tokens of Duffel",
    &["duffel_test_{url:43}", "duffel_live_{url:43}"],
    &[
        "\n«duffel_test_0baNaMYmbdzw_Isz0psundmjv_73hbPsETJveImiSy5»\n",
        "(\"«duffel_live_XcgCYf4gEFCfuwOa6M1G_iFXC0NZ_cFlwvTWxaLYUoQ»\")",
    ],
    &["duffel_test_short", "duffel_test_your-key-goes-here-0123"],
);
