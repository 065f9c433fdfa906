//! Rolls: many payloads that become one thing at the destination, such as an object in a bucket.
//!
//! The delivery loop reads ahead of the cursor and lets the exporter gather; the cursor moves only when the destination has
//! confirmed the whole roll. What is gathered is scratch: after a crash the log is read again from the cursor. Before
//! anything is sent, the exporter writes down which stretch of the log the roll is, so that after a crash the very same
//! thing is sent again under the same name, and not another one that overlaps it.

use std::path::PathBuf;

use crate::stdx::segments::Position;

/// The log that a roll is made from.
#[derive(Debug, Clone)]
pub struct Log {
    /// The pipeline's key in the configuration.
    pub pipeline: String,
    /// A folder for what is gathered, this exporter's own. It may be missing.
    pub dir: PathBuf,
    /// False where positions mean nothing after a restart.
    pub is_durable: bool,
}

/// A stretch of a log that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    /// Where it begins: the cursor.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// How many of the records between were gathered; the others were not for this exporter, or put aside.
    pub records: u64,
    /// The ledger's signed checkpoint over all of it, where the pipeline seals.
    pub checkpoint: Option<String>,
}
