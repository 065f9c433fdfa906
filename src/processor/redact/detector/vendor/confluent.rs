//! `confluent-secret`: API secrets of Confluent Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "confluent-secret",
    "API secrets of Confluent Cloud",
    &["cflt{base64:60}"],
    &["curl -H \"X-Key: «cfltqf52Oy01R3UB7dUT/D16nFDGKJecFFNNxw0iwDSZlLVxs2DMEErbu9BDAWnB»\""],
    &["cflt", "cfltyour-key-goes-here-0123"],
);
