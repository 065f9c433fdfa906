//! `posthog-key`: personal API keys of PostHog.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "posthog-key",
    "personal API keys of PostHog",
    &["phx_{alnum:40-50}", "phs_{alnum:40-50}"],
    &["(\"«phx_XtXatugVs6XRDZ0IkCgfwz4lkne7Waf6QzfipDQd»\")", "?k=«phs_38AOChbzvmpLYBTwYDIxS2i4yesAssVhnBuCsm34»&x=1"],
    &["phc_public", "phx_your-key-goes-here-0123"],
);
