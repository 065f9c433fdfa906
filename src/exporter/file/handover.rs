//! A closed file becomes what is carried away: compressed, and with its SHA-256 beside it.
//!
//! The plain file is whole before and until its compressed form is whole, so a crash leaves at most both; then the next look
//! removes the plain one. What fails here (a full disk) is tried again at the next rotation: nothing is lost by that.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::Compression;
use crate::stdx::durable::{self, Error, Mode, NewFile, ReadFile};

const READ_BYTES: usize = 256 << 10;

/// The end of the name of the file with the hash.
pub(super) const HASH_EXTENSION: &str = ".sha256";

/// How closed files are handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handover {
    pub(super) compression: Compression,
    pub(super) sha256: bool,
}

impl Handover {
    /// Compresses a closed file and writes its hash. Does what is still to be done.
    pub(super) fn finish(self, path: &Path) -> durable::Result<()> {
        let packed = with_end(path, self.compression.extension());
        if packed != path && path.exists() {
            if !packed.exists() {
                self.pack(path, &packed)?;
            }
            durable::remove(path)?;
        }
        let beside = with_end(&packed, HASH_EXTENSION);
        if self.sha256 && packed.exists() && !beside.exists() {
            let name = packed.file_name().unwrap_or_default().to_string_lossy();
            // What `sha256sum -c` reads.
            let line = format!("{}  {name}\n", hash_of(&packed)?);
            durable::write_atomic(&beside, line.as_bytes(), Mode::Shared)?;
        }
        Ok(())
    }

    fn pack(self, from: &Path, to: &Path) -> durable::Result<()> {
        let fail = |cause| Error::new("compress", from, cause);
        let file = Target(NewFile::create(to, Mode::Shared)?);
        let file = match self.compression {
            Compression::Zstd => {
                let mut encoder = ZstdEncoder::new(file, 1).map_err(fail)?;
                copy(from, &mut |bytes| encoder.write_all(bytes))?;
                encoder.finish().map_err(fail)?
            }
            _ => {
                let mut encoder = GzEncoder::new(file, flate2::Compression::fast());
                copy(from, &mut |bytes| encoder.write_all(bytes))?;
                encoder.finish().map_err(fail)?
            }
        };
        file.0.finish()
    }
}

struct Target(NewFile);

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(from: &Path, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> durable::Result<()> {
    let (file, mut buffer, mut at) = (ReadFile::open(from)?, vec![0; READ_BYTES], 0);
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Ok(());
        }
        to(&buffer[..read]).map_err(|cause| Error::new("copy", from, cause))?;
        at += read as u64;
    }
}

fn hash_of(path: &Path) -> durable::Result<String> {
    let mut hash = Context::new(&SHA256);
    copy(path, &mut |bytes| {
        hash.update(bytes);
        Ok(())
    })?;
    Ok(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A path with something behind its name.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
