//! `pinecone-key`: API keys of Pinecone.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "pinecone-key",
    "API keys of Pinecone",
    &["pcsk_{alnum:5-6}_{alnum:60-66}"],
    &["use «pcsk_VeTJ8_l1x4Yr5YDEvtMxZ41l2IQlkfj5KHnEv3gHjjTJo2Zv2stfrnz6a8BoyDaC3O», please"],
    &["pcsk_short", "pcsk_your-key-goes-here-0123"],
);
