//! The record of a pipeline without a seal: OTLP requests as they are, in memory or on disk.
//!
//! It knows bytes and a count of records each, not OTLP. [`memory::Memory`] is a bounded ring that a restart empties;
//! [`disk::Disk`] keeps frames in segment files and answers after the disk has them. Both are read at positions, so
//! any number of exporters share one copy, and both forget what was trimmed.

pub mod disk;
pub mod memory;

use bytes::Bytes;

pub use self::disk::{Disk, DiskReader};
pub use self::memory::Memory;
use crate::stdx::segments::Position;

/// One OTLP request and how many records it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The request's bytes.
    pub bytes: Bytes,
    /// Log records, spans or data points in it; an item without any is not kept.
    pub records: u32,
}

/// Requests that were read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The requests, in order.
    pub frames: Vec<Bytes>,
    /// How many records they have together.
    pub records: u64,
    /// Where to read on.
    pub next: Position,
}
