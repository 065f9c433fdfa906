//! The ledger's keys: the root key, which is its identity, and the epochs' keys, which sign from day to day.
//!
//! The root key may lie in the folder, elsewhere, or in a service; once the ledger exists it may be taken away. An
//! epoch's key lies in `epoch.key`; its successor is staged in `epoch.next` before the ledger names it. When the ledger
//! has named it, the old key is overwritten with zeros and replaced. A crash between any two of these steps leaves the key
//! of the ledger's last epoch in one of the two files, and the next start finds out in which.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::cert::{Cert, key_name};
use super::drafts::random16;
use super::entry::Stream;
use super::note::{Signer, SigningKey, VerifyingKey, is_origin};
use super::options::Options;
use super::recover::read_header;
use super::writer::LedgerError;
use crate::stdx::durable::{self, Mode};

/// The name of the public root key in a ledger's folder.
pub const PUBLIC_KEY_FILE: &str = "key.pub";
/// The name of the root key in a ledger's folder, where it is not kept elsewhere.
pub const ROOT_KEY_FILE: &str = "root.key";
/// The name of the key that signs now.
pub const EPOCH_KEY_FILE: &str = "epoch.key";
/// The name of its staged successor.
pub const NEXT_KEY_FILE: &str = "epoch.next";

const KEY_BYTES_MAX: u64 = 4096;

/// Where the root key is.
#[derive(Debug, Clone, Default)]
pub enum RootKey {
    /// In `root.key` in the ledger's folder; made with a new ledger.
    #[default]
    Folder,
    /// In this file, PKCS#8; made with a new ledger when it does not exist.
    File(PathBuf),
    /// Behind this.
    Signer(Arc<dyn Signer>),
}

/// The keys of an open ledger.
#[derive(Debug)]
pub(super) struct Keys {
    dir: PathBuf,
    /// The root key, where it is at hand.
    pub(super) root: Option<Arc<dyn Signer>>,
    pub(super) root_key: VerifyingKey,
    pub(super) epoch: SigningKey,
    staged: Option<SigningKey>,
    /// The old key could not be wiped yet.
    must_replace: bool,
}

/// The key of a public key file, or `None` without one.
///
/// # Errors
/// When it cannot be read, or holds no key.
pub fn read_public_key(dir: &Path) -> durable::Result<Option<VerifyingKey>> {
    let path = dir.join(PUBLIC_KEY_FILE);
    let Some(bytes) = durable::read(&path, KEY_BYTES_MAX)? else { return Ok(None) };
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| VerifyingKey::parse(text.trim_end()));
    key.map(Some).ok_or_else(|| durable::Error::content("use", &path, "not the text of an Ed25519 verifier key"))
}

/// Makes a key from the system's random numbers, in version 1 of PKCS#8, which other tools read, and writes it to a file
/// that must not exist yet. Only its owner can read it.
///
/// # Errors
/// When it exists, or the disk or the random numbers refuse.
pub fn create_key_file(path: &Path) -> Result<(), LedgerError> {
    if path.exists() {
        return Err(LedgerError::key(path, "exists already; keys are never overwritten"));
    }
    // Whole or not at all: half a key would have to be told from a damaged one.
    durable::write_atomic(path, &new_key()?, Mode::Private)?;
    Ok(())
}

/// Reads a key file, to sign under a name; `None` without the file.
///
/// # Errors
/// When it cannot be read, is no Ed25519 key, or the name is none.
pub fn read_key_file(path: &Path, name: &str) -> Result<Option<SigningKey>, LedgerError> {
    let Some(pkcs8) = durable::read(path, KEY_BYTES_MAX)?.map(Zeroizing::new) else { return Ok(None) };
    let wrong = || LedgerError::key(path, format!("no Ed25519 key in PKCS#8, or no valid name: {name:?}"));
    SigningKey::from_pkcs8(&pkcs8, name).map(Some).ok_or_else(wrong)
}

fn new_key() -> Result<Zeroizing<Vec<u8>>, LedgerError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| LedgerError::NoRandom)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| LedgerError::NoRandom)?;
    let document = pair.to_pkcs8v1().map_err(|_| LedgerError::NoRandom)?;
    Ok(wiped_on_drop(document))
}

#[expect(clippy::needless_pass_by_value, reason = "the document is wiped when it goes")]
fn wiped_on_drop(document: aws_lc_rs::pkcs8::Document) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(document.as_ref().to_vec())
}

/// The root key before the ledger is read.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) at_hand: Option<Arc<dyn Signer>>,
    pub(super) key: VerifyingKey,
}

impl Root {
    /// Finds the root key; a folder without segments gets one. Writes `key.pub` where it is missing.
    pub(super) fn load(dir: &Path, options: &Options, segments: &[PathBuf]) -> Result<Self, LedgerError> {
        let public = known_key(dir, segments)?;
        let (at_hand, path): (Option<Arc<dyn Signer>>, _) = match &options.root {
            RootKey::Signer(signer) => (Some(signer.clone()), dir.join(PUBLIC_KEY_FILE)),
            RootKey::Folder => load_file(&dir.join(ROOT_KEY_FILE), options, public.as_ref(), segments)?,
            RootKey::File(path) => load_file(path, options, public.as_ref(), segments)?,
        };
        let found = at_hand.as_ref().map(|signer| signer.verifying().clone());
        let key = match (public, found) {
            (Some(public), Some(found)) if public != found => {
                return Err(LedgerError::key(&path, "not the private half of the ledger's root key, see key.pub"));
            }
            (Some(key), _) | (None, Some(key)) => key,
            (None, None) => return Err(LedgerError::key(&path, "missing; put the key, or key.pub, back")),
        };
        if options.origin.as_ref().is_some_and(|wanted| wanted != key.origin()) {
            let what = format!("the ledger's origin is {}; an origin cannot change", key.origin());
            return Err(LedgerError::key(&path, what));
        }
        if segments.is_empty() && at_hand.is_none() {
            return Err(LedgerError::key(&path, "missing; a new ledger begins with a signature of its root key"));
        }
        if read_public_key(dir)?.is_none() {
            durable::write_atomic(&dir.join(PUBLIC_KEY_FILE), format!("{key}\n").as_bytes(), Mode::Shared)?;
        }
        Ok(Self { at_hand, key })
    }
}

type AtHand = (Option<Arc<dyn Signer>>, PathBuf);

/// The root key in a file; for a new ledger it is made where it is missing.
fn load_file(
    path: &Path,
    options: &Options,
    public: Option<&VerifyingKey>,
    segments: &[PathBuf],
) -> Result<AtHand, LedgerError> {
    let origin = match (public, &options.origin) {
        (Some(public), _) => public.origin().to_owned(),
        (None, Some(wanted)) => wanted.clone(),
        (None, None) => default_origin(&options.pipeline)?,
    };
    if !is_origin(&origin) {
        return Err(LedgerError::key(path, format!("no valid origin: {origin:?}")));
    }
    if segments.is_empty() && public.is_none() && !path.exists() {
        create_key_file(path)?;
    }
    let key = read_key_file(path, &origin)?.map(|key| Arc::new(key) as Arc<dyn Signer>);
    Ok((key, path.to_owned()))
}

/// The root key that this ledger already has: `key.pub` tells it, or the last segment that has a header.
fn known_key(dir: &Path, segments: &[PathBuf]) -> Result<Option<VerifyingKey>, LedgerError> {
    if let Some(key) = read_public_key(dir)? {
        return Ok(Some(key));
    }
    for path in segments.iter().rev() {
        if let Some(header) = read_header(path)? {
            return Ok(Some(header.vkey));
        }
    }
    Ok(None)
}

fn default_origin(pipeline: &str) -> Result<String, LedgerError> {
    let [a, b, c, d, ..] = random16()?;
    let name: String = pipeline.chars().map(|c| if is_origin(&c.to_string()) { c } else { '-' }).collect();
    Ok(format!("telseal/{name}/{a:02x}{b:02x}{c:02x}{d:02x}"))
}

impl Keys {
    /// The keys of a ledger that begins now: the first epoch's is made, or taken over from a beginning that a crash
    /// interrupted.
    pub(super) fn begin(dir: &Path, root: Root) -> Result<Self, LedgerError> {
        let (path, name) = (dir.join(EPOCH_KEY_FILE), key_name(root.key.origin(), 0));
        discard(&dir.join(NEXT_KEY_FILE))?;
        let epoch = match read_key_file(&path, &name) {
            Ok(Some(key)) => key,
            // Half written, by a crash: nothing was signed with it yet.
            Ok(None) | Err(LedgerError::Key { .. }) => make_epoch_key(&path, &name)?,
            Err(error) => return Err(error),
        };
        let (root, root_key, dir) = (root.at_hand, root.key, dir.to_owned());
        Ok(Self { dir, root, root_key, epoch, staged: None, must_replace: false })
    }

    /// The keys of a ledger whose last epoch is `epoch`: one of the two files has its key, and the other one goes.
    pub(super) fn resume(dir: &Path, root: Root, epoch: &Cert) -> Result<Self, LedgerError> {
        let (path, next) = (dir.join(EPOCH_KEY_FILE), dir.join(NEXT_KEY_FILE));
        let of_epoch = |path: &Path| -> Result<Option<SigningKey>, LedgerError> {
            let key = match read_key_file(path, epoch.key.origin()) {
                Err(LedgerError::Key { .. }) => None,
                other => other?,
            };
            Ok(key.filter(|key| *key.verifying() == epoch.key))
        };
        let key = if let Some(key) = of_epoch(&path)? {
            discard(&next)?;
            key
        } else if let Some(key) = of_epoch(&next)? {
            durable::wipe(&path)?;
            durable::rename(&next, &path)?;
            key
        } else {
            let what = format!("missing or not the key of the ledger's epoch {}; put it back", epoch.epoch);
            return Err(LedgerError::key(&path, what));
        };
        let (root, root_key, dir) = (root.at_hand, root.key, dir.to_owned());
        Ok(Self { dir, root, root_key, epoch: key, staged: None, must_replace: false })
    }

    /// The certificate of the first epoch.
    pub(super) fn first_cert(&self, stream: Stream) -> Cert {
        let signers: Vec<&dyn Signer> = self.root.iter().map(AsRef::as_ref).collect();
        Cert::sign(self.root_key.origin(), stream, (0, 0), self.epoch.verifying(), &signers)
    }

    /// Makes the next epoch's key, on disk when this returns; a second call finds it there.
    pub(super) fn stage(&mut self, epoch: u32) -> Result<(), LedgerError> {
        if self.staged.is_none() {
            self.settle()?;
            let name = key_name(self.root_key.origin(), epoch);
            self.staged = Some(make_epoch_key(&self.dir.join(NEXT_KEY_FILE), &name)?);
        }
        Ok(())
    }

    /// The certificate of the staged key, if there is one, for the epoch that begins with entry `first`.
    pub(super) fn next_cert(&self, now: &Cert, first: u64) -> Option<Cert> {
        let staged = self.staged.as_ref()?;
        let mut signers: Vec<&dyn Signer> = self.root.iter().map(AsRef::as_ref).collect();
        signers.push(&self.epoch);
        Some(Cert::sign(&now.origin, now.stream, (now.epoch + 1, first), staged.verifying(), &signers))
    }

    /// The ledger has named the staged key: it signs from now on, and the old one goes.
    pub(super) fn rotate(&mut self) {
        let Some(next) = self.staged.take() else { return };
        self.epoch = next;
        self.must_replace = true;
        if let Err(error) = self.settle() {
            tracing::warn!(%error, "cannot wipe the last epoch's key; this is tried again at the next rotation and at start");
        }
    }

    /// Wipes and replaces the old key, if that is still to be done.
    fn settle(&mut self) -> Result<(), LedgerError> {
        if self.must_replace {
            let path = self.dir.join(EPOCH_KEY_FILE);
            durable::wipe(&path)?;
            durable::rename(&self.dir.join(NEXT_KEY_FILE), &path)?;
            self.must_replace = false;
        }
        Ok(())
    }
}

fn make_epoch_key(path: &Path, name: &str) -> Result<SigningKey, LedgerError> {
    let pkcs8 = new_key()?;
    durable::write_atomic(path, &pkcs8, Mode::Private)?;
    SigningKey::from_pkcs8(&pkcs8, name).ok_or_else(|| LedgerError::key(path, format!("no valid name: {name:?}")))
}

/// Wipes and removes a key that is not needed.
fn discard(path: &Path) -> Result<(), LedgerError> {
    if path.exists() {
        durable::wipe(path)?;
        durable::remove(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
