//! telseal: an OpenTelemetry collector whose output is evidence.
//!
//! The modules, in floor order; imports go down only (`tests/tidy.rs` checks it).
//! ARCHITECTURE.md tells the story, this file is the map.

// 7: the command line
pub mod cli;
// 6: the running graph
pub mod service;
// 5: the configuration file, all of it
pub mod config;
// 4: what listens
pub mod receiver;
// 3: where processors, logs and exporters meet
pub mod pipeline;
// 2: the components and logs, which do not know each other
pub mod exporter;
pub mod extension;
pub mod ledger;
pub mod processor;
pub mod spool;
// 1: shared ground
pub mod http;
pub mod otlp;
pub mod telemetry;
// 0: what std lacks
pub mod stdx;
