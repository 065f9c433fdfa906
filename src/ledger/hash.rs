//! SHA-256, as the ledger uses it.

use aws_lc_rs::digest::{self, Context, SHA256};

use super::entry::ENTRY_BYTES;

/// A SHA-256 value.
pub(super) type Hash = [u8; 32];

/// What a commitment begins with, so that it is no hash of anything else.
const COMMIT_PREFIX: &[u8; 5] = b"CR/1\0";

fn value(digest: &digest::Digest) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The hash of one piece.
pub(super) fn sha256(bytes: &[u8]) -> Hash {
    value(&digest::digest(&SHA256, bytes))
}

/// The leaf of an entry in an RFC 6962 tree.
pub(super) fn leaf(entry: &[u8; ENTRY_BYTES]) -> Hash {
    let mut input = [0; 1 + ENTRY_BYTES];
    input[1..].copy_from_slice(entry);
    sha256(&input)
}

/// An inner node of an RFC 6962 tree.
pub(super) fn node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    sha256(&input)
}

/// What an entry says about a line without telling it: without the salt nothing about the line can be guessed. The
/// line comes in two parts because a reader has its last byte elsewhere.
pub(super) fn commit(salt: &[u8; 16], line: &[u8], last: &[u8]) -> Hash {
    let mut prefix = [0; 21];
    prefix[..5].copy_from_slice(COMMIT_PREFIX);
    prefix[5..].copy_from_slice(salt);
    let mut context = Context::new(&SHA256);
    context.update(&prefix);
    context.update(line);
    context.update(last);
    value(&context.finish())
}
