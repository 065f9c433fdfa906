//! A bounded ring of requests in memory. A restart empties it; a full one refuses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Chunk, Item};
use crate::stdx::segments::Position;

/// What an entry costs beside its bytes: itself in a ring that grows by doubling, and two small allocations.
const ENTRY_BYTES: u64 = 128;

/// There is no room for these items now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory spool is full: {used_bytes} of {bytes_max} bytes are in use, {wanted_bytes} more are wanted")]
pub struct Full {
    /// In use now.
    pub used_bytes: u64,
    /// What would be added.
    pub wanted_bytes: u64,
    /// The limit.
    pub bytes_max: u64,
}

#[derive(Debug)]
struct Entry {
    item: Item,
    /// All bytes and records that were ever appended before this entry.
    bytes_before: u64,
    records_before: u64,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// How many entries were taken out at the front: the number of the first one here.
    first: u64,
    bytes_end: u64,
    records_end: u64,
}

impl Ring {
    fn end(&self) -> Position {
        Position { record: self.records_end, segment: 0, offset: self.first + self.entries.len() as u64 }
    }

    /// The index of the entry at a position; what was trimmed is skipped.
    fn index(&self, position: Position) -> usize {
        let index = position.offset.saturating_sub(self.first);
        usize::try_from(index).map_or(self.entries.len(), |index| index.min(self.entries.len()))
    }

    fn bytes_before(&self, index: usize) -> u64 {
        self.entries.get(index).map_or(self.bytes_end, |entry| entry.bytes_before)
    }

    fn records_before(&self, index: usize) -> u64 {
        self.entries.get(index).map_or(self.records_end, |entry| entry.records_before)
    }

    fn at(&self, index: usize) -> Position {
        Position { record: self.records_before(index), segment: 0, offset: self.first + index as u64 }
    }

    fn used_bytes(&self) -> u64 {
        self.bytes_end - self.bytes_before(0)
    }
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    end: watch::Sender<End>,
    bytes_max: u64,
}

/// What waiting readers look at.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    position: Position,
    closed: bool,
}

/// The ring; clones share it. Positions number its entries (`offset`), so they mean nothing to another ring.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

impl Memory {
    /// An empty ring for so many bytes, entries' overhead included.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let end = watch::Sender::new(End::default());
        Self(Arc::new(Shared { ring: Mutex::default(), end, bytes_max }))
    }

    /// Appends all items or none. Bytes are shared, not copied.
    ///
    /// # Errors
    /// When they do not fit now. A group larger than the whole ring never fits.
    pub fn append(&self, items: &[Item]) -> Result<(), Full> {
        let mut ring = self.lock();
        let (used_bytes, bytes_max) = (ring.used_bytes(), self.0.bytes_max);
        let wanted_bytes = items.iter().map(cost).sum();
        if used_bytes + wanted_bytes > bytes_max {
            return Err(Full { used_bytes, wanted_bytes, bytes_max });
        }
        for item in items.iter().filter(|item| item.records > 0) {
            let (bytes_before, records_before) = (ring.bytes_end, ring.records_end);
            ring.bytes_end += cost(item);
            ring.records_end += u64::from(item.records);
            ring.entries.push_back(Entry { item: item.clone(), bytes_before, records_before });
        }
        let end = ring.end();
        drop(ring);
        // Readers of the ring see the entries already; this only wakes those who wait.
        self.0.end.send_if_modified(|known| {
            let is_news = known.position < end;
            known.position = end.max(known.position);
            is_news
        });
        Ok(())
    }

    /// Reads entries after `from`, up to `bytes_max` bytes but at least one. `None` at the end.
    #[must_use]
    pub fn read(&self, from: Position, bytes_max: usize) -> Option<Chunk> {
        let ring = self.lock();
        let start = ring.index(from);
        let (mut frames, mut bytes) = (Vec::new(), 0_usize);
        for entry in ring.entries.range(start..) {
            bytes = bytes.saturating_add(entry.item.bytes.len());
            if !frames.is_empty() && bytes > bytes_max {
                break;
            }
            frames.push(entry.item.bytes.clone());
        }
        if frames.is_empty() {
            return None;
        }
        let next = ring.at(start + frames.len());
        Some(Chunk { frames, records: next.record - ring.records_before(start), next })
    }

    /// Forgets what lies before `keep`, the least of all cursors. Returns how many bytes that freed.
    pub fn trim(&self, keep: Position) -> u64 {
        let mut ring = self.lock();
        let count = ring.index(keep);
        let freed_bytes = ring.bytes_before(count) - ring.bytes_before(0);
        ring.entries.drain(..count);
        ring.first += count as u64;
        freed_bytes
    }

    /// Where the entries end.
    #[must_use]
    pub fn end(&self) -> Position {
        self.lock().end()
    }

    /// The oldest place that can still be read.
    #[must_use]
    pub fn oldest(&self) -> Position {
        self.lock().at(0)
    }

    /// The nearest place that can be read, at or after `wanted`.
    #[must_use]
    pub fn seek(&self, wanted: Position) -> Position {
        let ring = self.lock();
        ring.at(ring.index(wanted))
    }

    /// How many bytes lie between two places.
    #[must_use]
    pub fn bytes_between(&self, from: Position, to: Position) -> u64 {
        let ring = self.lock();
        ring.bytes_before(ring.index(to)).saturating_sub(ring.bytes_before(ring.index(from)))
    }

    /// How many bytes are in use, of how many.
    #[must_use]
    pub fn used_bytes(&self) -> (u64, u64) {
        (self.lock().used_bytes(), self.0.bytes_max)
    }

    /// Gives up the oldest entry; false when there is none.
    pub fn drop_oldest(&self) -> bool {
        let mut ring = self.lock();
        let dropped = ring.entries.pop_front().is_some();
        ring.first += u64::from(dropped);
        dropped
    }

    /// Nothing more will be appended: whoever waits for that is told.
    pub fn close(&self) {
        self.0.end.send_modify(|end| end.closed = true);
    }

    /// Waits until there is a record after `position`; false when the ring is closed and there is none.
    pub async fn wait(&self, position: Position) -> bool {
        let mut end = self.0.end.subscribe();
        let found = end.wait_for(|end| end.closed || end.position.record > position.record).await;
        found.is_ok_and(|end| end.position.record > position.record)
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(item: &Item) -> u64 {
    if item.records == 0 { 0 } else { item.bytes.len() as u64 + ENTRY_BYTES }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn item(text: &str, records: u32) -> Item {
        Item { bytes: Bytes::copy_from_slice(text.as_bytes()), records }
    }

    fn texts(chunk: &Chunk) -> Vec<&str> {
        chunk.frames.iter().map(|frame| std::str::from_utf8(frame).unwrap()).collect()
    }

    #[test]
    fn items_are_read_in_order_shared_and_by_size() {
        let ring = Memory::new(10_000);
        let first = item("aaaa", 3);
        ring.append(&[first.clone(), item("none", 0), item("bbbb", 2)]).unwrap();
        ring.append(&[item("cc", 1)]).unwrap();
        let chunk = ring.read(Position::default(), 8).unwrap();
        assert_eq!((texts(&chunk), chunk.records, chunk.next.record), (vec!["aaaa", "bbbb"], 5, 5));
        assert_eq!(chunk.frames[0].as_ptr(), first.bytes.as_ptr());
        let chunk = ring.read(chunk.next, 1).unwrap();
        assert_eq!((texts(&chunk), chunk.records, chunk.next), (vec!["cc"], 1, ring.end()));
        assert_eq!(ring.read(chunk.next, 100), None);
    }

    #[test]
    fn a_full_ring_takes_all_of_a_group_or_nothing_and_goes_on_after_a_trim() {
        let ring = Memory::new(3 * (ENTRY_BYTES + 4));
        ring.append(&[item("aaaa", 1), item("bbbb", 1)]).unwrap();
        let full = ring.append(&[item("cccc", 1), item("d", 1)]).unwrap_err();
        assert_eq!((full.used_bytes, full.wanted_bytes), (2 * (ENTRY_BYTES + 4), 2 * ENTRY_BYTES + 5));
        assert_eq!(ring.end().record, 2);
        let after_first = ring.read(Position::default(), 1).unwrap().next;
        assert_eq!(ring.trim(after_first), ENTRY_BYTES + 4);
        ring.append(&[item("cccc", 1), item("d", 1)]).unwrap();
        assert_eq!(texts(&ring.read(Position::default(), 100).unwrap()), ["bbbb", "cccc", "d"]);
        assert_eq!(ring.oldest(), after_first);
        assert_eq!(ring.seek(Position::default()), after_first);
        assert_eq!(ring.bytes_between(after_first, ring.end()), ring.used_bytes().0);
        ring.trim(ring.end());
        assert_eq!((ring.used_bytes().0, ring.oldest()), (0, ring.end()));
    }

    #[tokio::test]
    async fn a_reader_is_woken_by_the_next_item() {
        let ring = Memory::new(1000);
        let mut waiting = Box::pin(ring.wait(ring.end()));
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        ring.append(&[item("a", 1)]).unwrap();
        waiting.await;
    }
}
