//! Closing a segment: what grows no more, and every exporter has passed, is packed, and its sidecar of entries is made.
//!
//! It runs on a thread of its own, one segment at a time. Each file is written under another name, synced and renamed, the
//! sidecar first; only then is the plain file removed. A crash in between leaves the plain file, and closing begins again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use super::OWN_LINE;
use super::bodies::{is_bodies, is_locked, parse_locked};
use super::entry::{SealedLine, push_stub_line};
use super::files::{PACKED_EXTENSION, STUBS_EXTENSION};
use super::lines::Lines;
use crate::stdx::durable::{self, Error, Result};
use crate::stdx::packed::Packer;
use crate::stdx::segments::{Packing, path_of};
use crate::stdx::tasks;

/// How much of a segment goes into one frame, unless a line is longer.
const FRAME_BYTES: usize = 1 << 19;

/// A frame of stubs is written with the one that fills it: there is room for one more.
const STUB_BYTES_MAX: usize = 256;

/// The fastest level: sealed lines are half hashes, which no level makes smaller.
const LEVEL: i32 = 1;

/// The one closing that may be under way.
#[derive(Debug, Default)]
pub(super) struct Closing {
    under_way: Option<JoinHandle<()>>,
    cancelled: Arc<AtomicBool>,
}

impl Closing {
    /// True when another segment can be taken.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Closes a segment in the background. When it fails that is said, and the segment stays as it is until the next try.
    pub(super) fn begin(&mut self, packing: Packing) {
        let cancelled = self.cancelled.clone();
        let name = format!("close-{}", packing.first());
        self.under_way = tasks::thread(&name, move || {
            let path = packing.path();
            match close(&path, packing.first(), &cancelled) {
                Ok(true) => drop(packing.finish().map_err(|error| say(&error))),
                Ok(false) => {}
                Err(error) => say(&error),
            }
        })
        .ok();
    }
}

fn say(error: &Error) {
    tracing::warn!(%error, "cannot close a segment of the ledger; it stays as it is, and is tried again");
}

impl Drop for Closing {
    /// The folder may be opened again by the same process: nobody may work in it then.
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
        if let Some(thread) = self.under_way.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the packed form and the sidecar of a plain segment beside it. False when it was cancelled.
pub(super) fn close(path: &Path, first: u64, cancelled: &AtomicBool) -> Result<bool> {
    let dir = path.parent().unwrap_or(path);
    let mut bodies = Frames::create(&path_of(dir, first, PACKED_EXTENSION))?;
    let stubs = path_of(dir, first, STUBS_EXTENSION);
    if !each_line(path, &stubs, cancelled, |line| bodies.line(line))? {
        return Ok(false);
    }
    bodies.finish()?;
    Ok(true)
}

/// Writes the sidecar of a segment alone. False when it was cancelled.
pub(super) fn write_stubs(path: &Path, stubs: &Path, cancelled: &AtomicBool) -> Result<bool> {
    each_line(path, stubs, cancelled, |_| Ok(()))
}

/// Writes the sidecar, and hands over each line on the way.
fn each_line(
    path: &Path,
    stubs: &Path,
    cancelled: &AtomicBool,
    mut line_of: impl FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    let (mut stubs, mut lines) = (Frames::create(stubs)?, Lines::open(path)?);
    while let Some(line) = lines.next()? {
        if cancelled.load(Relaxed) {
            return Ok(false);
        }
        if !line.is_whole {
            return Err(Error::content("close", path, "its last line is not whole"));
        }
        line_of(line.bytes)?;
        if is_bodies(line.bytes) {
            continue;
        }
        if line.bytes.starts_with(OWN_LINE) && !is_locked(line.bytes) {
            stubs.line(line.bytes)?;
            continue;
        }
        let sealed = SealedLine::parse(line.bytes).map(|sealed| sealed.entry);
        let entry = sealed.or_else(|| parse_locked(line.bytes));
        let entry = entry.ok_or_else(|| Error::content("close", path, "a line has no whole seal"))?;
        push_stub_line(&mut stubs.piece, &entry);
        stubs.flush_from(FRAME_BYTES)?;
    }
    stubs.finish()?;
    Ok(true)
}

/// Lines on their way into frames.
#[derive(Debug)]
pub(super) struct Frames {
    packer: Packer,
    piece: Vec<u8>,
}

impl Frames {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { packer: Packer::create(path, LEVEL)?, piece: Vec::with_capacity(FRAME_BYTES + STUB_BYTES_MAX) })
    }

    /// Adds a line (without its end).
    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        if self.piece.len() + line.len() + 1 > FRAME_BYTES {
            self.flush_from(0)?;
        }
        self.piece.extend_from_slice(line);
        self.piece.push(b'\n');
        self.flush_from(FRAME_BYTES)
    }

    /// Ends the frame when it has this many bytes.
    fn flush_from(&mut self, bytes: usize) -> Result<()> {
        if self.piece.len() >= bytes {
            self.packer.frame(&self.piece)?;
            self.piece.clear();
        }
        Ok(())
    }

    /// Gives the file its name; it is on disk when this returns.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush_from(0)?;
        self.packer.finish()
    }
}

/// Removes what an interrupted closing, or an interrupted change of keys, left.
pub(super) fn remove_unfinished(dir: &Path) -> Result<()> {
    for path in durable::list(dir)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".zst.tmp") || name.ends_with(".keys.tmp") {
            durable::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
