//! `databricks-token`: personal access tokens of Databricks.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "databricks-token",
    "personal access tokens of Databricks",
    &["dapi{hex:32}-{digit:1}", "dapi{hex:32}", "dose{hex:32}"],
    &[
        "?k=«dapi656b3e6f0bade65c3b188cc102ddb837-4»&x=1",
        "export TOKEN=«dapic7ce65426f74bde94fb78c8d5f08b79a»",
        "«doseffd2b49c12a4b0062983475eb46c5296»",
    ],
    &["dapi-url", "dapiyour-key-goes-here-0123"],
);
