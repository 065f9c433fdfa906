//! One entry handed over with all that proves it: a C2SP `tlog-proof`.
//!
//! The proof is made from one segment: its header has the left edge of the tree, and a checkpoint follows every group. Of
//! the checkpoints that cover the entry the first one is taken that the root key signed; where there is none, the first
//! one of an epoch, with the certificates that tie the epoch to the root key. Memory: 32 bytes an entry of the segment.
//!
//! `extra` is a JSON object: `certs` (notes, where needed), `entry`, `line` (where asked for), `salt` (where there is one),
//! `v`. Without the line a proof over 10 million entries is below 2 KB.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::bodies::Keyring;
use super::cert::Cert;
use super::entry::{ENTRY_BYTES, Entry, Kind, leaf_of};
use super::hash::Hash;
use super::note::{Checkpoint, Note, Verdict, VerifyingKey};
use super::proof::{Collect, HASHES_MAX, Plan, root_of_inclusion};
use super::scan::{Scan, base64_exact, decimal};
use super::walk::{Folder, Item, Sealed, SegmentReader, WalkError, is_committed, parse_sealed};
use crate::stdx::json::{Reader, Value, write_str};

const TITLE: &str = "c2sp.org/tlog-proof@v1";

/// A proof that one entry is in a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What ties the checkpoint's signer to the root key; empty when that is the root key itself.
    pub certs: Vec<String>,
    /// The entry.
    pub entry: [u8; ENTRY_BYTES],
    /// The salt of its commitment; gone when the body is gone.
    pub salt: Option<[u8; 16]>,
    /// The canonical line.
    pub line: Option<String>,
    /// The path from the leaf to the root.
    pub hashes: Vec<[u8; 32]>,
    /// The number of the entry.
    pub index: u64,
    /// The checkpoint, a signed note.
    pub note: String,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The lines could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// There is no such entry.
    #[error("entry {0} is not in this ledger, or no checkpoint covers it yet")]
    Absent(u64),
    /// What is there does not prove it: run `telseal verify`.
    #[error("entry {seq}: {what}; run `telseal verify`")]
    Broken {
        /// The entry.
        seq: u64,
        /// What is wrong.
        what: Fault,
    },
}

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not in the form of a tlog-proof of a ledger.
    #[error("malformed: not a tlog-proof with an entry of a ledger")]
    Malformed,
    /// Its entry is another one than its index says.
    #[error("modified: the entry is not the one that the index names")]
    WrongEntry,
    /// The path does not lead to the checkpoint's root.
    #[error("modified: the entry is not in the tree that the checkpoint covers")]
    NotInTree,
    /// The checkpoint is another ledger's.
    #[error("wrong-key: the checkpoint is of another ledger than the key")]
    WrongLedger,
    /// Nobody signed that the root key vouches for.
    #[error("wrong-key: the root key did not sign the checkpoint, and no certificate ties its signer to the root key")]
    NotSigned,
    /// A signature does not fit.
    #[error("modified: a signature does not fit")]
    BadSignature,
    /// The epoch that signed was not in force.
    #[error("wrong-epoch: the checkpoint is signed by an epoch that began after it")]
    WrongEpoch,
    /// The line is not the one that the entry commits to.
    #[error("modified: the line is not what was sealed")]
    WrongLine,
    /// There is a line but no salt to check it with.
    #[error("malformed: a line without the salt of its commitment")]
    NoSalt,
}

/// What a good proof proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The entry.
    pub entry: Entry,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
    /// The root key itself signed the checkpoint.
    pub by_root: bool,
}

/// Makes the proof of an entry.
///
/// # Errors
/// When the ledger has no such entry, cannot be read, or does not prove it.
pub fn prove(folder: &Folder, seq: u64) -> Result<Proof, ProveError> {
    let segment = folder.segment_of(seq).ok_or(ProveError::Absent(seq))?;
    let mut reader = folder.open(&segment.path)?;
    let header = reader.header()?;
    let mut find = Find { seq, root: &header.vkey, leaves: Vec::new(), certs: vec![], entry: None, best: None };
    find.certs.push((*header.epoch).clone());
    while let Some(item) = reader.next_item()? {
        if find.take(item) {
            break;
        }
    }
    let Find { leaves, mut certs, entry, best, .. } = find;
    let (Some((entry, salt, line)), Some(best)) = (entry, best) else { return Err(ProveError::Absent(seq)) };
    let broken = |what| ProveError::Broken { seq, what };
    let plan = Plan::inclusion(seq, best.size).ok_or(ProveError::Absent(seq))?;
    let mut collect = Collect::new(&header.frontier, plan.nodes());
    leaves.iter().for_each(|leaf| collect.push(*leaf));
    let hashes = plan.hashes(|node| collect.root_of(node).ok_or(Fault::NotInTree)).map_err(broken)?;
    certs.truncate(best.certs);
    let certs = if best.by_root { Vec::new() } else { chain_to_root(folder, segment.first, certs, &header.vkey)? };
    let proof = Proof { certs, entry, salt, line: Some(line), hashes, index: seq, note: best.note };
    proof.check(&header.vkey).map_err(broken)?;
    Ok(Proof { line: proof.line.filter(|line| !line.is_empty()), ..proof })
}

/// Makes the proof of an entry against a checkpoint that the caller has: one that witnesses cosigned, say. It must be signed
/// by the root key, and cover the entry.
///
/// # Errors
/// As [`prove`].
pub fn prove_against(folder: &Folder, seq: u64, note: &str) -> Result<Proof, ProveError> {
    let broken = |what| ProveError::Broken { seq, what };
    let parsed = Note::parse(note).ok_or_else(|| broken(Fault::Malformed))?;
    let (_, checkpoint) = Checkpoint::parse(parsed.text).ok_or_else(|| broken(Fault::Malformed))?;
    let plan = Plan::inclusion(seq, checkpoint.size).ok_or(ProveError::Absent(seq))?;
    let segments = folder.from(seq);
    let first = segments.first().filter(|segment| segment.first <= seq).ok_or(ProveError::Absent(seq))?;
    let header = folder.open(&first.path)?.header()?;
    let mut find = Find { seq, root: &header.vkey, leaves: Vec::new(), certs: vec![], entry: None, best: None };
    let mut collect = Collect::new(&header.frontier, plan.nodes());
    for segment in segments {
        let mut reader = folder.open(&segment.path)?;
        while collect.size() < checkpoint.size
            && let Some(item) = reader.next_item()?
        {
            // Only the entry is looked for: the checkpoint is there already.
            if item.entry().is_some() {
                find.take(item);
            }
            find.leaves.drain(..).for_each(|leaf| collect.push(leaf));
        }
    }
    let (entry, salt, line) = find.entry.ok_or(ProveError::Absent(seq))?;
    let hashes = plan.hashes(|node| collect.root_of(node).ok_or(Fault::NotInTree)).map_err(broken)?;
    let proof = Proof { certs: vec![], entry, salt, line: Some(line), hashes, index: seq, note: note.to_owned() };
    proof.check(&header.vkey).map_err(broken)?;
    Ok(Proof { line: proof.line.filter(|line| !line.is_empty()), ..proof })
}

type Wanted = ([u8; ENTRY_BYTES], Option<[u8; 16]>, String);

/// What one pass over a segment looks for.
struct Find<'a> {
    seq: u64,
    root: &'a VerifyingKey,
    leaves: Vec<Hash>,
    /// The epochs of this segment, up to now.
    certs: Vec<Cert>,
    entry: Option<Wanted>,
    best: Option<Best>,
}

/// The best checkpoint so far.
struct Best {
    size: u64,
    note: String,
    by_root: bool,
    /// How many of the certificates lead to the epoch that signed.
    certs: usize,
}

impl Find<'_> {
    /// Takes a line; true when nothing better can follow.
    fn take(&mut self, item: Item<'_>) -> bool {
        if let Some(entry) = item.entry() {
            self.leaves.push(leaf_of(entry));
        }
        match item {
            Item::Checkpoint(note) => return self.checkpoint(note),
            Item::Sealed(sealed) => self.sealed(&sealed),
            Item::Stub(entry) | Item::Locked(entry)
                if Entry::decode(&entry).is_some_and(|entry| entry.seq == self.seq) =>
            {
                self.entry = Some((entry, None, String::new()));
            }
            Item::Stub(_) | Item::Locked(_) | Item::Header => {}
        }
        false
    }

    fn sealed(&mut self, sealed: &Sealed<'_>) {
        let Some(entry) = Entry::decode(&sealed.entry) else { return };
        if entry.kind == Kind::KeyRotate {
            self.certs.extend(rotated(sealed.open_body));
        }
        if entry.seq == self.seq {
            let line = String::from_utf8_lossy(sealed.open_body).into_owned() + "}";
            self.entry = Some((sealed.entry, Some(sealed.salt), line));
        }
    }

    fn checkpoint(&mut self, note: String) -> bool {
        let Some(parsed) = Note::parse(&note) else { return false };
        let Some((_, checkpoint)) = Checkpoint::parse(parsed.text) else { return false };
        let by_root = parsed.verdict(self.root) == Verdict::Signed;
        if self.entry.is_some() && (by_root || self.best.is_none()) {
            // A change of the key is signed by the epoch that ends there.
            let signer = self.certs.iter().rposition(|cert| parsed.verdict(&cert.key) == Verdict::Signed);
            let note = if by_root { only_by(&parsed, self.root) } else { note };
            let certs = signer.map_or(0, |signer| signer + 1);
            self.best = Some(Best { size: checkpoint.size, note, by_root, certs });
        }
        self.entry.is_some() && by_root
    }
}

/// The note with the lines of one key only: the others prove nothing more, and a proof shall be small.
fn only_by(note: &Note<'_>, key: &VerifyingKey) -> String {
    let mut text = format!("{}\n", note.text);
    for signature in note.signatures.iter().filter(|signature| signature.is_by(key)) {
        let bytes = [signature.key_hash.as_slice(), &signature.bytes].concat();
        text += &format!("— {} {}\n", signature.name, STANDARD.encode(bytes));
    }
    text
}

/// The certificate in the body (without its last brace) of a change of the key.
fn rotated(open_body: &[u8]) -> Option<Cert> {
    let mut scan = Scan(open_body);
    scan.literal(b"{\"audit.control\":\"key_rotate\",\"cert\":\"")?;
    Cert::parse(&scan.note()?)
}

/// The certificates from the last one that the root key signed on. Where this segment has none, those before it are
/// searched.
fn chain_to_root(folder: &Folder, first: u64, own: Vec<Cert>, root: &VerifyingKey) -> Result<Vec<String>, ProveError> {
    let anchored = |certs: &[Cert]| certs.iter().rposition(|cert| cert.verdict(root) == Verdict::Signed);
    let mut all = own;
    if anchored(&all).is_none() {
        let mut earlier = Vec::new();
        for segment in folder.segments.iter().filter(|segment| segment.first < first) {
            certs_of(segment.path.as_path(), &mut earlier)?;
        }
        earlier.append(&mut all);
        earlier.dedup_by_key(|cert| cert.epoch);
        all = earlier;
    }
    let from = anchored(&all).unwrap_or(0);
    Ok(all.drain(from..).map(|cert| cert.note).collect())
}

fn certs_of(path: &std::path::Path, certs: &mut Vec<Cert>) -> Result<(), WalkError> {
    // The ledger's own events are never encrypted.
    let mut reader = SegmentReader::open(path, &Keyring::default())?;
    certs.push((*reader.header()?.epoch).clone());
    while let Some(item) = reader.next_item()? {
        if let Item::Sealed(sealed) = item {
            certs.extend(rotated(sealed.open_body));
        }
    }
    Ok(())
}

impl Proof {
    /// Checks everything that the proof itself says against the root key, its own line included.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, root: &VerifyingKey) -> Result<Proven, Fault> {
        let entry = Entry::decode(&self.entry).ok_or(Fault::Malformed)?;
        if entry.seq != self.index {
            return Err(Fault::WrongEntry);
        }
        let note = Note::parse(&self.note).ok_or(Fault::Malformed)?;
        let (origin, checkpoint) = Checkpoint::parse(note.text).ok_or(Fault::Malformed)?;
        if origin != root.origin() {
            return Err(Fault::WrongLedger);
        }
        let leaf = leaf_of(&self.entry);
        if root_of_inclusion(&leaf, self.index, checkpoint.size, &self.hashes) != Some(checkpoint.root) {
            return Err(Fault::NotInTree);
        }
        let by_root = match note.verdict(root) {
            Verdict::Signed => true,
            Verdict::Wrong => return Err(Fault::BadSignature),
            Verdict::Absent => {
                self.check_epoch(root, &entry, &note, &checkpoint)?;
                false
            }
        };
        if let Some(line) = self.line.as_ref().filter(|line| !line.is_empty()) {
            self.check_line(line.as_bytes())?;
        }
        Ok(Proven { entry, checkpoint, by_root })
    }

    /// Follows the certificates from the root key to the epoch that signed.
    fn check_epoch(
        &self,
        root: &VerifyingKey,
        entry: &Entry,
        note: &Note<'_>,
        checkpoint: &Checkpoint,
    ) -> Result<(), Fault> {
        let mut last: Option<Cert> = None;
        for text in &self.certs {
            let cert = Cert::parse(text).ok_or(Fault::Malformed)?;
            if cert.origin != root.origin() || cert.stream != entry.stream {
                return Err(Fault::WrongLedger);
            }
            let by_last = last.as_ref().is_some_and(|last| {
                last.epoch.checked_add(1) == Some(cert.epoch) && cert.verdict(&last.key) == Verdict::Signed
            });
            match cert.verdict(root) {
                Verdict::Wrong => return Err(Fault::BadSignature),
                Verdict::Absent if !by_last => return Err(Fault::NotSigned),
                _ => last = Some(cert),
            }
        }
        let last = last.ok_or(Fault::NotSigned)?;
        match note.verdict(&last.key) {
            Verdict::Signed if checkpoint.size > last.first => Ok(()),
            Verdict::Signed => Err(Fault::WrongEpoch),
            Verdict::Wrong => Err(Fault::BadSignature),
            Verdict::Absent => Err(Fault::NotSigned),
        }
    }

    /// Checks that a line is the one that this proof is about: the sealed line, or the canonical one.
    ///
    /// # Errors
    /// When it is another one, or there is no salt to check it with.
    pub fn check_line(&self, line: &[u8]) -> Result<(), Fault> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(sealed) = parse_sealed(line) {
            let is_it = sealed.entry == self.entry && sealed.is_genuine();
            return if is_it { Ok(()) } else { Err(Fault::WrongLine) };
        }
        let entry = Entry::decode(&self.entry).ok_or(Fault::Malformed)?;
        let salt = self.salt.ok_or(Fault::NoSalt)?;
        if is_committed(&entry, &salt, line) { Ok(()) } else { Err(Fault::WrongLine) }
    }

    /// Reads the text of a proof.
    ///
    /// # Errors
    /// [`Fault::Malformed`] when it is none of ours.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse(text).ok_or(Fault::Malformed)
    }

    fn extra(&self) -> Vec<u8> {
        let mut out = b"{".to_vec();
        for (index, cert) in self.certs.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"\"certs\":[" } else { b"," });
            write_str(&mut out, cert);
        }
        if !self.certs.is_empty() {
            out.extend_from_slice(b"],");
        }
        out.extend_from_slice(format!("\"entry\":\"{}\"", STANDARD.encode(self.entry)).as_bytes());
        if let Some(line) = &self.line {
            out.extend_from_slice(b",\"line\":");
            write_str(&mut out, line);
        }
        if let Some(salt) = &self.salt {
            out.extend_from_slice(format!(",\"salt\":\"{}\"", STANDARD.encode(salt)).as_bytes());
        }
        out.extend_from_slice(b",\"v\":1}");
        out
    }
}

/// The text of the proof, as C2SP has it.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        writeln!(f, "extra {}", STANDARD.encode(self.extra()))?;
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

fn parse(text: &str) -> Option<Proof> {
    let (head, note) = text.split_once("\n\n")?;
    let mut lines = head.split('\n');
    (lines.next()? == TITLE).then_some(())?;
    let extra = STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
    let index = decimal(lines.next()?.strip_prefix("index ")?.as_bytes())?;
    let hashes: Vec<Hash> =
        lines.take(HASHES_MAX + 1).map(|line| base64_exact(line.as_bytes())).collect::<Option<_>>()?;
    (hashes.len() <= HASHES_MAX).then_some(())?;
    let mut proof =
        Proof { certs: vec![], entry: [0; ENTRY_BYTES], salt: None, line: None, hashes, index, note: note.to_owned() };
    read_extra(&mut proof, &extra).then_some(proof)
}

/// Reads `extra`. A member that this version does not know makes it a proof of another version.
fn read_extra(proof: &mut Proof, extra: &[u8]) -> bool {
    let mut read = || {
        let mut reader = Reader::new(extra).ok()?;
        let mut has_entry = false;
        (reader.value().ok()? == Value::Object).then_some(())?;
        while let Some(name) = reader.next_member().ok()? {
            match name.plain()? {
                "certs" => proof.certs = texts(&mut reader)?,
                "entry" => {
                    proof.entry = base64_exact(text(&mut reader)?.as_bytes())?;
                    has_entry = true;
                }
                "line" => proof.line = Some(text(&mut reader)?),
                "salt" => proof.salt = Some(base64_exact(text(&mut reader)?.as_bytes())?),
                "v" => (reader.value().ok()? == Value::Number("1")).then_some(())?,
                _ => return None,
            }
        }
        reader.end().ok()?;
        has_entry.then_some(())
    };
    read().is_some()
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    match reader.value().ok()? {
        Value::Str(text) => Some(text.read(&mut String::new()).to_owned()),
        _ => None,
    }
}

fn texts(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    (reader.value().ok()? == Value::Array).then_some(())?;
    let mut texts = Vec::new();
    while reader.next_element().ok()? {
        texts.push(text(reader)?);
    }
    Some(texts)
}

#[cfg(test)]
mod tests;
