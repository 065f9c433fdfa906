//! `sonar-token`: tokens of SonarQube and SonarCloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "sonar-token",
    "tokens of SonarQube and SonarCloud",
    &["squ_{hex:40}", "sqp_{hex:40}", "sqa_{hex:40}", "sqb_{hex:40}"],
    &[
        "\n«squ_2448e500ba01d8773e6273773e3adaf5cf5ace53»\n",
        "(\"«sqp_3ef327b42dffc4df5e935ab777ecfd467ba2293f»\")",
        "?k=«sqa_5ee0c21d6046bda6b68607a119030cdeb0e415ea»&x=1",
        "export TOKEN=«sqb_8e09ab022e0d3f2380c27c73a0d5025775aac1bd»",
    ],
    &["squ_short", "squ_your-key-goes-here-0123"],
);
