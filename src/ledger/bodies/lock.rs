//! Writes records with their bodies encrypted: a bodies line, then the locked lines that it opens.

use std::path::Path;

use zstd::bulk::Compressor;
use zstd::zstd_safe;

use super::{About, BODIES, BOX_BYTES, DataKeys, Key, Keyring, Place, push_locked_line, rewrap};
use crate::ledger::LINE_BYTES_MAX;
use crate::ledger::entry::ENTRY_BYTES;
use crate::ledger::scan::{base64_len, push_base64};
use crate::ledger::writer::LedgerError;
use crate::stdx::durable::{Error, Result};

/// The fastest level, as for closed segments.
const LEVEL: i32 = 1;

/// What goes into one box, and the lines behind it.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Text {
    text: Vec<u8>,
    lines: Vec<u8>,
    count: u64,
    first: u64,
}

impl Text {
    /// Adds a record.
    pub(in crate::ledger) fn add(
        &mut self,
        entry: &[u8; ENTRY_BYTES],
        seq: u64,
        salt: &[u8; 16],
        (body, disclosures): (&[u8], &[u8]),
    ) {
        if self.count == 0 {
            self.first = seq;
        }
        self.count += 1;
        self.text.extend_from_slice(salt);
        // Lines, and what they disclose, are far below 4 GiB.
        self.text.extend_from_slice(&u32::try_from(disclosures.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.text.extend_from_slice(disclosures);
        self.text.extend_from_slice(body);
        push_locked_line(&mut self.lines, entry);
    }

    /// Adds a line (without its end) that stands in clear between records.
    pub(in crate::ledger) fn add_clear(&mut self, line: &[u8]) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
    }

    /// True when nothing was added.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// True when another record of this size should go into another box.
    pub(in crate::ledger) fn is_full_for(&self, bytes: usize) -> bool {
        self.count > 0 && self.text.len() + bytes > BOX_BYTES
    }

    /// True when the lines alone are many.
    pub(in crate::ledger) fn is_long(&self) -> bool {
        self.lines.len() > 4 * BOX_BYTES
    }

    /// Forgets what a failed group left.
    pub(in crate::ledger) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.count = 0;
    }
}

/// Encrypts the records of one segment at a time.
pub(in crate::ledger) struct Locker {
    keyring: Keyring,
    key: Option<(Place, Key)>,
    compressor: Compressor<'static>,
    packed: Vec<u8>,
    sealed: Vec<u8>,
    /// What the next box will hold.
    pub(in crate::ledger) text: Text,
}

impl std::fmt::Debug for Locker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locker").field("key", &self.key.as_ref().map(|(_, key)| key.id)).finish_non_exhaustive()
    }
}

impl Locker {
    /// One that encrypts under these keys; `None` without keys.
    pub(in crate::ledger) fn new(keyring: &Keyring, dir: &Path) -> Result<Option<Self>> {
        if keyring.is_empty() {
            return Ok(None);
        }
        let compressor = Compressor::new(LEVEL).map_err(|cause| Error::new("prepare encryption in", dir, cause))?;
        let (keyring, text) = (keyring.clone(), Text::default());
        Ok(Some(Self { keyring, key: None, compressor, packed: Vec::new(), sealed: Vec::new(), text }))
    }

    /// Makes a key for this segment, if it is another one than before; on disk when this returns.
    pub(in crate::ledger) fn enter(&mut self, dir: &Path, place: &Place) -> std::result::Result<(), LedgerError> {
        if self.key.as_ref().is_none_or(|(entered, _)| entered != place) {
            self.key = Some((place.clone(), DataKeys::add(dir, place.clone(), &self.keyring)?));
        }
        Ok(())
    }

    /// Reads the file of body keys again and wraps the key of the present segment under the one in use.
    pub(in crate::ledger) fn rewrap(&self, dir: &Path, segment: u64) -> std::result::Result<(), LedgerError> {
        self.keyring.reload()?;
        rewrap(dir, segment, &self.keyring).map(|_| ())
    }

    /// Appends what came together: bodies line and lines; or the lines alone, when there is no record among them.
    pub(in crate::ledger) fn flush(&mut self, out: &mut Vec<u8>) -> std::result::Result<(), LedgerError> {
        if self.text.count > 0 {
            self.push_bodies_line(out)?;
        }
        out.extend_from_slice(&self.text.lines);
        self.text.clear();
        Ok(())
    }

    fn push_bodies_line(&mut self, out: &mut Vec<u8>) -> std::result::Result<(), LedgerError> {
        let (place, key) = self.key.as_ref().ok_or(LedgerError::NoRandom)?;
        let text = self.text.text.as_slice();
        self.packed.clear();
        self.packed.reserve(zstd_safe::compress_bound(text.len()));
        let packed = self.compressor.compress_to_buffer(text, &mut self.packed);
        // The room is there: only memory that is not there can be the cause.
        packed.map_err(|cause| Error::new("compress bodies in", Path::new("memory"), cause))?;
        out.extend_from_slice(BODIES);
        let about = About { bytes: text.len(), count: self.text.count, first: self.text.first, key: key.id };
        let start = out.len();
        about.push(out);
        self.sealed.clear();
        key.seal(&place.bound("bodies", &out[start..]), &self.packed, &mut self.sealed)?;
        if base64_len(self.sealed.len()) + 1024 > LINE_BYTES_MAX {
            return Err(LedgerError::NotALine);
        }
        out.extend_from_slice(b",\"box\":\"");
        push_base64(out, &self.sealed);
        out.extend_from_slice(b"\"}\n");
        Ok(())
    }
}
