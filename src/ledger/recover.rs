//! What a start does with the files of the last run: check the last segment, cut off what was never acknowledged.
//!
//! A group is on disk, signature included, before the next one is written. So a crash can only leave the last group
//! unfinished: its lines follow the last good checkpoint, and the file ends with them, or with the zeros that a file
//! system leaves in blocks it did not get to write. Anything else that does not verify is an integrity violation,
//! and nothing is repaired.

use std::path::Path;

use super::bodies::{Keyring, Opener, Shut};
use super::chain::Chain;
use super::checker::{Body, Checked, Checker, Finding};
use super::entry::Kind;
use super::header::Header;
use super::lines::Lines;
use super::note::{VerifyingKey, is_checkpoint};
use super::writer::LedgerError;
use crate::stdx::durable;
use crate::stdx::segments::{Format, Whole};

/// Reads ledger segments at start; afterwards it knows where the chain stands.
#[derive(Debug)]
pub(super) struct Recover {
    root: VerifyingKey,
    keyring: Keyring,
    /// The state at the last good checkpoint; `None` when nothing was found.
    pub(super) chain: Option<Chain>,
    /// The last entry is the orderly end of a run.
    pub(super) is_ended: bool,
}

impl Recover {
    pub(super) fn new(root: VerifyingKey, keyring: Keyring) -> Self {
        Self { root, keyring, chain: None, is_ended: false }
    }
}

impl Format for Recover {
    type Error = LedgerError;

    fn records_before(&mut self, path: &Path, first: u64) -> Result<u64, LedgerError> {
        let header = read_header(path)?.filter(|header| header.first() == first);
        let what = "the first line is not the header of this segment";
        Ok(header.ok_or_else(|| LedgerError::integrity(path, 1, what))?.records)
    }

    fn recover(&mut self, path: &Path, first: u64) -> Result<Whole, LedgerError> {
        let Some(Good { end_offset, line, chain, is_ended, signature }) =
            last_good(&self.root, &self.keyring, path, first)?
        else {
            self.chain = None;
            return Ok(Whole { bytes: 0, records: 0 });
        };
        signature.map_err(|finding| violation(path, line, &finding))?;
        let whole = Whole { bytes: end_offset, records: chain.records };
        (self.chain, self.is_ended) = (Some(chain), is_ended);
        Ok(whole)
    }
}

/// Checks a segment up to its end, or up to an unfinished last group.
fn last_good(root: &VerifyingKey, keyring: &Keyring, path: &Path, first: u64) -> Result<Option<Good>, LedgerError> {
    let mut good = None;
    let mut checker: Option<Checker> = None;
    let (mut lines, mut opener) = (Lines::open(path)?, Opener::new(path, keyring));
    let (mut number, mut is_ended) = (0, false);
    while let Some(line) = lines.next()?.filter(|line| line.is_whole) {
        number += 1;
        let seen = match opener.view(line.bytes) {
            Ok(None) => continue,
            Ok(Some(seen)) => Ok(seen),
            Err(Shut::File(error)) => return Err(error.into()),
            Err(Shut::Wrong(fault, what)) => Err(Finding::new(fault, None, what)),
        };
        let checked = match (&mut checker, seen) {
            (_, Err(finding)) => Err(finding),
            (Some(checker), Ok(seen)) => checker.line(seen),
            (None, Ok(seen)) => match Checker::begin(root, seen) {
                Ok(begun) if begun.chain().size() != first => {
                    let what = "the file's name is not the number of its first entry";
                    return Err(LedgerError::integrity(path, 1, what));
                }
                Ok(begun) => {
                    checker = Some(begun.with_last_signature_only());
                    continue;
                }
                Err(finding) => Err(finding),
            },
        };
        match (checked, &checker) {
            (Ok(Checked::Checkpoint { .. }), Some(checker)) => {
                let chain = checker.chain().clone();
                good = Some(Good { end_offset: line.end_offset, line: number, chain, is_ended, signature: Ok(()) });
            }
            (Ok(Checked::Control { entry, .. }), _) => is_ended = entry.kind == Kind::End,
            (Ok(Checked::Record { body: Body::Locked, .. }), _) => {
                return Err(LedgerError::locked(path, opener.missing()));
            }
            (Ok(_), _) => is_ended = false,
            (Err(finding), _) => {
                let mut group = RestOfGroup::new(line.bytes);
                if group.is_explained_by_a_crash(&mut lines)? {
                    break;
                }
                return Err(violation(path, number, &finding));
            }
        }
    }
    if let (Some(good), Some(checker)) = (&mut good, &checker) {
        good.signature = checker.last_signature();
    }
    Ok(good)
}

/// The last checkpoint that fits what lies before it.
struct Good {
    end_offset: u64,
    line: u64,
    chain: Chain,
    is_ended: bool,
    /// Whether its signature fits.
    signature: Result<(), Finding>,
}

fn violation(path: &Path, line: u64, finding: &Finding) -> LedgerError {
    LedgerError::integrity(path, line, format!("{}: {}", finding.fault.name(), finding.what))
}

/// What was seen of a group that does not verify, from its first bad line on.
struct RestOfGroup {
    ends_group: bool,
    has_zeros: bool,
}

impl RestOfGroup {
    fn new(line: &[u8]) -> Self {
        Self { ends_group: is_checkpoint(line), has_zeros: memchr::memchr(0, line).is_some() }
    }

    /// Reads on to the end of the file: true when a crash explains what is there.
    fn is_explained_by_a_crash(&mut self, lines: &mut Lines) -> durable::Result<bool> {
        while let Some(line) = lines.next()? {
            if self.ends_group {
                // Another group was written after this one: this one was on disk and good once.
                return Ok(false);
            }
            self.has_zeros |= memchr::memchr(0, line.bytes).is_some();
            self.ends_group = line.is_whole && is_checkpoint(line.bytes);
        }
        Ok(self.has_zeros || !self.ends_group)
    }
}

/// The header of a segment, or `None` when its first line is none.
pub(super) fn read_header(path: &Path) -> durable::Result<Option<Header>> {
    let mut lines = Lines::open(path)?;
    let line = lines.next()?;
    Ok(line.filter(|line| line.is_whole).and_then(|line| Header::parse(line.bytes)))
}
