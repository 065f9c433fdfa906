//! Processors from the outside: fixtures (configuration, OTLP/JSON in, OTLP/JSON out), the matrix of enrich actions,
//! and properties over arbitrary attributes and bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "processor/enrich_matrix.rs"]
mod enrich_matrix;
#[path = "processor/fixture.rs"]
mod fixture;
#[path = "processor/properties.rs"]
mod properties;
#[path = "processor/redaction_leaks.rs"]
mod redaction_leaks;
#[path = "processor/session.rs"]
mod session;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/wild.rs"]
mod wild;
