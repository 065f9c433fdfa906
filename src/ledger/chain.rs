//! The state between two entries: what the next one continues. The writer and every check use the same.

use std::sync::Arc;

use super::cert::Cert;
use super::entry::{ENTRY_BYTES, Stream, leaf_of};
use super::hash::Hash;
use super::note::Checkpoint;
use super::tree::Frontier;

/// Where a ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) stream: Stream,
    /// How many of the entries are records.
    pub(super) records: u64,
    /// The leaf of the last entry.
    pub(super) prev_leaf: Hash,
    pub(super) frontier: Frontier,
    /// The size of the last checkpoint.
    pub(super) signed: u64,
    /// When the last entry was sealed.
    pub(super) sealed_at_ns: u64,
    /// Whose key signs.
    pub(super) epoch: Arc<Cert>,
}

impl Chain {
    /// The state before the first entry.
    pub(super) fn begin(stream: Stream, epoch: Cert) -> Self {
        let frontier = Frontier::default();
        Self { stream, records: 0, prev_leaf: [0; 32], frontier, signed: 0, sealed_at_ns: 0, epoch: Arc::new(epoch) }
    }

    /// How many entries there are: the number of the next one.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Adds an entry.
    pub(super) fn extend(&mut self, entry: &[u8; ENTRY_BYTES], is_record: bool, sealed_at_ns: u64) {
        self.prev_leaf = leaf_of(entry);
        self.frontier.push(self.prev_leaf);
        self.records += u64::from(is_record);
        self.sealed_at_ns = sealed_at_ns;
    }

    /// What a checkpoint over all entries so far says.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { size: self.size(), root: self.frontier.root() }
    }
}
