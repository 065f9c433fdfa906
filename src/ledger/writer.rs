//! The one writer of a ledger: numbers, chains, signs, and waits for the disk once per group.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::chain::Chain;
use super::control::Control;
use super::drafts::{Draft, Drafts, random16};
use super::entry::{ENTRY_BYTES, Entry, Kind, SEAL_BYTES_MAX, Stream, push_sealed_line};
use super::header::push_header_line;
use super::note::{SigningKey, VerifyingKey, is_origin, push_checkpoint_line};
use super::reader::LedgerReader;
use super::recover::{Recover, read_header};
use super::{EXTENSION, verify};
use crate::stdx::clock::unix_nanos;
use crate::stdx::durable::{self, Mode};
use crate::stdx::segments::{self, Cut, SEGMENT_BYTES_MAX, Segments};

/// The write buffer is given back when a group made it larger than this.
const BUFFER_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] durable::Error),
    /// The files are not what this ledger wrote.
    #[error("{}:{line}: {what}; the ledger was changed from outside: keep it, run `telseal verify`, and begin a new data_dir", path.display())]
    Integrity {
        /// The segment.
        path: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The signing key cannot be used.
    #[error("signing key {}: {what}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// What was to be sealed is no JSON object, or too long.
    #[error("what is to be sealed must be one JSON object below {} bytes", super::LINE_BYTES_MAX)]
    NotALine,
}

impl LedgerError {
    pub(super) fn integrity(path: &Path, line: u64, what: impl Into<String>) -> Self {
        Self::Integrity { path: path.to_owned(), line, what: what.into() }
    }

    fn key(path: &Path, what: impl Into<String>) -> Self {
        Self::Key { path: path.to_owned(), what: what.into() }
    }

    /// True when the disk is full: the same call works again when there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }
}

/// What the owner decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pipeline's id: part of the default origin.
    pub pipeline: String,
    /// The name under which checkpoints are signed; `None`: `telseal/<pipeline>/<random part>`, kept in `key.pub`.
    pub origin: Option<String>,
    /// A new segment begins when the last one has reached this size.
    pub segment_bytes_max: u64,
}

impl Options {
    /// The defaults for a pipeline.
    #[must_use]
    pub fn new(pipeline: impl Into<String>) -> Self {
        Self { pipeline: pipeline.into(), origin: None, segment_bytes_max: SEGMENT_BYTES_MAX }
    }
}

/// What was found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The ledger is new.
    pub is_new: bool,
    /// How many bytes were cut off because no checkpoint covered them: they were never acknowledged.
    pub cut_bytes: u64,
    /// Where.
    pub cuts: Vec<Cut>,
    /// How many entries there are, of which `records` are records.
    pub entries: u64,
    /// How many records there are.
    pub records: u64,
}

/// What a group's part became: proof of its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The number of its first entry.
    pub first: u64,
    /// The leaf of its last entry; of an empty part, of the entry before.
    pub head: [u8; 32],
    /// Where its last line ends: the place of a cursor that has passed it.
    pub end: segments::Position,
    /// What was sealed about each of its lines, in order.
    pub seals: Vec<Seal>,
}

/// What the seal of one line holds, beside its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The entry.
    pub entry: [u8; ENTRY_BYTES],
    /// The salt of its commitment.
    pub salt: [u8; 16],
}

/// The writer of one ledger folder.
#[derive(Debug)]
pub struct Ledger {
    segments: Segments,
    chain: Chain,
    key: SigningKey,
    stream_text: [u8; 36],
    /// What must be sealed before anything else: the beginning, or the report of a cut.
    pending: Vec<Control>,
    out: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger in `dir`, or begins one there. The owner must hold the lock of the `data_dir`.
    ///
    /// The last segment is checked whole; an unfinished last group is cut off, reported, and noted in the ledger.
    ///
    /// # Errors
    /// When the disk refuses, the key is missing or another one, or the last segment does not verify.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, LedgerReader, Recovery), LedgerError> {
        durable::create_dir(dir)?;
        let key = load_key(dir, options)?;
        let mut found = Recover::new(key.verifying().clone());
        let wanted = segments::Options { extension: EXTENSION, segment_bytes_max: options.segment_bytes_max };
        let (segments, cuts) = Segments::open(dir, &wanted, &mut found)?;
        let is_new = found.chain.is_none();
        if is_new && segments.end().segment > 0 {
            let path = segments::path_of(dir, segments.end().segment, EXTENSION);
            return Err(LedgerError::integrity(&path, 1, "the segments before this one are missing"));
        }
        let (chain, mut pending) = match found.chain {
            Some(chain) => (chain, Vec::new()),
            None => begin(key.verifying().origin())?,
        };
        pending.extend(cuts.iter().map(unclean_start));
        let stream_text = chain.stream.text();
        let mut ledger = Self { segments, chain, key, stream_text, pending, out: Vec::new() };
        ledger.seal_pending()?;
        let recovery = Recovery {
            is_new,
            cut_bytes: cuts.iter().map(|cut| cut.bytes).sum(),
            cuts,
            entries: ledger.chain.size(),
            records: ledger.chain.records,
        };
        let reader = LedgerReader::new(ledger.segments.reader());
        Ok((ledger, reader, recovery))
    }

    /// Seals a group: one write, one wait for the disk. When this returns, every line of it is on disk, chained and
    /// signed. The answer has one element for each element of the group.
    ///
    /// # Errors
    /// When the disk refuses. Then nothing of the group is in the ledger, and the same call may work later.
    pub fn append(&mut self, group: &[Drafts]) -> Result<Vec<Sealed>, LedgerError> {
        if self.pending.is_empty() && group.iter().all(Drafts::is_empty) {
            let (first, head) = (self.chain.size(), self.chain.prev_leaf);
            let nothing = Sealed { first, head, end: self.segments.end(), seals: Vec::new() };
            return Ok(vec![nothing; group.len()]);
        }
        if self.segments.is_full() {
            self.segments.roll(self.chain.size())?;
        }
        let mut next = self.chain.clone();
        self.out.clear();
        let written = self.write_group(&mut next, group).and_then(|sealed| {
            self.segments.append(&mut [IoSlice::new(&self.out)], next.records - self.chain.records)?;
            Ok(sealed)
        });
        if self.out.capacity() > BUFFER_BYTES_KEPT {
            self.out = Vec::new();
        }
        let sealed = written?;
        // Only now: a failed group leaves the chain where it was, and its numbers are given again.
        self.chain = next;
        self.pending.clear();
        Ok(sealed)
    }

    /// Seals one of the ledger's own events; exporters never see it.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn append_control(&mut self, control: Control) -> Result<(), LedgerError> {
        self.pending.push(control);
        let appended = self.append(&[]);
        if appended.is_err() {
            self.pending.pop();
        }
        appended.map(|_| ())
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

    /// The public key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying()
    }

    /// Another reader from the same files.
    #[must_use]
    pub fn reader(&self) -> LedgerReader {
        LedgerReader::new(self.segments.reader())
    }

    /// Seals what a start has to say. With a full disk it waits for the first group that fits.
    fn seal_pending(&mut self) -> Result<(), LedgerError> {
        match self.append(&[]) {
            Err(error) if error.is_full() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Writes header (in a new segment), pending events, lines and checkpoint into the buffer.
    fn write_group(&mut self, next: &mut Chain, group: &[Drafts]) -> Result<Vec<Sealed>, LedgerError> {
        let bytes: usize = group.iter().map(|drafts| drafts.bytes_len() + drafts.len() * SEAL_BYTES_MAX).sum();
        self.out.reserve(bytes + 4096);
        if self.segments.at_start_of_segment() {
            push_header_line(&mut self.out, &self.chain, &self.key);
        }
        let now = unix_nanos().max(self.chain.sealed_at_ns);
        for control in &self.pending {
            let drafts = control.draft()?;
            seal(&mut self.out, next, &self.stream_text, &drafts, control.kind(), now);
        }
        let (begin, out) = (self.segments.end(), &mut self.out);
        let part = |drafts: &Drafts| {
            let first = next.size();
            let seals = seal(out, next, &self.stream_text, drafts, Kind::Record, now);
            let end = segments::Position { offset: begin.offset + out.len() as u64, record: next.records, ..begin };
            Sealed { first, head: next.prev_leaf, end, seals }
        };
        let sealed = group.iter().map(part).collect();
        push_checkpoint_line(out, &self.key.note(&next.checkpoint()));
        next.signed = next.size();
        Ok(sealed)
    }
}

/// Chains drafts and writes their lines.
fn seal(
    out: &mut Vec<u8>,
    chain: &mut Chain,
    stream_text: &[u8; 36],
    drafts: &Drafts,
    kind: Kind,
    sealed_at_ns: u64,
) -> Vec<Seal> {
    let mut seals = Vec::with_capacity(drafts.len());
    for (line, disclosures, draft) in drafts.iter() {
        let entry = entry_of(chain, line, draft, kind, sealed_at_ns).encode();
        push_sealed_line(out, (line, disclosures), &entry, chain.size(), &draft.salt, stream_text);
        chain.extend(&entry, kind == Kind::Record, sealed_at_ns);
        seals.push(Seal { entry, salt: draft.salt });
    }
    seals
}

fn entry_of(chain: &Chain, line: &[u8], draft: &Draft, kind: Kind, sealed_at_ns: u64) -> Entry {
    Entry {
        kind,
        signal: draft.signal,
        flags: draft.flags,
        stream: chain.stream,
        seq: chain.size(),
        sealed_at_ns,
        prev_leaf: chain.prev_leaf,
        commit: draft.commit,
        // `Drafts::finish_line` refuses lines beyond LINE_BYTES_MAX, which is far below 4 GiB.
        body_len: u32::try_from(line.len()).unwrap_or(u32::MAX),
        epoch: 0,
        risk: draft.risk,
        signed: chain.signed,
    }
}

/// The state before the first entry, and what the first entry says.
fn begin(origin: &str) -> Result<(Chain, Vec<Control>), LedgerError> {
    let nonce = random16()?;
    let chain = Chain { stream: Stream::new(origin, &nonce), ..Chain::default() };
    let genesis = Control::new(Kind::Genesis).text("nonce", &STANDARD.encode(nonce)).text("origin", origin);
    Ok((chain, vec![genesis.number("v", 1)]))
}

fn unclean_start(cut: &Cut) -> Control {
    let name = cut.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Control::new(Kind::UncleanStart).number("cut_bytes", cut.bytes).number("offset", cut.offset).text("segment", &name)
}

/// The key of the ledger; a folder that has none and no segments gets one.
fn load_key(dir: &Path, options: &Options) -> Result<SigningKey, LedgerError> {
    let path = dir.join(verify::KEY_FILE);
    let segments = segments::list(dir, EXTENSION)?;
    let pkcs8 = match durable::read(&path, 4096)? {
        Some(pkcs8) => Zeroizing::new(pkcs8),
        None if segments.is_empty() => new_key(&path)?,
        None => return Err(LedgerError::key(&path, "missing, but the folder has segments; put the key back")),
    };
    let known = known_origin(dir, &segments)?;
    let origin = match (known, &options.origin) {
        (Some(known), Some(wanted)) if known != *wanted => {
            let what = format!("the ledger's origin is {known}, not {wanted}; an origin cannot change");
            return Err(LedgerError::key(&path, what));
        }
        (Some(known), _) => known,
        (None, Some(wanted)) => wanted.clone(),
        (None, None) => default_origin(&options.pipeline)?,
    };
    let wrong = || LedgerError::key(&path, format!("no Ed25519 key in PKCS#8, or no valid origin: {origin:?}"));
    let key = SigningKey::from_pkcs8(&pkcs8, &origin).ok_or_else(wrong)?;
    publish_key(dir, &key)?;
    Ok(key)
}

#[expect(clippy::needless_pass_by_value, reason = "the document is wiped when it goes")]
fn wipe(document: aws_lc_rs::pkcs8::Document) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(document.as_ref().to_vec())
}

/// A key from the system's random numbers, in version 1 of PKCS#8: the form that other tools read.
fn new_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| LedgerError::NoRandom)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| LedgerError::NoRandom)?;
    let pkcs8 = wipe(pair.to_pkcs8v1().map_err(|_| LedgerError::NoRandom)?);
    durable::create_new(path, &pkcs8, Mode::Private)?;
    Ok(pkcs8)
}

/// The origin this ledger already has: `key.pub` tells it, or the last segment that has a header.
fn known_origin(dir: &Path, segments: &[(u64, PathBuf)]) -> Result<Option<String>, LedgerError> {
    if let Some(key) = verify::read_public_key(dir)? {
        return Ok(Some(key.origin().to_owned()));
    }
    for (_, path) in segments.iter().rev() {
        if let Some(header) = read_header(path)? {
            return Ok(Some(header.vkey.origin().to_owned()));
        }
    }
    Ok(None)
}

/// Writes `key.pub`, or checks that it is the public half of the key.
fn publish_key(dir: &Path, key: &SigningKey) -> Result<(), LedgerError> {
    let path = dir.join(verify::PUBLIC_KEY_FILE);
    match verify::read_public_key(dir)? {
        Some(public) if public == *key.verifying() => Ok(()),
        Some(_) => Err(LedgerError::key(&path, "not the public half of the key beside it")),
        None => Ok(durable::write_atomic(&path, format!("{}\n", key.verifying()).as_bytes(), Mode::Shared)?),
    }
}

fn default_origin(pipeline: &str) -> Result<String, LedgerError> {
    let [a, b, c, d, ..] = random16()?;
    let name: String = pipeline.chars().map(|c| if is_origin(&c.to_string()) { c } else { '-' }).collect();
    Ok(format!("telseal/{name}/{a:02x}{b:02x}{c:02x}{d:02x}"))
}

#[cfg(test)]
mod tests;
