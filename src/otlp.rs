//! The telemetry model: OTLP as bytes, looked into no deeper than a step needs.
//!
//! `wire` reads and writes protobuf, `schema` describes the messages of all three signals once, and everything else
//! (validation, rewriting, JSON, canonical lines) walks the bytes by that description. `model` is what processors see.

pub mod build;
pub mod count;
pub mod fields;
pub mod gather;
pub mod json;
pub mod line;
pub mod model;
pub mod ocsf;
pub mod plain;
pub mod points;
pub mod record;
pub mod rewrite;
pub mod schema;
pub mod sender;
pub mod value;
pub mod wire;

use std::fmt;

use thiserror::Error;

pub use count::{count, halves};

/// One of OTLP's three kinds of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Metric data points.
    Metrics,
    /// Spans.
    Traces,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Metrics, Self::Traces];

    /// The word used in configuration keys, paths and metric labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }

    /// The signal with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How deep messages and values may nest. The Collector's own limit for JSON is in the same order; telemetry of
/// real programs stays below 20.
pub const DEPTH_MAX: usize = 96;

/// Why bytes are not OTLP.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A varint or a field goes past the end of its message.
    #[error("truncated: a field goes past the end of its message")]
    Truncated,
    /// A varint longer than 64 bits.
    #[error("a varint is longer than 64 bits")]
    Varint,
    /// A field with a wire type it cannot have.
    #[error("field {field} of {message} has wire type {wire}")]
    WireType {
        /// The message, by its name in opentelemetry-proto.
        message: &'static str,
        /// The field number.
        field: u32,
        /// The wire type found.
        wire: u8,
    },
    /// Field number 0, or a group, which OTLP does not use.
    #[error("a field tag is not valid")]
    Tag,
    /// A string that is not UTF-8.
    #[error("a string of {message} is not UTF-8")]
    Utf8 {
        /// The message, by its name in opentelemetry-proto.
        message: &'static str,
    },
    /// More nesting than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A canonical line that cannot be read back.
    #[error("a stored line is damaged: {0}")]
    Line(&'static str),
}
