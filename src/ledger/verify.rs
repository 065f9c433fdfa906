//! `telseal verify`: reads everything again and says what is proven, what is not, and what is wrong first.
//!
//! It needs the files and a public key, nothing else, and trusts neither the machine that wrote them nor the state of
//! a running process. Each segment is checked from its own signed header, several at once; then that each continues the
//! one before. One pass, bound by SHA-256 over the lines; memory for one buffer a thread.

mod anchor;
mod blame;
mod facts;
mod fold;
mod follow;
mod json;
mod report;
mod segment;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use self::anchor::Anchor;
pub use self::facts::Gap;
pub use self::follow::Follow;
pub use self::report::{KeyFrom, LedgerReport, Report};
use super::bodies::Keyring;
pub use super::checker::Fault;
use super::checker::Finding;
use super::files::{self, File, Form};
use super::keys::{PUBLIC_KEY_FILE, read_public_key};
use super::note::VerifyingKey;
use super::recover::read_header;
use crate::stdx::durable::{self, Error};

/// The name of the ledger's folder in a pipeline's folder.
pub const LEDGER_DIR: &str = "ledger";

/// What the caller knows beforehand, and asks for.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The public root key of the ledger, obtained elsewhere. Without it the one beside the files is believed.
    pub key: Option<VerifyingKey>,
    /// Checkpoints of the ledger, kept elsewhere.
    pub anchors: Vec<Anchor>,
    /// How many entries there must be at least.
    pub expect_size: Option<u64>,
    /// How old the last signature may be, in seconds.
    pub max_age_seconds: Option<u64>,
    /// Declared gaps are not accepted.
    pub no_gaps: bool,
    /// What opens encrypted bodies.
    pub keyring: Keyring,
    /// That bodies are encrypted and no key opens them is no error: the report says it.
    pub may_be_locked: bool,
    /// How many threads; by default, one a core.
    pub threads: Option<usize>,
    /// Told how far it is.
    pub progress: Arc<Progress>,
}

/// How far a verification is, in bytes of files.
#[derive(Debug, Default)]
pub struct Progress {
    /// What there is to read.
    pub total: AtomicU64,
    /// What was read.
    pub done: AtomicU64,
}

/// The first thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {}{}: {what}", path.display(), at_line(*line), fault.name(), seq.map(|seq| format!(": entry {seq}")).unwrap_or_default())]
pub struct Violation {
    /// The segment; of what concerns all of a ledger, its folder.
    pub path: PathBuf,
    /// The line in it, from 1; 0 for what concerns no line.
    pub line: u64,
    /// The number of the entry, when it is known.
    pub seq: Option<u64>,
    /// What kind of thing it is.
    pub fault: Fault,
    /// What exactly.
    pub what: String,
}

fn at_line(line: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The files are not what was sealed (exit code 4).
    #[error(transparent)]
    Violation(Box<Violation>),
    /// Something is wrong that need not be anybody's doing (exit code 6).
    #[error("cannot conclude: {0}")]
    Doubt(Box<Violation>),
    /// There is nothing to check, or nothing to check it with (exit code 6).
    #[error("cannot conclude: {0}")]
    Inconclusive(String),
    /// The disk refused (exit code 1).
    #[error(transparent)]
    File(#[from] Error),
}

/// Verifies a ledger's folder, one segment file, a pipeline's folder, or a `data_dir` with several pipelines.
///
/// # Errors
/// The first violation; or that nothing can be concluded; or that the disk refused.
pub fn verify(path: &Path, options: &VerifyOptions) -> Result<Report, VerifyError> {
    if path.is_file() {
        let file = File { first: 0, path: path.to_owned(), form: Form::of(path) };
        let dir = path.parent().unwrap_or(path).to_owned();
        let found = Found { files: vec![file], dir, is_folder: false };
        return whole(vec![fold::verify(path, &found, options)?], options);
    }
    let dirs = ledger_dirs(path)?;
    if dirs.is_empty() {
        return Err(VerifyError::Inconclusive(format!("no ledger in {}", path.display())));
    }
    let ledgers = dirs.into_iter().map(|dir| {
        let files = files::list(&dir)?;
        fold::verify(&dir.clone(), &Found { files, dir, is_folder: true }, options)
    });
    whole(ledgers.collect::<Result<_, _>>()?, options)
}

fn whole(ledgers: Vec<LedgerReport>, options: &VerifyOptions) -> Result<Report, VerifyError> {
    let report = Report { ledgers };
    anchor::all_used(&options.anchors, &report)?;
    match report.locked().filter(|_| !options.may_be_locked) {
        Some(what) => Err(VerifyError::Inconclusive(what)),
        None => Ok(report),
    }
}

/// The folders with segments at or below `path`: itself, its `ledger`, or the `ledger` of each of its folders.
fn ledger_dirs(path: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    if !path.exists() {
        return Err(Error::new("open", path, std::io::ErrorKind::NotFound.into()).into());
    }
    let below = durable::list(path)?.into_iter().map(|dir| dir.join(LEDGER_DIR));
    let candidates = [path.to_owned(), path.join(LEDGER_DIR)].into_iter().chain(below);
    let mut dirs = Vec::new();
    for dir in candidates.filter(|dir| dir.is_dir()) {
        if !files::list(&dir)?.is_empty() {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}

/// What belongs to one ledger. One file named by the caller may have any name.
#[derive(Debug)]
struct Found {
    files: Vec<File>,
    dir: PathBuf,
    is_folder: bool,
}

impl Found {
    fn key(&self, options: &VerifyOptions) -> Result<(VerifyingKey, KeyFrom), VerifyError> {
        if let Some(key) = &options.key {
            return Ok((key.clone(), KeyFrom::Caller));
        }
        if let Some(key) = read_public_key(&self.dir)? {
            return Ok((key, KeyFrom::Folder));
        }
        let header = self.files.first().map(|file| read_header(&file.path)).transpose()?.flatten();
        let missing = || {
            let name = PUBLIC_KEY_FILE;
            VerifyError::Inconclusive(format!(
                "no public key: {} has no {name}, its first segment names none",
                self.dir.display()
            ))
        };
        Ok((header.ok_or_else(missing)?.vkey, KeyFrom::Segment))
    }

    /// True when a living process writes here: it holds the lock of this folder or of one of the two above.
    fn is_in_use(&self) -> bool {
        let dir = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        dir.ancestors().take(3).any(durable::is_locked)
    }
}

fn violation(path: &Path, line: u64, finding: Finding) -> VerifyError {
    let Finding { fault, seq, what, .. } = finding;
    VerifyError::Violation(Box::new(Violation { path: path.to_owned(), line, seq, fault, what }))
}

impl VerifyError {
    /// The same finding, where a crash or a clock explains it as well.
    fn into_doubt(self) -> Self {
        match self {
            Self::Violation(violation) => Self::Doubt(violation),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
