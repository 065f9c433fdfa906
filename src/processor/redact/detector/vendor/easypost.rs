//! `easypost-key`: API keys of EasyPost.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "easypost-key",
    "API keys of EasyPost",
    &["EZAK{alnum:54}", "EZTK{alnum:54}"],
    &[
        "?k=«EZAKgPF9BFmYIuaw6fPsON7UPSqPpfiVbbXz1jsxl9OH257RkgYU1tVNuy»&x=1",
        "export TOKEN=«EZTKlP0wuoxiJ6x11qpdcgKZO60Tz5d8nFBFUktMLOfjSokiCOzfc2CEmn»",
    ],
    &["EZAKshort", "EZAKyour-key-goes-here-0123"],
);
