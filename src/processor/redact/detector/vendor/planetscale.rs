//! `planetscale-token`: tokens and passwords of PlanetScale.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "planetscale-token",
    "tokens and passwords of PlanetScale",
    &["pscale_tkn_{dotted:32-64}", "pscale_pw_{dotted:32-64}", "pscale_oauth_{dotted:32-64}"],
    &[
        "key: «pscale_tkn_P4GaucMYBmovabg1d2B21FSF9x1gLyLu» # old",
        "\n«pscale_pw_a9yOqAN9eFIHygFgzQgFUBZGMbhUME3X»\n",
        "(\"«pscale_oauth_2WtcM4AQMrQ6a0E55pwKDygsOWMNdvtI»\")",
    ],
    &["pscale_tkn_short", "pscale_tkn_your-key-goes-here-0123"],
);
