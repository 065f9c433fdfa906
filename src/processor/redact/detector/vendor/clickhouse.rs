//! `clickhouse-key`: API secrets of ClickHouse Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "clickhouse-key",
    "API secrets of ClickHouse Cloud",
    &["4b1d{alnum:38}"],
    &["(\"«4b1db2Tlk4McHsUOhGcVv3l3UIykSgSoA08YChDgT0»\")"],
    &["4b1d", "4b1dyour-key-goes-here-0123"],
);
