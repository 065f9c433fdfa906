//! `contentful-token`: management tokens of Contentful.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "contentful-token",
    "management tokens of Contentful",
    &["CFPAT-{url:43}"],
    &["key: «CFPAT-m_x_SHuKBD_vok_nPTmZYl2dVAMH2-vWD6qeSPt5Pv7» # old"],
    &["CFPAT-short", "CFPAT-your-key-goes-here-0123"],
);
