//! The one place that reads the wall clock, so that a test can reason about time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01T00:00:00Z. 0 if the machine's clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
