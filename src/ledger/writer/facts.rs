//! What an open ledger tells about itself.

use std::path::Path;

use super::Ledger;
use crate::ledger::bodies::Keyring;
use crate::ledger::cert::Cert;
use crate::ledger::entry::Stream;
use crate::ledger::note::VerifyingKey;
use crate::ledger::reader::LedgerReader;
use crate::ledger::request::Answer;
use crate::ledger::retain;
use crate::stdx::segments;

impl Ledger {
    /// The wall clock, as entries tell it.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        (self.options.clock)()
    }

    /// After how long without an entry a heartbeat is due, in seconds.
    #[must_use]
    pub fn heartbeat_seconds(&self) -> u64 {
        self.options.heartbeat_seconds
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.segments.dir()
    }

    /// True when the root key is at hand: without it nothing can be ordered.
    #[must_use]
    pub fn has_root_key(&self) -> bool {
        self.keys.root.is_some()
    }

    /// True when closed segments are packed.
    #[must_use]
    pub fn packs(&self) -> bool {
        self.options.compression
    }

    /// The keys under which bodies rest encrypted.
    #[must_use]
    pub fn encryption(&self) -> &Keyring {
        &self.options.encryption
    }

    /// How many of the entries are records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.chain.records
    }

    /// The last checkpoint of this run, as a signed note; empty before the first.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Which bodies it is to delete by itself.
    #[must_use]
    pub fn retention(&self) -> Option<&retain::Policy> {
        self.options.retention.as_ref()
    }

    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.chain.size()
    }

    /// The leaf of the last entry.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.chain.prev_leaf
    }

    /// Where the committed bytes end.
    #[must_use]
    pub fn end(&self) -> segments::Position {
        self.segments.end()
    }

    /// The id of this ledger.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.chain.stream
    }

    /// The public root key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.keys.root_key
    }

    /// The certificate of the key that signs now.
    #[must_use]
    pub fn epoch(&self) -> &Cert {
        &self.chain.epoch
    }

    /// Another reader from the same files.
    #[must_use]
    pub fn reader(&self) -> LedgerReader {
        LedgerReader::new(self.segments.reader(), &self.options.encryption)
    }

    /// What a command is told that asked for something.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { entries: self.entries(), epoch: self.epoch().epoch, body_key: self.options.encryption.in_use() }
    }
}
