//! OTLP/JSON to protobuf and back, by the schema.
//!
//! Reading is lenient where OTLP says so and where real senders need it (both spellings of names, unknown fields, `null`
//! for absent, numbers as strings, ids in either case, enums by number or name, both alphabets of base64), and strict in
//! everything else: a value of the wrong type is an error that names its path, never silently nothing. Errors show
//! field names of the schema, never a value. Writing has the Collector's form: defaults left out, ids hexadecimal, 64-bit
//! integers as strings, enums as numbers. JSON cannot say which bits a NaN has, nor hold fields the schema does not know;
//! these are the two things it loses.

mod decode;
mod encode;

use thiserror::Error;

use crate::stdx::json;

pub use decode::to_protobuf;
pub use encode::from_protobuf;

/// Why a text is not OTLP/JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {}", if .0.path.is_empty() { "the request" } else { &.0.path }, .0.what)]
pub struct JsonError(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    path: String,
    what: String,
}

impl JsonError {
    fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Detail { path: String::new(), what: what.into() }))
    }

    /// Where it is wrong, in the names of the schema: `resourceLogs[0].scopeLogs[2].logRecords[7].traceId`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The same, seen from the message around it.
    #[cold]
    fn within(mut self, name: &str) -> Self {
        let dot = if self.0.path.is_empty() || self.0.path.starts_with('[') { "" } else { "." };
        self.0.path = format!("{name}{dot}{}", self.0.path);
        self
    }

    /// The same, seen from the list around it.
    #[cold]
    fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl From<json::Error> for JsonError {
    fn from(error: json::Error) -> Self {
        Self::new(format!("not valid JSON: {error}"))
    }
}
