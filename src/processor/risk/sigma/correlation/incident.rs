//! An incident: a correlation has fired.

use super::Heard;

/// What a correlation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The correlation, by its place.
    pub(in super::super) correlation: usize,
    /// How it correlates: `event_count`, `temporal_ordered`.
    pub kind: &'static str,
    /// The fields it groups by, with their values.
    pub labels: Vec<(String, String)>,
    /// When the first of its events happened, Unix nanoseconds.
    pub first_unix_nano: u64,
    /// When the last one did.
    pub last_unix_nano: u64,
    /// How many events, values or rules it counted.
    pub count: usize,
    /// Tells it from any other: the same events give the same id.
    pub id: String,
}

impl Incident {
    pub(super) fn new(heard: &Heard, kind: &'static str, first: u64, last: u64, count: usize) -> Self {
        let key = super::short(&[&heard.key, &first.to_le_bytes(), &last.to_le_bytes()]);
        Self {
            correlation: heard.correlation,
            kind,
            labels: heard.labels.clone(),
            first_unix_nano: first,
            last_unix_nano: last,
            count,
            id: key.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
