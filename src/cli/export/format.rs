//! The formats of an export behind one interface.

use clap::ValueEnum;

use super::{csv::Csv, ndjson::Ndjson, ocsf::Ocsf, otlp::Otlp};
use crate::cli::failed::Result;
use crate::ledger::entry::Entry;
use crate::ledger::verify::LedgerReport;
use crate::ledger::walk::Sealed;
use crate::otlp::record::Record;

/// What `--format` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    /// One row a record, for spreadsheets: RFC 4180, with a first row of names
    Csv,
    /// The sealed lines as they are: each one can be checked by itself
    Ndjson,
    /// OTLP/JSON requests, one a line; the seals are attributes
    Otlp,
    /// OCSF 1.9 events, one a line, with the `record_integrity` profile
    Ocsf,
}

impl FormatName {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Otlp => "otlp",
            Self::Ocsf => "ocsf",
        }
    }
}

/// One record on its way out; its body has just been hashed.
pub(super) struct Exported<'a> {
    pub(super) entry: &'a Entry,
    pub(super) leaf: &'a [u8; 32],
    pub(super) sealed: &'a Sealed<'a>,
    pub(super) record: &'a Record<'a>,
}

/// Writes records in one format. What is written is exported only if everything else succeeds.
pub(super) trait Format {
    /// What stands before the first record.
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    /// One record.
    fn record(&mut self, record: &Exported<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// What stands after the last one.
    fn end(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

pub(super) fn open(name: FormatName, ledger: &LedgerReport) -> Box<dyn Format> {
    match name {
        FormatName::Csv => Box::new(Csv),
        FormatName::Ndjson => Box::new(Ndjson),
        FormatName::Otlp => Box::new(Otlp::default()),
        FormatName::Ocsf => Box::new(Ocsf::new(ledger.key.origin())),
    }
}
