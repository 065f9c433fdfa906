//! The keys that wrap the keys of segments: a file outside the ledger's folder, one key a line, the first one in use.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, KeyId, random_key};
use crate::ledger::scan::base64_exact;
use crate::ledger::writer::LedgerError;
use crate::stdx::durable::{self, Error, Mode};

/// Far more than a file of keys has.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Nobody but its owner may write the file, and nobody but its owner and group may read it.
const FORBIDDEN_BITS: u32 = 0o027;

const HEADER: &str =
    "# Keys of telseal for encryption at rest. The first one is in use; the others open what is older.\n";

/// Body keys. Clones share them, also what [`Keyring::reload`] finds. The default has none: nothing is encrypted or opened.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    keys: RwLock<Vec<Key>>,
}

impl Keyring {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// When it cannot be read, others could read it too, or it holds no keys.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        let keys = RwLock::new(read_keys(path)?);
        Ok(Self(Some(Arc::new(Shared { path: path.to_owned(), keys }))))
    }

    /// Reads the file again: for all clones.
    ///
    /// # Errors
    /// As [`Keyring::read`]; the keys known so far stay then.
    pub fn reload(&self) -> Result<(), LedgerError> {
        if let Some(shared) = &self.0 {
            let keys = read_keys(&shared.path)?;
            *shared.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        Ok(())
    }

    /// True without keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Which key wraps what is new.
    #[must_use]
    pub fn in_use(&self) -> Option<KeyId> {
        self.first().map(|key| key.id)
    }

    /// The ids of all keys, the one in use first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.with(|keys| keys.iter().map(|key| key.id).collect())
    }

    pub(super) fn first(&self) -> Option<Key> {
        self.with(|keys| keys.first().cloned())
    }

    pub(super) fn find(&self, id: KeyId) -> Option<Key> {
        self.with(|keys| keys.iter().find(|key| key.id == id).cloned())
    }

    fn with<T: Default>(&self, look: impl FnOnce(&[Key]) -> T) -> T {
        let shared = self.0.as_ref();
        shared.map_or_else(T::default, |shared| look(&shared.keys.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Two are equal when they hold the same keys.
impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        self.ids() == other.ids()
    }
}

impl Eq for Keyring {}

fn read_keys(path: &Path) -> Result<Vec<Key>, LedgerError> {
    let mode = match fs::metadata(path) {
        Ok(found) => found.permissions().mode(),
        Err(cause) => return Err(Error::new("open", path, cause).into()),
    };
    if mode & FORBIDDEN_BITS != 0 {
        let what = format!(
            "others may read or change it (mode {:04o}); make it 0600, and think about who had it",
            mode & 0o777
        );
        return Err(LedgerError::key(path, what));
    }
    let text = durable::read(path, FILE_BYTES_MAX)?.map(Zeroizing::new).unwrap_or_default();
    let mut keys: Vec<Key> = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let bytes = base64_exact::<KEY_BYTES>(line).map(Zeroizing::new);
        let wrong = || LedgerError::key(path, format!("line {} is no base64 of 32 bytes", index + 1));
        let key = bytes.and_then(|bytes| Key::new(&bytes)).ok_or_else(wrong)?;
        if keys.iter().all(|known| known.id != key.id) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return Err(LedgerError::key(path, "there is no key in it; `telseal keys encryption` makes one"));
    }
    Ok(keys)
}

/// Makes a key: in a new file, or in front of those that the file has. Which one it is.
///
/// # Errors
/// When the file there is no file of keys, or the disk or the random numbers refuse.
pub fn add_key(path: &Path) -> Result<KeyId, LedgerError> {
    let bytes = random_key()?;
    let key = Key::new(&bytes).ok_or(LedgerError::NoRandom)?;
    let mut text = Zeroizing::new(String::from(HEADER));
    let _ = writeln!(text, "{}", Zeroizing::new(STANDARD.encode(bytes.as_slice())).as_str());
    let owner = fs::metadata(path).ok();
    if owner.is_some() {
        read_keys(path)?;
        let older = Zeroizing::new(durable::read(path, FILE_BYTES_MAX)?.unwrap_or_default());
        text.push_str(String::from_utf8_lossy(&older).trim_start_matches(HEADER));
    }
    durable::write_atomic(path, text.as_bytes(), Mode::Private)?;
    if let Some(owner) = owner {
        // The administrator's command must leave it readable for the process.
        let _ = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(key.id)
}
