//! Reads of what is committed: at positions, through one cached open file. Clone it per exporter.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Position, Segment, Shared};
use crate::stdx::durable::{Error, ReadFile, Result};
use crate::stdx::packed::Unpacker;

/// A reader of a folder of segments. It sees only what the writer has committed.
#[derive(Debug, Clone)]
pub struct SegmentsReader {
    shared: Arc<Shared>,
    end: watch::Receiver<Position>,
    open: Option<(u64, Open)>,
}

/// An open segment. A packed one is read from one place at a time.
#[derive(Debug, Clone)]
enum Open {
    Plain(ReadFile),
    Packed(Arc<Mutex<Unpacker>>),
}

impl Open {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        match self {
            Self::Plain(file) => file.read_exact_at(buffer, offset),
            Self::Packed(file) => file.lock().unwrap_or_else(PoisonError::into_inner).read_exact_at(buffer, offset),
        }
    }
}

/// Bytes that were read in one go, all from one segment.
#[derive(Debug)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where they begin; the segment may be the one after the one asked for.
    pub start: Position,
    /// How many committed bytes of this segment follow them.
    pub left_bytes: u64,
}

impl SegmentsReader {
    pub(super) fn new(shared: Arc<Shared>, end: watch::Receiver<Position>) -> Self {
        Self { shared, end, open: None }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Where the committed bytes end.
    #[must_use]
    pub fn end(&self) -> Position {
        *self.end.borrow()
    }

    /// The oldest place that can still be read.
    #[must_use]
    pub fn oldest(&self) -> Position {
        let end = self.end();
        let segments = self.shared.lock();
        segments.first_key_value().map_or(end, |(first, segment)| start_of(*first, *segment))
    }

    /// The beginning of the segment after this one, if there is one: how far a trim must move to free room.
    #[must_use]
    pub fn next_segment(&self, position: Position) -> Option<Position> {
        after(&self.shared.lock(), position.segment)
    }

    /// The nearest place that can be read, at or after `wanted`: another one when that segment was trimmed, or the
    /// end when `wanted` lies beyond it (a folder put back from a copy).
    #[must_use]
    pub fn seek(&self, wanted: Position) -> Position {
        let end = self.end();
        if wanted >= end || wanted.segment > end.segment {
            return end;
        }
        let segments = self.shared.lock();
        match segments.get(&wanted.segment) {
            Some(segment) if wanted.offset <= segment.bytes => wanted,
            _ => after(&segments, wanted.segment).unwrap_or(end),
        }
    }

    /// How many committed bytes lie between two places.
    #[must_use]
    pub fn bytes_between(&self, from: Position, to: Position) -> u64 {
        if from.segment >= to.segment {
            return to.offset.saturating_sub(from.offset);
        }
        let segments = self.shared.lock();
        let whole: u64 = segments.range(from.segment..to.segment).map(|(_, segment)| segment.bytes).sum();
        (whole + to.offset).saturating_sub(from.offset)
    }

    /// Waits until a record is committed after `position`; false when the writer is gone and there is none.
    pub async fn wait(&mut self, position: Position) -> bool {
        self.end.wait_for(|end| end.record > position.record).await.is_ok()
    }

    /// Reads up to `bytes_max` committed bytes of one segment, going on to the next one at its end. `None` at the end.
    ///
    /// # Errors
    /// When the segment is gone (trimmed: [`SegmentsReader::seek`]) or the disk refuses.
    pub fn read(&mut self, from: Position, bytes_max: usize) -> Result<Option<Piece>> {
        let Some((start, available)) = self.readable(from)? else { return Ok(None) };
        let size = usize::try_from(available).unwrap_or(usize::MAX).min(bytes_max);
        let mut bytes = vec![0; size];
        self.open(start.segment)?.read_exact_at(&mut bytes, start.offset)?;
        if available == size as u64 {
            // Nothing more to read here for now: a file that is held open keeps its room on the disk after it is trimmed.
            self.open = None;
        }
        Ok(Some(Piece { bytes, start, left_bytes: available - size as u64 }))
    }

    /// The first place at or after `from` with committed bytes behind it in the same segment, and how many.
    fn readable(&self, from: Position) -> Result<Option<(Position, u64)>> {
        // The end first: what is counted in the map afterwards is at least as new.
        let end = self.end();
        let segments = self.shared.lock();
        let mut at = from;
        loop {
            let Some(segment) = segments.get(&at.segment) else {
                let path = self.shared.path(at.segment);
                return Err(Error::content("read", &path, "this segment does not exist any more"));
            };
            let bytes = if at.segment == end.segment { end.offset } else { segment.bytes };
            if bytes > at.offset {
                return Ok(Some((at, bytes - at.offset)));
            }
            match after(&segments, at.segment) {
                Some(next) if next.segment <= end.segment => at = next,
                _ => return Ok(None),
            }
        }
    }

    fn open(&mut self, segment: u64) -> Result<Open> {
        if let Some((open, file)) = &self.open
            && *open == segment
        {
            return Ok(file.clone());
        }
        let file = match self.try_open(segment) {
            // It was packed between the look and the open.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.try_open(segment)?,
            other => other?,
        };
        self.open = Some((segment, file.clone()));
        Ok(file)
    }

    fn try_open(&self, segment: u64) -> Result<Open> {
        let is_packed = self.shared.lock().get(&segment).is_some_and(|segment| segment.is_packed);
        if is_packed {
            let file = Unpacker::open(&self.shared.packed_path(segment))?;
            return Ok(Open::Packed(Arc::new(Mutex::new(file))));
        }
        Ok(Open::Plain(ReadFile::open(&self.shared.path(segment))?))
    }
}

/// Where the segment after this one begins.
fn after(segments: &BTreeMap<u64, Segment>, segment: u64) -> Option<Position> {
    let (first, next) = segments.range((Bound::Excluded(segment), Bound::Unbounded)).next()?;
    Some(start_of(*first, *next))
}

fn start_of(first: u64, segment: Segment) -> Position {
    Position { record: segment.records_before, segment: first, offset: 0 }
}
