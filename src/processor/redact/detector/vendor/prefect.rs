//! `prefect-key`: API keys of Prefect.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "prefect-key",
    "API keys of Prefect",
    &["pnu_{alnum:36}", "pnb_{alnum:36}"],
    &["?k=«pnu_OYEtyN6f8hCeKC3BqFqzgoGSXPkGBmaE4y11»&x=1", "export TOKEN=«pnb_95vyPhJOUVf7zQjtAGisuC1Ds635X7LEN9Ni»"],
    &["pnu_short", "pnu_your-key-goes-here-0123"],
);
