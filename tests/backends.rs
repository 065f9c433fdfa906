//! Real destinations, asked by their own API what they hold. A backend that cannot be had skips its tests; see tests/backends.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, reason = "tests write files")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tests say what they skip and what telseal said")]

#[path = "support/backend.rs"]
mod backend;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/process.rs"]
mod process;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/sender.rs"]
mod sender;

#[path = "backends/datadog_in_victoria.rs"]
mod datadog_in_victoria;
#[path = "backends/hec_in_victoria_logs.rs"]
mod hec_in_victoria_logs;
#[path = "backends/loki_in_victoria_logs.rs"]
mod loki_in_victoria_logs;
#[path = "backends/rsyslog.rs"]
mod rsyslog;
#[cfg(feature = "s3")]
#[path = "backends/s3.rs"]
mod s3;
#[path = "backends/victoria_logs.rs"]
mod victoria_logs;
#[path = "backends/victoria_metrics.rs"]
mod victoria_metrics;
