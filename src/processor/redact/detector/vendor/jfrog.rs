//! `jfrog-token`: API keys and reference tokens of JFrog.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "jfrog-token",
    "API keys and reference tokens of JFrog",
    &["AKCp{alnum:69-73}", "cmVmdGtuOj{alnum:50-60}"],
    &[
        "\n«AKCpeHwusAVE3qvd7fqkqfeNdSqiY3UvvGFjmM7JZdWj1SBysTbotZeZEgeLjmYTCZDY0oNf0»\n",
        "(\"«cmVmdGtuOjQEKBiam7Lng1ODpWqGBHIvUdboUboGsnOTSDNm5lntQ5qikdoD»\")",
    ],
    &["AKCp", "AKCpyour-key-goes-here-0123"],
);
