//! `rubygems-key`: API keys of RubyGems.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "rubygems-key",
    "API keys of RubyGems",
    &["rubygems_{hex:48}"],
    &["?k=«rubygems_cef8a906f526bd622140fe880d8184e6674084fdb0dd13f1»&x=1"],
    &["rubygems_short", "rubygems_your-key-goes-here-0123"],
);
