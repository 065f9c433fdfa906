//! The second look at a ledger that has just been verified: hands out its lines, and notices if they are no longer the
//! ones that were verified.
//!
//! Every body is hashed again before it is handed out, and the tree is built again; its root must come out as the one that
//! the verification proved. Memory: one line.

use std::path::PathBuf;

use super::entry::{Entry, Kind, leaf_of};
use super::hash::Hash;
use super::note::Checkpoint;
use super::tree::Frontier;
use super::walk::{Folder, Item, Sealed, SegmentReader, WalkError};

/// Why the second look ended.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The lines could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// What is there is not what was verified.
    #[error("{}:{line}: changed since it was verified: {what}", path.display())]
    Changed {
        /// The segment.
        path: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The visitor gave up.
    #[error("stopped")]
    Visit(E),
}

/// One line, which is as it was sealed as far as its own entry says.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The entry, decoded.
    pub entry: Entry,
    /// Its leaf.
    pub leaf: [u8; 32],
    /// How many records stand before it, from the very first one.
    pub records_before: u64,
    /// The line; `None` when its body is gone.
    pub sealed: Option<Sealed<'a>>,
}

/// Hands every entry below `verified.size` to `visit`, in order. Returns the note of the checkpoint that covers them,
/// where one of exactly this size is there.
///
/// What was handed out is proven only when this returns without an error.
///
/// # Errors
/// When a line cannot be read, is not what was verified, or `visit` gives up.
pub fn replay<E>(
    folder: &Folder,
    verified: &Checkpoint,
    mut visit: impl FnMut(&Seen<'_>) -> Result<(), E>,
) -> Result<Option<String>, ReplayError<E>> {
    let mut replay = Replay { tree: None, records: 0, prev_leaf: None, note: None };
    for segment in &folder.segments {
        if replay.size() >= verified.size && replay.tree.is_some() {
            break;
        }
        replay.segment(folder.open(&segment.path)?, verified, &mut visit)?;
    }
    let last = folder.segments.last().map(|segment| segment.path.clone()).unwrap_or_default();
    match replay.tree {
        Some(tree) if tree.size() == verified.size && tree.root() == verified.root => Ok(replay.note),
        _ => Err(ReplayError::Changed { path: last, line: 0, what: "the root over all entries is another one" }),
    }
}

struct Replay {
    tree: Option<Frontier>,
    records: u64,
    prev_leaf: Option<Hash>,
    note: Option<String>,
}

impl Replay {
    fn size(&self) -> u64 {
        self.tree.as_ref().map_or(0, Frontier::size)
    }

    fn segment<E>(
        &mut self,
        mut reader: SegmentReader,
        verified: &Checkpoint,
        visit: &mut impl FnMut(&Seen<'_>) -> Result<(), E>,
    ) -> Result<(), ReplayError<E>> {
        let path = reader.path().to_owned();
        let header = reader.header()?;
        if self.tree.as_ref().is_some_and(|tree| *tree != header.frontier) {
            let what = "the segment does not continue the one before it";
            return Err(ReplayError::Changed { path, line: 1, what });
        }
        (self.tree, self.records) = (Some(header.frontier), header.records);
        loop {
            let line = reader.line_number() + 1;
            let Some(item) = reader.next_item()? else { return Ok(()) };
            if let Item::Checkpoint(note) = item {
                if self.size() == verified.size {
                    self.note = Some(note);
                }
                continue;
            }
            if self.size() == verified.size {
                return Ok(());
            }
            let changed = |what| ReplayError::Changed { path: path.clone(), line, what };
            let seen = self.take(item).map_err(changed)?;
            visit(&seen).map_err(ReplayError::Visit)?;
        }
    }

    fn take<'a>(&mut self, item: Item<'a>) -> Result<Seen<'a>, &'static str> {
        let entry = item.entry().and_then(Entry::decode).ok_or("the line has no entry")?;
        let tree = self.tree.as_mut().ok_or("the line stands before a header")?;
        if entry.seq != tree.size() || self.prev_leaf.is_some_and(|leaf| leaf != entry.prev_leaf) {
            return Err("the entry does not continue the one before it");
        }
        let leaf = leaf_of(&entry.encode());
        let sealed = match item {
            Item::Sealed(sealed) if sealed.is_genuine() => Some(sealed),
            Item::Sealed(_) => return Err("the line is not what was sealed"),
            Item::Locked(_) => return Err("the body is encrypted, and was not opened"),
            _ => None,
        };
        tree.push(leaf);
        self.prev_leaf = Some(leaf);
        let records_before = self.records;
        self.records += u64::from(entry.kind == Kind::Record);
        Ok(Seen { entry, leaf, records_before, sealed })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::walk::tests::ledger_of;
    use super::super::{VerifyOptions, verify};
    use super::*;
    use crate::stdx::durable::{self, Mode};

    fn verified(dir: &Path) -> Checkpoint {
        let report = verify(dir, &VerifyOptions::default()).unwrap();
        Checkpoint { size: report.ledgers[0].size, root: report.ledgers[0].root }
    }

    fn count(folder: &Folder, checkpoint: &Checkpoint) -> Result<(u64, Option<String>), String> {
        let mut seen = 0;
        let visit = |_: &Seen<'_>| -> Result<(), std::convert::Infallible> {
            seen += 1;
            Ok(())
        };
        replay(folder, checkpoint, visit).map(|note| (seen, note)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_verified_comes_out_whole_with_its_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        ledger_of(dir.path(), 30, 4000);
        let (folder, checkpoint) = (Folder::find(dir.path()).unwrap(), verified(dir.path()));
        let (seen, note) = count(&folder, &checkpoint).unwrap();
        assert_eq!(seen, checkpoint.size);
        assert!(note.unwrap().contains(&format!("\n{}\n", checkpoint.size)));
        // An older state of it comes out as well: it goes on below a reader.
        let other = Checkpoint { root: [0; 32], ..checkpoint };
        assert!(count(&folder, &other).unwrap_err().contains("another one"));
    }

    #[test]
    fn a_line_that_changes_after_the_verification_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        ledger_of(dir.path(), 20, 1 << 20);
        let (folder, checkpoint) = (Folder::find(dir.path()).unwrap(), verified(dir.path()));
        let path = &folder.segments[0].path;
        let text = String::from_utf8(durable::read(path, 1 << 20).unwrap().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let without = |skip: usize| {
            lines.iter().enumerate().filter(move |(n, _)| *n != skip).map(|(_, line)| format!("{line}\n"))
        };
        let record = lines.iter().position(|line| line.contains("record 7\"")).unwrap();
        for changed in [text.replace("record 7\"", "record 8\""), without(record).collect()] {
            durable::write_atomic(path, changed.as_bytes(), Mode::Shared).unwrap();
            assert!(count(&folder, &checkpoint).unwrap_err().contains("changed since it was verified"));
        }
        durable::write_atomic(path, text.as_bytes(), Mode::Shared).unwrap();
        assert!(count(&folder, &checkpoint).is_ok());
        // Another ledger that is whole in itself.
        let other = tempfile::tempdir().unwrap();
        ledger_of(other.path(), 20, 1 << 20);
        let other = Folder::find(other.path()).unwrap();
        assert!(count(&other, &checkpoint).is_err());
    }
}
