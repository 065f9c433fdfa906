//! What a command adds to a ledger. Where a process is writing it, that one is asked; else it is a run of its own, with an
//! orderly end. After a run that did not end in order it waits for the next start, which must report that first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ledger::entry::{Entry, Kind};
use crate::ledger::request::{self, Answer, AskError, Request};
use crate::ledger::walk::{Folder, WalkError};
use crate::ledger::{Ledger, LedgerError, Options, RootKey};
use crate::stdx::durable::{self, Lock};

/// How long a running telseal may take to answer. It looks once a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("one file was named, not a ledger's folder")]
    OneFile,
    #[error(
        "the last run did not end in order; start telseal once, so that it reports that first: it then does this as well"
    )]
    Unclean,
    #[error(transparent)]
    Asked(#[from] AskError),
    #[error(transparent)]
    Lock(#[from] durable::LockError),
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Has the request done, by whoever may write the ledger now.
pub(super) fn request(folder: &Folder, root: RootKey, request: Request) -> Result<Answer, Refused> {
    if folder.is_one_file {
        return Err(Refused::OneFile);
    }
    if folder.is_in_use() {
        return Ok(request::ask(&folder.dir, &request, PATIENCE)?);
    }
    let _lock = alone(folder)?;
    if last_kind(folder)? != Some(Kind::End) {
        request::leave(&folder.dir, &request).map_err(AskError::File)?;
        return Err(Refused::Unclean);
    }
    // The name of the pipeline matters for a new ledger only.
    let options = Options { root, encryption: folder.keyring.clone(), ..Options::new("offline") };
    let (mut ledger, ..) = Ledger::open(&folder.dir, &options)?;
    match request {
        Request::Export(event) => ledger.append_control(event)?,
        // Whoever opens a ledger begins a new epoch.
        Request::Rotate => {}
        Request::Rewrap => ledger.rewrap()?,
    }
    let answer = ledger.answer();
    ledger.finish()?;
    Ok(answer)
}

/// Takes the lock: nobody writes the ledger while it is held.
pub(super) fn alone(folder: &Folder) -> Result<Lock, Refused> {
    Ok(durable::lock_dir(&lock_of(&folder.dir))?)
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
    let mut reader = folder.open(&last.path)?;
    let mut kind = None;
    while let Some(item) = reader.next_item()? {
        kind = item.entry().and_then(Entry::decode).map(|entry| entry.kind).or(kind);
    }
    Ok(kind)
}
