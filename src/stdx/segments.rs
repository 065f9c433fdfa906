//! Append-only segment files, for the ledger and the spool: it knows bytes, not what they mean.
//!
//! A folder holds files named by the number of their first record (20 digits, so that names sort), of which only the
//! last one grows. `append` returns after the disk has the bytes, and only then readers see them; a write that fails
//! is cut off again. Segments that grow no more may be packed (`stdx::packed`): places in them stay what they were.
//! Limits: one writer a folder (`durable::lock_dir` is the owner's duty), any number of readers.

pub mod position;
pub mod reader;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use self::position::{Cursor, CursorFile, Position};
pub use self::reader::{Piece, SegmentsReader};
use crate::stdx::durable::{self, AppendFile, Error, Result};
use crate::stdx::packed;

/// A new segment begins when the last one has reached this size.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a folder's owner decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// The end of the file names, without the dot.
    pub extension: &'static str,
    /// The end of the names of packed segments, where there can be any.
    pub packed_extension: Option<&'static str>,
    /// The size at which [`Segments::is_full`] turns true.
    pub segment_bytes_max: u64,
}

/// What the owner found when it read the last segment at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Where the last whole unit ends: what follows is cut off.
    pub bytes: u64,
    /// How many records the folder has up to there, from the very first one.
    pub records: u64,
}

/// What was cut off at start because it was not whole; it was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// How the owner reads its own format at start.
pub trait Format {
    /// The owner's error.
    type Error: From<Error>;

    /// How many records the folder had before this segment; `first` is the number in its name.
    ///
    /// # Errors
    /// When the segment does not tell.
    fn records_before(&mut self, path: &Path, first: u64) -> std::result::Result<u64, Self::Error>;

    /// Reads the last segment and says where its last whole unit ends (`bytes: 0` when nothing in it is whole).
    ///
    /// # Errors
    /// When it is damaged in a way that cutting does not explain.
    fn recover(&mut self, path: &Path, first: u64) -> std::result::Result<Whole, Self::Error>;
}

/// What is known about one segment.
#[derive(Debug, Clone, Copy)]
struct Segment {
    records_before: u64,
    /// How many bytes it has when it is not packed.
    bytes: u64,
    is_packed: bool,
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    extension: &'static str,
    packed_extension: Option<&'static str>,
    segments: Mutex<BTreeMap<u64, Segment>>,
}

impl Shared {
    fn path(&self, first: u64) -> PathBuf {
        path_of(&self.dir, first, self.extension)
    }

    fn packed_path(&self, first: u64) -> PathBuf {
        path_of(&self.dir, first, self.packed_extension.unwrap_or(self.extension))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one writer of a folder.
#[derive(Debug)]
pub struct Segments {
    shared: Arc<Shared>,
    end: watch::Sender<Position>,
    file: AppendFile,
    segment_bytes_max: u64,
    /// Every segment before this one is packed, or never will be.
    pack_from: u64,
    /// A failed write could not be cut off: nothing may be appended before that has succeeded.
    uncertain: bool,
}

/// The path of a segment.
#[must_use]
pub fn path_of(dir: &Path, first: u64, extension: &str) -> PathBuf {
    dir.join(format!("{first:020}.{extension}"))
}

/// The segments of a folder in order, each with the number in its name. Other files are not listed.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(dir: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>> {
    let number = |path: &Path| -> Option<u64> {
        let name = path.file_name()?.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
        if name.len() == 20 { name.parse().ok() } else { None }
    };
    Ok(durable::list(dir)?.into_iter().filter_map(|path| Some((number(&path)?, path))).collect())
}

impl Segments {
    /// Opens a folder: reads its last segment through `format`, cuts off what is not whole and reports that.
    ///
    /// A last segment with nothing whole in it is removed when there is one before it (a crash between the creation
    /// and the first write), else it is emptied. The last segment is never packed.
    ///
    /// # Errors
    /// When `format` or the disk refuses.
    pub fn open<F: Format>(
        dir: &Path,
        options: &Options,
        format: &mut F,
    ) -> std::result::Result<(Self, Vec<Cut>), F::Error> {
        durable::create_dir(dir)?;
        let mut found = list(dir, options.extension)?;
        let packed = options.packed_extension.map_or_else(|| Ok(Vec::new()), |packed| list(dir, packed))?;
        if let (true, Some((_, path))) = (found.is_empty(), packed.last()) {
            return Err(missing_after(path).into());
        }
        let mut cuts = Vec::new();
        let (file, first, whole) = loop {
            let Some((first, path)) = found.pop() else {
                let path = path_of(dir, 0, options.extension);
                found.push((0, path.clone()));
                break (AppendFile::create(&path)?, 0, Whole { bytes: 0, records: 0 });
            };
            let whole = format.recover(&path, first)?;
            let file = AppendFile::open(&path)?;
            cuts.extend(cut_off(&file, whole.bytes)?);
            if whole.bytes > 0 || found.is_empty() {
                found.push((first, path));
                break (file, first, whole);
            }
            durable::remove(&path)?;
        };
        let mut segments = survey(&found, format, whole)?;
        survey_packed(packed, first, format, &mut segments)?;
        let shared = Shared {
            dir: dir.to_owned(),
            extension: options.extension,
            packed_extension: options.packed_extension,
            segments: Mutex::new(segments),
        };
        let end = Position { segment: first, offset: whole.bytes, record: whole.records };
        let segment_bytes_max = options.segment_bytes_max;
        let end = watch::Sender::new(end);
        Ok((Self { shared: Arc::new(shared), end, file, segment_bytes_max, pack_from: 0, uncertain: false }, cuts))
    }

    /// A reader of what is committed.
    #[must_use]
    pub fn reader(&self) -> SegmentsReader {
        SegmentsReader::new(self.shared.clone(), self.end.subscribe())
    }

    /// Where the next append begins.
    #[must_use]
    pub fn end(&self) -> Position {
        *self.end.borrow()
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// True when the next append should begin with [`Segments::roll`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.end().offset >= self.segment_bytes_max
    }

    /// True when the last segment has no byte yet.
    #[must_use]
    pub fn at_start_of_segment(&self) -> bool {
        self.end().offset == 0
    }

    /// Begins a new segment, named `first`, which must be above every name so far.
    ///
    /// # Errors
    /// When the disk refuses; the old segment is then still the last.
    pub fn roll(&mut self, first: u64) -> Result<()> {
        let end = self.end();
        let path = self.shared.path(first);
        if first <= end.segment {
            return Err(Error::content("create", &path, "BUG: segment numbers must grow"));
        }
        self.heal()?;
        self.file = AppendFile::create(&path)?;
        self.shared.lock().insert(first, Segment { records_before: end.record, bytes: 0, is_packed: false });
        self.end.send_replace(Position { segment: first, offset: 0, record: end.record });
        Ok(())
    }

    /// Appends all parts, holding `records` records, with one write and one wait for the disk. All or nothing: when
    /// it fails, what was written is cut off again, now or before the next append.
    ///
    /// # Errors
    /// When the disk refuses. The next call may succeed (disk full).
    pub fn append(&mut self, parts: &mut [IoSlice<'_>], records: u64) -> Result<()> {
        self.append_then(parts, records, || ())
    }

    /// The same; `before_readers` is called when the disk has the bytes, and before readers are woken.
    ///
    /// # Errors
    /// As [`Segments::append`]; `before_readers` was not called then.
    pub fn append_then<T>(
        &mut self,
        parts: &mut [IoSlice<'_>],
        records: u64,
        before_readers: impl FnOnce() -> T,
    ) -> Result<T> {
        self.heal()?;
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if let Err(error) = self.file.append(parts).and_then(|()| self.file.sync()) {
            self.uncertain = true;
            // A failure here is not lost: it is tried again, and reported, before the next append.
            let _ = self.heal();
            return Err(error);
        }
        let answer = before_readers();
        self.commit(bytes, records);
        Ok(answer)
    }

    fn commit(&self, bytes: u64, records: u64) {
        let mut end = self.end();
        end.offset += bytes;
        end.record += records;
        // The two locks are never held together, so their order cannot matter.
        if let Some(segment) = self.shared.lock().get_mut(&end.segment) {
            segment.bytes = end.offset;
        }
        self.end.send_replace(end);
    }

    /// Cuts off what a failed write left. The file is opened again, in case the handle is what is broken.
    fn heal(&mut self) -> Result<()> {
        if !self.uncertain {
            return Ok(());
        }
        let committed = self.end().offset;
        let file = AppendFile::open(self.file.path())?;
        let found = file.bytes_len()?;
        if found < committed {
            let reason = format!("it has {found} bytes where {committed} were committed; something else cut it");
            return Err(Error::content("go on with", file.path(), reason));
        }
        file.truncate(committed)?;
        (self.file, self.uncertain) = (file, false);
        Ok(())
    }

    /// The oldest segment that is not packed, when it lies before `keep` and grows no more. The last segment must have
    /// something committed in it, so that no start ever goes back to the one before.
    #[must_use]
    pub fn to_pack(&mut self, keep: Position) -> Option<Packing> {
        let end = self.end();
        self.shared.packed_extension.filter(|_| end.offset > 0)?;
        let last = keep.segment.min(end.segment);
        let old = |segments: &BTreeMap<u64, Segment>| {
            let mut old = segments.range(self.pack_from..last.max(self.pack_from));
            old.find(|(_, segment)| !segment.is_packed).map(|(first, _)| *first)
        };
        let found = old(&self.shared.lock());
        // What lies before is packed: it is not looked at again with every group.
        self.pack_from = found.unwrap_or(last.max(self.pack_from));
        Some(Packing { shared: self.shared.clone(), first: found? })
    }

    /// How many bytes lie in segments that grow no more and are not packed.
    #[must_use]
    pub fn unpacked_bytes(&self) -> u64 {
        let last = self.end().segment;
        let segments = self.shared.lock();
        let old = segments.range(self.pack_from.min(last)..last);
        old.filter(|(_, segment)| !segment.is_packed).map(|(_, segment)| segment.bytes).sum()
    }

    /// A segment that no reader needs any more, to be removed by the owner, on a thread of its own.
    #[must_use]
    pub fn to_retire(&self, first: u64) -> Retiring {
        Retiring { shared: self.shared.clone(), first }
    }

    /// Deletes whole segments that lie before `keep`; never the last one. Returns how many bytes that freed.
    ///
    /// # Errors
    /// When the disk refuses; what is gone is gone, the rest can be tried again.
    pub fn trim(&mut self, keep: Position) -> Result<u64> {
        let last = self.end().segment;
        let old: Vec<(u64, u64)> = self
            .shared
            .lock()
            .range(..keep.segment.min(last))
            .map(|(first, segment)| (*first, segment.bytes))
            .collect();
        let mut freed_bytes = 0;
        for (first, bytes) in old {
            durable::remove(&self.shared.path(first))?;
            self.shared.lock().remove(&first);
            freed_bytes += bytes;
        }
        Ok(freed_bytes)
    }
}

/// Cuts a file after its last whole unit.
fn cut_off(file: &AppendFile, whole_bytes: u64) -> Result<Option<Cut>> {
    let bytes = file.bytes_len()?.saturating_sub(whole_bytes);
    if bytes == 0 {
        return Ok(None);
    }
    file.truncate(whole_bytes)?;
    Ok(Some(Cut { path: file.path().to_owned(), offset: whole_bytes, bytes }))
}

/// Where each segment begins and ends.
fn survey<F: Format>(
    found: &[(u64, PathBuf)],
    format: &mut F,
    last: Whole,
) -> std::result::Result<BTreeMap<u64, Segment>, F::Error> {
    let mut segments = BTreeMap::new();
    for (index, (first, path)) in found.iter().enumerate() {
        let segment = if index + 1 == found.len() && last.bytes == 0 {
            Segment { records_before: last.records, bytes: 0, is_packed: false }
        } else {
            let bytes = durable::ReadFile::open(path)?.bytes_len()?;
            Segment { records_before: format.records_before(path, *first)?, bytes, is_packed: false }
        };
        segments.insert(*first, segment);
    }
    Ok(segments)
}

/// Where each packed segment begins and ends. One that is there in both forms counts as not packed: a crash came
/// between the two steps, and it is packed again.
fn survey_packed<F: Format>(
    found: Vec<(u64, PathBuf)>,
    last: u64,
    format: &mut F,
    segments: &mut BTreeMap<u64, Segment>,
) -> std::result::Result<(), F::Error> {
    for (first, path) in found {
        if first > last {
            return Err(missing_after(&path).into());
        }
        if let Entry::Vacant(place) = segments.entry(first) {
            let (records_before, bytes) = (format.records_before(&path, first)?, packed::unpacked_bytes(&path)?);
            place.insert(Segment { records_before, bytes, is_packed: true });
        }
    }
    Ok(())
}

/// The last segment is never packed.
fn missing_after(path: &Path) -> Error {
    Error::content("go on after", path, "the segment after it is missing; put it back")
}

/// A segment that grows no more, to be packed by the owner, on a thread of its own.
#[derive(Debug)]
pub struct Packing {
    shared: Arc<Shared>,
    first: u64,
}

impl Packing {
    /// The segment.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.path(self.first)
    }

    /// Where it is to be put.
    #[must_use]
    pub fn packed_path(&self) -> PathBuf {
        self.shared.packed_path(self.first)
    }

    /// The number in its name.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The packed segment is on disk under its name: readers take it from now on, and the other one is removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<()> {
        if let Some(segment) = self.shared.lock().get_mut(&self.first) {
            segment.is_packed = true;
        }
        durable::remove(&self.path())
    }
}

/// A segment that goes.
#[derive(Debug)]
pub struct Retiring {
    shared: Arc<Shared>,
    first: u64,
}

impl Retiring {
    /// The file, packed or not.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let is_packed = self.shared.lock().get(&self.first).is_some_and(|segment| segment.is_packed);
        if is_packed { self.shared.packed_path(self.first) } else { self.shared.path(self.first) }
    }

    /// The number in its name.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Readers know of it no more, and the file is removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<()> {
        let path = self.path();
        self.shared.lock().remove(&self.first);
        durable::remove(&path)
    }
}

#[cfg(test)]
mod tests;
