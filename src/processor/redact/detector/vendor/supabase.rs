//! `supabase-key`: secret keys and access tokens of Supabase.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "supabase-key",
    "secret keys and access tokens of Supabase",
    &["sbp_{hex:40}", "sbp_v0_{hex:40}", "sb_secret_{url:22-40}"],
    &[
        "«sbp_e1bdecd51af0408afe2938407cf7ba849b792009»",
        "use «sbp_v0_ae895cb72e336819ffdf0b91e1fc0ab620fb752c», please",
        "curl -H \"X-Key: «sb_secret_dVWn-feX5csfSplvylI70R»\"",
    ],
    &["sb_publishable_x", "sbp_your-key-goes-here-0123"],
);
