//! Finds out more about what is wrong, from the rest of the file.

use std::path::Path;

use super::super::bodies::{is_bodies, parse_locked};
use super::super::checker::{Before, Checker, Fault, Finding};
use super::super::entry::{ENTRY_BYTES, Entry, SealedLine, leaf_of, parse_stub};
use super::super::lines::Lines;
use super::super::note::{Checkpoint, Note, VerifyingKey, parse_checkpoint_line};
use super::super::tree::Frontier;
use super::{VerifyError, violation};
use crate::stdx::durable::Error;

/// A line that does not verify.
pub(super) struct Blame<'a> {
    pub(super) path: &'a Path,
    pub(super) key: &'a VerifyingKey,
    /// The check up to the line before.
    pub(super) checker: &'a Checker,
}

impl Blame<'_> {
    /// Makes a finding as exact as the rest of the file allows: which of two neighbours is wrong, whether a line that is
    /// not here is somewhere else, and whether all is well without the line.
    pub(super) fn assign(&self, line: u64, mut finding: Finding) -> Result<VerifyError, VerifyError> {
        let mut line = line;
        if finding.before == Before::Unclear && self.predecessor_is_wrong(line)? {
            let what = "the entry is not the one that its successor continues".into();
            let seq = self.checker.chain().size().checked_sub(1);
            finding = Finding { before: Before::Wrong, seq, what, ..finding };
        }
        line -= u64::from(finding.before == Before::Wrong);
        if finding.fault == Fault::Missing
            && let Some(seq) = finding.seq
            && let Some(found) = self.line_of(line + 1, seq)?
        {
            let what = format!("{}; entry {seq} follows in line {found}", finding.what);
            finding = Finding { fault: Fault::Reordered, what, ..finding };
        } else if finding.before == Before::Good && is_foreign(finding.fault) && self.goes_on_after(line)? {
            let what = format!("{}; without this line the ledger goes on", finding.what);
            finding = Finding { fault: Fault::Inserted, what, ..finding };
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
            } else if number >= line && !is_bodies(read.bytes) {
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

    /// In which line from this one on an entry stands, if it does.
    fn line_of(&self, from: u64, seq: u64) -> Result<Option<u64>, Error> {
        let mut lines = Lines::open(self.path)?;
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

    /// True when the line after this one is good in the place of this one.
    fn goes_on_after(&self, line: u64) -> Result<bool, Error> {
        let mut lines = Lines::open(self.path)?;
        for _ in 0..line {
            lines.next()?;
        }
        let next = lines.next()?.filter(|line| line.is_whole);
        Ok(next.is_some_and(|next| self.checker.clone().line(next.bytes).is_ok()))
    }
}

/// Faults of a line that may not belong here at all.
fn is_foreign(fault: Fault) -> bool {
    matches!(fault, Fault::Malformed | Fault::Modified | Fault::Inserted | Fault::WrongKey | Fault::WrongEpoch)
}

/// The entry in a record's line, with or without its body.
fn entry_in(line: &[u8]) -> Option<[u8; ENTRY_BYTES]> {
    let sealed = SealedLine::parse(line).map(|sealed| sealed.entry);
    sealed.or_else(|| parse_stub(line)).or_else(|| parse_locked(line))
}

/// The tree up to the predecessor of an entry, as that entry sees it.
fn before(checker: &Checker, entry: &[u8; ENTRY_BYTES]) -> Frontier {
    let mut tree = checker.chain().frontier.clone();
    tree.push(Entry::decode(entry).map_or([0; 32], |entry| entry.prev_leaf));
    tree
}
