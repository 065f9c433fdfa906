//! `airtable-token`: personal access tokens of Airtable.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "airtable-token",
    "personal access tokens of Airtable",
    &["pat{alnum:14}.{hex:64}"],
    &["curl -H \"X-Key: «patnNyjOq9wMxEhh2.feff9243a8f506b40928b5b7a767c76fb008f86bebb2737f6a6f0fb23c6f5da2»\""],
    &["pattern.compile", "patyour-key-goes-here-0123"],
);
