//! The tree of a ledger as C2SP `tlog-tiles`: a folder that a static web server can serve, and that other tools read.
//!
//! ```text
//! checkpoint                  the signed note over what the tiles hold
//! tile/<L>/<N>[.p/<W>]        256 hashes of 32 bytes each; <W> of them where the tile is not full
//! tile/entries/<N>[.p/<W>]    the entries, each after its length in two bytes; only where asked for
//! ```
//!
//! One pass over the entries writes them; the next pass goes on where `checkpoint` says that the last one ended. The root
//! that comes out of the tiles must be the one that was signed. A proof then takes one tile per eight levels. Tiles hold
//! nothing that the ledger does not: they can be deleted and made again at any time.

use std::path::{Path, PathBuf};

use super::bodies::Keyring;
use super::entry::{ENTRY_BYTES, Entry, leaf_of};
use super::hash::{Hash, node};
use super::note::{Checkpoint, Note};
use super::proof::{Node, Plan};
use super::walk::{Folder, Item, SegmentReader, WalkError};
use crate::stdx::durable::{self, Error, Mode};

/// Hashes in a full tile.
const WIDTH: usize = 256;

/// The file with the checkpoint that the tiles are for.
const CHECKPOINT: &str = "checkpoint";

/// Why there are no tiles.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// The ledger could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The tiles could not be read or written.
    #[error(transparent)]
    File(#[from] Error),
    /// The ledger has no checkpoint yet.
    #[error("the ledger has no checkpoint")]
    NoCheckpoint,
    /// The tiles are not those of this ledger.
    #[error("{}: {what}; if `telseal verify` finds the ledger whole, delete this folder and make it again", dir.display())]
    Foreign {
        /// The folder of the tiles.
        dir: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexed {
    /// How many entries the tiles are for.
    pub size: u64,
    /// How many of them are new.
    pub added: u64,
}

/// The tiles of a ledger.
#[derive(Debug, Clone)]
pub struct Tiles {
    dir: PathBuf,
    size: u64,
    note: Option<String>,
}

impl Tiles {
    /// The tiles in a folder; without any, for no entries yet.
    ///
    /// # Errors
    /// When the folder cannot be read, or its checkpoint is none.
    pub fn open(dir: &Path) -> Result<Self, TilesError> {
        let note = durable::read(&dir.join(CHECKPOINT), 64 << 10)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let size = match &note {
            None => 0,
            Some(note) => checkpoint_of(note).ok_or_else(|| foreign(dir, "its checkpoint is none"))?.size,
        };
        Ok(Self { dir: dir.to_owned(), size, note })
    }

    /// For how many entries there are tiles.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The checkpoint over these entries.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Adds what the ledger has since the last pass, up to its last checkpoint. `with_entries` writes the bundles of
    /// entries as well; a folder has them from its first pass on or not at all.
    ///
    /// # Errors
    /// When the ledger or the folder cannot be read or written, or the two do not belong together.
    pub fn update(&mut self, folder: &Folder, with_entries: bool) -> Result<Indexed, TilesError> {
        let before = self.size;
        let mut build = Build { tiles: self.clone(), levels: self.edge()?, bundle: None, held: Vec::new(), note: None };
        if with_entries {
            build.bundle = Some(self.bundle()?);
        }
        for segment in folder.from(before) {
            build.segment(&segment.path)?;
        }
        let Some(note) = build.note.take() else {
            let nothing_new = Indexed { size: before, added: 0 };
            return if before > 0 { Ok(nothing_new) } else { Err(TilesError::NoCheckpoint) };
        };
        build.write_edge()?;
        let checkpoint = checkpoint_of(&note).ok_or(TilesError::NoCheckpoint)?;
        if build.tiles.root()? != checkpoint.root || build.tiles.size != checkpoint.size {
            return Err(foreign(&self.dir, "the tiles and the ledger have different roots"));
        }
        durable::write_atomic(&self.dir.join(CHECKPOINT), note.as_bytes(), Mode::Shared)?;
        *self = Self { note: Some(note), ..build.tiles };
        Ok(Indexed { size: self.size, added: self.size - before })
    }

    /// What proves that an entry is in the tree of the first `size` entries; `None` when it is not.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<[u8; 32]>>, TilesError> {
        let plan = Plan::inclusion(index, size).filter(|_| size <= self.size);
        plan.map(|plan| plan.hashes(|node| self.root_of(node))).transpose()
    }

    /// What proves that the tree of `size` entries begins with that of `old`; `None` when one is larger than allowed.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn consistency(&self, old: u64, size: u64) -> Result<Option<Vec<[u8; 32]>>, TilesError> {
        let plan = Plan::consistency(old, size).filter(|_| size <= self.size);
        plan.map(|plan| plan.hashes(|node| self.root_of(node))).transpose()
    }

    /// The root over all entries.
    fn root(&self) -> Result<Hash, TilesError> {
        let mut roots = Vec::new();
        let (mut at, mut left) = (0, self.size);
        while let Some(level) = 63_u32.checked_sub(left.leading_zeros()) {
            roots.push(self.root_of(Node { level, index: at >> level })?);
            (at, left) = (at + (1 << level), left - (1 << level));
        }
        Ok(roots
            .into_iter()
            .rev()
            .reduce(|right, left| node(&left, &right))
            .unwrap_or_else(|| super::hash::sha256(b"")))
    }

    /// The root of a whole subtree.
    fn root_of(&self, wanted: Node) -> Result<Hash, TilesError> {
        let (level, height) = (wanted.level / 8, wanted.level % 8);
        let first = wanted.index << height;
        let tile = self.tile(level, first / WIDTH as u64)?;
        let start = (first % WIDTH as u64) as usize;
        let hashes = tile.get(start..start + (1 << height)).ok_or_else(|| foreign(&self.dir, "a tile is too short"))?;
        Ok(fold(hashes))
    }

    /// The hashes of a tile: the full one, or as many as a tree of this size has.
    fn tile(&self, level: u32, index: u64) -> Result<Vec<Hash>, TilesError> {
        let full = self.dir.join("tile").join(level.to_string()).join(number(index));
        let width = width(self.size, level, index);
        let bytes = match durable::read(&full, (WIDTH * 32) as u64)? {
            Some(bytes) => Some(bytes),
            None => durable::read(&partial(&full, width), (WIDTH * 32) as u64)?,
        };
        let bytes = bytes.ok_or_else(|| foreign(&self.dir, "a tile is missing"))?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if rest.is_empty() && hashes.len() >= width {
            return Ok(hashes.to_vec());
        }
        Err(foreign(&self.dir, "a tile has another length than its name says"))
    }

    /// The hashes of the last tile of each level, where that is not full.
    fn edge(&self) -> Result<Vec<Vec<Hash>>, TilesError> {
        let mut levels = Vec::new();
        let mut level = 0;
        while level < 8 && self.size >> (8 * level) > 0 {
            let count = self.size >> (8 * level);
            let width = (count % WIDTH as u64) as usize;
            let mut hashes = if width > 0 { self.tile(level, count / WIDTH as u64)? } else { Vec::new() };
            hashes.truncate(width);
            levels.push(hashes);
            level += 1;
        }
        Ok(levels)
    }

    /// The last bundle of entries, where that is not full.
    fn bundle(&self) -> Result<Vec<u8>, TilesError> {
        let width = (self.size % WIDTH as u64) as usize;
        if width == 0 {
            return Ok(Vec::new());
        }
        let path = partial(&self.entries_path(self.size / WIDTH as u64), width);
        let missing = || foreign(&self.dir, "it was made without the bundles of entries");
        durable::read(&path, 1 << 20)?.ok_or_else(missing)
    }

    fn entries_path(&self, index: u64) -> PathBuf {
        self.dir.join("tile").join("entries").join(number(index))
    }
}

fn foreign(dir: &Path, what: &'static str) -> TilesError {
    TilesError::Foreign { dir: dir.to_owned(), what }
}

fn checkpoint_of(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse(Note::parse(note)?.text).map(|(_, checkpoint)| checkpoint)
}

/// How many hashes a tile has in a tree of this size.
fn width(size: u64, level: u32, index: u64) -> usize {
    let count = size.checked_shr(8 * level).unwrap_or(0);
    let left = count.saturating_sub(index.saturating_mul(WIDTH as u64));
    usize::try_from(left).map_or(WIDTH, |left| left.min(WIDTH))
}

/// The root of 2^n hashes.
fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => [0; 32],
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node(&fold(left), &fold(right))
        }
    }
}

/// The number of a tile as a path: three digits a step, an `x` before all but the last.
fn number(index: u64) -> PathBuf {
    let mut steps = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        steps.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    steps.iter().rev().collect()
}

fn partial(full: &Path, width: usize) -> PathBuf {
    let mut name = full.as_os_str().to_owned();
    name.push(".p");
    PathBuf::from(name).join(width.to_string())
}

/// Tiles in the making.
struct Build {
    tiles: Tiles,
    /// The hashes of the unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// The entries of the unfinished bundle.
    bundle: Option<Vec<u8>>,
    /// Entries that no checkpoint covers yet.
    held: Vec<[u8; ENTRY_BYTES]>,
    /// The last checkpoint.
    note: Option<String>,
}

impl Build {
    fn segment(&mut self, path: &Path) -> Result<(), TilesError> {
        let mut reader = SegmentReader::open(path, &Keyring::default())?;
        while let Some(item) = reader.next_item()? {
            if let Item::Checkpoint(note) = item {
                self.checkpoint(note)?;
                continue;
            }
            let Some(entry) = item.entry() else { continue };
            let seq = Entry::decode(entry).map(|entry| entry.seq);
            match seq {
                Some(seq) if seq < self.tiles.size => {}
                Some(seq) if seq == self.tiles.size + self.held.len() as u64 => self.held.push(*entry),
                _ => return Err(reader.malformed("the entry does not continue the one before it").into()),
            }
        }
        Ok(())
    }

    /// Takes what a checkpoint covers.
    fn checkpoint(&mut self, note: String) -> Result<(), TilesError> {
        let covered = checkpoint_of(&note).map(|checkpoint| checkpoint.size);
        if self.held.is_empty() || covered != Some(self.tiles.size + self.held.len() as u64) {
            return Ok(());
        }
        for entry in std::mem::take(&mut self.held) {
            self.entry(&entry)?;
        }
        self.note = Some(note);
        Ok(())
    }

    fn entry(&mut self, entry: &[u8; ENTRY_BYTES]) -> Result<(), TilesError> {
        let index = self.tiles.size / WIDTH as u64;
        if let Some(bundle) = &mut self.bundle {
            bundle.extend_from_slice(&(ENTRY_BYTES as u16).to_be_bytes());
            bundle.extend_from_slice(entry);
            if (self.tiles.size + 1).is_multiple_of(WIDTH as u64) {
                let bytes = std::mem::take(bundle);
                put(&self.tiles.entries_path(index), &bytes)?;
            }
        }
        let (mut level, mut hash) = (0, leaf_of(entry));
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(WIDTH));
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < WIDTH {
                break;
            }
            let tile = std::mem::take(&mut self.levels[level]);
            let index = self.tiles.size >> (8 * (level + 1));
            put(&self.path(level, index), tile.as_flattened())?;
            (level, hash) = (level + 1, fold(&tile));
        }
        self.tiles.size += 1;
        Ok(())
    }

    fn path(&self, level: usize, index: u64) -> PathBuf {
        self.tiles.dir.join("tile").join(level.to_string()).join(number(index))
    }

    /// Writes the tiles that are not full.
    fn write_edge(&self) -> Result<(), TilesError> {
        for (level, hashes) in self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()) {
            let index = self.tiles.size >> (8 * level) >> 8;
            put(&partial(&self.path(level, index), hashes.len()), hashes.as_flattened())?;
        }
        if let Some(bundle) = self.bundle.as_ref().filter(|bundle| !bundle.is_empty()) {
            let width = bundle.len() / (2 + ENTRY_BYTES);
            put(&partial(&self.tiles.entries_path(self.tiles.size / WIDTH as u64), width), bundle)?;
        }
        Ok(())
    }
}

/// Writes a tile. It is not waited for: `checkpoint`, which is, comes last, and a tile that is missing after a power
/// failure is found missing.
fn put(path: &Path, bytes: &[u8]) -> Result<(), TilesError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.is_dir()) {
        durable::create_dir(dir)?;
    }
    Ok(durable::replace(path, bytes, Mode::Shared)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::proof::{is_consistent, root_of_inclusion};
    use super::super::tree::Frontier;
    use super::super::walk::tests::ledger_of;
    use super::super::{Drafts, Ledger, Options};
    use super::*;

    /// A ledger with so many records in groups of 50.
    fn large(dir: &Path, records: u64) {
        let (mut ledger, ..) =
            Ledger::open(dir, &Options { segment_bytes_max: 60_000, ..Options::new("logs") }).unwrap();
        for group in 0..records.div_ceil(50) {
            let mut drafts = Drafts::with_capacity(50, 5000);
            for n in 0..50.min(records - group * 50) {
                drafts.buffer().extend_from_slice(format!(r#"{{"body":"{group} {n}"}}"#).as_bytes());
                drafts.finish_line(1, 0, 0).unwrap();
            }
            ledger.append(&[drafts]).unwrap();
        }
    }

    fn leaves(folder: &Folder) -> Vec<Hash> {
        let mut leaves = Vec::new();
        for segment in &folder.segments {
            let mut reader = SegmentReader::open(&segment.path, &Keyring::default()).unwrap();
            while let Some(item) = reader.next_item().unwrap() {
                leaves.extend(item.entry().map(leaf_of));
            }
        }
        leaves
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    #[test]
    fn proofs_from_tiles_hold_and_a_second_pass_adds_what_is_new() {
        let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        large(dir.path(), 300);
        let mut tiles = Tiles::open(out.path()).unwrap();
        let first = tiles.update(&Folder::find(dir.path()).unwrap(), true).unwrap();
        assert_eq!((first.size, first.added), (tiles.size(), tiles.size()));
        large(dir.path(), 500);
        let folder = Folder::find(dir.path()).unwrap();
        let mut tiles = Tiles::open(out.path()).unwrap();
        let second = tiles.update(&folder, true).unwrap();
        let all = leaves(&folder);
        assert_eq!((second.size, second.added), (all.len() as u64, all.len() as u64 - first.size));
        assert_eq!(tiles.update(&folder, true).unwrap().added, 0);
        for (index, size) in [(0, 1), (0, all.len()), (255, 256), (256, 257), (300, 513), (all.len() - 1, all.len())] {
            let proof = tiles.inclusion(index as u64, size as u64).unwrap().unwrap();
            let found = root_of_inclusion(&all[index], index as u64, size as u64, &proof);
            assert_eq!(found, Some(root(&all[..size])), "{index} in {size}");
        }
        for (old, new) in [(1, 2), (255, 256), (257, all.len()), (512, all.len()), (300, 600)] {
            let proof = tiles.consistency(old as u64, new as u64).unwrap().unwrap();
            assert!(
                is_consistent((old as u64, &root(&all[..old])), (new as u64, &root(&all[..new])), &proof),
                "{old} {new}"
            );
        }
        assert_eq!(tiles.inclusion(3, all.len() as u64 + 1).unwrap(), None);
        let bundle = durable::read(&out.path().join("tile/entries/001"), 1 << 20).unwrap().unwrap();
        assert_eq!((bundle.len(), leaf_of(bundle[2..130].first_chunk().unwrap())), (130 * 256, all[256]));
    }

    #[test]
    fn tiles_of_another_ledger_are_noticed() {
        let (one, two, out) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        ledger_of(one.path(), 5, 1 << 20);
        ledger_of(two.path(), 9, 1 << 20);
        Tiles::open(out.path()).unwrap().update(&Folder::find(one.path()).unwrap(), false).unwrap();
        let mut tiles = Tiles::open(out.path()).unwrap();
        let error = tiles.update(&Folder::find(two.path()).unwrap(), false).unwrap_err();
        assert!(matches!(error, TilesError::Foreign { .. }), "{error}");
        assert!(matches!(tiles.update(&Folder::find(one.path()).unwrap(), true), Err(TilesError::Foreign { .. })));
    }

    #[test]
    fn numbers_are_the_paths_of_the_specification() {
        for (index, path) in [(0, "000"), (7, "007"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")] {
            assert_eq!(number(index), Path::new(path));
        }
        assert_eq!(partial(Path::new("a/x001/067"), 8), Path::new("a/x001/067.p/8"));
        // The example of the specification: a tree of 70 000 leaves.
        assert_eq!((width(70_000, 0, 272), width(70_000, 0, 273)), (256, 112));
        assert_eq!((width(70_000, 1, 0), width(70_000, 1, 1), width(70_000, 2, 0)), (256, 17, 1));
    }

    proptest! {
        #[test]
        fn a_tile_is_as_wide_as_what_is_left(size: u64, level in 0..8_u32, index in 0..1000_u64) {
            let count = size >> (8 * level);
            let expected = count.saturating_sub(index * 256).min(256);
            prop_assert_eq!(width(size, level, index) as u64, expected);
        }
    }
}
