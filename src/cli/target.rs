//! The ledger of a command that changes it: found, locked, verified and surveyed before anything is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Exit;
use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::ledger::retain::{Done, Draft, RetainError, Survey, execute};
use crate::ledger::walk::Folder;
use crate::ledger::{LedgerError, Options, RootKey, VerifyOptions, verify};
use crate::stdx::durable::{self, Lock, LockError};

/// Which ledger, and who signs.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// A sealed pipeline's folder, or a data directory with one; telseal must not be running on it
    path: PathBuf,
    /// The private half of the root key, where it is not `root.key` in the ledger's folder
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Trust only this root key, see `telseal verify`
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    #[command(flatten)]
    bodies: BodyKeys,
    /// Who decided; sealed with the order
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(super) actor: String,
}

/// A ledger that nobody else writes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) dir: PathBuf,
    pub(super) survey: Survey,
    options: Options,
    _lock: Lock,
}

impl TargetArgs {
    /// Takes the lock, verifies everything, and looks closer at the records `wanted`.
    pub(super) fn open(&self, wanted: &BTreeSet<u64>) -> Result<Target> {
        let folder = Folder::find(&self.path)?;
        if folder.is_one_file {
            return Err(Failed::usage(format!("{} is one segment; name the ledger's folder", self.path.display())));
        }
        let dir = folder.dir.canonicalize().map_err(|cause| durable::Error::new("open", &folder.dir, cause))?;
        if folder.is_in_use() {
            return Err(in_use(&dir));
        }
        let lock = durable::lock_dir(owner(&dir)).map_err(|error| match error {
            LockError::InUse { .. } => in_use(&dir),
            LockError::File(error) => error.into(),
        })?;
        let (key, keyring) = (self.key.as_deref().map(read_key).transpose()?, self.bodies.read()?);
        let report = verify(&dir, &VerifyOptions { key, keyring: keyring.clone(), ..VerifyOptions::default() })?;
        let Some(verified) = report.ledgers.first() else {
            return Err(Failed::inconclusive(format!("no ledger in {}", dir.display())));
        };
        let survey = Survey::read(&dir, &verified.key, &keyring, wanted)?;
        let pipeline = dir.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let root = self.root_key.clone().map_or(RootKey::Folder, RootKey::File);
        let options = Options { root, encryption: keyring, ..Options::new(pipeline.unwrap_or_default()) };
        Ok(Target { dir, survey, options, _lock: lock })
    }
}

impl Target {
    /// Seals the orders and does what they say.
    pub(super) fn execute(&self, drafts: &[Draft]) -> Result<Done> {
        Ok(execute(&self.dir, &self.options, drafts)?)
    }
}

/// The folder whose lock a running process holds: the `data_dir`, where the ledger lies in one.
fn owner(dir: &Path) -> &Path {
    let data_dir = dir.parent().and_then(Path::parent);
    data_dir.filter(|data_dir| data_dir.join("lock").exists()).unwrap_or(dir)
}

fn in_use(dir: &Path) -> Failed {
    let what = format!("{}: telseal is running on this ledger; stop it first (nothing was written)", dir.display());
    Failed::new(Exit::Runtime, what)
}

impl From<RetainError> for Failed {
    fn from(error: RetainError) -> Self {
        let exit = match error {
            RetainError::Walk(error) => return error.into(),
            RetainError::Ledger(LedgerError::Integrity { .. } | LedgerError::Rollback(_)) => Exit::Integrity,
            RetainError::Ledger(_) | RetainError::File(_) => Exit::Runtime,
            RetainError::Held { .. } | RetainError::Refused(_) => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}
