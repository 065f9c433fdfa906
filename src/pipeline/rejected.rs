//! Dead letters: records that a destination will never take, each beside the reason, on disk before the cursor moves.
//!
//! One NDJSON file an exporter, `<data_dir>/<pipeline>/rejected/<exporter>.ndjson`, mode 0600, at most
//! [`FILE_BYTES_MAX`]: a destination that refuses everything shall not fill the disk; then the exporter waits.

use std::io::IoSlice;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::exporter::Payload;
use crate::stdx::durable::{self, AppendFile};
use crate::stdx::json::{write_str, write_u64};
use crate::stdx::{clock, tasks};

/// The size beyond which no more dead letters are taken.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;

/// The dead-letter file of one exporter. It is created when the first record goes there.
#[derive(Debug)]
pub struct Rejected {
    dir: PathBuf,
    exporter: String,
}

impl Rejected {
    /// Dead letters of `exporter`, below `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, exporter: &str) -> Self {
        Self { dir, exporter: exporter.to_owned() }
    }

    /// Writes the payload and the cause, and waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be written, or is full.
    pub async fn put(&self, payload: &Payload, cause: &str) -> durable::Result<()> {
        let path = self.dir.join(format!("{}.ndjson", self.exporter.replace('/', "-")));
        let line = self.line(payload, cause);
        let dir = self.dir.clone();
        let written = tasks::blocking(move || append(&dir, &path, &line)).await;
        written.unwrap_or_else(|error| Err(durable::Error::new("write", &self.dir, error)))
    }

    fn line(&self, payload: &Payload, cause: &str) -> Vec<u8> {
        let mut out = b"{\"rejected_at_unix_nano\":\"".to_vec();
        write_u64(&mut out, clock::unix_nanos());
        out.extend_from_slice(b"\",\"exporter\":");
        write_str(&mut out, &self.exporter);
        out.extend_from_slice(b",\"signal\":");
        write_str(&mut out, payload.signal().name());
        out.extend_from_slice(b",\"records\":");
        write_u64(&mut out, payload.records());
        out.extend_from_slice(b",\"reason\":");
        write_str(&mut out, cause);
        match (payload.lines(), payload.otlp()) {
            (Some(lines), _) => {
                out.extend_from_slice(b",\"line\":");
                write_str(&mut out, String::from_utf8_lossy(lines).trim_end());
            }
            (None, Ok(request)) => {
                out.extend_from_slice(b",\"otlp\":");
                write_str(&mut out, &BASE64_STANDARD.encode(request));
            }
            (None, Err(_)) => {}
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

fn append(dir: &std::path::Path, path: &std::path::Path, line: &[u8]) -> durable::Result<()> {
    durable::create_dir(dir)?;
    let file = if path.exists() { AppendFile::open(path)? } else { AppendFile::create(path)? };
    let before = file.bytes_len()?;
    if before + line.len() as u64 > FILE_BYTES_MAX {
        let reason = "it is full: read it, remove it, and the exporter goes on";
        return Err(durable::Error::content("append to", path, reason));
    }
    // Half a line would be glued to the next one: what could not be written whole is cut off again.
    file.append(&mut [IoSlice::new(line)]).and_then(|()| file.sync()).inspect_err(|_| drop(file.truncate(before)))
}
