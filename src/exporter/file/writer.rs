//! The file being written: opened late, checked before and after every write, cut back when a write fails.

use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tracing::{info, warn};

use crate::exporter::file::handover::{HASH_EXTENSION, Handover, with_end};
use crate::exporter::file::place::Place;
use crate::exporter::file::{Format, Rotation};
use crate::stdx::clock;
use crate::stdx::durable::{self, AppendFile, Error, ReadFile};

/// How much is read at once when looking back for the end of the last line.
const LOOK_BACK_BYTES: usize = 64 << 10;

/// A series of files, one of them open.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    format: Format,
    bytes_max: u64,
    nanos_max: u64,
    backups_max: usize,
    handover: Handover,
    active: Option<Active>,
}

#[derive(Debug)]
struct Active {
    file: AppendFile,
    /// Held open for its lock.
    _lock: fs::File,
    identity: (u64, u64),
    len: u64,
    begun_nanos: u64,
}

impl Writer {
    pub(super) fn new(place: Place, format: Format, rotation: &Rotation, handover: Handover) -> Self {
        let nanos = u64::try_from(rotation.max_age.0.as_nanos()).unwrap_or(u64::MAX);
        Self {
            place,
            format,
            bytes_max: rotation.max_megabytes.saturating_mul(1 << 20),
            nanos_max: if nanos == 0 { u64::MAX } else { nanos },
            backups_max: rotation.max_backups,
            handover,
            active: None,
        }
    }

    /// Appends the pieces as one, and returns when they are on disk. True when a file was begun or continued for it.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> durable::Result<bool> {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        self.forget_if_gone();
        self.finish_if(|active, limits| active.len + len > limits.bytes_max || limits.is_old(active))?;
        let (opened, mut active) = match self.active.take() {
            Some(active) => (false, active),
            None => (true, self.open()?),
        };
        // Only a file that the write succeeded on is kept open: after a failure it is read again as after a crash.
        active.append(pieces)?;
        active.len += len;
        self.active = Some(active);
        Ok(opened)
    }

    /// Closes and renames the open file, or one that an earlier run has left.
    pub(super) fn finish(&mut self) -> durable::Result<()> {
        self.forget_if_gone();
        if self.active.is_none() && self.place.part().exists() {
            self.active = Some(self.open()?);
        }
        self.finish_if(|_, _| true)
    }

    /// The same, for a file that is old enough.
    pub(super) fn finish_old(&mut self) -> durable::Result<()> {
        self.forget_if_gone();
        self.finish_if(|active, limits| limits.is_old(active))
    }

    /// Lets go of the open file as it is.
    pub(super) fn forget(&mut self) {
        self.active = None;
    }

    fn is_old(&self, active: &Active) -> bool {
        clock::unix_nanos().saturating_sub(active.begun_nanos) >= self.nanos_max
    }

    fn forget_if_gone(&mut self) {
        if self.active.as_ref().is_some_and(|active| !active.is_in_place()) {
            warn!(path = %self.place.part().display(), "the file was removed or replaced while it was open: a new one is begun");
            self.active = None;
        }
    }

    fn finish_if(&mut self, due: impl FnOnce(&Active, &Self) -> bool) -> durable::Result<()> {
        let Some(active) = self.active.as_ref().filter(|active| active.len > 0 && due(active, self)) else {
            return Ok(());
        };
        let path = self.place.next()?;
        durable::rename(active.file.path(), &path)?;
        info!(path = %path.display(), bytes = active.len, "file closed");
        self.active = None;
        self.hand_over();
        self.prune();
        Ok(())
    }

    /// Also what an earlier try has left. A file that cannot be compressed stays plain; it is whole as it is.
    fn hand_over(&self) {
        let plain = self.place.plain();
        let done = plain.and_then(|files| files.iter().try_for_each(|path| self.handover.finish(path)));
        if let Err(error) = done {
            warn!(%error, "a closed file is not compressed or hashed yet");
        }
    }

    /// A file that cannot be removed does not keep new data from being written.
    fn prune(&self) {
        if self.backups_max == 0 {
            return;
        }
        let removed = self.place.finished().and_then(|files| {
            let too_many = files.len().saturating_sub(self.backups_max);
            files.iter().take(too_many).try_for_each(|path| {
                info!(path = %path.display(), "file removed: more than rotation.max_backups");
                let hash = with_end(path, HASH_EXTENSION);
                if hash.exists() {
                    durable::remove(&hash)?;
                }
                durable::remove(path)
            })
        });
        if let Err(error) = removed {
            warn!(%error, "rotation.max_backups is not kept");
        }
    }

    fn open(&self) -> durable::Result<Active> {
        durable::create_dir(self.place.folder())?;
        let path = self.place.part();
        let file = match AppendFile::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => AppendFile::create(&path)?,
            other => other?,
        };
        let lock = lock(&path)?;
        let metadata = lock.metadata().map_err(|cause| Error::new("stat", &path, cause))?;
        let mut active = Active {
            identity: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            begun_nanos: begun_nanos(&metadata),
            file,
            _lock: lock,
        };
        active.cut_torn_end(self.format)?;
        Ok(active)
    }
}

/// Two writers would cut each other's data.
fn lock(path: &Path) -> durable::Result<fs::File> {
    let file = fs::File::open(path).map_err(|cause| Error::new("open", path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::content("write", path, "another exporter or process writes it"))
        }
        Err(fs::TryLockError::Error(cause)) => Err(Error::new("lock", path, cause)),
    }
}

/// When a file was begun; file systems that do not know it are taken to say "now".
fn begun_nanos(metadata: &fs::Metadata) -> u64 {
    let since = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_else(clock::unix_nanos)
}

impl Active {
    fn append(&self, pieces: &[Bytes]) -> durable::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let written = self.file.append(&mut slices).and_then(|()| self.file.sync());
        if written.is_err() && self.is_in_place() {
            // Half a payload must not stay: it comes again, whole.
            self.file.truncate(self.len)?;
        }
        written?;
        if self.is_in_place() {
            Ok(())
        } else {
            Err(Error::content("write", self.file.path(), "it was removed or replaced at the same time"))
        }
    }

    /// Whether the path still leads to this file.
    fn is_in_place(&self) -> bool {
        fs::metadata(self.file.path()).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    /// What a crash has left half written was never confirmed and comes again.
    fn cut_torn_end(&mut self, format: Format) -> durable::Result<()> {
        let reader = ReadFile::open(self.file.path())?;
        let whole =
            if format == Format::Proto { whole_frames(&reader, self.len)? } else { whole_lines(&reader, self.len)? };
        if whole < self.len {
            warn!(path = %self.file.path().display(), bytes = self.len - whole, "half written at the end of the file: cut off");
            self.file.truncate(whole)?;
            self.len = whole;
        }
        Ok(())
    }
}

/// The length up to and including the last line feed.
fn whole_lines(file: &ReadFile, len: u64) -> durable::Result<u64> {
    let mut buffer = vec![0; LOOK_BACK_BYTES];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(LOOK_BACK_BYTES as u64);
        let part = usize::try_from(end - start).unwrap_or(LOOK_BACK_BYTES);
        file.read_exact_at(&mut buffer[..part], start)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer[..part]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The length up to the end of the last frame that is there in full.
fn whole_frames(file: &ReadFile, len: u64) -> durable::Result<u64> {
    let mut at = 0;
    while at + 4 <= len {
        let mut prefix = [0; 4];
        file.read_exact_at(&mut prefix, at)?;
        let end = at + 4 + u64::from(u32::from_be_bytes(prefix));
        // Nobody writes empty requests, but a power failure may leave zeros.
        if end > len || end == at + 4 {
            break;
        }
        at = end;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use crate::exporter::file::Compression;
    use crate::stdx::durable::faults::{ROOM_BYTES, TRUNCATE_FAILS};

    use super::*;

    fn writer(folder: &Path) -> Writer {
        let handover = Handover { compression: Compression::None, sha256: false };
        Writer::new(Place::in_folder(folder, "logs", "ndjson"), Format::Ndjson, &Rotation::default(), handover)
    }

    fn content(folder: &Path) -> String {
        fs::read_to_string(folder.join("logs.ndjson.part")).unwrap()
    }

    fn lines(text: &'static str) -> [Bytes; 1] {
        [Bytes::from_static(text.as_bytes())]
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_payload_and_room_lets_it_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        assert!(writer.write(&lines("one\n")).unwrap());
        for room in 0..7 {
            ROOM_BYTES.set(Some(room));
            assert!(writer.write(&lines("two\nthree\n")).unwrap_err().is_full());
            assert_eq!(content(folder.path()), "one\n");
        }
        ROOM_BYTES.set(None);
        writer.write(&lines("two\nthree\n")).unwrap();
        assert_eq!(content(folder.path()), "one\ntwo\nthree\n");
    }

    #[test]
    fn what_cannot_be_cut_back_at_once_is_cut_before_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.write(&lines("one\n")).unwrap();
        ROOM_BYTES.set(Some(2));
        TRUNCATE_FAILS.set(true);
        writer.write(&lines("two\n")).unwrap_err();
        assert_eq!(content(folder.path()), "one\ntw");
        ROOM_BYTES.set(None);
        writer.write(&lines("two\n")).unwrap_err();
        TRUNCATE_FAILS.set(false);
        writer.write(&lines("two\n")).unwrap();
        assert_eq!(content(folder.path()), "one\ntwo\n");
    }

    #[test]
    fn an_open_file_is_kept_open_and_a_full_one_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.bytes_max = 8;
        let begun: Vec<bool> = (0..4).map(|_| writer.write(&lines("one\n")).unwrap()).collect();
        assert_eq!(begun, [true, false, true, false]);
        writer.finish().unwrap();
        assert_eq!(writer.place.finished().unwrap().len(), 2);
    }
}
