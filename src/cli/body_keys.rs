//! `--encryption-key`: the file whose keys open bodies that rest encrypted.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::ledger::walk::Folder;
use crate::ledger::{Keyring, LedgerError};

/// Where the keys are.
#[derive(Debug, Args)]
pub(super) struct BodyKeys {
    /// The file of keys that opens encrypted bodies: that of `seal.encryption.key_file`
    #[arg(long, value_name = "FILE")]
    encryption_key: Option<PathBuf>,
}

impl BodyKeys {
    /// The keys; none where no file was named.
    pub(super) fn read(&self) -> Result<Keyring> {
        let Some(path) = &self.encryption_key else { return Ok(Keyring::default()) };
        Keyring::read(path).map_err(|error| match error {
            LedgerError::Key { .. } => Failed::usage(format!("--encryption-key: {error}")),
            other => other.into(),
        })
    }

    /// The keys, which must be given.
    pub(super) fn need(&self) -> Result<Keyring> {
        let keys = self.read()?;
        if keys.is_empty() {
            return Err(Failed::usage("--encryption-key FILE is missing: the file of keys, with the new one in front"));
        }
        Ok(keys)
    }
}

/// Why a record has no body to show.
pub(super) fn bodiless(folder: &Folder, seq: u64) -> Result<String> {
    Ok(match folder.missing_key(seq)? {
        Some(key) => {
            format!("the body of entry {seq} is encrypted under the key {key}: --encryption-key names its file")
        }
        None => format!("the body of entry {seq} is gone"),
    })
}
