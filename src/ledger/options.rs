//! What the owner of a ledger decides, with the defaults.

use super::anchor;
use super::bodies::Keyring;
use super::keys::RootKey;
use super::retain::Policy;
use crate::stdx::clock::unix_nanos;
use crate::stdx::segments::SEGMENT_BYTES_MAX;

/// How long an epoch lasts, by default, in seconds.
pub const EPOCH_SECONDS: u64 = 3600;
/// How many entries an epoch has at most, by default, within one group more.
pub const EPOCH_ENTRIES: u64 = 1 << 20;
/// After how long without an entry the ledger says that it lives, by default, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 60;
/// What the owner decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pipeline's id: part of the default origin.
    pub pipeline: String,
    /// The name under which checkpoints are signed; `None`: `telseal/<pipeline>/<random part>`, kept in `key.pub`.
    pub origin: Option<String>,
    /// A new segment begins when the last one has reached this size.
    pub segment_bytes_max: u64,
    /// Where the root key is.
    pub root: RootKey,
    /// How long an epoch's key signs, in seconds.
    pub epoch_seconds: u64,
    /// How many entries it signs, within one group more.
    pub epoch_entries: u64,
    /// Where checkpoints are kept outside the folder.
    pub anchors: anchor::Settings,
    /// The wall clock, in nanoseconds since 1970.
    pub clock: fn() -> u64,
    /// Closed segments are packed.
    pub compression: bool,
    /// After how long without an entry the owner calls [`Ledger::heartbeat`], in seconds: the ledger says so itself.
    pub heartbeat_seconds: u64,
    /// SHA-256 of the configuration in force, in hex; empty when there is none.
    pub config_digest: String,
    /// Which rules the pipeline applies, in words.
    pub rules: String,
    /// Its processors, in order, with digests of their settings.
    pub processors: Vec<Named>,
    /// The rule sets they use, with digests of their texts.
    pub rule_sets: Vec<Named>,
    /// The keys under which bodies rest encrypted; without keys they rest in clear.
    pub encryption: Keyring,
    /// Which bodies the ledger deletes by itself.
    pub retention: Option<Policy>,
}

/// What of that a reload changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// As [`Options::config_digest`].
    pub config_digest: String,
    /// As [`Options::processors`].
    pub processors: Vec<Named>,
    /// As [`Options::rule_sets`].
    pub rule_sets: Vec<Named>,
}

/// Something with a name, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// An id or a path.
    pub name: String,
    /// A SHA-256, in hex.
    pub sha256: String,
}

impl Options {
    /// Another configuration is in force.
    pub(super) fn apply(&mut self, applied: Applied) {
        (self.config_digest, self.processors, self.rule_sets) =
            (applied.config_digest, applied.processors, applied.rule_sets);
    }

    /// The defaults for a pipeline.
    #[must_use]
    pub fn new(pipeline: impl Into<String>) -> Self {
        Self {
            pipeline: pipeline.into(),
            origin: None,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            root: RootKey::Folder,
            epoch_seconds: EPOCH_SECONDS,
            epoch_entries: EPOCH_ENTRIES,
            anchors: anchor::Settings::default(),
            clock: unix_nanos,
            compression: true,
            heartbeat_seconds: HEARTBEAT_SECONDS,
            config_digest: String::new(),
            rules: String::new(),
            processors: Vec::new(),
            rule_sets: Vec::new(),
            encryption: Keyring::default(),
            retention: None,
        }
    }
}
