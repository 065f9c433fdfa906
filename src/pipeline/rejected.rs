//! Dead letters: records that a destination will never take, each beside the reason, on disk before the cursor moves.
//!
//! One NDJSON file an exporter, `<data_dir>/<pipeline>/rejected/<exporter>.ndjson` in a folder of mode 0700, at most
//! 1 GiB: a destination that refuses everything shall not fill the disk; then the exporter waits.

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
const FILE_BYTES_MAX: u64 = 1 << 30;

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
        let rows = self.rows(payload, cause);
        let dir = self.dir.clone();
        let written = tasks::blocking(move || append(&dir, &path, &rows)).await;
        written.unwrap_or_else(|error| Err(durable::Error::new("write", &self.dir, error)))
    }

    /// A row for each sealed line; one for a whole OTLP request, which may be joined of several.
    fn rows(&self, payload: &Payload, cause: &str) -> Vec<u8> {
        let mut out = Vec::new();
        match (payload.lines(), payload.otlp()) {
            (Some(lines), _) => {
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.row(&mut out, payload.signal(), 1, cause, "line", &String::from_utf8_lossy(line));
                }
            }
            (None, Ok(request)) => {
                let text = BASE64_STANDARD.encode(request);
                self.row(&mut out, payload.signal(), payload.records(), cause, "otlp", &text);
            }
            // Requests are joined, not read: this cannot fail.
            (None, Err(_)) => {}
        }
        out
    }

    fn row(&self, out: &mut Vec<u8>, signal: Signal, records: u64, cause: &str, form: &str, text: &str) {
        out.extend_from_slice(b"{\"rejected_at_unix_nano\":\"");
        write_u64(out, clock::unix_nanos());
        out.extend_from_slice(b"\",\"exporter\":");
        write_str(out, &self.exporter);
        out.extend_from_slice(b",\"signal\":");
        write_str(out, signal.name());
        out.extend_from_slice(b",\"records\":");
        write_u64(out, records);
        out.extend_from_slice(b",\"reason\":");
        write_str(out, cause);
        out.push(b',');
        write_str(out, form);
        out.push(b':');
        write_str(out, text);
        out.extend_from_slice(b"}\n");
    }
}

fn append(dir: &Path, path: &Path, rows: &[u8]) -> durable::Result<()> {
    durable::create_dir(dir)?;
    let file = if path.exists() { AppendFile::open(path)? } else { AppendFile::create(path)? };
    let before = file.bytes_len()?;
    if before + rows.len() as u64 > FILE_BYTES_MAX {
        let reason = "it is full: read it, remove it, and the exporter goes on";
        return Err(durable::Error::content("append to", path, reason));
    }
    // Half a row would be glued to the next one: what a crash left is ended, what could not be written whole is cut off.
    let end: &[u8] = if ends_in_half_a_row(path, before)? { b"\n" } else { b"" };
    let mut parts = [IoSlice::new(end), IoSlice::new(rows)];
    file.append(&mut parts).and_then(|()| file.sync()).inspect_err(|_| drop(file.truncate(before)))
}

fn ends_in_half_a_row(path: &Path, bytes: u64) -> durable::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    ReadFile::open(path)?.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}
