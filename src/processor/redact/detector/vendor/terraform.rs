//! `terraform-token`: tokens of Terraform Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "terraform-token",
    "tokens of Terraform Cloud",
    &["{alnum:14}.atlasv1.{url:60-70}"],
    &["(\"«EjnjHGfZzBcdA7.atlasv1.rfsH-1n731PZJhyqSySfSUxM3BOpJ_0QLC6T21kLo9sSxxRDDFx7sGkj_24l»\")"],
    &["x.atlasv1.y"],
);
