//! Files on local disk, made to be carried away: a payload counts as delivered when it is on the disk.
//!
//! The file being written is called `NAME.part`; full, old enough or at an orderly end it is renamed to
//! `STEM-20260131T101500.123Z.EXT`, and from then on it is whole and nobody touches it. After a crash the `.part` file
//! is continued: what was half written is cut off (it was never confirmed and comes again), nothing else ever is.
//! A full disk and the like are tried again; a folder that may not be written pauses the exporter.

mod handover;
mod place;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tracing::warn;

use crate::exporter::outbound::unreadable;
use crate::exporter::{ExportError, Exporter, Payload};
use crate::otlp::{self, Signal};
use crate::stdx::durable::{self, Error};
use crate::stdx::tasks;

use handover::Handover;
use place::Place;
use writer::Writer;

use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Settings of a `file` exporter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `folder/name.ext`: the name that files get, with the time before the extension. `folder/`: one file a signal,
    /// `folder/logs-<time>.ndjson` and so on. Folders are created with mode 0700, files with 0640.
    pub path: PathBuf,
    /// `ndjson`, `json` or `proto`. Default: `ndjson`.
    pub format: Format,
    /// When a file is closed and the next one begun.
    pub rotation: Rotation,
    /// `none`, `zstd` or `gzip`: of closed files, which then end in `.zst` or `.gz`. The file being written is plain, so that a crash
    /// costs nothing. Default: `none`.
    pub compression: Compression,
    /// Writes `NAME.sha256` beside each closed file, for `sha256sum -c` and for the receiver `otlp_file`. Default: `false`.
    pub sha256: bool,
}

/// How closed files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Fastest level.
    Zstd,
    /// Fastest level.
    Gzip,
}

impl Compression {
    const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One record a line (CR/1): byte for byte the sealed lines where the pipeline seals, so that the file can be
    /// verified by itself; else the same lines without a seal.
    #[default]
    Ndjson,
    /// One OTLP/JSON request a line, as the Collector writes and its `otlpjsonfile` receiver reads it.
    Json,
    /// Protobuf requests, each behind its length as four bytes, highest first. Needs a folder as `path`, since a
    /// request does not say of which signal it is.
    Proto,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Proto => "binpb",
        }
    }
}

/// When a file is closed and the next one begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Before a payload that would make it larger than this. A payload is never divided. Default: `100`.
    pub max_megabytes: u64,
    /// This long after it was begun, also when nothing more comes. Default: `0`, never.
    pub max_age: Span,
    /// How many closed files are kept; older ones are removed, whether anybody has fetched them or not. Default: `0`,
    /// all of them.
    pub max_backups: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_age: Span::default(), max_backups: 0 }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.path.as_os_str().is_empty() {
            problems.add_hint(at, "needs a `path`", "for example `path: ./out/` or `path: ./out/audit.ndjson`");
        } else if self.format == Format::Proto && !self.is_folder() {
            problems.add_hint(
                &at.key("path"),
                "must be a folder with `format: proto`: a file of requests does not say of which signal they are",
                "end the path with `/`",
            );
        }
        if self.rotation.max_megabytes == 0 {
            problems.add(&at.key("rotation").key("max_megabytes"), "must be more than 0");
        }
    }

    fn is_folder(&self) -> bool {
        self.path.as_os_str().as_encoded_bytes().ends_with(b"/")
    }
}

/// The exporter. Of one path there can be one at a time; a second one waits until the first has closed.
#[derive(Debug)]
pub struct File {
    /// In the order of [`Signal::ALL`]; all the same where all signals go into one file.
    writers: [Arc<Mutex<Writer>>; 3],
    format: Format,
    max_age: Duration,
}

impl File {
    /// An exporter with these settings. Touches no file before the first payload.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let handover = Handover { compression: config.compression, sha256: config.sha256 };
        let writer = |place| Arc::new(Mutex::new(Writer::new(place, config.format, &config.rotation, handover)));
        let extension = config.format.extension();
        let writers = if config.is_folder() {
            Signal::ALL.map(|signal| writer(Place::in_folder(&config.path, signal.name(), extension)))
        } else {
            let shared = writer(Place::named(&config.path, extension));
            [shared.clone(), shared.clone(), shared]
        };
        Self { writers, format: config.format, max_age: config.rotation.max_age.0 }
    }

    fn writer(&self, signal: Signal) -> &Arc<Mutex<Writer>> {
        let [logs, metrics, traces] = &self.writers;
        match signal {
            Signal::Logs => logs,
            Signal::Metrics => metrics,
            Signal::Traces => traces,
        }
    }

    fn encode(&self, payload: &Payload) -> Result<Vec<Bytes>, ExportError> {
        let request = || payload.otlp().map_err(|error| unreadable(&error));
        Ok(match self.format {
            Format::Ndjson => vec![payload.to_lines().map_err(|error| unreadable(&error))?],
            Format::Json => vec![json_line(payload.signal(), &request()?)?],
            Format::Proto => {
                let request = request()?;
                let len = u32::try_from(request.len()).map_err(|error| unreadable(&error))?;
                vec![Bytes::copy_from_slice(&len.to_be_bytes()), request]
            }
        })
    }
}

fn json_line(signal: Signal, request: &[u8]) -> Result<Bytes, ExportError> {
    let mut out = Vec::with_capacity(request.len() * 2);
    otlp::json::from_protobuf(signal, request, &mut out).map_err(|error| unreadable(&error))?;
    out.push(b'\n');
    Ok(out.into())
}

impl Exporter for File {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let pieces = self.encode(payload)?;
        let writer = self.writer(payload.signal());
        let begun = on_disk(writer, move |writer| writer.write(&pieces)).await?;
        if begun && !self.max_age.is_zero() {
            drop(tasks::detached(close_later(Arc::downgrade(writer), self.max_age)));
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), ExportError> {
        for writer in &self.writers {
            on_disk(writer, Writer::finish).await?;
        }
        Ok(())
    }
}

/// Closes a file that has become old enough while nothing more came.
async fn close_later(writer: Weak<Mutex<Writer>>, max_age: Duration) {
    tokio::time::sleep(max_age).await;
    let Some(writer) = writer.upgrade() else { return };
    if let Err(error) = on_disk(&writer, Writer::finish_old).await {
        warn!(%error, "cannot close a file that is old enough; it is closed with the next payload");
    }
}

/// Disks make their callers wait, so this happens outside the async workers.
async fn on_disk<T: Send + 'static>(
    writer: &Arc<Mutex<Writer>>,
    call: impl FnOnce(&mut Writer) -> durable::Result<T> + Send + 'static,
) -> Result<T, ExportError> {
    let writer = writer.clone();
    let result = tasks::blocking(move || call(&mut locked(&writer))).await;
    let result =
        result.map_err(|error| ExportError::Retry { after: None, cause: format!("cannot write files: {error}") })?;
    result.map_err(|error| classified(&error))
}

/// After a panic in the middle of a write the file is as after a crash, which the writer knows how to continue.
fn locked(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(|poisoned| {
        let mut guard = PoisonError::into_inner(poisoned);
        guard.forget();
        writer.clear_poison();
        guard
    })
}

/// A full disk gets room again; a folder that may not be written is for a human.
fn classified(error: &Error) -> ExportError {
    use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let cause = error.to_string();
    match error.kind() {
        AlreadyExists | IsADirectory | NotADirectory | PermissionDenied | ReadOnlyFilesystem => {
            ExportError::Pause { cause }
        }
        _ => ExportError::Retry { after: None, cause },
    }
}
