//! `render-key`: API keys of Render.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "render-key",
    "API keys of Render",
    &["rnd_{alnum:28-36}"],
    &["key: «rnd_R1Fw3FxQdmQOoBHEmcTvcfrwhFjG» # old"],
    &["rnd_seed", "rnd_your-key-goes-here-0123"],
);
