//! Reads sealed record lines in order, for delivery: only what a durable checkpoint covers, without the ledger's own
//! lines. A record whose body is gone is passed in silence; the place after it counts it. Encrypted records come out in clear,
//! all that one bodies line opens at once.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::bodies::{Keyring, Opener, Shut, is_bodies, is_locked};
use super::entry::is_stub;
use super::{LINE_BYTES_MAX, OWN_LINE, note};
use crate::stdx::durable::{Error, Result};
use crate::stdx::segments::{Piece, Position, SegmentsReader, path_of};

/// A signed note is about 300 bytes long; one with many cosignatures is still shorter than this.
const NOTE_BYTES_MAX: usize = 16 << 10;
/// No group is larger: twice what the sequencer takes at once, since lines are longer than what they are made from.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// Record lines, each ended by a line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The lines.
    pub lines: Bytes,
    /// How many.
    pub records: u64,
    /// Where to read on.
    pub next: Position,
}

/// A reader of a ledger's records; clone it per exporter.
#[derive(Debug, Clone)]
pub struct LedgerReader {
    segments: SegmentsReader,
    keyring: Keyring,
    /// What opened the last encrypted record, and of which segment that was.
    opener: Option<(u64, Box<Opener>)>,
}

impl LedgerReader {
    pub(super) fn new(segments: SegmentsReader, keyring: &Keyring) -> Self {
        Self { segments, keyring: keyring.clone(), opener: None }
    }

    /// Places, distances, waiting: what has to do with positions, not with lines.
    #[must_use]
    pub fn segments(&self) -> &SegmentsReader {
        &self.segments
    }

    /// Waits until there is a record after `position`; false when the writer is gone and there is none.
    pub async fn wait(&mut self, position: Position) -> bool {
        self.segments.wait(position).await
    }

    /// Reads the records after `from`: up to `bytes_max` bytes of the file, but at least one record, or the place behind
    /// records whose bodies are gone. `None` at the end.
    ///
    /// # Errors
    /// When the disk refuses or the segment is gone.
    pub fn read(&mut self, from: Position, bytes_max: usize) -> Result<Option<Chunk>> {
        let (mut at, mut size) = (from, bytes_max.max(1));
        while let Some(piece) = self.segments.read(at, size)? {
            let whole = memchr::memrchr(b'\n', &piece.bytes).map_or(0, |end| end + 1);
            if whole == 0 {
                size = self.larger(&piece, size)?;
                continue;
            }
            let chunk = match pick_records(piece, whole) {
                Ok(chunk) => chunk,
                Err(piece) => match self.open_records(&piece, whole)? {
                    Some(chunk) => chunk,
                    None => {
                        size = self.larger(&piece, size)?;
                        continue;
                    }
                },
            };
            if chunk.next.record > from.record {
                return Ok(Some(chunk));
            }
            (at, size) = (chunk.next, bytes_max.max(1));
        }
        Ok(None)
    }

    /// The same for a piece that begins with a bodies line; `None` when not all is there that this one opens.
    fn open_records(&mut self, piece: &Piece, whole: usize) -> Result<Option<Chunk>> {
        let segment = piece.start.segment;
        let path = path_of(self.segments.dir(), segment, super::EXTENSION);
        let mut opener = match self.opener.take().filter(|(open, _)| *open == segment) {
            Some((_, opener)) => opener,
            None => Box::new(self.opener_of(segment, &path)?),
        };
        let unreadable = |shut| match shut {
            Shut::File(error) => error,
            Shut::Wrong(_, what) => Error::content("read", &path, what),
        };
        let (mut lines, mut at, mut records, mut gone) = (Vec::new(), 0, 0, 0);
        let mut done = None;
        for line in piece.bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let seen = opener.view(line.strip_suffix(b"\n").unwrap_or(line)).map_err(unreadable)?;
            match seen {
                Some(seen) if !seen.starts_with(OWN_LINE) => {
                    records += 1;
                    lines.extend_from_slice(seen);
                    lines.push(b'\n');
                }
                Some(seen) if is_stub(seen) => gone += 1,
                Some(seen) if is_locked(seen) => {
                    let key = opener.missing().map(|key| key.to_string()).unwrap_or_default();
                    let what = format!("bodies are encrypted under the key {key}, which the key file does not have");
                    return Err(Error::content("read", &path, what));
                }
                _ => {}
            }
            if opener.left() == 0 {
                done = Some((at, lines.len(), records, gone));
            }
        }
        opener.rewind();
        self.opener = Some((segment, opener));
        Ok(done.map(|(at, bytes, records, gone)| {
            lines.truncate(bytes);
            let record = piece.start.record + records + gone;
            let next = Position { record, offset: piece.start.offset + at as u64, ..piece.start };
            Chunk { lines: Bytes::from(lines), records, next }
        }))
    }

    /// An opener that knows the header of its segment.
    fn opener_of(&self, segment: u64, path: &Path) -> Result<Opener> {
        let mut opener = Opener::new(path, &self.keyring);
        let start = Position { segment, ..Position::default() };
        let mut size = NOTE_BYTES_MAX;
        while let Some(piece) = self.segments.clone().read(start, size)? {
            if let Some(end) = memchr::memchr(b'\n', &piece.bytes) {
                let _ = opener.view(&piece.bytes[..end]);
                break;
            }
            size = self.larger(&piece, size)?;
        }
        Ok(opener)
    }

    /// The first signed checkpoint that covers all entries before `to`: the one that stands there, or the next one.
    ///
    /// # Errors
    /// When the disk refuses or the segment is gone.
    pub fn checkpoint_over(&mut self, to: Position) -> Result<Option<String>> {
        let start = Position { offset: to.offset.saturating_sub(NOTE_BYTES_MAX as u64), ..to };
        let before = self.segments.read(start, usize::try_from(to.offset - start.offset).unwrap_or(0))?;
        let last = before.as_ref().and_then(|piece| {
            let text = piece.bytes.strip_suffix(b"\n")?;
            note::parse_checkpoint_line(&text[memchr::memrchr(b'\n', text).map_or(0, |end| end + 1)..])
        });
        if last.is_some() {
            return Ok(last);
        }
        let mut size = 1 << 18;
        while let Some(piece) = self.segments.read(to, size)? {
            // A group ends with its checkpoint.
            let found = piece.bytes.split(|byte| *byte == b'\n').find_map(note::parse_checkpoint_line);
            if found.is_some() || piece.left_bytes == 0 || size > GROUP_BYTES_MAX {
                return Ok(found);
            }
            size *= 4;
        }
        Ok(None)
    }

    /// A size with which the line that did not fit may fit.
    fn larger(&self, piece: &Piece, size: usize) -> Result<usize> {
        if piece.left_bytes > 0 && size < LINE_BYTES_MAX {
            return Ok(size.saturating_mul(2));
        }
        let path = path_of(self.segments.dir(), piece.start.segment, super::EXTENSION);
        Err(Error::content("read", &path, format!("no line end after byte {}", piece.start.offset)))
    }
}

/// Takes the record lines out of the first `whole` bytes, up to the first encrypted one. One run of them is a slice; more runs
/// (several groups) are moved together in place. A piece that begins encrypted is given back.
fn pick_records(piece: Piece, mut whole: usize) -> std::result::Result<Chunk, Piece> {
    if is_bodies(&piece.bytes) || is_locked(&piece.bytes) {
        return Err(piece);
    }
    let Piece { mut bytes, start, .. } = piece;
    let mut picked: Range<usize> = 0..0;
    let (mut records, mut gone, mut at) = (0, 0, 0);
    while at < whole {
        let end = memchr::memchr(b'\n', &bytes[at..whole]).map_or(whole, |length| at + length + 1);
        if !bytes[at..end].starts_with(OWN_LINE) {
            records += 1;
            picked = add_line(&mut bytes, &picked, at..end);
        } else if is_stub(&bytes[at..end]) {
            gone += 1;
        } else if is_bodies(&bytes[at..end]) {
            whole = at;
            break;
        }
        at = end;
    }
    let next = Position { record: start.record + records + gone, offset: start.offset + whole as u64, ..start };
    Ok(Chunk { lines: Bytes::from(bytes).slice(picked), records, next })
}

fn add_line(bytes: &mut [u8], picked: &Range<usize>, line: Range<usize>) -> Range<usize> {
    if picked.is_empty() {
        return line;
    }
    if picked.end < line.start {
        bytes.copy_within(line.clone(), picked.end);
    }
    picked.start..picked.end + line.len()
}
