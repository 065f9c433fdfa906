//! Bodies that rest encrypted: AES-256-GCM under a key of the segment's own, which lies beside the segment, wrapped under a
//! key from a file. Entries, chain and checkpoints stay in clear: without the file a ledger verifies but for its bodies.
//!
//! [`Locker`] writes bodies lines and locked lines; [`Opener`] turns them back into sealed lines, so that everything behind it
//! reads a ledger as if it were in clear. Section 9.5 of `docs/seal-format.md` is the format.

mod data_keys;
mod keyring;
mod lock;
mod open;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use self::data_keys::DataKeys;
pub use self::data_keys::{Rewrapped, rewrap, rewrap_all};
pub(super) use self::data_keys::{forget, keep_needed};
pub use self::keyring::{Keyring, add_key};
pub(super) use self::lock::Locker;
pub(super) use self::open::{Opener, Shut};
use super::entry::{ENTRY_BYTES, Stream};
use super::hash::sha256;
use super::header::Header;
use super::scan::{base64_exact, push_base64, push_decimal};
use super::writer::LedgerError;

/// The end of the names of the files with the keys of a segment.
pub const KEYS_EXTENSION: &str = "keys";

/// How many bytes of text one box holds, unless one line is longer.
pub(super) const BOX_BYTES: usize = 1 << 20;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// What encryption adds.
const BOX_OVERHEAD: usize = NONCE_LEN + TAG_BYTES;

const BODIES: &[u8] = b"{\"audit.bodies\":";
const LOCKED: &[u8] = b"{\"audit.locked\":\"";

/// What tells a key from others, and nothing about it: part of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let named = Zeroizing::new([b"telseal key/v1\0", key.as_slice()].concat());
        let mut id = [0; 8];
        id.copy_from_slice(&sha256(&named)[..8]);
        Self(id)
    }

    /// Reads the 16 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text, 16).ok()?;
        let id = Self(number.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A key that encrypts: bodies, or keys.
#[derive(Debug, Clone)]
struct Key {
    id: KeyId,
    cipher: Arc<LessSafeKey>,
}

impl Key {
    fn new(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { id: KeyId::of(bytes), cipher: Arc::new(cipher) })
    }

    /// Appends nonce, ciphertext and tag of `text`. Every nonce is drawn anew: a group that failed is written again with other
    /// bytes, which must not meet the same nonce.
    fn seal(&self, bound: &[u8], text: &[u8], out: &mut Vec<u8>) -> Result<(), LedgerError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| LedgerError::NoRandom)?;
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(text);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(bound), &mut out[start..]);
        out.extend_from_slice(tag.map_err(|_| LedgerError::NoRandom)?.as_ref());
        Ok(())
    }

    /// The text in a box, in place; `None` when it is another one, or of another place.
    fn open<'a>(&self, bound: &[u8], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.cipher.open_in_place(nonce, Aad::from(bound), rest).ok()
    }
}

/// Random bytes for a key.
fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, LedgerError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| LedgerError::NoRandom)?;
    Ok(bytes)
}

/// The segment that something encrypted belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: String,
    pub(super) stream: Stream,
    /// The number of its first entry.
    pub(super) segment: u64,
}

impl Place {
    pub(super) fn of(header: &Header) -> Self {
        Self { origin: header.vkey.origin().to_owned(), stream: header.stream, segment: header.first() }
    }

    /// What an encryption is bound to: nothing opens anywhere else.
    fn bound(&self, what: &str, inner: &[u8]) -> Vec<u8> {
        let place = format!("telseal {what}/v1\n{}\n{}\n{}\n", self.origin, self.stream, self.segment);
        [place.as_bytes(), inner].concat()
    }
}

/// True when a line holds bodies, by how it begins.
pub(super) fn is_bodies(line: &[u8]) -> bool {
    line.starts_with(BODIES)
}

/// True when a line is an entry whose body lies in a bodies line, by how it begins.
pub(super) fn is_locked(line: &[u8]) -> bool {
    line.starts_with(LOCKED)
}

/// The entry in a locked line (without its end).
pub(super) fn parse_locked(line: &[u8]) -> Option<[u8; ENTRY_BYTES]> {
    base64_exact(line.strip_prefix(LOCKED)?.strip_suffix(b"\"}")?)
}

fn push_locked_line(out: &mut Vec<u8>, entry: &[u8; ENTRY_BYTES]) {
    out.extend_from_slice(LOCKED);
    push_base64(out, entry);
    out.extend_from_slice(b"\"}\n");
}

/// What a bodies line says about its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct About {
    bytes: usize,
    count: u64,
    first: u64,
    key: KeyId,
}

impl About {
    /// The inner object, which the box is bound to.
    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"bytes\":");
        push_decimal(out, self.bytes as u64);
        out.extend_from_slice(b",\"count\":");
        push_decimal(out, self.count);
        out.extend_from_slice(b",\"first\":");
        push_decimal(out, self.first);
        out.extend_from_slice(format!(",\"key\":\"{}\",\"v\":1}}", self.key).as_bytes());
    }
}

#[cfg(test)]
pub(super) mod tests;
