//! Checks one segment from its signed header on: it needs no other file.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use super::super::bodies::{Keyring, Opener, Shut};
use super::super::chain::Chain;
use super::super::checker::{Checked, Checker, Fault, Finding};
use super::super::files::{File, Form, PACKED_EXTENSION, STUBS_EXTENSION};
use super::super::lines::Lines;
use super::super::note::VerifyingKey;
use super::blame::Blame;
use super::facts::Facts;
use super::{Progress, VerifyError, violation};
use crate::stdx::durable;
use crate::stdx::segments::path_of;

/// How many lines are checked between two reports of progress.
const LINES_PER_REPORT: u64 = 512;

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// A segment.
    Segment(Box<Segment>),
    /// Not even a whole header: so many bytes.
    Nothing(u64),
}

/// What one segment proves by itself.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where it was read from.
    pub(super) path: PathBuf,
    pub(super) form: Form,
    pub(super) start: Chain,
    /// Where it ends, its last checkpoint included.
    pub(super) end: Chain,
    pub(super) is_linked: bool,
    pub(super) facts: Facts,
    /// How many bytes of lines are covered by checkpoints.
    pub(super) bytes: u64,
    pub(super) tail: Option<Tail>,
    /// The roots at the sizes that were asked for.
    pub(super) roots: Vec<(u64, [u8; 32])>,
}

/// What follows the last checkpoint of a segment.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) bytes: u64,
    line: u64,
    is_torn: bool,
}

impl Tail {
    pub(super) fn violation(&self, path: &Path, end: &Chain) -> VerifyError {
        let torn = if self.is_torn { ", the last line is not whole" } else { "" };
        let what = format!(
            "{} bytes that no checkpoint covers{torn}, and no process is writing; if telseal was \
             killed, start it once: it cuts off and reports what it never acknowledged",
            self.bytes
        );
        violation(path, self.line, Finding::new(Fault::Unsigned, end.signed, what))
    }
}

/// What is asked of every segment.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) root: &'a VerifyingKey,
    /// Sizes at which the root of the tree is wanted, in order.
    pub(super) sizes: &'a [u64],
    pub(super) keyring: &'a Keyring,
    pub(super) progress: &'a Progress,
}

/// Checks one segment; what follows its last checkpoint is given back, not judged.
pub(super) fn check(file: &File, question: &Question<'_>) -> Result<Found, VerifyError> {
    let (path, mut lines) = open(file)?;
    let path = path.as_path();
    let mut opener = Opener::new(path, question.keyring);
    let mut checker = match lines.next().map_err(|error| unpack_error(path, 1, error))? {
        Some(line) if line.is_whole => {
            let _ = opener.view(line.bytes);
            Checker::begin(question.root, line.bytes).map_err(|finding| violation(path, 1, finding))?
        }
        other => return Ok(Found::Nothing(other.map_or(0, |line| line.bytes.len() as u64))),
    };
    let start = checker.chain().clone();
    let mut check = Check {
        signed: (lines.offset(), 1, start.clone()),
        facts: Facts::default(),
        roots: vec![(start.size(), start.checkpoint().root)],
        sizes: question.sizes.iter().copied().skip_while(|size| *size <= start.size()).collect(),
    };
    check.roots.retain(|(size, _)| question.sizes.contains(size));
    let (mut number, mut end_offset, mut is_torn, mut reported) = (1, lines.offset(), false, 0);
    loop {
        if number % LINES_PER_REPORT == 0 {
            question.progress.done.fetch_add(lines.consumed() - reported, Relaxed);
            reported = lines.consumed();
        }
        let Some(line) = lines.next().map_err(|error| unpack_error(path, number + 1, error))? else { break };
        number += 1;
        end_offset = line.end_offset;
        if !line.is_whole {
            is_torn = true;
            break;
        }
        let seen = match opener.view(line.bytes) {
            Ok(Some(seen)) => seen,
            Ok(None) => continue,
            Err(Shut::File(error)) => return Err(error.into()),
            Err(Shut::Wrong(fault, what)) => {
                return Err(violation(path, number, Finding::new(fault, checker.chain().size(), what)));
            }
        };
        match checker.line(seen) {
            Ok(checked) => check.good(&checked, &checker, (end_offset, number), question.root),
            Err(finding) => return Err(Blame { path, key: question.root, checker: &checker }.assign(number, finding)?),
        }
    }
    question.progress.done.fetch_add(lines.consumed() - reported, Relaxed);
    let (signed_offset, signed_line, end) = check.signed;
    let bytes = end_offset - signed_offset;
    let tail = (bytes > 0).then_some(Tail { bytes, line: signed_line + 1, is_torn });
    let (path, form) = (path.to_owned(), Form::of(path));
    let (mut facts, roots, is_linked) = (check.facts, check.roots, checker.is_linked());
    facts.missing_key = opener.missing();
    let bytes = signed_offset;
    Ok(Found::Segment(Box::new(Segment { path, form, start, end, is_linked, facts, bytes, tail, roots })))
}

/// What grows while lines go by.
struct Check {
    /// The last checkpoint: where it ends, its line, and the state it covers.
    signed: (u64, u64, Chain),
    facts: Facts,
    roots: Vec<(u64, [u8; 32])>,
    sizes: std::collections::VecDeque<u64>,
}

impl Check {
    fn good(&mut self, checked: &Checked<'_>, checker: &Checker, place: (u64, u64), root: &VerifyingKey) {
        let chain = checker.chain();
        self.facts.add(checked, chain, root);
        if let Checked::Checkpoint { .. } = checked {
            self.signed = (place.0, place.1, chain.clone());
        } else if self.sizes.front() == Some(&chain.size()) {
            self.roots.push((chain.size(), chain.checkpoint().root));
            self.sizes.pop_front();
        }
    }
}

/// Opens a segment. A living process may have closed it since the folder was listed.
fn open(file: &File) -> Result<(PathBuf, Lines), VerifyError> {
    let mut last = match Lines::open(&file.path) {
        Ok(lines) => return Ok((file.path.clone(), lines)),
        Err(error) => error,
    };
    let dir = file.path.parent().unwrap_or(&file.path);
    for extension in [PACKED_EXTENSION, STUBS_EXTENSION] {
        if last.kind() != std::io::ErrorKind::NotFound || file.form != Form::Plain {
            break;
        }
        let path = path_of(dir, file.first, extension);
        match Lines::open(&path) {
            Ok(lines) => return Ok((path, lines)),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// What cannot be unpacked was changed; everything else is the disk's.
fn unpack_error(path: &Path, line: u64, error: durable::Error) -> VerifyError {
    if error.kind() == std::io::ErrorKind::InvalidData {
        return violation(path, line, Finding::new(Fault::Malformed, None, error.to_string()));
    }
    error.into()
}
