//! `azure-client-secret`: client secrets of Microsoft Entra ID.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "azure-client-secret",
    "client secrets of Microsoft Entra ID",
    &["{alnum:3}7Q~{dotted:31}", "{alnum:3}8Q~{dotted:34}"],
    &["\n«jlo7Q~Fir6KuSuHjWrNQfAQTEIWt7ywP2boFP»\n", "(\"«NaF8Q~0kCLDUFxhoDSnOvdsrz7NsEseKcxL8kzix»\")"],
    &["x8Q~y"],
);
