//! `circleci-token`: tokens of CircleCI.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "circleci-token",
    "tokens of CircleCI",
    &["CCIPAT_{alnum:22}_{hex:40}", "CCIPRJ_{alnum:22}_{hex:40}"],
    &[
        "«CCIPAT_xrv99NcqVTSu7rtaUWM6ZO_2073fec8df4f50947aaeb26c57d21fa5d328263d»",
        "use «CCIPRJ_FTCloiADN5RpVI2XQWhX1s_988b886e7577496a2c8773e130f7eb19731662b5», please",
    ],
    &["CCIPAT_short", "CCIPAT_your-key-goes-here-0123"],
);
