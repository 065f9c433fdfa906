//! `typeform-token`: personal access tokens of Typeform.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "typeform-token",
    "personal access tokens of Typeform",
    &["tfp_{dotted:40-60}"],
    &["use «tfp_BHlaA9YF32cn18EfnhzYeLLDocSDlySENfTB8KsD», please"],
    &["tfp_short", "tfp_your-key-goes-here-0123"],
);
