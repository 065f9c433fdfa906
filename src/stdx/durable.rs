//! The one place that writes files that must survive: keys, cursors, segments, dead letters.
//!
//! Every error names the path and what was tried. What "survive" means is said per function: `write_atomic` and
//! `create_new` are on disk when they return, `replace` may be lost by a power failure (never half written).

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file operation that failed: what was tried, on which path, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {tried} {}: {cause}", path.display())]
pub struct Error {
    tried: &'static str,
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// The result of a file operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps the system's error with what was tried on which path (`tried` continues "cannot ..").
    pub fn new(tried: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { tried, path: path.to_owned(), cause }
    }

    /// An error of ours about the content of a file, not of the system.
    pub fn content(tried: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self::new(tried, path, io::Error::new(io::ErrorKind::InvalidData, reason.into()))
    }

    /// The system's kind of error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// The file or folder it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the disk or the quota is full: it may work again when there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    }
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0600: keys.
    Private,
    /// 0640: everything else; the umask may take more away.
    Shared,
}

impl Mode {
    fn bits(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Shared => 0o640,
        }
    }
}

/// Everything that changes a disk passes here first: a test may end all effects at any one, as a kill does.
#[inline]
fn effect() -> io::Result<()> {
    #[cfg(test)]
    faults::effect()?;
    Ok(())
}

/// Writes all of it; the same for a write that a kill interrupts.
#[inline]
fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    faults::effect_of_write(file, bytes)?;
    file.write_all(bytes)
}

/// Creates a folder and its parents with mode 0700 and makes their names durable. An existing folder is fine.
///
/// # Errors
/// When the system refuses.
pub fn create_dir(dir: &Path) -> Result<()> {
    let is_new = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.is_dir();
    let new: Vec<&Path> = dir.ancestors().take_while(is_new).collect();
    let created = effect().and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(dir));
    created.map_err(|e| Error::new("create folder", dir, e))?;
    new.into_iter().try_for_each(|dir| sync_dir(parent(dir)))
}

/// Makes the names in a folder durable: after a create, rename or remove.
///
/// # Errors
/// When the system refuses.
pub fn sync_dir(dir: &Path) -> Result<()> {
    let synced = effect().and_then(|()| File::open(dir)).and_then(|folder| folder.sync_all());
    synced.map_err(|e| Error::new("sync folder", dir, e))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Creates a file that must not exist yet, with these bytes; on disk when this returns.
///
/// # Errors
/// When it exists (`AlreadyExists`) or the system refuses.
pub fn create_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    let open = effect().and_then(|()| OpenOptions::new().write(true).create_new(true).mode(mode.bits()).open(path));
    let mut file = open.map_err(|e| Error::new("create", path, e))?;
    let written = write_all(&mut file, bytes).and_then(|()| effect()).and_then(|()| file.sync_all());
    written.map_err(|e| Error::new("write", path, e))?;
    sync_dir(parent(path))
}

/// Writes a whole file so that a reader and a crash see the old or the new content, never a mixture; on disk when
/// this returns.
///
/// # Errors
/// When the system refuses; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    put(path, bytes, mode, true)?;
    sync_dir(parent(path))
}

/// Like [`write_atomic`] without any wait for the disk: a power failure may bring back the old content or an empty file.
///
/// # Errors
/// When the system refuses; the old file is then untouched.
pub fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    put(path, bytes, mode, false)
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn put(path: &Path, bytes: &[u8], mode: Mode, sync: bool) -> Result<()> {
    let temporary = temporary_name(path);
    let mut file = create_temporary(&temporary, mode)?;
    let written = write_all(&mut file, bytes);
    let written = written.and_then(|()| if sync { effect().and_then(|()| file.sync_all()) } else { Ok(()) });
    written.map_err(|e| Error::new("write", &temporary, e))?;
    let renamed = effect().and_then(|()| fs::rename(&temporary, path));
    renamed.map_err(|e| Error::new("rename the new file to", path, e))
}

fn create_temporary(path: &Path, mode: Mode) -> Result<File> {
    let open =
        effect().and_then(|()| OpenOptions::new().write(true).create(true).truncate(true).mode(mode.bits()).open(path));
    open.map_err(|e| Error::new("create", path, e))
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_else(|| OsStr::new("file")).to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Removes a file and makes that durable.
///
/// # Errors
/// When the system refuses.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn remove(path: &Path) -> Result<()> {
    effect().and_then(|()| fs::remove_file(path)).map_err(|e| Error::new("remove", path, e))?;
    sync_dir(parent(path))
}

/// Overwrites a file with zeros, in place, and waits for the disk; an absent one is fine. What a file system or a disk
/// keeps of older blocks is beyond our reach.
///
/// # Errors
/// When the system refuses.
pub fn wipe(path: &Path) -> Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::new("open", path, e)),
    };
    let wiped = file.metadata().and_then(|found| {
        let zeros = vec![0; usize::try_from(found.len()).unwrap_or(0)];
        write_all(&mut file, &zeros)
    });
    wiped.and_then(|()| effect()).and_then(|()| file.sync_all()).map_err(|e| Error::new("wipe", path, e))
}

/// Renames a file and makes that durable.
///
/// # Errors
/// When the system refuses.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    effect().and_then(|()| fs::rename(from, to)).map_err(|e| Error::new("rename to", to, e))?;
    sync_dir(parent(to))?;
    if parent(from) == parent(to) { Ok(()) } else { sync_dir(parent(from)) }
}

/// Gives a new file to the user who owns `dir`, where we may: what an administrator's command leaves for a service of another
/// user. It stays ours otherwise.
pub fn give_to_owner_of(path: &Path, dir: &Path) {
    if let Ok(owner) = fs::metadata(dir) {
        let _ = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()));
    }
}

/// Reads a whole small file, or `None` when it does not exist.
///
/// # Errors
/// When it is larger than `bytes_max` or the system refuses.
pub fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::new("open", path, e)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| Error::new("read", path, e))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::content("read", path, format!("larger than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// The entries of a folder, sorted by name; an absent folder is empty.
///
/// # Errors
/// When the system refuses.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::new("list folder", dir, e)),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|e| Error::new("list folder", dir, e))?;
    paths.sort();
    Ok(paths)
}

/// A file that only grows at its end, and is cut back when a write did not succeed.
#[derive(Debug)]
pub struct AppendFile {
    file: Arc<File>,
    path: PathBuf,
}

impl AppendFile {
    /// Creates a file that must not exist yet and makes its name durable.
    ///
    /// # Errors
    /// When it exists or the system refuses.
    pub fn create(path: &Path) -> Result<Self> {
        let open = effect().and_then(|()| {
            OpenOptions::new().read(true).append(true).create_new(true).mode(Mode::Shared.bits()).open(path)
        });
        let file = open.map_err(|e| Error::new("create", path, e))?;
        sync_dir(parent(path))?;
        Ok(Self { file: Arc::new(file), path: path.to_owned() })
    }

    /// Opens an existing file.
    ///
    /// # Errors
    /// When it does not exist or the system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let open = OpenOptions::new().read(true).append(true).open(path);
        let file = open.map_err(|e| Error::new("open", path, e))?;
        Ok(Self { file: Arc::new(file), path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length now.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bytes_len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| Error::new("stat", &self.path, e))?.len())
    }

    /// Writes all parts at the end, without a copy and in one call where the system takes it. Not yet on disk.
    ///
    /// # Errors
    /// Disk full and the like; part of it may have been written.
    pub fn append(&self, mut parts: &mut [IoSlice<'_>]) -> Result<()> {
        let fail = |cause| Error::new("append to", &self.path, cause);
        #[cfg(test)]
        faults::before_write(&self.file, parts).map_err(fail)?;
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match (&*self.file).write_vectored(parts) {
                Ok(0) => return Err(fail(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fail(e)),
            }
        }
        Ok(())
    }

    /// Waits until all that was appended is on disk.
    ///
    /// # Errors
    /// When the disk refuses: what was appended since the last success is then uncertain.
    pub fn sync(&self) -> Result<()> {
        effect().and_then(|()| self.file.sync_data()).map_err(|e| Error::new("sync", &self.path, e))
    }

    /// Cuts the file to `len` bytes and waits until that is on disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn truncate(&self, len: u64) -> Result<()> {
        let fail = |cause| Error::new("truncate", &self.path, cause);
        #[cfg(test)]
        faults::before_truncate().map_err(fail)?;
        let cut = effect().and_then(|()| self.file.set_len(len));
        cut.and_then(|()| effect()).and_then(|()| self.file.sync_all()).map_err(fail)
    }
}

/// A file opened for reads at positions; clones share it.
#[derive(Debug, Clone)]
pub struct ReadFile {
    file: Arc<File>,
    path: Arc<Path>,
}

impl ReadFile {
    /// Opens an existing file.
    ///
    /// # Errors
    /// When it does not exist or the system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::new("open", path, e))?;
        Ok(Self { file: Arc::new(file), path: path.into() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length now.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bytes_len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| Error::new("stat", &self.path, e))?.len())
    }

    /// Fills the whole buffer from `offset`.
    ///
    /// # Errors
    /// When the file ends before that or the system refuses.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|e| Error::new("read", &self.path, e))
    }

    /// Reads what one call gives at `offset`; 0 is the end of the file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|e| Error::new("read", &self.path, e)),
            }
        }
    }
}

/// A folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works in it.
    #[error("data_dir {} is in use by process {}", dir.display(), pid.as_deref().unwrap_or("(unknown)"))]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The number that process wrote into the lock file.
        pid: Option<String>,
    },
    /// The lock file could not be made.
    #[error(transparent)]
    File(#[from] Error),
}

/// The exclusive use of a folder, by an advisory lock on its file `lock`; the system frees it when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the exclusive use of a folder, or says which process has it.
///
/// # Errors
/// [`LockError::InUse`] when another process has it.
pub fn lock_dir(dir: &Path) -> std::result::Result<Lock, LockError> {
    let path = dir.join("lock");
    let open =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(Mode::Shared.bits()).open(&path);
    let mut file = open.map_err(|e| Error::new("create", &path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::InUse { dir: dir.to_owned(), pid: read_pid(&path) }),
        Err(TryLockError::Error(e)) => return Err(Error::new("lock", &path, e).into()),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|e| Error::new("write", &path, e))?;
    Ok(Lock { _file: file })
}

/// True when a living process holds the lock of this folder. Looks only; a folder without a lock file is free.
#[must_use]
pub fn is_locked(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join("lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn read_pid(path: &Path) -> Option<String> {
    let text = String::from_utf8(read(path, 32).ok()??).ok()?;
    Some(text.trim().to_owned()).filter(|pid| !pid.is_empty())
}

mod new_file;
pub use self::new_file::NewFile;

#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
mod tests;
