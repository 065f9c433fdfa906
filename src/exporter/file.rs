//! Files on local disk, made to be carried away: a payload counts as delivered when it is on the disk.
//!
//! The file being written is called `NAME.part`; full, old enough or at an orderly end it is renamed to
//! `STEM-20260131T101500.123Z.EXT`, and from then on it is whole and nobody touches it. After a crash the `.part` file
//! is continued: what was half written is cut off (it was never confirmed and comes again), nothing else ever is.
//! A full disk and the like are tried again; a folder that may not be written pauses the exporter.

use std::path::PathBuf;

use serde::Deserialize;

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
