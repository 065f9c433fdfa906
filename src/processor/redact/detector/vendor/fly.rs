//! `fly-token`: access tokens of Fly.io.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "fly-token",
    "access tokens of Fly.io",
    &["fo1_{url:43}", "fm1r_{base64:100-2000}", "fm1a_{base64:100-2000}", "fm2_{base64:100-2000}"],
    &[
        "(\"«fo1_cBgZ5zK-mzEhqgkjRrayIbPdBPPd_ZRwh1flQ_ZG7bd»\")",
        "?k=«fm1r_OOh1QulctAslTU2StQDH9eN6JUJqGb8mUtDZldrphAxHUtwudSF4/BSX6BPdnbiZShDW0WCdGcH3EDTAP2JM/Bu9IrMKlQa+FuO5»&x=1",
        "export TOKEN=«fm1a_BgAUf4x3rMdotbrMtTmv7Yl1RYQeEzberD3ncgOiop+r2awCsoT/jSBCjIwbHIifzg0UIbPf6KQ0IZ2O1XtXX0saEGWEzolegZP4»",
        "«fm2_O6a88RWEWTiYIPjCHH8S9CsiUAvUEwt6wfPWU2p0tGWnUTM5lJYL5o59wtaqU+EVRWGczaHhwNJPGEH4l/lzq2LVf4WUfL03GTEX»",
    ],
    &["fm2_x", "fo1_your-key-goes-here-0123"],
);
