//! `intercom-token`: access tokens of Intercom.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "intercom-token",
    "access tokens of Intercom",
    &["dG9rO{base64:40-60}"],
    &["key: «dG9rOuYVoLAFzVMGui6fzb0IdiawkFawDwHEcdoklzt8Q» # old"],
    &["dG9rOshort", "dG9rOyour-key-goes-here-0123"],
);
