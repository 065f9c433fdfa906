//! `age-secret-key`: secret keys of age.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "age-secret-key",
    "secret keys of age",
    &["AGE-SECRET-KEY-1{upper:58}", "AGE-SECRET-KEY-PQ-1{upper:58-100}"],
    &[
        "«AGE-SECRET-KEY-1J8HT9LGMXG9EDN581U33XTPLPFT75V2SEH60KVJ50CE9UVW53EFR4EDT2S»",
        "use «AGE-SECRET-KEY-PQ-1YWB3WKH5DNSIPZZ5FK2Z9RI19R0WYOJFLJOOA5LQSAJ08XUI6D39ZZZZG4», please",
    ],
    &["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "AGE-SECRET-KEY-1your-key-goes-here-0123"],
);
