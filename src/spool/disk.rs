//! Requests in segment files: `[length u32 LE | crc32c u32 LE | records u32 LE | OTLP bytes]`, one frame after the other.
//!
//! The checksum covers the record count and the bytes. A group is one write and one wait for the disk. A torn tail is
//! cut off at start; a damaged frame in the middle is an error that names file and offset and says where to read on,
//! so that one bad block costs one request.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Chunk, Item};
use crate::stdx::durable::{Error, ReadFile};
use crate::stdx::segments::{self, Cut, Format, Position, Segments, SegmentsReader, Whole, path_of};

/// The end of the names of spool files.
pub const EXTENSION: &str = "spool";

const HEADER_BYTES: usize = 12;

/// The longest request that is kept, far above what receivers take: a longer length is damage.
const FRAME_BYTES_MAX: u64 = 1 << 30;

/// Why the spool did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] Error),
    /// A frame is not what was written.
    #[error("{}: damaged frame at byte {offset}", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// Where to read on: after the frame when its length still leads to a good one, else in the next segment or
        /// at the end. The difference in `record` is what is lost.
        next: Position,
    },
    /// A request is too large to be kept.
    #[error("a request of {bytes} bytes is larger than the spool keeps ({FRAME_BYTES_MAX})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl SpoolError {
    /// True when the disk is full: the same call works again when there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
struct Head {
    length: u64,
    crc: u32,
    records: u32,
}

impl Head {
    fn of(item: &Item) -> Result<[u8; HEADER_BYTES], SpoolError> {
        let too_large = SpoolError::TooLarge { bytes: item.bytes.len() };
        let length = u32::try_from(item.bytes.len()).ok().filter(|length| u64::from(*length) <= FRAME_BYTES_MAX);
        let records = item.records.to_le_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&records), &item.bytes);
        let mut head = [0; HEADER_BYTES];
        head[..4].copy_from_slice(&length.ok_or(too_large)?.to_le_bytes());
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        head[8..].copy_from_slice(&records);
        Ok(head)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.get(..HEADER_BYTES)?.as_chunks::<4>();
        let [length, crc, records] = [0, 1, 2].map(|word| u32::from_le_bytes(words[word]));
        Some(Self { length: length.into(), crc, records })
    }

    fn fits(&self, body: &[u8]) -> bool {
        self.records > 0 && self.crc == crc32c::crc32c_append(crc32c::crc32c(&self.records.to_le_bytes()), body)
    }

    fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.length
    }
}

/// The writer of one spool folder.
#[derive(Debug)]
pub struct Disk {
    segments: Segments,
}

impl Disk {
    /// Opens the spool in `dir`, or begins one there. The owner must hold the lock of the `data_dir`. Reports what
    /// was cut off because it was not whole: it was never acknowledged.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(dir: &Path, segment_bytes_max: u64) -> Result<(Self, DiskReader, Vec<Cut>), SpoolError> {
        let options = segments::Options { extension: EXTENSION, packed_extension: None, segment_bytes_max };
        let (segments, cuts) = Segments::open(dir, &options, &mut Frames)?;
        let reader = DiskReader { segments: segments.reader() };
        Ok((Self { segments }, reader, cuts))
    }

    /// Appends a group with one write and one wait for the disk: all of it or nothing.
    ///
    /// # Errors
    /// When the disk refuses; the same call may work later. Or when a request is too large.
    pub fn append(&mut self, items: &[Item]) -> Result<(), SpoolError> {
        let items: Vec<&Item> = items.iter().filter(|item| item.records > 0).collect();
        if items.is_empty() {
            return Ok(());
        }
        let heads: Vec<[u8; HEADER_BYTES]> = items.iter().map(|item| Head::of(item)).collect::<Result<_, _>>()?;
        let pairs = heads.iter().zip(&items);
        let mut parts: Vec<IoSlice<'_>> =
            pairs.flat_map(|(head, item)| [IoSlice::new(head), IoSlice::new(&item.bytes)]).collect();
        let records = items.iter().map(|item| u64::from(item.records)).sum();
        if self.segments.is_full() {
            self.segments.roll(self.segments.end().record)?;
        }
        Ok(self.segments.append(&mut parts, records)?)
    }

    /// Begins a new segment where all of the last one lies before `keep`, and returns the place to [`Disk::trim`] to: so
    /// a full disk gets back even the segment that is being written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn roll_behind(&mut self, keep: Position) -> Result<Position, SpoolError> {
        let end = self.segments.end();
        if keep < end || end.offset == 0 {
            return Ok(keep);
        }
        self.segments.roll(end.record)?;
        Ok(self.segments.end())
    }

    /// Deletes whole segments before `keep`, the least of all cursors. Returns how many bytes that freed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn trim(&mut self, keep: Position) -> Result<u64, SpoolError> {
        Ok(self.segments.trim(keep)?)
    }

    /// Where the committed frames end.
    #[must_use]
    pub fn end(&self) -> Position {
        self.segments.end()
    }
}

/// A reader of a spool; clone it per exporter.
#[derive(Debug, Clone)]
pub struct DiskReader {
    segments: SegmentsReader,
}

impl DiskReader {
    /// Places, distances, waiting: what has to do with positions, not with frames.
    #[must_use]
    pub fn segments(&self) -> &SegmentsReader {
        &self.segments
    }

    /// Waits until there is a record after `position`; false when the writer is gone and there is none.
    pub async fn wait(&mut self, position: Position) -> bool {
        self.segments.wait(position).await
    }

    /// Reads frames after `from`: up to `bytes_max` bytes of the file, but at least one frame. `None` at the end.
    ///
    /// # Errors
    /// When the disk refuses, the segment is gone, or the first frame is damaged.
    pub fn read(&mut self, from: Position, bytes_max: usize) -> Result<Option<Chunk>, SpoolError> {
        let mut size = bytes_max.max(HEADER_BYTES);
        loop {
            let Some(piece) = self.segments.read(from, size)? else { return Ok(None) };
            let read_bytes = piece.bytes.len() as u64;
            let (chunk, wanted) = frames_of(Bytes::from(piece.bytes), piece.start);
            match wanted {
                _ if !chunk.frames.is_empty() => return Ok(Some(chunk)),
                Some(bytes) if bytes <= read_bytes + piece.left_bytes => {
                    size = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                _ => return Err(self.damaged(piece.start)),
            }
        }
    }

    /// What to say about a damaged frame, and where to read on.
    fn damaged(&mut self, at: Position) -> SpoolError {
        let path = path_of(self.segments.dir(), at.segment, EXTENSION);
        let end = self.segments.end();
        // The first place behind this segment whose record number is beyond doubt.
        let known = self.segments.next_segment(at).unwrap_or(end);
        let limit = if at.segment == end.segment { Some(end.offset) } else { None };
        let after = ReadFile::open(&path).and_then(|file| {
            let Some((offset, _)) = next_good(&file, at.offset, limit)? else { return Ok(None) };
            Ok(Some((offset, records_from(&file, offset, limit)?)))
        });
        let next = match after.ok().flatten() {
            Some((offset, left)) => Position { record: known.record.saturating_sub(left).max(at.record), offset, ..at },
            None => known,
        };
        SpoolError::Damaged { path, offset: at.offset, next }
    }
}

/// The good frames at the start of what was read. Without any, how many bytes the first one has, if it is not damaged
/// as far as one can see.
fn frames_of(bytes: Bytes, start: Position) -> (Chunk, Option<u64>) {
    let mut chunk = Chunk { frames: Vec::new(), records: 0, next: start };
    let mut at = 0;
    loop {
        let Some(head) = Head::parse(&bytes[at..]) else { return (chunk, Some(HEADER_BYTES as u64)) };
        let body = at + HEADER_BYTES;
        let end = usize::try_from(head.length).ok().and_then(|length| body.checked_add(length));
        let Some(end) = end.filter(|end| *end <= bytes.len()) else { return (chunk, Some(head.frame_bytes())) };
        if !head.fits(&bytes[body..end]) {
            return (chunk, None);
        }
        chunk.frames.push(bytes.slice(body..end));
        chunk.records += u64::from(head.records);
        chunk.next.record += u64::from(head.records);
        chunk.next.offset += head.frame_bytes();
        at = end;
        if at == bytes.len() {
            return (chunk, None);
        }
    }
}

/// After a damaged frame: the frame that its length leads to, if that one is good or the file ends there, and how many
/// records the damaged one says it has.
fn next_good(file: &ReadFile, offset: u64, limit: Option<u64>) -> Result<Option<(u64, u64)>, Error> {
    let limit = limit.map_or_else(|| file.bytes_len(), Ok)?;
    let Some(bad) = head_at(file, offset, limit)? else { return Ok(None) };
    let next = offset + bad.frame_bytes();
    let is_good = next == limit || is_good_at(file, next, limit)?;
    Ok(is_good.then_some((next, bad.records.into())))
}

/// How many records the frames from a place on have.
fn records_from(file: &ReadFile, mut offset: u64, limit: Option<u64>) -> Result<u64, Error> {
    let limit = limit.map_or_else(|| file.bytes_len(), Ok)?;
    let mut records = 0;
    while let Some(head) = head_at(file, offset, limit)? {
        records += u64::from(head.records);
        offset += head.frame_bytes();
    }
    Ok(records)
}

fn head_at(file: &ReadFile, offset: u64, limit: u64) -> Result<Option<Head>, Error> {
    if limit.saturating_sub(offset) < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    let head = Head::parse(&bytes);
    Ok(head.filter(|head| head.length <= FRAME_BYTES_MAX && offset + head.frame_bytes() <= limit))
}

fn is_good_at(file: &ReadFile, offset: u64, limit: u64) -> Result<bool, Error> {
    let Some(head) = head_at(file, offset, limit)? else { return Ok(false) };
    let Ok(length) = usize::try_from(head.length) else { return Ok(false) };
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, offset + HEADER_BYTES as u64)?;
    Ok(head.fits(&body))
}

/// How a spool is read at start.
struct Frames;

impl Format for Frames {
    type Error = SpoolError;

    fn records_before(&mut self, _: &Path, first: u64) -> Result<u64, SpoolError> {
        Ok(first)
    }

    /// Walks the frames. It stops at the first place from which no good frame follows: that is a torn tail. A damaged
    /// frame with a good one behind it is no torn tail; it stays, and readers report it.
    fn recover(&mut self, path: &Path, first: u64) -> Result<Whole, SpoolError> {
        let file = ReadFile::open(path)?;
        let limit = file.bytes_len()?;
        let mut whole = Whole { bytes: 0, records: first };
        loop {
            let step = match head_at(&file, whole.bytes, limit)? {
                Some(head) if is_good_at(&file, whole.bytes, limit)? => {
                    Some((whole.bytes + head.frame_bytes(), u64::from(head.records)))
                }
                Some(_) => next_good(&file, whole.bytes, Some(limit))?.filter(|(next, _)| *next < limit),
                None => None,
            };
            let Some((bytes, records)) = step else { return Ok(whole) };
            whole = Whole { bytes, records: whole.records + records };
        }
    }
}

#[cfg(test)]
mod tests;
