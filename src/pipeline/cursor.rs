//! Where each exporter is in its pipeline's log, in memory for trimming and in a file for the next start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pipeline::store::Reader;
use crate::stdx::durable::{self, Error};
use crate::stdx::segments::{CursorFile, Position};
use crate::stdx::tasks;

/// How often a moving cursor is written to its file, at most. After a crash what was delivered in this time is
/// delivered again.
const STORE_EVERY: Duration = Duration::from_millis(100);

/// The positions of all exporters of a pipeline. What lies before all of them is no longer needed. An exporter that was taken
/// away leaves an empty place.
#[derive(Debug, Clone, Default)]
pub struct Cursors(Arc<Mutex<Vec<Option<Position>>>>);

impl Cursors {
    /// Adds an exporter at `position`.
    #[must_use]
    pub fn add(&self, position: Position) -> usize {
        let mut positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        positions.push(Some(position));
        positions.len() - 1
    }

    /// The log no longer waits for the exporter that was added as number `index`. Gives back where it was.
    pub fn remove(&self, index: usize) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index)?.take()
    }

    /// The position of the exporter that was added as number `index`.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(index).copied().flatten()
    }

    /// The position of the slowest exporter.
    #[must_use]
    pub fn slowest(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().min().copied()
    }

    fn set(&self, index: usize, position: Position) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *place = Some(position);
        }
    }
}

/// One exporter's place.
#[derive(Debug)]
pub struct Place {
    cursors: Cursors,
    index: usize,
    /// Everything before is delivered or put aside.
    position: Position,
    /// The end of what is under way; equal to `position` when nothing is.
    next: Position,
    /// Where it was at the start.
    began: Position,
    /// Records that an earlier loop had settled already when it ended, and that come again.
    repeated: u64,
    file: Option<CursorFile>,
    stored: Option<Position>,
    stored_at: Instant,
    /// The file could not be written last time, and that was said.
    failing: bool,
}

impl Place {
    /// The place of the exporter number `index`, whose loop goes on at `position`; the first one began at `began`, and `passed`
    /// records are settled since. It is kept in `file`, unless the log is in memory.
    #[must_use]
    pub fn new(
        cursors: Cursors,
        index: usize,
        position: Position,
        (began, passed): (Position, u64),
        file: Option<CursorFile>,
    ) -> Self {
        cursors.set(index, position);
        let (next, stored_at) = (position, Instant::now());
        let repeated = passed.saturating_sub(position.record.saturating_sub(began.record));
        Self { cursors, index, position, next, began, repeated, file, stored: None, stored_at, failing: false }
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The end of what was read and is under way; where it is, when nothing is.
    #[must_use]
    pub fn ahead(&self) -> Position {
        self.next
    }

    /// How many records it went past since the start; those that came again are counted again.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.position.record.saturating_sub(self.began.record) + self.repeated
    }

    /// The number of the first record that is not settled, when `passed` are since the start.
    #[must_use]
    pub fn settled(&self, passed: u64) -> u64 {
        (self.began.record + passed).saturating_sub(self.repeated)
    }

    /// What lies before `next` was read and is under way.
    pub fn begin(&mut self, next: Position) {
        self.next = next;
    }

    /// All that was under way is delivered or put aside.
    pub fn finish(&mut self, reader: &Reader) {
        self.go_to(self.next);
        reader.trim(&self.cursors);
    }

    /// Writes the cursor if that was long enough ago.
    pub async fn store_when_due(&mut self) {
        if self.stored_at.elapsed() >= STORE_EVERY {
            self.store().await;
        }
    }

    /// Jumps over what is gone because the log was full and drops its oldest; how many records that were. What is under
    /// way is not gone.
    pub fn catch_up(&mut self, reader: &Reader) -> u64 {
        let oldest = reader.oldest();
        // The whole position, not the record alone: at the end of a segment that is gone there is nothing to miss, and
        // nothing to read either.
        if oldest <= self.next {
            return 0;
        }
        let missed = oldest.record.saturating_sub(self.next.record);
        if self.next == self.position {
            self.go_to(oldest);
        }
        self.next = oldest;
        missed
    }

    fn go_to(&mut self, position: Position) {
        self.position = position;
        self.cursors.set(self.index, position);
    }

    /// How long the cursor may rest before it should be written; `None` when the file has it already.
    #[must_use]
    pub fn rest_before_store(&self) -> Option<Duration> {
        let unsaved = self.file.is_some() && self.stored != Some(self.position);
        unsaved.then(|| STORE_EVERY.saturating_sub(self.stored_at.elapsed()))
    }

    /// Writes the cursor without waiting for the disk: losing it means duplicates, never loss.
    pub async fn store(&mut self) {
        self.write(CursorFile::store).await;
    }

    /// Writes the cursor and waits for the disk.
    pub async fn store_durably(&mut self) {
        self.write(CursorFile::store_durably).await;
    }

    async fn write(&mut self, how: fn(&CursorFile, Position) -> durable::Result<()>) {
        let (Some(file), position) = (self.file.clone(), self.position) else { return };
        let path = file.path().to_owned();
        // A rename may wait for a busy disk; the async workers shall not.
        let written = tasks::blocking(move || how(&file, position)).await;
        self.stored_at = Instant::now();
        match written.unwrap_or_else(|error| Err(Error::new("write", &path, error))) {
            Ok(()) => (self.stored, self.failing) = (Some(position), false),
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::warn!(%error, "cannot store a cursor; after a crash records may be delivered twice");
            }
            Err(_) => {}
        }
    }
}
