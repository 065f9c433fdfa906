//! Makes the files say what sealed orders say: bodies of whole segments are unlinked, single records and fields are left out
//! of a copy that takes the segment's place. Each step can be done twice.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::survey::{SegmentFacts, Survey};
use super::{RetainError, exporters};
use crate::ledger::close::{self, Frames};
use crate::ledger::disclosed::{self, ERASABLE};
use crate::ledger::entry::{Entry, Kind, SealedLine, push_sealed_line, push_stub_line};
use crate::ledger::files::{PACKED_EXTENSION, STUBS_EXTENSION};
use crate::ledger::lines::Lines;
use crate::ledger::order::Authority;
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
pub(super) fn carry_out(dir: &Path, survey: &Survey) -> Result<Done, RetainError> {
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
            erase(dir, segment, &forms, &survey.authority, &mut done)?;
        }
    }
    Ok(done)
}

/// Leaves the sidecar only. It is made anew from the bodies, which were verified: nobody has looked into an older one.
fn unlink(dir: &Path, segment: &SegmentFacts, forms: &[PathBuf], done: &mut Done) -> Result<(), RetainError> {
    let Some(fullest) = forms.first() else { return Ok(()) };
    close::write_stubs(fullest, &path_of(dir, segment.first, STUBS_EXTENSION), &AtomicBool::new(false))?;
    move_cursors(dir, segment)?;
    done.segments += 1;
    for path in forms {
        done.freed_bytes += durable::ReadFile::open(path)?.bytes_len()?;
        durable::remove(path)?;
    }
    Ok(())
}

/// Writes a segment without what was erased.
fn erase(
    dir: &Path,
    segment: &SegmentFacts,
    forms: &[PathBuf],
    authority: &Authority,
    done: &mut Done,
) -> Result<(), RetainError> {
    for (index, path) in forms.iter().enumerate() {
        let mut rewrite = Rewrite { authority, line: Vec::new(), records: 0, fields: 0 };
        let copy = rewrite.copy(path)?;
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
    Ok(())
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

/// Goes through the lines of a segment and leaves out what may go.
struct Rewrite<'a> {
    authority: &'a Authority,
    line: Vec<u8>,
    records: u64,
    fields: u64,
}

impl Rewrite<'_> {
    /// The copy without its name: dropped, it changes nothing.
    fn copy(&mut self, path: &Path) -> Result<Copy, RetainError> {
        let (mut lines, mut copy) = (Lines::open(path)?, Copy::create(path)?);
        while let Some(line) = lines.next()? {
            if !line.is_whole {
                return Err(Error::content("rewrite", path, "its last line is not whole").into());
            }
            if line.bytes.starts_with(OWN_LINE) {
                copy.line(line.bytes)?;
                continue;
            }
            let malformed = || Error::content("rewrite", path, "a line has no whole seal");
            let sealed = SealedLine::parse(line.bytes).ok_or_else(malformed)?;
            let entry = Entry::decode(&sealed.entry).ok_or_else(malformed)?;
            self.line.clear();
            if self.is_changed(&sealed, &entry) {
                // Both writers end the line.
                self.line.pop();
                copy.line(&self.line)?;
            } else {
                copy.line(line.bytes)?;
            }
        }
        Ok(copy)
    }

    /// Writes what is left of the line, if that is less.
    fn is_changed(&mut self, sealed: &SealedLine<'_>, entry: &Entry) -> bool {
        let seq = entry.seq;
        if entry.kind == Kind::Record && self.authority.first_body((seq, seq)).is_none() {
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
            if self.authority.first_field(&plain, (seq, seq)).is_none() {
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
