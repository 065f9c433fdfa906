//! The keys of one segment: `<first>.keys` beside it, a line a key, each wrapped under a body key.
//!
//! A change of the body key writes these files anew and nothing else. They are always replaced as a whole: a crash leaves the
//! old one or the new one. What a file system or a disk keeps of older blocks is beyond our reach.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::NONCE_LEN;
use zeroize::Zeroizing;

use super::keyring::Keyring;
use super::{About, KEY_BYTES, KEYS_EXTENSION, Key, KeyId, Place, TAG_BYTES, random_key};
use crate::ledger::checker::Fault;
use crate::ledger::files::{self, Form};
use crate::ledger::lines::Lines;
use crate::ledger::recover::read_header;
use crate::ledger::scan::{Scan, push_base64};
use crate::ledger::writer::LedgerError;
use crate::stdx::durable::{self, Error, Mode};
use crate::stdx::segments::path_of;

/// Far more than the keys of a segment.
const FILE_BYTES_MAX: u64 = 1 << 20;
const WRAPPED_BYTES: usize = NONCE_LEN + KEY_BYTES + TAG_BYTES;

const OPEN: &[u8] = b"{\"audit.key\":";

/// One key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrapped {
    id: KeyId,
    under: KeyId,
    wrapped: [u8; WRAPPED_BYTES],
}

/// Why a key cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The segment does not have it any more.
    Gone,
    /// The body key that it is wrapped under is not at hand.
    NotAtHand(KeyId),
    /// It is not what was wrapped.
    Wrong,
}

/// The keys of one segment.
#[derive(Debug, Clone)]
pub(super) struct DataKeys {
    place: Place,
    path: PathBuf,
    keys: Vec<Wrapped>,
}

impl DataKeys {
    /// What stands beside a segment; without a file, none.
    pub(super) fn read(dir: &Path, place: Place) -> durable::Result<Result<Self, (Fault, &'static str)>> {
        let path = path_of(dir, place.segment, KEYS_EXTENSION);
        let text = durable::read(&path, FILE_BYTES_MAX)?.unwrap_or_default();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let keys: Option<Vec<Wrapped>> = lines.map(|line| Wrapped::parse(line.strip_suffix(b"\n")?)).collect();
        let malformed = (Fault::Malformed, "the file with the keys of the segment is malformed");
        Ok(keys.map(|keys| Self { place, path, keys }).ok_or(malformed))
    }

    /// The same, where what is wrong is an error like any other.
    fn load(dir: &Path, place: Place) -> durable::Result<Self> {
        let path = path_of(dir, place.segment, KEYS_EXTENSION);
        Self::read(dir, place)?.map_err(|(_, what)| Error::content("use", &path, what))
    }

    /// A key of this segment.
    pub(super) fn key(&self, id: KeyId, keyring: &Keyring) -> Result<Key, NoKey> {
        let wrapped = self.keys.iter().find(|key| key.id == id).ok_or(NoKey::Gone)?;
        let under = keyring.find(wrapped.under).ok_or(NoKey::NotAtHand(wrapped.under))?;
        let bytes = wrapped.open(&self.place, &under).ok_or(NoKey::Wrong)?;
        Key::new(&bytes).filter(|key| key.id == id).ok_or(NoKey::Wrong)
    }

    /// Makes a key for a segment, on disk when this returns. Those that are there stay.
    pub(super) fn add(dir: &Path, place: Place, keyring: &Keyring) -> Result<Key, LedgerError> {
        let mut all = Self::load(dir, place)?;
        let bytes = random_key()?;
        let (under, key) = keyring.first().zip(Key::new(&bytes)).ok_or(LedgerError::NoRandom)?;
        all.keys.push(Wrapped::seal(&all.place, &bytes, key.id, &under)?);
        all.store()?;
        Ok(key)
    }

    /// Wraps all of them under the key in use, on disk when this returns. How many were under another one.
    fn rewrap(&mut self, keyring: &Keyring) -> Result<u64, LedgerError> {
        let Some(under) = keyring.first() else { return Ok(0) };
        let mut changed = 0;
        for key in self.keys.iter_mut().filter(|key| key.under != under.id) {
            let old = keyring.find(key.under).ok_or_else(|| {
                let what = format!("it is wrapped under the key {}, which the key file does not have", key.under);
                LedgerError::key(&self.path, what)
            })?;
            let bytes = key.open(&self.place, &old).filter(|bytes| KeyId::of(bytes) == key.id);
            let wrong = || LedgerError::key(&self.path, format!("the key {} does not open; `telseal verify`", key.id));
            *key = Wrapped::seal(&self.place, &*bytes.ok_or_else(wrong)?, key.id, &under)?;
            changed += 1;
        }
        if changed > 0 {
            self.store()?;
        }
        Ok(changed)
    }

    fn store(&self) -> durable::Result<()> {
        let mut text = Vec::new();
        self.keys.iter().for_each(|key| key.push_line(&mut text));
        durable::write_atomic(&self.path, &text, Mode::Shared)?;
        if let Some(dir) = self.path.parent() {
            durable::give_to_owner_of(&self.path, dir);
        }
        Ok(())
    }
}

impl Wrapped {
    fn inner(id: KeyId, under: KeyId) -> String {
        format!("{{\"id\":\"{id}\",\"under\":\"{under}\",\"v\":1}}")
    }

    fn seal(place: &Place, bytes: &[u8; KEY_BYTES], id: KeyId, under: &Key) -> Result<Self, LedgerError> {
        let bound = place.bound("segment-key", Self::inner(id, under.id).as_bytes());
        let mut sealed = Vec::with_capacity(WRAPPED_BYTES);
        under.seal(&bound, bytes, &mut sealed)?;
        let wrapped = sealed.try_into().map_err(|_| LedgerError::NoRandom)?;
        Ok(Self { id, under: under.id, wrapped })
    }

    fn open(&self, place: &Place, under: &Key) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let bound = place.bound("segment-key", Self::inner(self.id, self.under).as_bytes());
        let mut sealed = Zeroizing::new(self.wrapped);
        let bytes: &[u8] = under.open(&bound, sealed.as_mut_slice())?;
        Some(Zeroizing::new(bytes.try_into().ok()?))
    }

    fn push_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPEN);
        out.extend_from_slice(Self::inner(self.id, self.under).as_bytes());
        out.extend_from_slice(b",\"wrapped\":\"");
        push_base64(out, &self.wrapped);
        out.extend_from_slice(b"\"}\n");
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut scan = Scan(line);
        scan.literal(OPEN)?;
        scan.literal(b"{\"id\":\"")?;
        let id = KeyId::parse(scan.text()?)?;
        scan.literal(b",\"under\":\"")?;
        let under = KeyId::parse(scan.text()?)?;
        scan.literal(b",\"v\":1},\"wrapped\":\"")?;
        let wrapped = scan.base64()?;
        scan.literal(b"}")?;
        scan.end()?;
        Some(Self { id, under, wrapped })
    }
}

/// What a change of the body key did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys of segments that are under another body key now.
    pub keys: u64,
    /// Keys of segments that were under it already.
    pub kept: u64,
}

/// Wraps the keys of one segment under the key in use.
///
/// # Errors
/// When a key does not open, or the disk refuses.
pub fn rewrap(dir: &Path, segment: u64, keyring: &Keyring) -> Result<Rewrapped, LedgerError> {
    let mut done = Rewrapped::default();
    let Some(file) = files::list(dir)?.into_iter().find(|file| file.first == segment) else { return Ok(done) };
    let path = path_of(dir, segment, KEYS_EXTENSION);
    if !path.exists() {
        return Ok(done);
    }
    let Some(header) = read_header(&file.path)? else { return Ok(done) };
    let mut keys = DataKeys::load(dir, Place::of(&header))?;
    done.keys = keys.rewrap(keyring)?;
    done.kept = keys.keys.len() as u64 - done.keys;
    let is_gone = files::list(dir)?.iter().any(|file| file.first == segment && file.form == Form::Stubs);
    if is_gone {
        // Its bodies went in the meantime, and so must what we just wrote.
        forget(dir, segment)?;
        return Ok(Rewrapped::default());
    }
    Ok(done)
}

/// The same for all segments of a ledger.
///
/// # Errors
/// As [`rewrap`]. What is done is done, and the rest can be done by another call.
pub fn rewrap_all(dir: &Path, keyring: &Keyring) -> Result<Rewrapped, LedgerError> {
    let mut done = Rewrapped::default();
    for file in files::list(dir)? {
        let one = rewrap(dir, file.first, keyring)?;
        done = Rewrapped { keys: done.keys + one.keys, kept: done.kept + one.kept };
    }
    Ok(done)
}

/// Destroys the keys of a segment whose bodies are gone; without a file there is nothing to do.
pub(in crate::ledger) fn forget(dir: &Path, segment: u64) -> durable::Result<()> {
    let path = path_of(dir, segment, KEYS_EXTENSION);
    if !path.exists() {
        return Ok(());
    }
    durable::wipe(&path)?;
    durable::remove(&path)
}

/// Takes the keys off a segment that none of its files, which are given, needs any more.
pub(in crate::ledger) fn keep_needed(dir: &Path, segment: u64, forms: &[PathBuf]) -> durable::Result<()> {
    let Some(fullest) = forms.first().filter(|_| path_of(dir, segment, KEYS_EXTENSION).exists()) else { return Ok(()) };
    let Some(header) = read_header(fullest)? else { return Ok(()) };
    let mut needed = BTreeSet::new();
    for path in forms {
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next()? {
            needed.extend(About::parse(line.bytes).map(|(about, ..)| about.key));
        }
    }
    let mut all = DataKeys::load(dir, Place::of(&header))?;
    let before = all.keys.len();
    all.keys.retain(|key| needed.contains(&key.id));
    if all.keys.len() < before { all.store() } else { Ok(()) }
}
