//! Verifies a ledger again and again while it grows, and reads again only what may have changed.
//!
//! The first look verifies everything. Later ones begin with the first file that is new or has another length or time of
//! change, and must come out at a tree that contains the one seen before; so what was cut off, rewritten or replaced since is
//! found, also when the ledger that is there now is whole in itself. Where the part alone does not suffice (orders that stand
//! before it, an epoch that the root key did not sign), everything is verified. The same length and time of a file that was
//! changed all the same is found by a whole verification only. Costs a look: at most the last segment, in most cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::note::Checkpoint;
use super::{Anchor, Form, Found, LedgerReport, VerifyError, VerifyOptions, files, fold, verify};
use crate::stdx::durable::Error;

/// What a file looked like.
type Stamp = (Form, u64, Option<SystemTime>);

/// One ledger that is followed.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    options: VerifyOptions,
    stamps: BTreeMap<u64, Stamp>,
    checked: BTreeSet<(PathBuf, u64, [u8; 32])>,
    seen: Option<LedgerReport>,
}

impl Follow {
    /// Follows the ledger in this folder, which was not looked at yet.
    #[must_use]
    pub fn new(dir: &Path, options: VerifyOptions) -> Self {
        let (stamps, checked) = (BTreeMap::new(), BTreeSet::new());
        Self { dir: dir.to_owned(), options, stamps, checked, seen: None }
    }

    /// What was proven last. After the first look, its counts are those of the part that was read last.
    #[must_use]
    pub fn seen(&self) -> Option<&LedgerReport> {
        self.seen.as_ref()
    }

    /// Looks at what is there now. `anchors`, all that are known, must have been read before. True when more is proven
    /// than before.
    ///
    /// # Errors
    /// As [`verify`]; the next look then starts from what was proven before.
    pub fn look(&mut self, anchors: &[Anchor]) -> Result<bool, VerifyError> {
        let stamps = stamps(&self.dir)?;
        let is_new = |anchor: &&Anchor| !self.checked.contains(&place(anchor));
        let fresh: Vec<Anchor> = anchors.iter().filter(is_new).cloned().collect();
        if self.seen.is_some() && fresh.is_empty() && stamps == self.stamps {
            return Ok(false);
        }
        let part = self.first_changed(&stamps, &fresh).map(|first| self.part(first, &fresh));
        let report = match part {
            None | Some(Err(VerifyError::Inconclusive(_) | VerifyError::Doubt(_))) => self.whole(anchors)?,
            Some(done) => done?,
        };
        self.checked.extend(fresh.iter().map(place));
        self.stamps = stamps;
        let before = self.seen.as_ref();
        let is_larger = before.is_none_or(|before| report.size > before.size);
        let heartbeat_seconds = report.heartbeat_seconds.or_else(|| before?.heartbeat_seconds);
        // The key beside the files is believed once: who exchanges it later is found.
        self.options.key = Some(report.key.clone());
        self.seen = Some(LedgerReport { heartbeat_seconds, ..report });
        Ok(is_larger)
    }

    /// From which file on to read; `None`: all of them.
    fn first_changed(&self, stamps: &BTreeMap<u64, Stamp>, fresh: &[Anchor]) -> Option<u64> {
        let seen = self.seen.as_ref()?;
        let is_gone = self.stamps.keys().any(|first| !stamps.contains_key(first));
        let is_early = fresh.iter().any(|anchor| anchor.checkpoint.size < seen.size);
        if is_gone || is_early {
            return None;
        }
        let changed = stamps.iter().find(|(first, stamp)| self.stamps.get(first) != Some(stamp));
        changed.or_else(|| stamps.last_key_value()).map(|(first, _)| *first)
    }

    fn part(&self, first: u64, fresh: &[Anchor]) -> Result<LedgerReport, VerifyError> {
        let mut listed = files::list(&self.dir)?;
        listed.retain(|file| file.first >= first);
        let found = Found { files: listed, dir: self.dir.clone(), is_folder: false };
        fold::verify(&self.dir, &found, &self.with(fresh))
    }

    fn whole(&self, anchors: &[Anchor]) -> Result<LedgerReport, VerifyError> {
        let mut report = verify(&self.dir, &self.with(anchors))?;
        let none = || VerifyError::Inconclusive(format!("no ledger in {}", self.dir.display()));
        report.ledgers.pop().ok_or_else(none)
    }

    /// What was seen is an anchor like those of others.
    fn with(&self, anchors: &[Anchor]) -> VerifyOptions {
        let mut options = VerifyOptions { anchors: anchors.to_vec(), ..self.options.clone() };
        if let Some(seen) = &self.seen {
            let checkpoint = Checkpoint { size: seen.size, root: seen.root };
            options.anchors.push(Anchor::seen(&self.dir, seen.key.origin(), checkpoint));
        }
        options
    }
}

fn place(anchor: &Anchor) -> (PathBuf, u64, [u8; 32]) {
    (anchor.path.clone(), anchor.checkpoint.size, anchor.checkpoint.root)
}

fn stamps(dir: &Path) -> Result<BTreeMap<u64, Stamp>, VerifyError> {
    let mut stamps = BTreeMap::new();
    for file in files::list(dir)? {
        match file.path.metadata() {
            Ok(metadata) => drop(stamps.insert(file.first, (file.form, metadata.len(), metadata.modified().ok()))),
            // Packed just now: it is there in another form.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                stamps.insert(file.first, (file.form, 0, None));
            }
            Err(error) => return Err(Error::new("look at", &file.path, error).into()),
        }
    }
    Ok(stamps)
}

#[cfg(test)]
mod tests;
