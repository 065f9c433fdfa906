//! `seal`: the pipeline's last step, which makes its log a sealed ledger.
//!
//! A pipeline that lists `seal` keeps its records as canonical lines, hash-chained and signed, and answers a sender
//! only after that is on disk. The lines are made on the request's task and numbered by the sequencer, so there is
//! no [`crate::processor::Processor`] behind this name: only what can be configured.

use serde::Deserialize;

use crate::stdx::bytesize::ByteSize;
use crate::stdx::problem::{At, Problems};

/// Options of `seal`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name under which checkpoints are signed: a URL without scheme, such as `acme.example/seal/prod/eu1`. It is
    /// fixed when the ledger is created. Default: `telseal/<pipeline>/<part of the stream id>`.
    pub origin: Option<String>,
    /// A segment file is closed at this size. Default: `64 MiB`.
    pub segment_bytes_max: ByteSize,
    /// Attributes (of records and resources) that are sealed one by one, each with a salt of its own, so that a single
    /// value can be erased, or kept from one exporter, while the record still verifies. `body` means the body of a log
    /// record as well. Costs one random salt and one hash a field, and OTLP exporters read the ledger. Default: none.
    pub erasable: Vec<String>,
}

/// Smaller segments would cost more files than they are worth.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

impl Default for Config {
    fn default() -> Self {
        Self { origin: None, segment_bytes_max: ByteSize::mib(64), erasable: Vec::new() }
    }
}

impl Config {
    /// Notes what is wrong with it.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if let Some(origin) = &self.origin
            && (origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+'))
        {
            let hint =
                "checkpoints name it in one line: letters, digits, `.`, `/`, `-`, as in `acme.example/seal/prod`";
            problems.add_hint(&at.key("origin"), "an origin has no white space and no `+`", hint);
        }
        for (index, _) in self.erasable.iter().enumerate().filter(|(_, name)| name.is_empty()) {
            problems.add(&at.key("erasable").item(index), "the name of the attribute is empty");
        }
        if self.segment_bytes_max.0 < SEGMENT_BYTES_MIN {
            let message = format!("a segment of {} is too small", self.segment_bytes_max);
            problems.add_hint(
                &at.key("segment_bytes_max"),
                message,
                format!("at least {}", ByteSize(SEGMENT_BYTES_MIN)),
            );
        }
    }
}
