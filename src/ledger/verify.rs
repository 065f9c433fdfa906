//! `telseal verify`: reads everything again and says what is proven, what is not, and what is wrong first.
//!
//! It needs the files and a public key, nothing else, and trusts neither the machine that wrote them nor the state of
//! a running process. Speed: one pass, one core, bound by SHA-256 over the lines.

mod report;

use std::path::{Path, PathBuf};

pub use self::report::{KeyFrom, LedgerReport, Report};
use super::EXTENSION;
pub use super::checker::Fault;
use super::checker::{Before, Checked, Checker, Finding};
use super::entry::{Entry, SealedLine, leaf_of};
use super::lines::Lines;
use super::note::{VerifyingKey, parse_checkpoint_line};
use super::recover::read_header;
use super::tree::Frontier;
use crate::stdx::durable::{self, Error};
use crate::stdx::segments;

/// The name of the signing key in a ledger's folder.
pub const KEY_FILE: &str = "key";

/// The name of the public key in a ledger's folder.
pub const PUBLIC_KEY_FILE: &str = "key.pub";

/// The name of the ledger's folder in a pipeline's folder.
pub const LEDGER_DIR: &str = "ledger";

/// What the caller knows beforehand.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The public key that must have signed, obtained elsewhere. Without it the one beside the files is believed.
    pub key: Option<VerifyingKey>,
}

/// The first thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {}{}: {what}", path.display(), fault.name(), seq.map(|seq| format!(": entry {seq}")).unwrap_or_default())]
pub struct Violation {
    /// The segment.
    pub path: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// The number of the entry, when it is known.
    pub seq: Option<u64>,
    /// What kind of thing it is.
    pub fault: Fault,
    /// What exactly.
    pub what: String,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The files are not what was sealed (exit code 4).
    #[error(transparent)]
    Violation(Box<Violation>),
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
        let found = Found { segments: vec![(None, path.to_owned())], dir: path.parent().unwrap_or(path).to_owned() };
        return Ok(Report { ledgers: vec![verify_ledger(path, &found, options)?] });
    }
    let dirs = ledger_dirs(path)?;
    if dirs.is_empty() {
        return Err(VerifyError::Inconclusive(format!("no ledger in {}", path.display())));
    }
    let ledgers = dirs.into_iter().map(|dir| {
        let segments = segments::list(&dir, EXTENSION)?.into_iter().map(|(first, path)| (Some(first), path)).collect();
        verify_ledger(&dir.clone(), &Found { segments, dir }, options)
    });
    Ok(Report { ledgers: ledgers.collect::<Result<_, _>>()? })
}

/// The public key in a ledger's folder, if there is one.
pub(super) fn read_public_key(dir: &Path) -> durable::Result<Option<VerifyingKey>> {
    let path = dir.join(PUBLIC_KEY_FILE);
    let Some(bytes) = durable::read(&path, 4096)? else { return Ok(None) };
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| VerifyingKey::parse(text.trim_end()));
    key.map(Some).ok_or_else(|| Error::content("use", &path, "not the text of an Ed25519 verifier key"))
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
        if !segments::list(&dir, EXTENSION)?.is_empty() {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}

/// What belongs to one ledger. A segment has its number when it was found by it, not when it was named by the user.
struct Found {
    segments: Vec<(Option<u64>, PathBuf)>,
    dir: PathBuf,
}

impl Found {
    fn key(&self, options: &VerifyOptions) -> Result<(VerifyingKey, KeyFrom), VerifyError> {
        if let Some(key) = &options.key {
            return Ok((key.clone(), KeyFrom::Caller));
        }
        if let Some(key) = read_public_key(&self.dir)? {
            return Ok((key, KeyFrom::Folder));
        }
        let header = self.segments.first().map(|(_, path)| read_header(path)).transpose()?.flatten();
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

fn verify_ledger(path: &Path, found: &Found, options: &VerifyOptions) -> Result<LedgerReport, VerifyError> {
    let (key, key_from) = found.key(options)?;
    let mut check = Check { checker: Checker::new(key.clone()), report: LedgerReport::new(path, key, key_from) };
    for (index, (first, path)) in found.segments.iter().enumerate() {
        let is_last = index + 1 == found.segments.len();
        let tail = check.segment(path, *first)?;
        match tail {
            None => {}
            Some(_) if is_last && found.is_in_use() => check.report.in_flight_bytes = tail.map_or(0, |tail| tail.bytes),
            Some(tail) => return Err(tail.violation(path, &check.checker)),
        }
    }
    if check.report.checkpoints == 0 {
        return Err(VerifyError::Inconclusive(format!("no checkpoint in {}", path.display())));
    }
    Ok(check.report)
}

/// What follows the last checkpoint of a segment.
struct Tail {
    bytes: u64,
    line: u64,
    is_torn: bool,
}

impl Tail {
    fn violation(&self, path: &Path, checker: &Checker) -> VerifyError {
        let torn = if self.is_torn { ", the last line is not whole" } else { "" };
        let what = format!(
            "{} bytes that no checkpoint covers{torn}, and no process is writing; if telseal was \
             killed, start it once: it cuts off and reports what it never acknowledged",
            self.bytes
        );
        let seq = Some(checker.chain().signed);
        violation(path, self.line, Finding { fault: Fault::UnsignedTail, seq, what, before: Before::Good })
    }
}

fn violation(path: &Path, line: u64, finding: Finding) -> VerifyError {
    let Finding { fault, seq, what, .. } = finding;
    VerifyError::Violation(Box::new(Violation { path: path.to_owned(), line, seq, fault, what }))
}

/// The check of one ledger.
struct Check {
    checker: Checker,
    report: LedgerReport,
}

impl Check {
    /// Checks one segment; what follows its last checkpoint is given back, not judged.
    fn segment(&mut self, path: &Path, named: Option<u64>) -> Result<Option<Tail>, VerifyError> {
        self.checker.next_segment().map_err(|finding| violation(path, 1, finding))?;
        let mut lines = Lines::open(path)?;
        let (mut number, mut signed) = (0, (0, 0));
        let (mut end_offset, mut is_torn) = (0, false);
        while let Some(line) = lines.next()? {
            number += 1;
            end_offset = line.end_offset;
            if !line.is_whole {
                is_torn = true;
                break;
            }
            match self.checker.line(line.bytes) {
                Ok(checked) => {
                    self.report.count(checked, self.checker.chain());
                    if checked == Checked::Checkpoint {
                        signed = (end_offset, number);
                    }
                }
                Err(finding) => return Err(self.blame(path, number, finding)?),
            }
            if number == 1 {
                self.check_name(path, named)?;
            }
        }
        self.report.segments += 1;
        self.report.bytes += signed.0;
        let bytes = end_offset - signed.0;
        Ok((bytes > 0).then_some(Tail { bytes, line: signed.1 + 1, is_torn }))
    }

    /// A folder must be complete, and its names are part of it.
    fn check_name(&mut self, path: &Path, named: Option<u64>) -> Result<(), VerifyError> {
        let first = self.checker.chain().size();
        if self.report.segments == 0 {
            self.report.first = first;
        }
        let (fault, what) = match named {
            Some(_) if self.report.segments == 0 && first > 0 => {
                (Fault::Missing, format!("the folder begins with entry {first}: the segments before it are gone"))
            }
            Some(name) if name != first => {
                (Fault::Modified, format!("the file is named {name}, but begins with entry {first}"))
            }
            _ => return Ok(()),
        };
        Err(violation(
            path,
            1,
            Finding { fault, seq: Some(0).filter(|_| fault == Fault::Missing), what, before: Before::Good },
        ))
    }

    /// Makes a finding as exact as the rest of the file allows: which of two neighbours is wrong, and whether a line
    /// that is not here is somewhere else.
    fn blame(&self, path: &Path, line: u64, mut finding: Finding) -> Result<VerifyError, VerifyError> {
        let mut line = line;
        if finding.before == Before::Unclear && self.predecessor_is_wrong(path, line)? {
            let what = "the entry is not the one that its successor continues".into();
            finding =
                Finding { before: Before::Wrong, seq: self.checker.chain().size().checked_sub(1), what, ..finding };
        }
        line -= u64::from(finding.before == Before::Wrong);
        if finding.fault == Fault::Missing
            && let Some(seq) = finding.seq
            && let Some(found) = line_of(path, line + 1, seq)?
        {
            let what = format!("{}; entry {seq} follows in line {found}", finding.what);
            finding = Finding { fault: Fault::Reordered, what, ..finding };
        }
        Ok(violation(path, line, finding))
    }

    /// The entry in this line does not continue the one before it. If the next checkpoint's root comes out with what
    /// this entry says about its predecessor, then it is the predecessor that was changed.
    fn predecessor_is_wrong(&self, path: &Path, line: u64) -> Result<bool, Error> {
        let mut checker = Checker::new(self.report.key.clone());
        let mut tree: Option<Frontier> = None;
        let mut lines = Lines::open(path)?;
        let mut number = 0;
        while let Some(read) = lines.next()? {
            number += 1;
            if number + 1 < line {
                let _ = checker.line(read.bytes);
            } else if number >= line {
                let Some(sealed) = SealedLine::parse(read.bytes) else {
                    let note = parse_checkpoint_line(read.bytes).and_then(|note| self.report.key.open(&note).ok());
                    return Ok(note.zip(tree).is_some_and(|(note, tree)| note.root == tree.root()));
                };
                let tree = tree.get_or_insert_with(|| before(&checker, &sealed));
                tree.push(leaf_of(&sealed.entry));
            }
        }
        Ok(false)
    }
}

/// The tree up to the predecessor of an entry, as that entry sees it.
fn before(checker: &Checker, sealed: &SealedLine<'_>) -> Frontier {
    let mut tree = checker.chain().frontier.clone();
    tree.push(Entry::decode(&sealed.entry).map_or([0; 32], |entry| entry.prev_leaf));
    tree
}

/// In which line from this one on an entry stands, if it does.
fn line_of(path: &Path, line: u64, seq: u64) -> Result<Option<u64>, Error> {
    for_entries(path, line, |number, _, entry| (entry.seq == seq).then_some(number))
}

/// Calls `visit` with the entries from a line on, until it answers.
fn for_entries<T>(
    path: &Path,
    from: u64,
    mut visit: impl FnMut(u64, &SealedLine<'_>, &Entry) -> Option<T>,
) -> Result<Option<T>, Error> {
    let mut lines = Lines::open(path)?;
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        let sealed = if number < from { None } else { SealedLine::parse(line.bytes) };
        let found = sealed.and_then(|sealed| visit(number, &sealed, &Entry::decode(&sealed.entry)?));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
