//! `dynatrace-token`: tokens of Dynatrace.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "dynatrace-token",
    "tokens of Dynatrace",
    &["dt0c01.{upper:24}.{upper:64}", "dt0s01.{upper:8}.{upper:64}", "dt0s16.{upper:8}.{upper:64}"],
    &[
        "(\"«dt0c01.8YVZEH1W9PYM3SWP1CRBVJPI.FMR8I923PKXWNZYNT46NO2IQ2X8PZ6NIH6F8RYBJTAYFLOUMGE9X6TMETFOSIZSW»\")",
        "?k=«dt0s01.Z3IRLBXW.0B3PZWGLSHROCZCK1MTJYC9TLO57Q1WAHSCDPHCUNWF0ZOR7FW12V626DN16I5MC»&x=1",
        "export TOKEN=«dt0s16.9QL8KP8Q.PDKWW0FMTII54PPA62IWTIJPVH91KJ3ZNHSAX5NCDRTMHT2HKU23XSK9ECA35FVQ»",
    ],
    &["dt0c01.short", "dt0c01.your-key-goes-here-0123"],
);
