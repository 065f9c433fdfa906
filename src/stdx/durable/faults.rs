//! Tests only: on demand this thread's disk is full, its truncation fails, or the process is "killed": at a chosen effect
//! on the disk everything ends, that effect and all later ones included, and what is on the disk stays as it is.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice, Write};

thread_local! {
    /// Bytes this thread may still append; `None` is no limit.
    pub(crate) static ROOM_BYTES: Cell<Option<usize>> = const { Cell::new(None) };
    /// Truncation fails while this is true.
    pub(crate) static TRUNCATE_FAILS: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    static EFFECTS: Cell<u64> = const { Cell::new(0) };
    static KILL: Cell<Option<Kill>> = const { Cell::new(None) };
    static TORE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug, Clone, Copy)]
struct Kill {
    at: u64,
    torn: bool,
}

/// Lets this thread's effects end at number `at`, from 1. A write that is the one is done by half when `torn`.
pub(crate) fn kill_at(at: u64, torn: bool) {
    EFFECTS.set(0);
    TORE.set(false);
    KILL.set(Some(Kill { at, torn }));
}

/// True when the effect that was killed was a write, and half of it was done.
pub(crate) fn tore() -> bool {
    TORE.get()
}

/// The next process: effects work again. How many there were since [`kill_at`], or were tried.
pub(crate) fn revive() -> u64 {
    KILL.set(None);
    EFFECTS.replace(0)
}

/// Counts, and fails from the chosen one on.
pub(super) fn effect() -> io::Result<()> {
    EFFECTS.set(EFFECTS.get() + 1);
    match KILL.get() {
        Some(kill) if EFFECTS.get() >= kill.at => Err(io::Error::other("killed")),
        _ => Ok(()),
    }
}

/// The same for a write.
pub(super) fn effect_of_write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let counted = effect();
    if let Some(kill) = KILL.get()
        && kill.torn
        && EFFECTS.get() == kill.at
    {
        TORE.set(true);
        file.write_all(&bytes[..bytes.len() / 2])?;
    }
    counted
}

/// Writes what there is room for, then fails as a full disk does.
pub(super) fn before_write(mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<()> {
    let wanted = || -> Vec<u8> { parts.iter().flat_map(|part| part.iter().copied()).collect() };
    let counted = effect();
    if KILL.get().is_some_and(|kill| kill.torn && EFFECTS.get() == kill.at) {
        TORE.set(true);
        let wanted = wanted();
        file.write_all(&wanted[..wanted.len() / 2])?;
    }
    counted?;
    let Some(room) = ROOM_BYTES.get() else { return Ok(()) };
    let wanted = wanted();
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
