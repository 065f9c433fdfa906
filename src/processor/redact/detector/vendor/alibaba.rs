//! `alibaba-access-key-id`: ids of access keys of Alibaba Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "alibaba-access-key-id",
    "ids of access keys of Alibaba Cloud",
    &["LTAI{alnum:12-26}"],
    &["use «LTAIgaKjIg8xNbe3», please"],
    &["LTAI", "LTAIyour-key-goes-here-0123"],
);
