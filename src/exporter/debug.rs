//! Writes what passes to telseal's own event output, for the first look at a new pipeline.
//!
//! It never fails, keeps nothing, and shows records only when asked to: they may be personal.

use serde::Deserialize;

use crate::stdx::problem::{At, Problems};

/// Settings of a `debug` exporter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `basic`: one line a payload, with its counts. `normal`: also the beginning of each record. `detailed`: also
    /// each record in full. Default: `basic`.
    pub verbosity: Verbosity,
    /// How many records of one payload are shown. Default: `100`.
    pub records_max: usize,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Counts.
    #[default]
    Basic,
    /// Counts and the beginning of each record.
    Normal,
    /// Counts and each record.
    Detailed,
}

impl Default for Config {
    fn default() -> Self {
        Self { verbosity: Verbosity::Basic, records_max: 100 }
    }
}

impl Config {
    /// Nothing can be wrong with these settings by themselves.
    pub fn check(&self, _: &At, _: &mut Problems) {}
}
