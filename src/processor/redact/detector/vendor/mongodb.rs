//! `mongodb-atlas-key`: service account secrets of MongoDB Atlas.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "mongodb-atlas-key",
    "service account secrets of MongoDB Atlas",
    &["mdb_sa_sk_{url:40}"],
    &["key: «mdb_sa_sk_eUpxtiIDmy0zOhOzjSX7PEMuZR7-6oQ8jM_x1IZ9» # old"],
    &["mdb_sa_sk_short", "mdb_sa_sk_your-key-goes-here-0123"],
);
