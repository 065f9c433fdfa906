//! `settlemint-token`: tokens of SettleMint.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "settlemint-token",
    "tokens of SettleMint",
    &["sm_pat_{alnum:16}", "sm_aat_{alnum:16}", "sm_sat_{alnum:16}"],
    &["export TOKEN=«sm_pat_A1OotU7rGAwEpu0S»", "«sm_aat_8x7skCbQCHV8JZ9H»", "use «sm_sat_pR5qIzpe7zAWwu7l», please"],
    &["sm_pat_short", "sm_pat_your-key-goes-here-0123"],
);
