//! A file that an object grows in: compressed, hashed on the way, and never confirmed to anybody.
//!
//! Writing to it cannot fail: what the disk does not take stays in memory, at most what one payload becomes, and the next
//! [`Scratch::drain`] tries again. So a full disk does not cost what was gathered before.

use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::config::Compression;
use crate::stdx::durable::{self, AppendFile, Error};

/// Less than this is kept in memory until the object is complete, or there is more.
const PENDING_BYTES: usize = 256 << 10;

/// The file.
pub(super) struct Scratch {
    path: PathBuf,
    file: Option<AppendFile>,
    on_disk: u64,
    pending: Vec<u8>,
    hash: Context,
    /// A write failed and may have left something behind `on_disk`.
    torn: bool,
}

impl Scratch {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None, on_disk: 0, pending: Vec::new(), hash: Context::new(&SHA256), torn: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes_len(&self) -> u64 {
        self.on_disk + self.pending.len() as u64
    }

    /// Writes what is pending, if it is enough to be worth it.
    pub(super) fn drain(&mut self) -> durable::Result<()> {
        if self.pending.len() < PENDING_BYTES { Ok(()) } else { self.drain_all() }
    }

    fn drain_all(&mut self) -> durable::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(AppendFile::create(&self.path)?),
        };
        if std::mem::replace(&mut self.torn, true) {
            file.truncate(self.on_disk)?;
        }
        file.append(&mut [IoSlice::new(&self.pending)])?;
        self.torn = false;
        self.on_disk += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Everything is on disk when it returns; the SHA-256 of it.
    pub(super) fn seal(&mut self) -> durable::Result<[u8; 32]> {
        self.drain_all()?;
        if let Some(file) = &self.file {
            file.sync()?;
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(self.hash.clone().finish().as_ref());
        Ok(digest)
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A scratch file behind its compressor.
pub(super) enum Encoder {
    Plain(Scratch),
    Gzip(GzEncoder<Scratch>),
    Zstd(ZstdEncoder<'static, Scratch>),
    /// Complete.
    Done(Scratch),
}

impl Encoder {
    pub(super) fn new(path: PathBuf, compression: Compression) -> durable::Result<Self> {
        let failed = |cause| Error::new("compress to", &path, cause);
        let scratch = Scratch::new(path.clone());
        Ok(match compression {
            Compression::None => Self::Plain(scratch),
            Compression::Gzip => Self::Gzip(GzEncoder::new(scratch, flate2::Compression::fast())),
            Compression::Zstd => Self::Zstd(ZstdEncoder::new(scratch, 1).map_err(failed)?),
        })
    }

    pub(super) fn scratch(&mut self) -> &mut Scratch {
        match self {
            Self::Plain(scratch) | Self::Done(scratch) => scratch,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> durable::Result<()> {
        let written = match self {
            Self::Plain(scratch) | Self::Done(scratch) => scratch.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|cause| Error::new("compress to", &self.scratch().path, cause))
    }

    /// Ends the compression; nothing more is written.
    pub(super) fn end(self) -> durable::Result<Self> {
        let ended =
            |ended: io::Result<Scratch>| ended.map_err(|cause| Error::new("compress", Path::new("an object"), cause));
        Ok(Self::Done(match self {
            Self::Plain(scratch) | Self::Done(scratch) => scratch,
            Self::Gzip(encoder) => ended(encoder.finish())?,
            Self::Zstd(encoder) => ended(encoder.finish())?,
        }))
    }
}
