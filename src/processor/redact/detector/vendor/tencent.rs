//! `tencent-secret-id`: ids of secrets of Tencent Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "tencent-secret-id",
    "ids of secrets of Tencent Cloud",
    &["AKID{alnum:32}"],
    &["\n«AKIDsEIdddDuUeL8lwyx2eInO4CJD09JrPHS»\n"],
    &["AKID", "AKIDyour-key-goes-here-0123"],
);
