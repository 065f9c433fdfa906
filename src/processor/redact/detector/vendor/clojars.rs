//! `clojars-token`: deploy tokens of Clojars.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "clojars-token",
    "deploy tokens of Clojars",
    &["CLOJARS_{lower:60}"],
    &["use «CLOJARS_2qagwncxvjcnqcnau0xltenc594e0gz9j8fkzr0st0dtw00bxmzzna1k1hfz», please"],
    &["CLOJARS_short", "CLOJARS_your-key-goes-here-0123"],
);
