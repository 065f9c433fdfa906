//! `telseal verify`: what a ledger proves, or the first thing that is wrong with it.
//!
//! The report goes to standard output. What is wrong, and why nothing can be said, goes to standard error; the exit code
//! tells these apart.

use std::path::Path;

use crate::cli::{Exit, complain, say};
use crate::ledger::note::VerifyingKey;
use crate::ledger::{VerifyError, VerifyOptions, verify as check};
use crate::stdx::durable;

/// Far more than the text of a key.
const KEY_BYTES_MAX: u64 = 4096;

pub(super) fn verify(path: &Path, key: Option<&str>) -> Exit {
    let key = match key.map(read_key).transpose() {
        Ok(key) => key,
        Err((exit, message)) => return end(exit, &message),
    };
    match check(path, &VerifyOptions { key }) {
        Ok(report) => {
            say(report.to_string());
            Exit::Ok
        }
        Err(error) => end(exit_of(&error), &error.to_string()),
    }
}

fn end(exit: Exit, message: &str) -> Exit {
    complain(format!("telseal: {message}\n"));
    exit
}

const fn exit_of(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Violation(_) => Exit::Integrity,
        VerifyError::Inconclusive(_) | VerifyError::Doubt(_) => Exit::Inconclusive,
        VerifyError::File(_) => Exit::Runtime,
    }
}

/// The key itself, or the file that holds it.
fn read_key(written: &str) -> Result<VerifyingKey, (Exit, String)> {
    if let Some(key) = VerifyingKey::parse(written.trim()) {
        return Ok(key);
    }
    let bytes = match durable::read(Path::new(written), KEY_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let message = format!("--key `{written}` is neither a verifier key (see `key.pub`) nor a file");
            return Err((Exit::Usage, message));
        }
        Err(error) => return Err((Exit::Runtime, error.to_string())),
    };
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| VerifyingKey::parse(text.trim()));
    key.ok_or_else(|| (Exit::Usage, format!("--key {written}: the file does not hold an Ed25519 verifier key")))
}
