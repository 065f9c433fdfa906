//! `xai-key`: API keys of xAI.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "xai-key",
    "API keys of xAI",
    &["xai-{alnum:70-90}"],
    &["?k=«xai-IZLR4Cssr5lOhI2b6piTxb523IustFe2pnGaMq1EKRWj0hGv7fihSg3Z44McMZF1pPNth0»&x=1"],
    &["xai-grok", "xai-your-key-goes-here-0123"],
);
