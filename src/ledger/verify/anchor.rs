//! Checkpoints kept elsewhere: what they say about a ledger that may have been cut or rewritten.

use std::path::{Path, PathBuf};

use super::super::anchor::Anchored;
use super::super::chain::Chain;
use super::super::checker::{Fault, Finding};
use super::super::note::{Checkpoint, Note, Verdict, VerifyingKey};
use super::{Report, VerifyError, violation};
use crate::stdx::durable;

/// A month with a checkpoint a second has 800 MB of them.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// A checkpoint from a file that was kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The file.
    pub path: PathBuf,
    /// The ledger it is of.
    pub origin: String,
    /// What it covers.
    pub checkpoint: Checkpoint,
    note: String,
}

impl Anchor {
    /// Reads the checkpoints in a file, in signed-note form; a torn one, and what lies between them, is passed over. Their
    /// signatures are checked when the ledger's keys are known.
    ///
    /// # Errors
    /// When the disk refuses, or there is no checkpoint in the file.
    pub fn read(path: &Path) -> durable::Result<Vec<Self>> {
        let wrong = || durable::Error::content("use", path, "no checkpoint in signed-note form in it");
        let bytes = durable::read(path, FILE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| durable::Error::new("open", path, std::io::ErrorKind::NotFound.into()))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let found = Anchored::parse_all(&text).into_iter().filter(|found| Note::parse(&found.note).is_some());
        let found: Vec<Self> = found
            .map(|Anchored { origin, checkpoint, note }| Self { path: path.to_owned(), origin, checkpoint, note })
            .collect();
        if found.is_empty() { Err(wrong()) } else { Ok(found) }
    }

    /// What the caller saw of a ledger in this folder by verifying it.
    pub(super) fn seen(dir: &Path, origin: &str, checkpoint: Checkpoint) -> Self {
        Self { path: dir.to_owned(), origin: origin.to_owned(), checkpoint, note: String::new() }
    }

    /// Compares it with the ledger that ends at `end` and had these roots. It counts as known from elsewhere even when no
    /// key of the ledger signed it that is still known: the ledger may have been cut before that key.
    pub(super) fn check(
        &self,
        ledger: &Path,
        end: &Chain,
        roots: &[(u64, [u8; 32])],
        first: u64,
        keys: &[VerifyingKey],
    ) -> Result<(), VerifyError> {
        let note = Note::parse(&self.note);
        let is_wrong = |key: &VerifyingKey| note.as_ref().is_some_and(|note| note.verdict(key) == Verdict::Wrong);
        if keys.iter().any(is_wrong) {
            return Err(self.inconclusive("its signature does not fit its text"));
        }
        let (size, fail) = (self.checkpoint.size, |fault, what: String| {
            Err(violation(ledger, 0, Finding::new(fault, None, format!("{what}, see {}", self.path.display()))))
        });
        if size > end.size() {
            let what = format!("{} entries, but a checkpoint over {size} is known", end.size());
            return fail(Fault::Truncated, what);
        }
        match roots.iter().find(|(at, _)| *at == size) {
            Some((_, root)) if *root == self.checkpoint.root => Ok(()),
            Some(_) => fail(Fault::Forked, format!("another root at size {size} than a checkpoint that is known")),
            None if size <= first => Err(self.inconclusive("it lies before the part that was looked at")),
            None => Err(self.inconclusive("its size was not met")),
        }
    }

    fn inconclusive(&self, why: &str) -> VerifyError {
        VerifyError::Inconclusive(format!("anchor {}: {why}", self.path.display()))
    }
}

/// Every anchor must be one of a ledger that was looked at.
pub(super) fn all_used(anchors: &[Anchor], report: &Report) -> Result<(), VerifyError> {
    let is_ours = |anchor: &&Anchor| report.ledgers.iter().any(|ledger| ledger.key.origin() == anchor.origin);
    match anchors.iter().find(|anchor| !is_ours(anchor)) {
        Some(anchor) => Err(anchor.inconclusive(&format!("it is of the ledger {}, which is not here", anchor.origin))),
        None => Ok(()),
    }
}

/// The anchors of the ledger with this key, in the order of their sizes.
pub(super) fn of_ledger<'a>(anchors: &'a [Anchor], key: &VerifyingKey) -> Result<Vec<&'a Anchor>, VerifyError> {
    let mut ours: Vec<&Anchor> = anchors.iter().filter(|anchor| anchor.origin == key.origin()).collect();
    ours.sort_by_key(|anchor| anchor.checkpoint.size);
    for anchor in &ours {
        if Note::parse(&anchor.note).is_some_and(|note| note.verdict(key) == Verdict::Wrong) {
            return Err(anchor.inconclusive("the root key's signature does not fit its text"));
        }
    }
    Ok(ours)
}
