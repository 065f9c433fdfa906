//! `firecrawl-key`: API keys of Firecrawl.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "firecrawl-key",
    "API keys of Firecrawl",
    &["fc-{hex:32}"],
    &["curl -H \"X-Key: «fc-5cf5ec72ba694165beaecba0afa707e1»\""],
    &["fc-list", "fc-your-key-goes-here-0123"],
);
