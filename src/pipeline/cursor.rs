//! Where each exporter is in its pipeline's log, in memory for trimming and in a file for the next start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pipeline::store::Reader;
use crate::stdx::segments::{CursorFile, Position};

/// How often a moving cursor is written to its file, at most. After a crash what was delivered in this time is
/// delivered again.
const STORE_EVERY: Duration = Duration::from_millis(100);

/// The positions of all exporters of a pipeline. What lies before all of them is no longer needed.
#[derive(Debug, Clone, Default)]
pub struct Cursors(Arc<Mutex<Vec<Position>>>);

impl Cursors {
    /// Adds an exporter at `position`.
    #[must_use]
    pub fn add(&self, position: Position) -> usize {
        let mut positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        positions.push(position);
        positions.len() - 1
    }

    /// The positions of all exporters, in the order in which they were added.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The position of the slowest exporter.
    #[must_use]
    pub fn slowest(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().min().copied()
    }

    fn set(&self, index: usize, position: Position) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *place = position;
        }
    }
}

/// One exporter's place.
#[derive(Debug)]
pub struct Place {
    cursors: Cursors,
    index: usize,
    position: Position,
    file: Option<CursorFile>,
    stored: Position,
    stored_at: Instant,
}

impl Place {
    /// A place at `position`; `file` keeps it between runs where the log is on disk.
    #[must_use]
    pub fn new(cursors: Cursors, position: Position, file: Option<CursorFile>) -> Self {
        let index = cursors.add(position);
        Self { cursors, index, position, file, stored: position, stored_at: Instant::now() }
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Everything before `next` is delivered or put aside.
    pub fn move_to(&mut self, next: Position, reader: &Reader) {
        self.position = next;
        self.cursors.set(self.index, next);
        reader.trim(&self.cursors);
        if self.stored_at.elapsed() >= STORE_EVERY {
            self.store();
        }
    }

    /// Jumps over what is gone because the log was full and drops its oldest; how many records that were.
    pub fn catch_up(&mut self, reader: &Reader) -> u64 {
        let oldest = reader.oldest();
        if oldest.record <= self.position.record {
            return 0;
        }
        let missed = oldest.record - self.position.record;
        self.position = oldest;
        self.cursors.set(self.index, oldest);
        missed
    }

    /// How long the cursor may rest before it should be written; `None` when the file has it already.
    #[must_use]
    pub fn rest_before_store(&self) -> Option<Duration> {
        let unsaved = self.file.is_some() && self.stored != self.position;
        unsaved.then(|| STORE_EVERY.saturating_sub(self.stored_at.elapsed()))
    }

    /// Writes the cursor without waiting for the disk: losing it means duplicates, never loss.
    pub fn store(&mut self) {
        self.write(CursorFile::store);
    }

    /// Writes the cursor and waits for the disk.
    pub fn store_durably(&mut self) {
        self.write(CursorFile::store_durably);
    }

    fn write(&mut self, how: impl Fn(&CursorFile, Position) -> crate::stdx::durable::Result<()>) {
        let Some(file) = &self.file else { return };
        self.stored_at = Instant::now();
        match how(file, self.position) {
            Ok(()) => self.stored = self.position,
            Err(error) => tracing::warn!(%error, "cannot store a cursor; after a crash records may be delivered twice"),
        }
    }
}
