//! Dead letters: records that a destination will never take, each beside the reason, on disk before the cursor moves.
//!
//! One NDJSON file an exporter, `<data_dir>/<pipeline>/rejected/<exporter>.ndjson`, mode 0600, at most
//! [`FILE_BYTES_MAX`]: a destination that refuses everything shall not fill the disk; then the exporter waits.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::exporter::Payload;
use crate::otlp::Signal;
use crate::stdx::durable::{self, AppendFile, ReadFile};
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

    /// Writes the records, each with the cause, and waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be written, or is full.
    pub async fn put(&self, payload: &Payload, cause: &str) -> durable::Result<()> {
        let path = self.dir.join(format!("{}.ndjson", self.exporter.replace('/', "-")));
        let letters = self.letters(payload, cause);
        let dir = self.dir.clone();
        let written = tasks::blocking(move || append(&dir, &path, &letters)).await;
        written.unwrap_or_else(|error| Err(durable::Error::new("write", &self.dir, error)))
    }

    /// One JSON object a canonical line of the payload. What cannot be written as a line is kept as OTLP.
    fn letters(&self, payload: &Payload, cause: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.bytes_len() * 2);
        match payload.to_lines() {
            Ok(lines) => {
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.begin(payload, cause, &mut out);
                    end_with_line(&mut out, line);
                }
            }
            Err(_) => {
                self.begin(payload, cause, &mut out);
                end_with_otlp(&mut out, &payload.otlp().unwrap_or_default());
            }
        }
        out
    }

    fn begin(&self, payload: &Payload, cause: &str, out: &mut Vec<u8>) {
        begin_letter(out, clock::unix_nanos(), &self.exporter, payload.signal(), cause);
    }
}

/// Appends a letter as far as its record.
pub fn begin_letter(out: &mut Vec<u8>, rejected_at: u64, exporter: &str, signal: Signal, reason: &str) {
    out.extend_from_slice(b"{\"rejected_at_unix_nano\":\"");
    write_u64(out, rejected_at);
    out.extend_from_slice(b"\",\"exporter\":");
    write_str(out, exporter);
    out.extend_from_slice(b",\"signal\":");
    write_str(out, signal.name());
    out.extend_from_slice(b",\"reason\":");
    write_str(out, reason);
}

/// Ends a letter with its record as a canonical line.
pub fn end_with_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(b",\"line\":");
    out.extend_from_slice(line);
    out.extend_from_slice(b"}\n");
}

/// Ends a letter with its record as OTLP, where it cannot be a line.
pub fn end_with_otlp(out: &mut Vec<u8>, request: &[u8]) {
    out.extend_from_slice(b",\"otlp\":");
    write_str(out, &BASE64_STANDARD.encode(request));
    out.extend_from_slice(b"}\n");
}

fn append(dir: &Path, path: &Path, letters: &[u8]) -> durable::Result<()> {
    durable::create_dir(dir)?;
    let file = if path.exists() { AppendFile::open(path)? } else { AppendFile::create(path)? };
    let before = file.bytes_len()?;
    if before + letters.len() as u64 > FILE_BYTES_MAX {
        let reason = "it is full: read it, remove it, and the exporter goes on";
        return Err(durable::Error::content("append to", path, reason));
    }
    // Half a letter would be glued to the next: what a crash left is ended, what could not be written whole is cut off.
    let end: &[u8] = if ends_in_half_a_letter(path, before)? { b"\n" } else { b"" };
    let mut parts = [IoSlice::new(end), IoSlice::new(letters)];
    file.append(&mut parts).and_then(|()| file.sync()).inspect_err(|_| drop(file.truncate(before)))
}

fn ends_in_half_a_letter(path: &Path, bytes: u64) -> durable::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    ReadFile::open(path)?.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}
