//! `langfuse-key`: secret keys of Langfuse.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "langfuse-key",
    "secret keys of Langfuse",
    &["sk-lf-{uuid:36}"],
    &["?k=«sk-lf-19432a5d-575c-4dab-837e-328cf759ec64»&x=1"],
    &["sk-lf-x", "sk-lf-your-key-goes-here-0123"],
);
