//! `cursor-key`: API keys of Cursor.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "cursor-key",
    "API keys of Cursor",
    &["key_{hex:64}"],
    &["(\"«key_7a683536c4499d863386ce10cd79e048c07dd7753eda83d7c58dfe0d5a0cf318»\")"],
    &["key_id", "key_your-key-goes-here-0123"],
);
