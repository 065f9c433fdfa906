//! The sealed record of a pipeline: one folder of plain text lines, hash-chained, in a Merkle tree, signed.
//!
//! It knows bytes and hashes, not OTLP. Tasks make [`Drafts`] in parallel (lines, salts, commitments); the one
//! [`Ledger`] of a pipeline gives them numbers, chains them, signs the new size and puts all of that on disk with one
//! write and one wait; a [`LedgerReader`] hands out record lines behind the last durable signature; [`verify`] needs
//! nothing but the files. Limits: one writer a folder (the owner locks `data_dir`), lines below 256 MiB.
//!
//! Closed segments are packed, `.ndjson.zst`, with a sidecar `.seal.zst` of the same lines without bodies of records.
//!
//! A segment file, `<number of its first entry, 20 digits>.ndjson`, is:
//!
//! ```text
//! {"audit.segment":{"cert":"..","epoch":0,"first":0,"frontier":[],"prev_leaf":"..","records":0,..},"sig":".."}
//! {<canonical record>,"audit.seal":{"entry":"..","n":1,"salt":"..","stream":"..","v":1}}     one line a record
//! {"audit.control":"..",..,"audit.seal":{..}}                                                the ledger's own events
//! {"audit.checkpoint":"<C2SP checkpoint as a signed note>"}                                  after every group
//! ```
//!
//! Bodies of records may rest encrypted: see [`bodies`].

pub mod anchor;
pub mod bodies;
pub mod cert;
pub mod control;
pub mod cosign;
pub mod drafts;
pub mod entry;
pub mod files;
pub mod keys;
pub mod note;
pub mod options;
pub mod order;
pub mod policy;
pub mod proof;
pub mod prove;
pub mod reader;
pub mod replay;
pub mod request;
pub mod retain;
pub mod tiles;
pub mod tree;
pub mod verify;
pub mod walk;
pub mod witness;
pub mod writer;

mod chain;
mod checker;
mod close;
mod disclosed;
mod hash;
mod header;
mod lines;
mod members;
mod recover;
mod run;
mod scan;

pub use self::bodies::Keyring;
pub use self::control::Control;

pub use self::drafts::{Drafts, field_digest, random16};
pub use self::entry::risk_of;
pub use self::keys::RootKey;
pub use self::options::{Applied, Named, Options};
pub use self::reader::{Chunk, LedgerReader};
pub use self::run::{Counters, DeclaredGap};
pub use self::verify::{Anchor, Report, VerifyError, VerifyOptions, Violation, verify};
pub use self::writer::{Ledger, LedgerError, Recovery, Seal, Sealed};

/// The end of the names of open segments, and of closed ones that an exporter still needs.
pub const EXTENSION: &str = "ndjson";

/// The longest line that is read back.
pub const LINE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How every line begins that is the ledger's own and no record.
const OWN_LINE: &[u8] = b"{\"audit.";

#[cfg(test)]
mod crash_tests;
