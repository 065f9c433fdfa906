//! `netlify-token`: tokens of Netlify.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "netlify-token",
    "tokens of Netlify",
    &["nfp_{alnum:36}", "nfc_{alnum:36}"],
    &["«nfp_yKJluXbunDh9sDOxKX88RSxE87OmI93QQlxm»", "use «nfc_MmtsTpTLeAanJenGGQhW1pQhRs7gmRLTQard», please"],
    &["nfp_short", "nfp_your-key-goes-here-0123"],
);
