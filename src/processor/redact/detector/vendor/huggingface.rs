//! `huggingface-token`: tokens of Hugging Face.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "huggingface-token",
    "tokens of Hugging Face",
    &["hf_{alnum:30-40}", "api_org_{alnum:34}"],
    &[
        "use «hf_3S9qPpAx9HqR0eSVdNREnRuZ6aCEvR», please",
        "curl -H \"X-Key: «api_org_WT9P4lD9uYoBf9nIAz9i5VoxVTxyQFXxio»\"",
    ],
    &["hf_hub_download", "hf_your_token_goes_here", "hf_your-key-goes-here-0123"],
);
