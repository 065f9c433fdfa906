//! `flutterwave-key`: secret keys of Flutterwave.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "flutterwave-key",
    "secret keys of Flutterwave",
    &["FLWSECK-{lower:32}-X", "FLWSECK_TEST-{lower:32}-X"],
    &["\n«FLWSECK-gm1gxspjetvx6pw9zvdvu46xppwjina3-X»\n", "(\"«FLWSECK_TEST-z2ztkejttq9vemfltw3w1e5ulrq8bkrp-X»\")"],
    &["FLWSECK-short", "FLWSECK-your-key-goes-here-0123"],
);
