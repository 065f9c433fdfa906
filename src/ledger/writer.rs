//! The one writer of a ledger: numbers, chains, signs, and waits for the disk once per group.

mod facts;
mod pieces;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::pieces::Pieces;
use super::anchor::Publisher;
use super::bodies::{KeyId, Locker, Place};
use super::chain::Chain;
use super::checker::key_rotate;
use super::control::Control;
use super::drafts::{Draft, Drafts, random16};
use super::entry::{ENTRY_BYTES, Entry, Kind, SEAL_BYTES_MAX, Stream, open_line, push_seal, push_sealed_line};
use super::header::push_header_line;
use super::keys::{Keys, Root};
use super::note::{CHECKPOINT_LINE_BYTES_MAX, Signer, push_checkpoint_line, sign_note};
use super::options::Options;
use super::reader::LedgerReader;
use super::recover::Recover;
use super::run::{Counters, DeclaredGap};
use super::{EXTENSION, close, files, order, retain, run};
use crate::stdx::durable;
use crate::stdx::segments::{self, Cut, Segments};

/// How often the root key signs a checkpoint at least, while there are any, in nanoseconds.
const ROOT_EVERY_NS: u64 = 300_000_000_000;

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
    #[error("key {}: {what}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// Bodies are encrypted, and the key is not at hand.
    #[error("{}: bodies are encrypted under the key {key}; name the file that has it (seal.encryption.key_file, --encryption-key)", path.display())]
    Locked {
        /// The segment.
        path: PathBuf,
        /// Which key.
        key: String,
    },
    /// What was to be sealed is no JSON object, or too long.
    #[error("what is to be sealed must be one JSON object below {} bytes", super::LINE_BYTES_MAX)]
    NotALine,
    /// An anchor outside the folder contradicts the ledger.
    #[error(transparent)]
    Rollback(super::anchor::Rollback),
    /// A witness cannot be used.
    #[error("seal.anchors: {0}")]
    Witness(String),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    NoThread(String),
    /// Only the root key can sign this, and it is not at hand.
    #[error("the ledger's root key is not at hand, and only it can sign this; put the key file back")]
    NoRootKey,
}

impl LedgerError {
    pub(super) fn integrity(path: &Path, line: u64, what: impl Into<String>) -> Self {
        Self::Integrity { path: path.to_owned(), line, what: what.into() }
    }

    pub(super) fn locked(path: &Path, key: Option<KeyId>) -> Self {
        Self::Locked { path: path.to_owned(), key: key.map(|key| key.to_string()).unwrap_or_default() }
    }

    pub(super) fn key(path: &Path, what: impl Into<String>) -> Self {
        Self::Key { path: path.to_owned(), what: what.into() }
    }

    /// True when the disk is full: the same call may work later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
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
    /// Dropped first: when readers hear that the log is closed, nobody works in the folder any more.
    closing: close::Closing,
    pub(super) options: Options,
    pub(super) segments: Segments,
    chain: Chain,
    keys: Keys,
    stream_text: [u8; 36],
    /// What must be sealed before anything else: the beginning, or the report of a cut.
    pending: Vec<Control>,
    /// Why the key must change with the next group, whatever its age.
    rotation: Option<&'static str>,
    /// When the epoch began, and when the root key signed last.
    epoch_began_ns: u64,
    root_signed_ns: u64,
    /// The last checkpoint of this run, as a signed note; empty before the first.
    checkpoint: String,
    publisher: Publisher,
    /// Where bodies rest encrypted.
    locker: Option<Locker>,
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
        close::remove_unfinished(dir)?;
        let known: Vec<PathBuf> = files::list(dir)?.into_iter().map(|file| file.path).collect();
        let root = Root::load(dir, options, &known)?;
        if let Err(error) = retain::finish(dir, &root.key, &options.encryption) {
            tracing::warn!(%error, "an order to delete is not carried out yet; it is tried again at the next start");
        }
        let mut found = Recover::new(root.key.clone(), options.encryption.clone());
        let wanted = segments::Options {
            extension: EXTENSION,
            packed_extension: Some(files::PACKED_EXTENSION),
            segment_bytes_max: options.segment_bytes_max,
        };
        let (segments, cuts) = Segments::open(dir, &wanted, &mut found)?;
        let (is_new, is_ended) = (found.chain.is_none(), found.is_ended);
        if is_new && segments.end().segment > 0 {
            let path = segments::path_of(dir, segments.end().segment, EXTENSION);
            return Err(LedgerError::integrity(&path, 1, "the segments before this one are missing"));
        }
        let (chain, keys, mut pending) = match found.chain {
            Some(chain) => {
                let keys = Keys::resume(dir, root, &chain.epoch)?;
                (chain, keys, Vec::new())
            }
            None => begin(Keys::begin(dir, root)?)?,
        };
        pending.extend(run::beginning(&cuts, is_new || is_ended, options));
        let names = (options.pipeline.as_str(), &keys.root_key);
        let found_size = if is_new { 0 } else { chain.size() };
        let (publisher, gaps) = Publisher::open(&options.anchors, (dir, found_size), names)?;
        pending.extend(gaps);
        let mut ledger = Self {
            stream_text: chain.stream.text(),
            epoch_began_ns: (options.clock)(),
            options: options.clone(),
            segments,
            chain,
            keys,
            pending,
            rotation: (!is_new).then_some("start"),
            root_signed_ns: 0,
            checkpoint: String::new(),
            publisher,
            closing: close::Closing::default(),
            locker: Locker::new(&options.encryption, dir)?,
            out: Vec::new(),
        };
        ledger.seal_pending()?;
        let recovery = Recovery {
            is_new,
            cut_bytes: cuts.iter().map(|cut| cut.bytes).sum(),
            cuts,
            entries: ledger.chain.size(),
            records: ledger.chain.records,
        };
        let reader = ledger.reader();
        Ok((ledger, reader, recovery))
    }

    /// Seals a group: one write, one wait for the disk. When this returns, every line of it is on disk, chained and
    /// signed. The answer has one element for each element of the group.
    ///
    /// # Errors
    /// When the disk refuses. Then nothing of the group is in the ledger, and the same call may work later.
    pub fn append(&mut self, group: &[Drafts]) -> Result<Vec<Sealed>, LedgerError> {
        self.append_then(group, |sealed| sealed)
    }

    /// The same; `before_readers` gets the answer when the group is on disk and no reader knows of it yet: what readers shall
    /// find together with it is put there.
    ///
    /// # Errors
    /// As [`Ledger::append`]; `before_readers` was not called then.
    pub fn append_then<T>(
        &mut self,
        group: &[Drafts],
        before_readers: impl FnOnce(Vec<Sealed>) -> T,
    ) -> Result<T, LedgerError> {
        let is_empty = self.pending.is_empty() && group.iter().all(Drafts::is_empty);
        if is_empty && self.rotation.is_none() {
            let (first, head) = (self.chain.size(), self.chain.prev_leaf);
            let nothing = Sealed { first, head, end: self.segments.end(), seals: Vec::new() };
            return Ok(before_readers(vec![nothing; group.len()]));
        }
        if self.segments.is_full() {
            self.segments.roll(self.chain.size())?;
        }
        if group.iter().any(|drafts| !drafts.is_empty()) {
            self.enter_segment()?;
        }
        let now = (self.options.clock)().max(self.chain.sealed_at_ns);
        let rotation = self.prepare_rotation(now, group);
        let mut next = self.chain.clone();
        self.out.clear();
        let mut pieces = Pieces::with_capacity(group.iter().map(Drafts::len).sum());
        let written = self.write_group((&mut next, &mut pieces), group, now, rotation).and_then(|(sealed, note)| {
            let (mut parts, records) = (pieces.slices(&self.out), next.records - self.chain.records);
            Ok((self.segments.append_then(&mut parts, records, || before_readers(sealed))?, note))
        });
        if written.is_ok() {
            self.publisher.committed(&self.out, now);
        }
        if self.out.capacity() > BUFFER_BYTES_KEPT {
            self.out = Vec::new();
        }
        let (answer, note) = written?;
        // Only now: a failed group leaves the chain where it was, and its numbers are given again.
        if next.epoch.epoch != self.chain.epoch.epoch {
            self.keys.rotate();
            (self.rotation, self.epoch_began_ns) = (None, now);
        }
        if is_signed_twice(&note) {
            self.root_signed_ns = now;
        }
        self.checkpoint = note;
        self.chain = next;
        self.pending.clear();
        Ok(answer)
    }

    /// Begins a new epoch now: the key that signed until now is wiped.
    ///
    /// # Errors
    /// As [`Ledger::append`]; the change is then made with the next group.
    pub fn rotate(&mut self) -> Result<(), LedgerError> {
        self.rotation = Some("request");
        self.append(&[]).map(|_| ())
    }

    /// Reads the file of body keys again, for all readers too, and wraps the key of the present segment under its first one. Keys
    /// of older segments are nobody's but readers': they can be wrapped anew beside a running ledger.
    ///
    /// # Errors
    /// When bodies are not encrypted here, the file is no file of keys, or the disk refuses.
    pub fn rewrap(&mut self) -> Result<(), LedgerError> {
        let dir = self.segments.dir();
        let Some(locker) = &self.locker else {
            return Err(LedgerError::key(dir, "bodies are not encrypted here: `seal.encryption.key_file` is not set"));
        };
        locker.rewrap(dir, self.segments.end().segment)
    }

    /// Says that the ledger lives though nothing was sealed for a while.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn heartbeat(&mut self, counters: &Counters) -> Result<(), LedgerError> {
        self.append_control(run::heartbeat(counters))
    }

    /// Says that records are known to be missing.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn gap(&mut self, gap: &DeclaredGap) -> Result<(), LedgerError> {
        self.append_control(run::gap(gap))
    }

    /// Ends the run in order. Nothing can be appended afterwards.
    ///
    /// # Errors
    /// As [`Ledger::append`]; the next start then says that the end was not orderly.
    pub fn finish(mut self) -> Result<(), LedgerError> {
        self.root_signed_ns = 0;
        self.append_control(Control::new(Kind::End))
    }

    /// Seals an order over bodies: retention, erasure, hold. `order` is a JSON object with its members in the order of
    /// their names; the root key signs it, together with the id of this ledger.
    ///
    /// # Errors
    /// [`LedgerError::NoRootKey`] without the root key; else as [`Ledger::append`].
    pub fn append_order(&mut self, kind: Kind, order: &[u8]) -> Result<(), LedgerError> {
        let message = order::signed_bytes(self.chain.stream, order);
        let signature = self.keys.root.as_ref().and_then(|root| root.sign(&message)).ok_or(LedgerError::NoRootKey)?;
        let control = Control::new(kind).json("order", order).text("sig", &STANDARD.encode(signature));
        self.root_signed_ns = 0;
        self.append_control(control)
    }

    /// Seals one of the ledger's own events with the next group: nobody waits for it, and it costs no wait for the disk.
    pub fn seal_with_next(&mut self, control: Control) {
        self.pending.push(control);
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

    /// Lets the segments before `keep` be closed: no exporter needs them as they are. Returns at once; one segment a call
    /// is taken, in the background.
    pub fn close_behind(&mut self, keep: segments::Position) {
        if self.options.compression
            && self.closing.is_idle()
            && let Some(packing) = self.segments.to_pack(keep)
        {
            self.closing.begin(packing);
        }
    }

    /// How much [`Ledger::close_behind`] still has to pack, at most.
    #[must_use]
    pub fn unpacked_bytes(&self) -> u64 {
        if self.options.compression { self.segments.unpacked_bytes() } else { 0 }
    }

    /// Lets the next group begin a segment: the one before grows no more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_segment(&mut self) -> Result<(), LedgerError> {
        if !self.segments.at_start_of_segment() {
            self.segments.roll(self.chain.size())?;
        }
        Ok(())
    }

    /// Where bodies rest encrypted, each segment has a key of its own, which is on disk before the first body.
    fn enter_segment(&mut self) -> Result<(), LedgerError> {
        let Some(locker) = &mut self.locker else { return Ok(()) };
        let (origin, segment) = (self.keys.root_key.origin().to_owned(), self.segments.end().segment);
        locker.enter(self.segments.dir(), &Place { origin, stream: self.chain.stream, segment })
    }

    /// Seals what a start has to say. With a full disk it waits for the first group that fits.
    fn seal_pending(&mut self) -> Result<(), LedgerError> {
        match self.append(&[]) {
            Err(error) if error.is_full() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Makes the next epoch's key when it is time. A disk that has no room for it must not refuse records: the change
    /// is then tried again with the next group.
    fn prepare_rotation(&mut self, now: u64, group: &[Drafts]) -> Option<&'static str> {
        let epoch = &self.chain.epoch;
        let entries = self.chain.size() - epoch.first + group.iter().map(|drafts| drafts.len() as u64).sum::<u64>();
        let is_old =
            now.saturating_sub(self.epoch_began_ns) >= self.options.epoch_seconds.saturating_mul(1_000_000_000);
        let reason = match self.rotation {
            Some(reason) => reason,
            None if is_old => "age",
            None if entries >= self.options.epoch_entries => "entries",
            None => return None,
        };
        let staged = self.keys.stage(epoch.epoch.checked_add(1)?);
        if let Err(error) = &staged {
            tracing::warn!(%error, "cannot make the next epoch's key; the old one signs on");
        }
        staged.ok().map(|()| reason)
    }

    /// Writes header (in a new segment), pending events, seals and checkpoint into the buffer; lines become pieces between
    /// them. Returns the checkpoint as well.
    fn write_group<'d>(
        &mut self,
        (next, pieces): (&mut Chain, &mut Pieces<'d>),
        group: &'d [Drafts],
        now: u64,
        rotation: Option<&'static str>,
    ) -> Result<(Vec<Sealed>, String), LedgerError> {
        let bytes_of = |drafts: &Drafts| if self.locker.is_some() { drafts.bytes_len() } else { 0 };
        let bytes: usize = group.iter().map(|drafts| bytes_of(drafts) + drafts.len() * SEAL_BYTES_MAX).sum();
        self.out.reserve(bytes + 4096);
        if self.segments.at_start_of_segment() {
            push_header_line(&mut self.out, &self.chain, &self.keys.root_key, &self.keys.epoch);
        }
        for control in &self.pending {
            let drafts = control.draft()?;
            seal(&mut self.out, next, &self.stream_text, &drafts, control.kind(), now);
        }
        let (begin, out, locker) = (self.segments.end(), &mut self.out, &mut self.locker);
        let part = |drafts: &'d Drafts| {
            let first = next.size();
            let seals = match locker {
                None => seal_lines((&mut *out, &mut *pieces), next, &self.stream_text, drafts, now),
                Some(locker) => lock(out, next, locker, drafts, now)?,
            };
            let offset = begin.offset + pieces.len_with(out);
            let end = segments::Position { offset, record: next.records, ..begin };
            Ok(Sealed { first, head: next.prev_leaf, end, seals })
        };
        let sealed = group.iter().map(part).collect::<Result<_, LedgerError>>()?;
        let cert = rotation.and_then(|_| self.keys.next_cert(&next.epoch, next.size() + 1));
        if let (Some(reason), Some(cert)) = (rotation, &cert) {
            let drafts = key_rotate(cert, reason).draft()?;
            seal(&mut self.out, next, &self.stream_text, &drafts, Kind::KeyRotate, now);
        }
        let end = begin.offset + pieces.len_with(&self.out);
        let note = self.sign_group(next, now, (end, cert.is_some()));
        if let Some(cert) = cert {
            next.epoch = Arc::new(cert);
        }
        Ok((sealed, note))
    }

    /// Ends the buffer, and with it the group at `end`, with a checkpoint. The root key signs the first one, one that ends an epoch or a segment, one
    /// in five minutes, and one that is due at a witness.
    fn sign_group(&mut self, next: &mut Chain, now: u64, (end, ends_epoch): (u64, bool)) -> String {
        let end = end + CHECKPOINT_LINE_BYTES_MAX as u64;
        let is_due = now.saturating_sub(self.root_signed_ns) >= ROOT_EVERY_NS || self.publisher.wants_root(now);
        let wants_root = ends_epoch || is_due || next.signed == 0 || end >= self.options.segment_bytes_max;
        let root = self.keys.root.as_deref().filter(|_| wants_root);
        let mut signers: Vec<&dyn Signer> = vec![&self.keys.epoch];
        signers.extend(root);
        let note = sign_note(&next.checkpoint().text(self.keys.root_key.origin()), &signers);
        push_checkpoint_line(&mut self.out, &note);
        next.signed = next.size();
        note
    }
}

/// The epoch's key and the root key signed. A service that keeps the root key may be away: then it did not, though asked.
fn is_signed_twice(note: &str) -> bool {
    note.matches("\n— ").count() > 1
}

/// Chains the ledger's own drafts and writes their lines.
fn seal(out: &mut Vec<u8>, chain: &mut Chain, stream_text: &[u8; 36], drafts: &Drafts, kind: Kind, sealed_at_ns: u64) {
    for (line, disclosures, draft) in drafts.iter() {
        let entry = entry_of(chain, line, draft, kind, sealed_at_ns).encode();
        push_sealed_line(out, (line, disclosures), &entry, chain.size(), &draft.salt, stream_text);
        chain.extend(&entry, false, sealed_at_ns);
    }
}

/// Chains records; their lines stay where they are, and only the seals are written.
fn seal_lines<'d>(
    (out, pieces): (&mut Vec<u8>, &mut Pieces<'d>),
    chain: &mut Chain,
    stream_text: &[u8; 36],
    drafts: &'d Drafts,
    sealed_at_ns: u64,
) -> Vec<Seal> {
    let mut seals = Vec::with_capacity(drafts.len());
    for (line, disclosures, draft) in drafts.iter() {
        let entry = entry_of(chain, line, draft, Kind::Record, sealed_at_ns).encode();
        pieces.line(out, open_line(line));
        push_seal(out, disclosures, &entry, chain.size(), &draft.salt, stream_text);
        chain.extend(&entry, true, sealed_at_ns);
        seals.push(Seal { entry, salt: draft.salt });
    }
    seals
}

/// The same for records whose bodies are to be encrypted.
fn lock(
    out: &mut Vec<u8>,
    chain: &mut Chain,
    locker: &mut Locker,
    drafts: &Drafts,
    sealed_at_ns: u64,
) -> Result<Vec<Seal>, LedgerError> {
    locker.text.clear();
    let mut seals = Vec::with_capacity(drafts.len());
    for (line, disclosures, draft) in drafts.iter() {
        if locker.text.is_full_for(line.len() + disclosures.len()) {
            locker.flush(out)?;
        }
        let entry = entry_of(chain, line, draft, Kind::Record, sealed_at_ns).encode();
        locker.text.add(&entry, chain.size(), &draft.salt, (line, disclosures));
        chain.extend(&entry, true, sealed_at_ns);
        seals.push(Seal { entry, salt: draft.salt });
    }
    locker.flush(out)?;
    Ok(seals)
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
        epoch: chain.epoch.epoch,
        risk: draft.risk,
        signed: chain.signed,
    }
}

/// The state before the first entry, and what the first entry says.
fn begin(keys: Keys) -> Result<(Chain, Keys, Vec<Control>), LedgerError> {
    let (nonce, origin) = (random16()?, keys.root_key.origin());
    let stream = Stream::new(origin, &nonce);
    let cert = keys.first_cert(stream);
    let genesis = Control::new(Kind::Genesis)
        .text("cert", &cert.note)
        .text("nonce", &STANDARD.encode(nonce))
        .text("origin", origin)
        .number("v", 1)
        .text("vkey", &keys.root_key.to_string());
    Ok((Chain::begin(stream, cert), keys, vec![genesis]))
}

#[cfg(test)]
mod tests;
