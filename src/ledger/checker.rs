//! Checks lines one after the other, in the order in which they were written. Start-up and `verify` both use it.

use super::OWN_LINE;
use super::chain::Chain;
use super::disclosed;
use super::entry::{Entry, Kind, SealedLine, Stream};
use super::hash::commit;
use super::header::{Header, is_header};
use super::note::{NoteError, VerifyingKey, is_checkpoint, parse_checkpoint_line};
use super::scan::Scan;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A line is not as it was sealed.
    Modified,
    /// Lines were taken out.
    Missing,
    /// A line stands in the wrong place, or a second time.
    Reordered,
    /// A line is in no form that a ledger has.
    Malformed,
    /// Another key signed.
    WrongKey,
    /// Lines at the end that no checkpoint covers, and nobody is writing.
    UnsignedTail,
}

impl Fault {
    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Missing => "missing",
            Self::Reordered => "reordered or duplicated",
            Self::Malformed => "malformed",
            Self::WrongKey => "wrong key",
            Self::UnsignedTail => "unsigned tail",
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
    fn new(fault: Fault, seq: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self { fault, seq: seq.into(), what: what.into(), before: Before::Good }
    }
}

/// What a good line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Header,
    Record { sealed_at_ns: u64 },
    Control { sealed_at_ns: u64 },
    Checkpoint,
}

/// The state of a check.
#[derive(Debug)]
pub(super) struct Checker {
    key: VerifyingKey,
    chain: Chain,
    /// The next line must be the header of a segment.
    expects_header: bool,
    /// No segment was seen yet: the first header says where to begin.
    is_first: bool,
    /// Signatures of checkpoints are not checked one by one; the last note waits for it.
    deferred: Option<String>,
}

impl Checker {
    pub(super) fn new(key: VerifyingKey) -> Self {
        Self { key, chain: Chain::default(), expects_header: true, is_first: true, deferred: None }
    }

    /// Checks the roots of all checkpoints but leaves their signatures to [`Checker::last_signature`]: a signature
    /// covers everything before it, so the last one is enough to know that the entries are ours.
    pub(super) fn with_last_signature_only(key: VerifyingKey) -> Self {
        Self { deferred: Some(String::new()), ..Self::new(key) }
    }

    /// Checks the signature of the last good checkpoint, if that was left out.
    pub(super) fn last_signature(&self) -> Result<(), Finding> {
        match &self.deferred {
            Some(note) if self.key.open(note).is_err() => {
                Err(Finding::new(Fault::Modified, None, "the signature of the checkpoint does not fit"))
            }
            _ => Ok(()),
        }
    }

    /// What is proven so far, up to the last checkpoint if the last line was one.
    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Says that the next line is the first of a segment.
    pub(super) fn next_segment(&mut self) -> Result<(), Finding> {
        self.expects_header = true;
        if self.chain.signed == self.chain.size() {
            return Ok(());
        }
        let what = "the segment ends without a checkpoint over its last entries";
        Err(Finding::new(Fault::Missing, self.chain.signed, what))
    }

    /// Checks a whole line (without its end).
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Checked, Finding> {
        let is_own = line.starts_with(OWN_LINE);
        if self.expects_header || (is_own && is_header(line)) {
            self.header(line)
        } else if is_own && is_checkpoint(line) {
            self.checkpoint(line)
        } else {
            self.sealed(line)
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<Checked, Finding> {
        let next = self.chain.size();
        if !self.expects_header {
            return Err(Finding::new(Fault::Malformed, next, "a segment header in the middle of a segment"));
        }
        let header = Header::parse(line)
            .ok_or_else(|| Finding::new(Fault::Malformed, None, "the first line is no whole segment header"))?;
        if header.vkey != self.key {
            return Err(Finding::new(Fault::WrongKey, None, format!("the segment names the key {}", header.vkey)));
        }
        if !header.is_signed_by(&self.key, line) {
            return Err(Finding::new(Fault::Modified, None, "the signature of the segment header does not fit"));
        }
        let start = header.chain();
        if self.is_first {
            check_beginning(&start)?;
            self.chain = start;
        } else {
            self.check_continuity(&start)?;
        }
        (self.expects_header, self.is_first) = (false, false);
        Ok(Checked::Header)
    }

    fn check_continuity(&self, start: &Chain) -> Result<(), Finding> {
        let (next, found) = (self.chain.size(), start.size());
        if found != next {
            let fault = if found > next { Fault::Missing } else { Fault::Reordered };
            return Err(Finding::new(fault, next, format!("the segment begins with entry {found}, expected {next}")));
        }
        let expected = Chain { sealed_at_ns: start.sealed_at_ns, ..self.chain.clone() };
        if *start == expected {
            return Ok(());
        }
        Err(Finding::new(Fault::Modified, next, "the segment does not continue the one before it"))
    }

    fn checkpoint(&mut self, line: &[u8]) -> Result<Checked, Finding> {
        let size = self.chain.size();
        let malformed = || Finding::new(Fault::Malformed, None, "the line is no whole checkpoint");
        let note = parse_checkpoint_line(line).ok_or_else(malformed)?;
        let found =
            if self.deferred.is_some() { self.key.read(&note).map(|read| read.0) } else { self.key.open(&note) };
        let found = found.map_err(|e| match e {
            NoteError::Malformed => malformed(),
            NoteError::WrongKey => Finding::new(Fault::WrongKey, None, format!("the checkpoint is {e}")),
            NoteError::BadSignature => {
                Finding::new(Fault::Modified, None, "the signature of the checkpoint does not fit")
            }
        })?;
        if found.size > size {
            let what = format!("the checkpoint covers {} entries, but only {size} are here", found.size);
            return Err(Finding::new(Fault::Missing, size, what));
        }
        if found.size < size || size == self.chain.signed {
            let what = format!("a checkpoint over {} entries after entry {}", found.size, size.wrapping_sub(1));
            return Err(Finding::new(Fault::Reordered, None, what));
        }
        if found != self.chain.checkpoint() {
            // Every link up to here fits, so what differs from what was signed is the last entry.
            let what = "the entry is not the one that the checkpoint signed";
            return Err(Finding { before: Before::Wrong, ..Finding::new(Fault::Modified, size - 1, what) });
        }
        self.chain.signed = size;
        if let Some(last) = &mut self.deferred {
            *last = note;
        }
        Ok(Checked::Checkpoint)
    }

    fn sealed(&mut self, line: &[u8]) -> Result<Checked, Finding> {
        let next = self.chain.size();
        let malformed = |what: &str| Finding::new(Fault::Malformed, next, what);
        let sealed = SealedLine::parse(line).ok_or_else(|| malformed("the line has no whole seal"))?;
        let entry = Entry::decode(&sealed.entry).ok_or_else(|| malformed("the seal holds no valid entry"))?;
        self.check_order(&sealed, &entry)?;
        self.check_content(&sealed, &entry)?;
        self.check_links(&entry)?;
        let is_record = entry.kind == Kind::Record;
        if sealed.open_body.starts_with(OWN_LINE) == is_record {
            return Err(malformed("the type of the entry is not that of the line"));
        }
        if next == 0 {
            check_genesis(&sealed, &entry, self.key.origin())?;
        }
        let sealed_at_ns = entry.sealed_at_ns;
        self.chain.extend(&sealed.entry, is_record, sealed_at_ns);
        Ok(if is_record { Checked::Record { sealed_at_ns } } else { Checked::Control { sealed_at_ns } })
    }

    fn check_order(&self, sealed: &SealedLine<'_>, entry: &Entry) -> Result<(), Finding> {
        let next = self.chain.size();
        if sealed.seq != entry.seq {
            let what = format!("the line says number {}, its entry {}", sealed.seq, entry.seq);
            return Err(Finding::new(Fault::Modified, next, what));
        }
        if sealed.stream_text != entry.stream.text() || entry.stream != self.chain.stream {
            return Err(Finding::new(Fault::Modified, next, "the entry belongs to another ledger"));
        }
        match entry.seq {
            seq if seq > next => {
                Err(Finding::new(Fault::Missing, next, format!("entry {seq} stands where {next} is expected")))
            }
            seq if seq < next => {
                Err(Finding::new(Fault::Reordered, seq, format!("entry {seq} stands where {next} is expected")))
            }
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
        disclosed::check(sealed.open_body, sealed.disclosures)
            .map_err(|what| Finding::new(Fault::Modified, next, what))?;
        Ok(())
    }

    fn check_links(&self, entry: &Entry) -> Result<(), Finding> {
        let next = self.chain.size();
        if entry.prev_leaf != self.chain.prev_leaf {
            let what = "the link to the entry before does not fit";
            // An entry that a checkpoint covers is beyond doubt.
            let before = if self.chain.signed < next { Before::Unclear } else { Before::Good };
            return Err(Finding { before, ..Finding::new(Fault::Modified, next, what) });
        }
        if entry.signed == self.chain.signed {
            return Ok(());
        }
        let (there, here) = (entry.signed, self.chain.signed);
        let what = format!("the last checkpoint before the entry covered {there} entries, the last one here {here}");
        let fault = if there > here { Fault::Missing } else { Fault::Modified };
        Err(Finding::new(fault, next, what))
    }
}

/// The first segment of all begins with nothing.
fn check_beginning(start: &Chain) -> Result<(), Finding> {
    let is_plausible = start.records <= start.size() && (start.size() > 0 || start.prev_leaf == [0; 32]);
    if is_plausible { Ok(()) } else { Err(Finding::new(Fault::Malformed, 0, "the segment header contradicts itself")) }
}

/// The first entry tells the origin and the nonce, and the stream's id is made from them.
fn check_genesis(sealed: &SealedLine<'_>, entry: &Entry, origin: &str) -> Result<(), Finding> {
    let read = || {
        let mut scan = Scan(sealed.open_body);
        scan.literal(b"{\"audit.control\":\"genesis\",\"nonce\":\"")?;
        let nonce = scan.base64()?;
        scan.literal(b",\"origin\":\"")?;
        let named = scan.text()?;
        scan.literal(b",\"v\":1")?;
        scan.end()?;
        Some(entry.kind == Kind::Genesis && named == origin && Stream::new(named, &nonce) == entry.stream)
    };
    match read() {
        Some(true) => Ok(()),
        _ => Err(Finding::new(Fault::Malformed, 0, "the first entry is not the genesis of this origin and stream")),
    }
}
