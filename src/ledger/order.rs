//! Orders over bodies that are sealed: what may be deleted, what was erased, what must stay. Only the root key gives them.

use super::entry::Stream;

/// What the signature of an order covers: its ledger, and the order's own bytes.
#[must_use]
pub fn signed_bytes(stream: Stream, order: &[u8]) -> Vec<u8> {
    [format!("telseal order/v1\n{stream}\n").as_bytes(), order].concat()
}
