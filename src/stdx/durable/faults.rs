//! Tests only: this thread's disk is full, or its truncation fails, on demand.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice, Write};

thread_local! {
    /// Bytes this thread may still append; `None` is no limit.
    pub(crate) static ROOM_BYTES: Cell<Option<usize>> = const { Cell::new(None) };
    /// Truncation fails while this is true.
    pub(crate) static TRUNCATE_FAILS: Cell<bool> = const { Cell::new(false) };
}

/// Writes what there is room for, then fails as a full disk does.
pub(super) fn before_write(mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<()> {
    let Some(room) = ROOM_BYTES.get() else { return Ok(()) };
    let wanted: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    if wanted.len() <= room {
        ROOM_BYTES.set(Some(room - wanted.len()));
        return Ok(());
    }
    file.write_all(&wanted[..room])?;
    Err(io::ErrorKind::StorageFull.into())
}

/// Fails while asked to.
pub(super) fn before_truncate() -> io::Result<()> {
    if TRUNCATE_FAILS.get() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}
