//! Reads sealed record lines in order, for delivery: only what a durable checkpoint covers, without the ledger's own
//! lines. A record whose body is gone is passed in silence; the place after it counts it.

use std::ops::Range;

use bytes::Bytes;

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
}

impl LedgerReader {
    pub(super) fn new(segments: SegmentsReader) -> Self {
        Self { segments }
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
            let chunk = pick_records(piece, whole);
            if chunk.next.record > from.record {
                return Ok(Some(chunk));
            }
            (at, size) = (chunk.next, bytes_max.max(1));
        }
        Ok(None)
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

/// Takes the record lines out of the first `whole` bytes. One run of them is a slice; more runs (several groups) are
/// moved together in place.
fn pick_records(piece: Piece, whole: usize) -> Chunk {
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
        }
        at = end;
    }
    let next = Position { record: start.record + records + gone, offset: start.offset + whole as u64, ..start };
    Chunk { lines: Bytes::from(bytes).slice(picked), records, next }
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
