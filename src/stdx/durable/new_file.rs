//! A file that is written in many steps and appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Error, Mode, Result, effect, sync_dir};

/// A file in the making, under its own name with `.tmp` at the end. Dropped before [`NewFile::finish`], it is gone.
#[derive(Debug)]
pub struct NewFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    is_done: bool,
}

impl NewFile {
    /// Begins the file that shall stand at `path`. What stands there stays until [`NewFile::finish`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(path: &Path, mode: Mode) -> Result<Self> {
        let temporary = super::temporary_name(path);
        let open = effect().and_then(|()| {
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode.bits()).open(&temporary)
        });
        let file = BufWriter::with_capacity(1 << 18, open.map_err(|e| Error::new("create", &temporary, e))?);
        Ok(Self { file, temporary, path: path.to_owned(), is_done: false })
    }

    /// The name it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes more of it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        effect().and_then(|()| self.file.write_all(bytes)).map_err(|e| Error::new("write", &self.temporary, e))
    }

    /// Makes it durable and gives it its name, in this order.
    ///
    /// # Errors
    /// When the system refuses; what stood there before then still stands there.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn finish(mut self) -> Result<()> {
        let synced = effect().and_then(|()| self.file.flush()).and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|e| Error::new("write", &self.temporary, e))?;
        let renamed = effect().and_then(|()| fs::rename(&self.temporary, &self.path));
        renamed.map_err(|e| Error::new("rename the new file to", &self.path, e))?;
        self.is_done = true;
        sync_dir(super::parent(&self.path))
    }
}

impl Drop for NewFile {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn drop(&mut self) {
        if !self.is_done {
            let _ = effect().and_then(|()| fs::remove_file(&self.temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{list, read};
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_finished_and_leaves_nothing_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut file = NewFile::create(&path, Mode::Private).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert!(list(dir.path()).unwrap().is_empty());
        let mut file = NewFile::create(&path, Mode::Private).unwrap();
        file.write(b"one ").unwrap();
        assert_eq!(read(&path, 100).unwrap(), None);
        file.write(b"two").unwrap();
        file.finish().unwrap();
        assert_eq!(read(&path, 100).unwrap().as_deref(), Some(b"one two".as_slice()));
        assert_eq!(list(dir.path()).unwrap(), [path]);
    }
}
