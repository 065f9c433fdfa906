//! `telseal verify`: reads everything again and says what is proven, what is not, and what is wrong first.
//!
//! It needs the files and a public key, nothing else, and trusts neither the machine that wrote them nor the state of
//! a running process. Speed: one pass, one core, bound by SHA-256 over the lines.

mod report;

use std::path::{Path, PathBuf};

pub use self::report::{KeyFrom, LedgerReport, Report};
use super::EXTENSION;
use super::chain::Chain;
pub use super::checker::Fault;
use super::checker::{Before, Checked, Checker, Finding, check_continuity};
use super::entry::{ENTRY_BYTES, Entry, SealedLine, leaf_of, parse_stub};
use super::keys::{PUBLIC_KEY_FILE, read_public_key};
use super::lines::Lines;
use super::note::{Checkpoint, Note, VerifyingKey, parse_checkpoint_line};
use super::recover::read_header;
use super::tree::Frontier;
use crate::stdx::durable::{self, Error};
use crate::stdx::segments;

/// The name of the ledger's folder in a pipeline's folder.
pub const LEDGER_DIR: &str = "ledger";

/// What the caller knows beforehand.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The public root key of the ledger, obtained elsewhere. Without it the one beside the files is believed.
    pub key: Option<VerifyingKey>,
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
    let mut report = LedgerReport::new(path, key, key_from);
    let mut end: Option<Chain> = None;
    for (index, (named, path)) in found.segments.iter().enumerate() {
        let is_last = index + 1 == found.segments.len();
        let Some(segment) = check_segment(path, &mut report)? else {
            if is_last && index > 0 {
                break;
            }
            return Err(VerifyError::Inconclusive(format!("no checkpoint in {}", path.display())));
        };
        check_place(path, *named, &segment, end.as_ref())?;
        if index == 0 {
            report.first = segment.start.size();
            if !segment.is_linked {
                return Err(VerifyError::Inconclusive(unlinked(path)));
            }
        }
        match segment.tail {
            None => {}
            Some(tail) if !is_last => return Err(tail.violation(path, &segment.end)),
            Some(tail) if found.is_in_use() => report.in_flight_bytes = tail.bytes,
            Some(tail) => return Err(tail.doubt(path, &segment.end)),
        }
        end = Some(segment.end);
    }
    if report.checkpoints == 0 {
        return Err(VerifyError::Inconclusive(format!("no checkpoint in {}", path.display())));
    }
    Ok(report)
}

fn unlinked(path: &Path) -> String {
    format!(
        "the root key did not sign the certificate of this segment's key, only the epoch before it did; verify the whole \
         folder: {}",
        path.display()
    )
}

/// What one segment proves by itself.
struct Segment {
    start: Chain,
    /// Where it ends, its last checkpoint included.
    end: Chain,
    is_linked: bool,
    tail: Option<Tail>,
}

/// What follows the last checkpoint of a segment.
struct Tail {
    bytes: u64,
    line: u64,
    is_torn: bool,
}

impl Tail {
    /// At the very end of a ledger a crash explains it, and the next start cuts it off.
    fn doubt(&self, path: &Path, end: &Chain) -> VerifyError {
        match self.violation(path, end) {
            VerifyError::Violation(violation) => VerifyError::Doubt(violation),
            other => other,
        }
    }

    fn violation(&self, path: &Path, end: &Chain) -> VerifyError {
        let torn = if self.is_torn { ", the last line is not whole" } else { "" };
        let what = format!(
            "{} bytes that no checkpoint covers{torn}, and no process is writing; if telseal was \
             killed, start it once: it cuts off and reports what it never acknowledged",
            self.bytes
        );
        let seq = Some(end.signed);
        violation(path, self.line, Finding { seq, ..Finding::new(Fault::Unsigned, None, what) })
    }
}

fn violation(path: &Path, line: u64, finding: Finding) -> VerifyError {
    let Finding { fault, seq, what, .. } = finding;
    VerifyError::Violation(Box::new(Violation { path: path.to_owned(), line, seq, fault, what }))
}

/// A folder must be complete, and its names are part of it.
fn check_place(path: &Path, named: Option<u64>, segment: &Segment, before: Option<&Chain>) -> Result<(), VerifyError> {
    let first = segment.start.size();
    let fail = |finding| Err(violation(path, 1, finding));
    if let Some(before) = before {
        check_continuity(before, &segment.start).or_else(fail)?;
    } else if named.is_some() && first > 0 {
        let what = format!("the folder begins with entry {first}: the segments before it are gone");
        return fail(Finding::new(Fault::Missing, 0, what));
    }
    match named {
        Some(name) if name != first => {
            let what = format!("the file is named {name}, but begins with entry {first}");
            fail(Finding::new(Fault::Modified, None, what))
        }
        _ => Ok(()),
    }
}

/// Checks one segment; what follows its last checkpoint is given back, not judged. `None` without a whole header.
fn check_segment(path: &Path, report: &mut LedgerReport) -> Result<Option<Segment>, VerifyError> {
    let mut lines = Lines::open(path)?;
    let mut checker = match lines.next()? {
        Some(line) if line.is_whole => Checker::begin(&report.key, line.bytes).map_err(|e| violation(path, 1, e))?,
        _ => return Ok(None),
    };
    report.stream = checker.chain().stream.to_string();
    let start = checker.chain().clone();
    let (mut number, mut signed, mut end_offset) = (1, (0, 1, None), 0);
    let mut is_torn = false;
    while let Some(line) = lines.next()? {
        number += 1;
        end_offset = line.end_offset;
        if !line.is_whole {
            is_torn = true;
            break;
        }
        match checker.line(line.bytes) {
            Ok(checked) => {
                report.count(&checked, checker.chain());
                if let Checked::Checkpoint { .. } = checked {
                    signed = (end_offset, number, Some(checker.chain().clone()));
                }
            }
            Err(finding) => return Err(Blame { path, key: &report.key, checker: &checker }.assign(number, finding)?),
        }
    }
    report.segments += 1;
    report.bytes += signed.0;
    let bytes = end_offset - signed.0;
    let tail = (bytes > 0).then_some(Tail { bytes, line: signed.1 + 1, is_torn });
    let end = signed.2.unwrap_or_else(|| start.clone());
    Ok(Some(Segment { start, end, is_linked: checker.is_linked(), tail }))
}

/// Finds out more about what is wrong, from the rest of the file.
struct Blame<'a> {
    path: &'a Path,
    key: &'a VerifyingKey,
    /// The check up to the line before.
    checker: &'a Checker,
}

impl Blame<'_> {
    /// Makes a finding as exact as the rest of the file allows: which of two neighbours is wrong, and whether a line
    /// that is not here is somewhere else.
    fn assign(&self, line: u64, mut finding: Finding) -> Result<VerifyError, VerifyError> {
        let mut line = line;
        if finding.before == Before::Unclear && self.predecessor_is_wrong(line)? {
            let what = "the entry is not the one that its successor continues".into();
            let seq = self.checker.chain().size().checked_sub(1);
            finding = Finding { before: Before::Wrong, seq, what, ..finding };
        }
        line -= u64::from(finding.before == Before::Wrong);
        if finding.fault == Fault::Missing
            && let Some(seq) = finding.seq
            && let Some(found) = line_of(self.path, line + 1, seq)?
        {
            let what = format!("{}; entry {seq} follows in line {found}", finding.what);
            finding = Finding { fault: Fault::Reordered, what, ..finding };
        }
        Ok(violation(self.path, line, finding))
    }

    /// The entry in this line does not continue the one before it. If the next checkpoint's root comes out with what
    /// this entry says about its predecessor, then it is the predecessor that was changed.
    fn predecessor_is_wrong(&self, line: u64) -> Result<bool, Error> {
        let mut lines = Lines::open(self.path)?;
        let Some(mut checker) = lines.next()?.and_then(|first| Checker::begin(self.key, first.bytes).ok()) else {
            return Ok(false);
        };
        let mut tree: Option<Frontier> = None;
        let mut number = 1;
        while let Some(read) = lines.next()? {
            number += 1;
            if number + 1 < line {
                let _ = checker.line(read.bytes);
            } else if number >= line {
                let Some(entry) = entry_in(read.bytes) else {
                    let note = parse_checkpoint_line(read.bytes);
                    let covered = note.as_deref().and_then(Note::parse).and_then(|note| Checkpoint::parse(note.text));
                    return Ok(covered.zip(tree).is_some_and(|((_, covered), tree)| covered.root == tree.root()));
                };
                let tree = tree.get_or_insert_with(|| before(&checker, &entry));
                tree.push(leaf_of(&entry));
            }
        }
        Ok(false)
    }
}

/// The entry in a record's line, with or without its body.
fn entry_in(line: &[u8]) -> Option<[u8; ENTRY_BYTES]> {
    SealedLine::parse(line).map(|sealed| sealed.entry).or_else(|| parse_stub(line))
}

/// The tree up to the predecessor of an entry, as that entry sees it.
fn before(checker: &Checker, entry: &[u8; ENTRY_BYTES]) -> Frontier {
    let mut tree = checker.chain().frontier.clone();
    tree.push(Entry::decode(entry).map_or([0; 32], |entry| entry.prev_leaf));
    tree
}

/// In which line from this one on an entry stands, if it does.
fn line_of(path: &Path, from: u64, seq: u64) -> Result<Option<u64>, Error> {
    let mut lines = Lines::open(path)?;
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        let entry = if number < from { None } else { entry_in(line.bytes) };
        if entry.and_then(|entry| Entry::decode(&entry)).is_some_and(|entry| entry.seq == seq) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
