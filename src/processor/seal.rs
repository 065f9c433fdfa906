//! `seal`: the pipeline's last step, which makes its log a sealed ledger.
//!
//! A pipeline that lists `seal` keeps its records as canonical lines, hash-chained and signed, and answers a sender
//! only after that is on disk. The lines are made on the request's task and numbered by the sequencer, so there is
//! no [`crate::processor::Processor`] behind this name: only what can be configured.

use std::path::PathBuf;

use serde::Deserialize;

use crate::http::client::Address;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
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
    /// What becomes of closed segments that every exporter has passed, when less than 8 MiB/s is written or more than 1 GiB of
    /// them waits. Default: `zstd`.
    pub compression: Compression,
    /// Bodies of records, with their salts, rest encrypted (AES-256-GCM). Entries, chain and checkpoints stay in clear: without
    /// the key a ledger verifies but for its bodies. Default: off.
    pub encryption: Encryption,
    /// Folders, best on other volumes, that keep copies of checkpoints (see `docs/seal-format.md`, anchors), and witnesses that
    /// cosign them (`telseal witness`). At every start the ledger is compared with them: one that was cut off or set back
    /// does not start. Default: none.
    pub anchors: Vec<Anchor>,
    /// The shortest time between two checkpoints in an anchor. What is sealed in between could be cut off unseen.
    /// Default: `10s`.
    pub anchor_interval: Span,
    /// How often the newest checkpoint goes to all exporters as a log record (event `audit.checkpoint`, the signed note is its
    /// body), when anything was sealed since the last one, and at the end of a run: `telseal verify --anchor` takes a file with the
    /// body. Pipelines of logs only. `0` for never. Default: `0`.
    pub checkpoint_records: Span,
    /// Why the ledger may go on although an anchor says that it was set back: `telseal run --accept-rollback`, never the
    /// file.
    #[serde(skip)]
    pub accept_rollback: Option<String>,
    /// The keys that sign.
    pub keys: Keys,
    /// When nothing was sealed for this long, the ledger says that it lives: a silence is then known to be one.
    /// Default: `60s`.
    pub heartbeat: Span,
    /// Which bodies are deleted while telseal runs. Default: none.
    pub retention: Retention,
}

/// Bodies go after a time, by orders that the root key signs; every entry stays, and the ledger verifies. The key must be at
/// hand. Before anything is deleted the whole ledger is verified, on one core. Taken are closed segments that every exporter has
/// left behind; what a hold covers stays. See `docs/retention.md`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Segments whose last entry was sealed longer ago lose their bodies, such as `2557d` (7 years). `0` for none.
    /// Default: `0`.
    pub older_than: Span,
    /// How often telseal looks for them. Default: `24h`.
    pub check_interval: Span,
    /// The name of the policy that asks for it; sealed with the orders. Default: empty.
    pub policy: String,
}

impl Default for Retention {
    fn default() -> Self {
        Self { older_than: Span::secs(0), check_interval: Span::secs(86_400), policy: String::new() }
    }
}

impl Retention {
    fn check(&self, at: &At, problems: &mut Problems) {
        if self.check_interval < SPAN_MIN {
            problems.add_hint(
                &at.key("check_interval"),
                format!("{:?} is too short", self.check_interval),
                "at least 1s",
            );
        }
        if self.policy.contains(|c: char| c.is_control() || c == '"' || c == '\\') {
            let message = "a policy's name has no quotes, backslashes or control characters";
            problems.add(&at.key("policy"), message);
        }
    }
}

/// How closed segments are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// In `.ndjson.zst`, which `zstdcat` reads.
    #[default]
    Zstd,
    /// As they are.
    None,
}

/// How bodies rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// A file of keys, mode 0600, that `telseal keys encryption` makes; not on the disk that it protects. The first key wraps the
    /// keys of new segments, all open older ones. Once a ledger has encrypted bodies, it does not start without it.
    pub key_file: Option<PathBuf>,
}

/// A place outside the ledger's folder that keeps checkpoints: a folder or a witness.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Anchor {
    /// A folder, which must exist: a volume that is not mounted is no anchor.
    pub dir: PathBuf,
    /// The address of a C2SP witness: checkpoints are posted to `/add-checkpoint` below it, and what it cosigned is kept in
    /// `anchors/` of the ledger's folder. The root key must be at hand. A witness that cannot be reached stops nothing.
    pub witness: Address,
    /// The witness's key, as `telseal keys init --witness` prints it.
    pub vkey: String,
}

impl Anchor {
    fn check(&self, at: &At, problems: &mut Problems) {
        match (self.dir.as_os_str().is_empty(), self.witness.is_empty()) {
            (true, true) => problems.add_hint(&at.key("dir"), "the anchor has no folder", "or name a `witness`"),
            (false, false) => problems.add_hint(
                &at.key("witness"),
                "an anchor is a folder or a witness",
                "make two items of the list of them",
            ),
            (false, true) if !self.vkey.is_empty() => {
                problems.add(&at.key("vkey"), "a folder has no key: only a witness has");
            }
            (false, true) => {}
            (true, false) => self.check_witness(at, problems),
        }
    }

    fn check_witness(&self, at: &At, problems: &mut Problems) {
        self.witness.check(&at.key("witness"), problems);
        // An Ed25519 key behind its kind has 44 characters; whether it fits its hash is seen at start.
        let mut parts = self.vkey.splitn(3, '+');
        let (name, hash, key) = (parts.next(), parts.next(), parts.next());
        let is_key = name.is_some_and(|name| !name.is_empty())
            && hash.is_some_and(|hash| hash.len() == 8)
            && key.is_some_and(|key| key.len() == 44 && key.starts_with('B'));
        if !is_key {
            let hint = "`NAME+HASH+KEY`, as `telseal keys init --witness` prints it";
            problems.add_hint(&at.key("vkey"), "this is no key of a witness", hint);
        }
    }
}

/// The keys of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The key that is the ledger's identity.
    pub root: RootKey,
    /// The keys that sign from day to day.
    pub epoch: EpochKeys,
}

/// The root key. It is needed when the ledger is created; afterwards it may be taken away, and checkpoints then bear the
/// epochs' signatures only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootKey {
    /// Its file, Ed25519 in PKCS#8; made with the ledger when it does not exist. Default: `root.key` in the ledger's
    /// folder.
    pub file: Option<PathBuf>,
}

/// How long an epoch's key signs. What an old key signed cannot be altered by who steals a later one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpochKeys {
    /// The next key takes over after this time. Default: `1h`.
    pub rotate: Span,
    /// Or after this many entries. Default: 1048576.
    pub entries: u64,
}

impl Default for EpochKeys {
    fn default() -> Self {
        Self { rotate: Span::secs(3600), entries: 1 << 20 }
    }
}

/// Smaller segments would cost more files than they are worth.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Shorter times would fill the ledger with its own events.
const SPAN_MIN: Span = Span::secs(1);

impl Default for Config {
    fn default() -> Self {
        Self {
            origin: None,
            segment_bytes_max: ByteSize::mib(64),
            erasable: Vec::new(),
            compression: Compression::Zstd,
            encryption: Encryption::default(),
            anchors: Vec::new(),
            anchor_interval: Span::secs(10),
            checkpoint_records: Span::secs(0),
            accept_rollback: None,
            keys: Keys::default(),
            heartbeat: Span::secs(60),
            retention: Retention::default(),
        }
    }
}

impl Config {
    /// Notes what is wrong with it.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if let Some(origin) = &self.origin
            && (origin.is_empty() || origin.len() > 255 || origin.contains(is_special))
        {
            let hint =
                "checkpoints name it in one line: letters, digits, `.`, `/`, `-`, as in `acme.example/seal/prod`";
            problems.add_hint(&at.key("origin"), "an origin has no white space and none of `+`, `\"`, `\\`", hint);
        }
        for (index, anchor) in self.anchors.iter().enumerate() {
            anchor.check(&at.key("anchors").item(index), problems);
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
        if !self.checkpoint_records.0.is_zero() && self.checkpoint_records < SPAN_MIN {
            let message = format!("{:?} is too short", self.checkpoint_records);
            problems.add_hint(&at.key("checkpoint_records"), message, "at least 1s, or 0 for never");
        }
        self.retention.check(&at.key("retention"), problems);
        let epoch = at.key("keys").key("epoch");
        for (at, span) in [(at.key("heartbeat"), self.heartbeat), (epoch.key("rotate"), self.keys.epoch.rotate)] {
            if span < SPAN_MIN {
                problems.add_hint(&at, format!("{span:?} is too short"), "at least 1s");
            }
        }
        if self.keys.epoch.entries == 0 {
            problems.add_hint(&epoch.key("entries"), "an epoch without entries", "at least 1");
        }
        if self.encryption.key_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            problems.add(&at.key("encryption").key("key_file"), "the path is empty");
        }
        if self.keys.root.file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            problems.add(&at.key("keys").key("root").key("file"), "the path is empty");
        }
    }
}

fn is_special(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ['+', '"', '\\'].contains(&c)
}
