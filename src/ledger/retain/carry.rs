//! Makes the files say what sealed orders say: bodies of whole segments are unlinked, single records and fields are left out
//! of a copy that takes the segment's place. Each step can be done twice.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::survey::{SegmentFacts, Survey};
use super::{RetainError, exporters};
use crate::ledger::bodies::{self, Keyring, Locker, Opener, Place, Shut, is_locked};
use crate::ledger::close::{self, Frames};
use crate::ledger::disclosed::{self, ERASABLE};
use crate::ledger::entry::{Entry, Kind, SealedLine, is_stub, push_sealed_line, push_stub_line};
use crate::ledger::files::{PACKED_EXTENSION, STUBS_EXTENSION};
use crate::ledger::lines::Lines;
use crate::ledger::order::Authority;
use crate::ledger::recover::read_header;
use crate::ledger::writer::LedgerError;
use crate::ledger::{EXTENSION, OWN_LINE};
use crate::stdx::durable::{self, Error, Mode, NewFile};
use crate::stdx::segments::{Position, path_of};

/// What changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Segments that have no bodies any more.
    pub segments: u64,
    /// How many bytes of files that freed.
    pub freed_bytes: u64,
    /// Records whose bodies were erased one by one.
    pub records: u64,
    /// Fields that were erased.
    pub fields: u64,
}

/// Brings all closed segments to what the orders say.
pub(super) fn carry_out(dir: &Path, survey: &Survey, keyring: &Keyring) -> Result<Done, RetainError> {
    let orders = Orders { authority: &survey.authority, keyring };
    let mut done = Done::default();
    for segment in survey.closed() {
        let range = (segment.first, segment.last);
        if segment.first > segment.last {
            continue;
        }
        let forms: Vec<PathBuf> = [EXTENSION, PACKED_EXTENSION]
            .iter()
            .map(|extension| path_of(dir, segment.first, extension))
            .filter(|path| path.exists())
            .collect();
        if survey.authority.first_body(range).is_none() {
            unlink(dir, segment, &forms, &mut done)?;
        } else if survey.authority.touches(range) {
            erase(dir, segment, &forms, &orders, &mut done)?;
        }
    }
    Ok(done)
}

/// Leaves the sidecar only. It is made anew from the bodies, which were verified: nobody has looked into an older one. The keys
/// of encrypted bodies go last: what copies of the files are left cannot be opened any more.
fn unlink(dir: &Path, segment: &SegmentFacts, forms: &[PathBuf], done: &mut Done) -> Result<(), RetainError> {
    let Some(fullest) = forms.first() else { return Ok(bodies::forget(dir, segment.first)?) };
    close::write_stubs(fullest, &path_of(dir, segment.first, STUBS_EXTENSION), &AtomicBool::new(false))?;
    move_cursors(dir, segment)?;
    done.segments += 1;
    for path in forms {
        done.freed_bytes += durable::ReadFile::open(path)?.bytes_len()?;
        durable::remove(path)?;
    }
    Ok(bodies::forget(dir, segment.first)?)
}

/// What may go, and what opens it.
#[derive(Clone, Copy)]
struct Orders<'a> {
    authority: &'a Authority,
    keyring: &'a Keyring,
}

/// Writes a segment without what was erased. Encrypted bodies are encrypted anew under another key, and the old one goes with
/// what it opened.
fn erase(
    dir: &Path,
    segment: &SegmentFacts,
    forms: &[PathBuf],
    orders: &Orders<'_>,
    done: &mut Done,
) -> Result<(), RetainError> {
    for (index, path) in forms.iter().enumerate() {
        let mut rewrite = Rewrite { orders: *orders, line: Vec::new(), records: 0, fields: 0 };
        let copy = rewrite.copy(dir, path)?;
        if rewrite.records + rewrite.fields == 0 {
            continue;
        }
        // The places of lines change.
        move_cursors(dir, segment)?;
        copy.finish()?;
        if index == 0 {
            done.records += rewrite.records;
            done.fields += rewrite.fields;
        }
    }
    Ok(bodies::keep_needed(dir, segment.first, forms)?)
}

/// An exporter in the middle of this segment begins it anew, which may deliver twice; one at its end goes to the next one.
fn move_cursors(dir: &Path, segment: &SegmentFacts) -> Result<(), RetainError> {
    for (file, place) in exporters(dir)? {
        let Some(place) = place.filter(|place| place.segment == segment.first && place.offset > 0) else { continue };
        let end = segment.records_before + segment.records;
        let next = if place.record >= end {
            Position { record: end, segment: segment.last + 1, offset: 0 }
        } else {
            Position { record: segment.records_before, segment: segment.first, offset: 0 }
        };
        file.store_durably(next)?;
    }
    Ok(())
}

/// A file in the making, in the form of the one that it replaces.
enum Copy {
    Plain(NewFile),
    Packed(Frames),
}

impl Copy {
    fn create(path: &Path) -> durable::Result<Self> {
        if path.extension().is_some_and(|extension| extension == "zst") {
            return Ok(Self::Packed(Frames::create(path)?));
        }
        Ok(Self::Plain(NewFile::create(path, Mode::Shared)?))
    }

    /// Adds a line (without its end).
    fn line(&mut self, line: &[u8]) -> durable::Result<()> {
        match self {
            Self::Plain(file) => file.write(line).and_then(|()| file.write(b"\n")),
            Self::Packed(frames) => frames.line(line),
        }
    }

    fn finish(self) -> durable::Result<()> {
        match self {
            Self::Plain(file) => file.finish(),
            Self::Packed(frames) => frames.finish(),
        }
    }
}

/// A copy whose records may be encrypted: they come together in boxes, and what stands between them waits with them.
struct Locking {
    copy: Copy,
    locker: Option<Locker>,
    out: Vec<u8>,
}

impl Locking {
    /// Adds a line (without its end) in clear.
    fn clear(&mut self, line: &[u8]) -> Result<(), RetainError> {
        let Some(locker) = self.locker.as_mut().filter(|locker| !locker.text.is_empty()) else {
            return Ok(self.copy.line(line)?);
        };
        locker.text.add_clear(line);
        if locker.text.is_long() { self.flush() } else { Ok(()) }
    }

    /// Adds a sealed line (without its end) encrypted.
    fn lock(&mut self, line: &[u8], dir: &Path, path: &Path, keyring: &Keyring) -> Result<(), RetainError> {
        let malformed = || Error::content("rewrite", path, "a line has no whole seal");
        let sealed = SealedLine::parse(line).ok_or_else(malformed)?;
        if self.locker.is_none() {
            let header = read_header(path)?.ok_or_else(malformed)?;
            let mut locker = Locker::new(keyring, dir)?.ok_or_else(|| LedgerError::locked(path, None))?;
            locker.enter(dir, &Place::of(&header))?;
            self.locker = Some(locker);
        }
        let bytes = sealed.open_body.len() + 1 + sealed.disclosures.len();
        if self.locker.as_ref().is_some_and(|locker| locker.text.is_full_for(bytes)) {
            self.flush()?;
        }
        if let Some(locker) = &mut self.locker {
            let body = [sealed.open_body, b"}"].concat();
            locker.text.add(&sealed.entry, sealed.seq, &sealed.salt, (&body, sealed.disclosures));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RetainError> {
        let Some(locker) = &mut self.locker else { return Ok(()) };
        self.out.clear();
        locker.flush(&mut self.out)?;
        let lines = self.out.split_inclusive(|byte| *byte == b'\n');
        for line in lines {
            self.copy.line(line.strip_suffix(b"\n").unwrap_or(line))?;
        }
        Ok(())
    }
}

fn unreadable(path: &Path, shut: Shut) -> Error {
    match shut {
        Shut::File(error) => error,
        Shut::Wrong(_, what) => Error::content("rewrite", path, what),
    }
}

/// Goes through the lines of a segment and leaves out what may go.
struct Rewrite<'a> {
    orders: Orders<'a>,
    line: Vec<u8>,
    records: u64,
    fields: u64,
}

impl Rewrite<'_> {
    /// The copy without its name: dropped, it changes nothing.
    fn copy(&mut self, dir: &Path, path: &Path) -> Result<Copy, RetainError> {
        let keyring = self.orders.keyring;
        let (mut lines, mut opener) = (Lines::open(path)?, Opener::new(path, keyring));
        let mut copy = Locking { copy: Copy::create(path)?, locker: None, out: Vec::new() };
        while let Some(line) = lines.next()? {
            if !line.is_whole {
                return Err(Error::content("rewrite", path, "its last line is not whole").into());
            }
            let was_locked = is_locked(line.bytes);
            let seen = opener.view(line.bytes).map_err(|shut| unreadable(path, shut))?;
            let Some(seen) = seen else { continue };
            if is_locked(seen) {
                return Err(LedgerError::locked(path, None).into());
            }
            if seen.starts_with(OWN_LINE) {
                copy.clear(seen)?;
                continue;
            }
            let malformed = || Error::content("rewrite", path, "a line has no whole seal");
            let sealed = SealedLine::parse(seen).ok_or_else(malformed)?;
            let entry = Entry::decode(&sealed.entry).ok_or_else(malformed)?;
            self.line.clear();
            let is_changed = self.is_changed(&sealed, &entry);
            // Both writers end the line.
            let left = if is_changed { self.line.strip_suffix(b"\n").unwrap_or(&self.line) } else { seen };
            if was_locked && !is_stub(left) {
                copy.lock(left, dir, path, keyring)?;
            } else {
                copy.clear(left)?;
            }
        }
        copy.flush()?;
        Ok(copy.copy)
    }

    /// Writes what is left of the line, if that is less.
    fn is_changed(&mut self, sealed: &SealedLine<'_>, entry: &Entry) -> bool {
        let seq = entry.seq;
        if entry.kind == Kind::Record && self.orders.authority.first_body((seq, seq)).is_none() {
            self.records += 1;
            push_stub_line(&mut self.line, &sealed.entry);
            return true;
        }
        if entry.flags & ERASABLE == 0 || sealed.disclosures.is_empty() {
            return false;
        }
        let (mut left, mut gone) = (Vec::new(), 0);
        let read = disclosed::each(sealed.disclosures, |salt, name, value| {
            let plain = disclosed::plain_name(name.as_bytes());
            if self.orders.authority.first_field(&plain, (seq, seq)).is_none() {
                gone += 1;
            } else {
                left.push(if left.is_empty() { b'[' } else { b',' });
                left.extend_from_slice(format!("[{salt},{name},{value}]").as_bytes());
            }
            true
        });
        if read.is_err() || gone == 0 {
            return false;
        }
        if !left.is_empty() {
            left.push(b']');
        }
        self.fields += gone;
        let body = [sealed.open_body, b"}"].concat();
        push_sealed_line(&mut self.line, (&body, &left), &sealed.entry, seq, &sealed.salt, &entry.stream.text());
        true
    }
}
