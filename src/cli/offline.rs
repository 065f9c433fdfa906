//! Appends an event to a ledger that nobody is writing: a run of its own, with an orderly end.
//!
//! It is refused where it would hide something: while a process writes, and after a run that did not end in order, which
//! the next start must report first.

use std::path::{Path, PathBuf};

use crate::ledger::entry::{Entry, Kind};
use crate::ledger::walk::{Folder, SegmentReader, WalkError};
use crate::ledger::{Control, Ledger, LedgerError, Options, RootKey};
use crate::stdx::durable;

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("a process is writing this ledger")]
    InUse,
    #[error("one file was named, not a ledger's folder")]
    OneFile,
    #[error("the last run did not end in order; start telseal once, so that it reports that first")]
    Unclean,
    #[error(transparent)]
    Lock(#[from] durable::LockError),
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Opens the ledger, seals the event if there is one, and ends the run. Returns the number of the ledger's epoch.
pub(super) fn append(folder: &Folder, root: RootKey, event: Option<Control>) -> Result<u32, Refused> {
    if folder.is_one_file {
        return Err(Refused::OneFile);
    }
    if folder.is_in_use() {
        return Err(Refused::InUse);
    }
    let _lock = durable::lock_dir(&lock_of(&folder.dir))?;
    if last_kind(folder)? != Some(Kind::End) {
        return Err(Refused::Unclean);
    }
    // The name of the pipeline matters for a new ledger only.
    let (mut ledger, ..) = Ledger::open(&folder.dir, &Options { root, ..Options::new("offline") })?;
    if let Some(event) = event {
        ledger.append_control(event)?;
    }
    ledger.append_control(Control::new(Kind::End))?;
    Ok(ledger.epoch().epoch)
}

/// The folder whose lock a running telseal would hold: that of the `data_dir`, where the ledger still lies in one.
fn lock_of(dir: &Path) -> PathBuf {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let above = dir.ancestors().take(3).find(|dir| dir.join("lock").is_file());
    above.map_or_else(|| dir.clone(), Path::to_owned)
}

/// What the last entry is.
fn last_kind(folder: &Folder) -> Result<Option<Kind>, WalkError> {
    let Some(last) = folder.segments.last() else { return Ok(None) };
    let mut reader = SegmentReader::open(&last.path)?;
    let mut kind = None;
    while let Some(item) = reader.next_item()? {
        kind = item.entry().and_then(Entry::decode).map(|entry| entry.kind).or(kind);
    }
    Ok(kind)
}
