//! Checks the lines of one segment, one after the other, in the order in which they were written. Start-up and `verify`
//! both use it; that one segment continues another is checked by comparing where they end and begin.

mod genesis;

pub(super) use self::genesis::key_rotate;

use std::sync::Arc;

use super::OWN_LINE;
use super::bodies::{is_locked, parse_locked};
use super::cert::Cert;
use super::chain::Chain;
use super::disclosed::{self, ERASABLE};
use super::entry::{ENTRY_BYTES, Entry, Kind, SealedLine, is_stub, parse_stub};
use super::hash::commit;
use super::header::{Header, is_header};
use super::note::{Checkpoint, Note, Verdict, VerifyingKey, is_checkpoint, parse_checkpoint_line};
use super::order;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A line is not as it was sealed.
    Modified,
    /// Lines were taken out.
    Missing,
    /// A line was put in that never was sealed.
    Inserted,
    /// A line stands in the wrong place.
    Reordered,
    /// A line stands here a second time.
    Duplicated,
    /// A checkpoint known from elsewhere covers other entries of the same number.
    Forked,
    /// A checkpoint known from elsewhere covers more entries than there are.
    Truncated,
    /// The last signature is older than the caller allows.
    Stale,
    /// Lines that no checkpoint covers, or a signature that must be there and is not.
    Unsigned,
    /// Another key signed.
    WrongKey,
    /// The key of another epoch signed, or an entry names another epoch.
    WrongEpoch,
    /// A line is in no form that a ledger has.
    Malformed,
    /// A record's body is gone, and no order allows that.
    UnauthorisedHole,
}

impl Fault {
    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Duplicated => "duplicated",
            Self::Forked => "forked",
            Self::Truncated => "truncated",
            Self::Stale => "stale",
            Self::Unsigned => "unsigned",
            Self::WrongKey => "wrong-key",
            Self::WrongEpoch => "wrong-epoch",
            Self::Malformed => "malformed",
            Self::UnauthorisedHole => "unauthorised-hole",
        }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) fault: Fault,
    /// The number of the entry that is wrong, when that is known.
    pub(super) seq: Option<u64>,
    pub(super) what: String,
    /// What the line before has to do with it.
    pub(super) before: Before,
}

/// Whether the line before the one that was read is the one that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// No: it is this line.
    Good,
    /// Yes: this line proves it.
    Wrong,
    /// One of the two is: they do not fit together.
    Unclear,
}

impl Finding {
    pub(super) fn new(fault: Fault, seq: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self { fault, seq: seq.into(), what: what.into(), before: Before::Good }
    }
}

/// What a good line was.
#[derive(Debug)]
pub(super) enum Checked<'a> {
    /// A record, where its body is, and the names (JSON) of its erasable fields that are not disclosed.
    Record { entry: Entry, body: Body, closed: Vec<&'a [u8]> },
    /// One of the ledger's own events; the body lacks its closing brace.
    Control { entry: Entry, body: &'a [u8] },
    /// A signature over everything so far.
    Checkpoint { by_root: bool },
}

/// Where the body of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// In its line.
    Here,
    /// Encrypted, and nobody opened it.
    Locked,
    /// Gone.
    Gone,
}

/// The state of a check.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    root: VerifyingKey,
    chain: Chain,
    /// The root key signed the certificate in the header: the segment needs no other one to be believed.
    is_linked: bool,
    /// The epoch that begins after the next checkpoint.
    next_epoch: Option<Cert>,
    /// Signatures of checkpoints are not checked one by one; the last note waits for it, with whose key must fit.
    deferred: Option<Option<(String, Arc<Cert>)>>,
}

impl Checker {
    /// Begins with the first line of a segment (without its end).
    pub(super) fn begin(root: &VerifyingKey, line: &[u8]) -> Result<Self, Finding> {
        let header = Header::parse(line)
            .ok_or_else(|| Finding::new(Fault::Malformed, None, "the first line is no whole segment header"))?;
        if header.vkey != *root {
            return Err(Finding::new(Fault::WrongKey, None, format!("the segment names the key {}", header.vkey)));
        }
        let is_linked = check_header(&header, root)?;
        if !header.is_signed(line) {
            return Err(Finding::new(Fault::Modified, None, "the signature of the segment header does not fit"));
        }
        Ok(Self { root: root.clone(), chain: header.chain(), is_linked, next_epoch: None, deferred: None })
    }

    /// Checks the roots of all checkpoints but leaves their signatures to [`Checker::last_signature`]: a signature
    /// covers everything before it, so the last one is enough to know that the entries are ours.
    pub(super) fn with_last_signature_only(mut self) -> Self {
        self.deferred = Some(None);
        self
    }

    /// Checks the signature of the last good checkpoint, if that was left out.
    pub(super) fn last_signature(&self) -> Result<(), Finding> {
        let Some(Some((note, epoch))) = &self.deferred else { return Ok(()) };
        let verdict = Note::parse(note).map_or(Verdict::Wrong, |note| note.verdict(&epoch.key));
        fits(verdict, "the signature of the checkpoint does not fit")
    }

    /// What is proven so far, up to the last checkpoint if the last line was one.
    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// True when the segment alone ties its keys to the root key.
    pub(super) fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Checks a whole line (without its end).
    pub(super) fn line<'a>(&mut self, line: &'a [u8]) -> Result<Checked<'a>, Finding> {
        if !line.starts_with(OWN_LINE) {
            return self.sealed(line);
        }
        if is_checkpoint(line) {
            return self.checkpoint(line).map(|by_root| Checked::Checkpoint { by_root });
        }
        if is_header(line) {
            let what = "a segment header in the middle of a segment";
            return Err(Finding::new(Fault::Malformed, self.chain.size(), what));
        }
        if is_stub(line) {
            return self.bodiless(parse_stub(line), Body::Gone);
        }
        if is_locked(line) { self.bodiless(parse_locked(line), Body::Locked) } else { self.sealed(line) }
    }

    fn checkpoint(&mut self, line: &[u8]) -> Result<bool, Finding> {
        let size = self.chain.size();
        let malformed = || Finding::new(Fault::Malformed, None, "the line is no whole checkpoint");
        let note = parse_checkpoint_line(line).ok_or_else(malformed)?;
        let parsed = Note::parse(&note).ok_or_else(malformed)?;
        let (origin, found) = Checkpoint::parse(parsed.text).ok_or_else(malformed)?;
        if origin != self.root.origin() {
            return Err(Finding::new(Fault::WrongKey, None, format!("the checkpoint is of the ledger {origin}")));
        }
        let by_root = self.check_signatures(&parsed)?;
        if found.size > size {
            let what = format!("the checkpoint covers {} entries, but only {size} are here", found.size);
            return Err(Finding::new(Fault::Missing, size, what));
        }
        if found.size < size || size == self.chain.signed {
            let what = format!("a checkpoint over {} entries after entry {}", found.size, size.wrapping_sub(1));
            let fault = if found.size <= self.chain.signed { Fault::Duplicated } else { Fault::Reordered };
            return Err(Finding::new(fault, None, what));
        }
        if found != self.chain.checkpoint() {
            // Every link up to here fits, so what differs from what was signed is the last entry.
            let what = "the entry is not the one that the checkpoint signed";
            return Err(Finding { before: Before::Wrong, ..Finding::new(Fault::Modified, size - 1, what) });
        }
        if self.chain.signed == 0 && !by_root {
            return Err(Finding::new(Fault::Unsigned, None, "the root key did not sign the first checkpoint"));
        }
        self.chain.signed = size;
        if let Some(last) = &mut self.deferred {
            *last = Some((note, self.chain.epoch.clone()));
        }
        if let Some(epoch) = self.next_epoch.take() {
            self.chain.epoch = Arc::new(epoch);
        }
        Ok(by_root)
    }

    /// The epoch's key signs first, and the root key may sign second. True when it did.
    fn check_signatures(&self, note: &Note<'_>) -> Result<bool, Finding> {
        let epoch = &self.chain.epoch;
        let (by_epoch, by_root) = match note.signatures.as_slice() {
            [one] => (one, None),
            [one, two] => (one, Some(two)),
            _ => return Err(Finding::new(Fault::Malformed, None, "a checkpoint with more than two signatures")),
        };
        if !by_epoch.is_by(&epoch.key) {
            let prefix = format!("{}/epoch/", epoch.origin);
            let is_other = by_epoch.name != epoch.key.origin() && by_epoch.name.starts_with(&prefix);
            let fault = if is_other { Fault::WrongEpoch } else { Fault::WrongKey };
            let what =
                format!("the checkpoint is signed by {}, not by the key of epoch {}", by_epoch.name, epoch.epoch);
            return Err(Finding::new(fault, None, what));
        }
        if by_root.is_some_and(|by_root| !by_root.is_by(&self.root)) {
            return Err(Finding::new(Fault::WrongKey, None, "the checkpoint's second signature is not the root key's"));
        }
        if self.deferred.is_none() {
            fits(note.verdict(&epoch.key), "the signature of the checkpoint does not fit")?;
            if by_root.is_some() {
                fits(note.verdict(&self.root), "the root key's signature of the checkpoint does not fit")?;
            }
        }
        Ok(by_root.is_some())
    }

    fn sealed<'a>(&mut self, line: &'a [u8]) -> Result<Checked<'a>, Finding> {
        let next = self.chain.size();
        let malformed = |what: &str| Finding::new(Fault::Malformed, next, what);
        let sealed = SealedLine::parse(line).ok_or_else(|| malformed("the line has no whole seal"))?;
        let entry = Entry::decode(&sealed.entry).ok_or_else(|| malformed("the seal holds no valid entry"))?;
        if sealed.seq != entry.seq {
            let what = format!("the line says number {}, its entry {}", sealed.seq, entry.seq);
            return Err(Finding::new(Fault::Modified, next, what));
        }
        if sealed.stream_text != entry.stream.text() {
            return Err(Finding::new(Fault::Modified, next, "the line and its entry name two ledgers"));
        }
        self.check_order(&entry)?;
        self.check_content(&sealed, &entry)?;
        self.check_links(&entry)?;
        let is_record = entry.kind == Kind::Record;
        if sealed.open_body.starts_with(OWN_LINE) == is_record {
            return Err(malformed("the type of the entry is not that of the line"));
        }
        self.check_control(&sealed, &entry)?;
        let closed = self.check_disclosures(&sealed, &entry)?;
        self.extend(&sealed.entry, &entry);
        if is_record {
            return Ok(Checked::Record { entry, body: Body::Here, closed });
        }
        Ok(Checked::Control { entry, body: sealed.open_body })
    }

    /// A record whose body is gone or not opened: whether that was allowed is not known here.
    fn bodiless<'a>(&mut self, entry: Option<[u8; ENTRY_BYTES]>, body: Body) -> Result<Checked<'a>, Finding> {
        let next = self.chain.size();
        let malformed = |what: &str| Finding::new(Fault::Malformed, next, what);
        let bytes = entry.ok_or_else(|| malformed("the line is no whole entry"))?;
        let entry = Entry::decode(&bytes).ok_or_else(|| malformed("the line holds no valid entry"))?;
        if entry.kind != Kind::Record {
            return Err(malformed("the body of one of the ledger's own events is gone"));
        }
        self.check_order(&entry)?;
        self.check_links(&entry)?;
        self.extend(&bytes, &entry);
        Ok(Checked::Record { entry, body, closed: Vec::new() })
    }

    fn extend(&mut self, bytes: &[u8; ENTRY_BYTES], entry: &Entry) {
        self.chain.extend(bytes, entry.kind == Kind::Record, entry.sealed_at_ns);
    }

    fn check_order(&self, entry: &Entry) -> Result<(), Finding> {
        let next = self.chain.size();
        if entry.stream != self.chain.stream {
            return Err(Finding::new(Fault::Inserted, next, "the entry belongs to another ledger"));
        }
        let what = || format!("entry {} stands where {next} is expected", entry.seq);
        match entry.seq {
            seq if seq > next => Err(Finding::new(Fault::Missing, next, what())),
            seq if seq < next => Err(Finding::new(Fault::Duplicated, seq, what())),
            _ => Ok(()),
        }
    }

    fn check_content(&self, sealed: &SealedLine<'_>, entry: &Entry) -> Result<(), Finding> {
        let next = self.chain.size();
        if u64::from(entry.body_len) != sealed.open_body.len() as u64 + 1 {
            return Err(Finding::new(Fault::Modified, next, "the line is longer or shorter than what was sealed"));
        }
        if commit(&sealed.salt, sealed.open_body, b"}") != entry.commit {
            return Err(Finding::new(Fault::Modified, next, "the line is not what was sealed"));
        }
        Ok(())
    }

    /// The names of erasable fields that are not disclosed.
    fn check_disclosures<'a>(&self, sealed: &SealedLine<'a>, entry: &Entry) -> Result<Vec<&'a [u8]>, Finding> {
        let next = self.chain.size();
        if entry.flags & ERASABLE == 0 {
            let what = "fields are disclosed in a line that has none to disclose";
            return if sealed.disclosures.is_empty() {
                Ok(Vec::new())
            } else {
                Err(Finding::new(Fault::Modified, next, what))
            };
        }
        disclosed::closed(sealed.open_body, sealed.disclosures).map_err(|(fault, what)| Finding::new(fault, next, what))
    }

    fn check_links(&self, entry: &Entry) -> Result<(), Finding> {
        let next = self.chain.size();
        if entry.prev_leaf != self.chain.prev_leaf {
            let what = "the link to the entry before does not fit";
            // An entry that a checkpoint covers is beyond doubt.
            let before = if self.chain.signed < next { Before::Unclear } else { Before::Good };
            return Err(Finding { before, ..Finding::new(Fault::Modified, next, what) });
        }
        if entry.signed != self.chain.signed {
            let (there, here) = (entry.signed, self.chain.signed);
            let what =
                format!("the last checkpoint before the entry covered {there} entries, the last one here {here}");
            let fault = if there > here { Fault::Missing } else { Fault::Modified };
            return Err(Finding::new(fault, next, what));
        }
        let epoch = self.chain.epoch.epoch;
        if entry.epoch != epoch || self.next_epoch.is_some() {
            let what = match self.next_epoch {
                Some(_) => "the entry follows a change of the key that no checkpoint covers".to_owned(),
                None => format!("the entry names epoch {}, in epoch {epoch}", entry.epoch),
            };
            return Err(Finding::new(Fault::WrongEpoch, next, what));
        }
        Ok(())
    }

    /// What some of the ledger's own events must say: the first of all, a change of the key, and orders.
    fn check_control(&mut self, sealed: &SealedLine<'_>, entry: &Entry) -> Result<(), Finding> {
        if entry.seq == 0 || entry.kind == Kind::Genesis {
            return genesis::check(sealed.open_body, entry, &self.chain, &self.root);
        }
        match entry.kind {
            Kind::KeyRotate => {
                self.next_epoch = Some(genesis::next_epoch(sealed.open_body, entry, &self.chain, &self.root)?);
            }
            Kind::Retention | Kind::Erasure | Kind::Hold => drop(order::read(sealed.open_body, entry, &self.root)?),
            _ => {}
        }
        let name = sealed.open_body.strip_prefix(b"{\"audit.control\":\"").unwrap_or_default();
        let is_named = name.strip_prefix(entry.kind.name().as_bytes()).is_some_and(|rest| rest.starts_with(b"\""));
        if entry.kind != Kind::Record && !is_named {
            return Err(Finding::new(Fault::Malformed, entry.seq, "the event has another name than its kind"));
        }
        Ok(())
    }
}

fn fits(verdict: Verdict, otherwise: &str) -> Result<(), Finding> {
    if verdict == Verdict::Signed { Ok(()) } else { Err(Finding::new(Fault::Modified, None, otherwise)) }
}

/// The certificate must be one for this place. True when the root key signed it.
fn check_header(header: &Header, root: &VerifyingKey) -> Result<bool, Finding> {
    let cert = &header.epoch;
    if cert.first > header.first() || (cert.epoch == 0) != (cert.first == 0) {
        let what = format!("epoch {} begins with entry {}, after this segment", cert.epoch, cert.first);
        return Err(Finding::new(Fault::WrongEpoch, None, what));
    }
    match cert.verdict(root) {
        Verdict::Signed => Ok(true),
        Verdict::Wrong => {
            Err(Finding::new(Fault::Modified, None, "the root key's signature of the certificate does not fit"))
        }
        Verdict::Absent if cert.epoch == 0 => {
            Err(Finding::new(Fault::Unsigned, None, "the root key did not sign the first epoch's certificate"))
        }
        Verdict::Absent => Ok(false),
    }
}

/// A segment must go on exactly where the one before it ended.
pub(super) fn check_continuity(end: &Chain, start: &Chain) -> Result<(), Finding> {
    let (next, found) = (end.size(), start.size());
    if end.signed != next {
        let what = "the segment before this one ends without a checkpoint over its last entries";
        return Err(Finding::new(Fault::Missing, end.signed, what));
    }
    if found != next {
        let fault = if found > next { Fault::Missing } else { Fault::Duplicated };
        return Err(Finding::new(fault, next, format!("the segment begins with entry {found}, expected {next}")));
    }
    let expected = Chain { sealed_at_ns: start.sealed_at_ns, ..end.clone() };
    if *start == expected {
        return Ok(());
    }
    if start.epoch != expected.epoch {
        let what = format!(
            "the segment names epoch {}, not epoch {} as it was certified",
            start.epoch.epoch, expected.epoch.epoch
        );
        return Err(Finding::new(Fault::WrongEpoch, next, what));
    }
    Err(Finding::new(Fault::Modified, next, "the segment does not continue the one before it"))
}
