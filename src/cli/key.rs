//! `--key`: a verifier key, or the file that holds one.

use std::path::Path;

use crate::cli::failed::{Failed, Result};
use crate::ledger::note::VerifyingKey;
use crate::stdx::durable;

/// Far more than the text of a key.
const KEY_BYTES_MAX: u64 = 4096;

/// The key itself, or the file that holds it.
pub(super) fn read_key(written: &str) -> Result<VerifyingKey> {
    if let Some(key) = VerifyingKey::parse(written.trim()) {
        return Ok(key);
    }
    let Some(bytes) = durable::read(Path::new(written), KEY_BYTES_MAX)? else {
        return Err(Failed::usage(format!("--key `{written}` is neither a verifier key (see `key.pub`) nor a file")));
    };
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| VerifyingKey::parse(text.trim()));
    key.ok_or_else(|| Failed::usage(format!("--key {written}: the file does not hold an Ed25519 verifier key")))
}
