//! What authenticators have in common: the header, files that are read again, and a memory of what was verified.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderName};
use metrics::counter;
use zeroize::Zeroizing;

use super::{Denied, Identity, SetupError};
use crate::stdx::durable;
use crate::stdx::duration::Span;
use crate::stdx::live::{Live, Version, version};
use crate::stdx::tasks::blocking;

/// The largest file of credentials.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The longest credential that is looked at, in bytes. JWTs with many groups come near a few KiB.
const CREDENTIAL_BYTES_MAX: usize = 16 << 10;
/// How many verified credentials are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What stands behind the scheme in a header: `Bearer TOKEN`. An empty scheme is none. A header that was sent twice is no
/// proof of anything.
pub(super) fn presented<'h>(headers: &'h HeaderMap, name: &HeaderName, scheme: &str) -> Result<&'h str, Denied> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Denied::Missing)?;
    if values.next().is_some() {
        return Err(Denied::Wrong("repeated"));
    }
    let text = value.to_str().map_err(|_| Denied::Wrong("malformed"))?;
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(Denied::Wrong("too_long"));
    }
    let rest = match scheme {
        "" => text,
        _ => text
            .split_at_checked(scheme.len())
            .filter(|(own, _)| own.eq_ignore_ascii_case(scheme))
            .and_then(|(_, rest)| rest.strip_prefix(' '))
            .ok_or(Denied::Missing)?,
    };
    let credential = rest.trim_matches(' ');
    if credential.is_empty() { Err(Denied::Missing) } else { Ok(credential) }
}

/// SHA-256 of a credential.
pub(super) fn hash(credential: &[u8]) -> [u8; 32] {
    digest(&SHA256, credential).as_ref().try_into().unwrap_or_default()
}

/// A file of credentials, read into a value.
#[derive(Debug)]
pub(super) struct File<T> {
    path: PathBuf,
    interval: Span,
    parse: fn(&str) -> Result<T, String>,
    live: Live<T>,
}

impl<T: Send + Sync> File<T> {
    pub(super) fn open(path: &Path, interval: Span, parse: fn(&str) -> Result<T, String>) -> Result<Self, SetupError> {
        let (text, version) = read(path).map_err(SetupError)?;
        let value = parse(&text).map_err(|error| SetupError(format!("{}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), interval, parse, live: Live::new(value, version) })
    }

    /// What it holds.
    pub(super) fn current(&self) -> Arc<T> {
        self.live.current()
    }

    /// Looks at it for ever; ends at once where that is turned off.
    pub(super) async fn stay_fresh(&self, id: &str) {
        while !self.interval.0.is_zero() {
            tokio::time::sleep(self.interval.0).await;
            let path = self.path.clone();
            let Ok(read) = blocking(move || read(&path)).await else { return };
            let parse = |text: Zeroizing<String>| {
                (self.parse)(&text).map_err(|error| format!("{}: {error}", self.path.display()))
            };
            match self.live.renew(read, parse) {
                None => {}
                Some(Ok(())) => {
                    tracing::info!(authenticator = id, file = %self.path.display(), "credentials reloaded");
                    reloaded(id, "ok");
                }
                Some(Err(error)) => {
                    tracing::warn!(
                        authenticator = id,
                        error,
                        "changed credentials do not work, the old ones stay in force"
                    );
                    reloaded(id, "failed");
                }
            }
        }
    }
}

pub(super) fn reloaded(id: &str, result: &'static str) {
    counter!("telseal_auth_reloads_total", "authenticator" => id.to_owned(), "result" => result).increment(1);
}

fn read(path: &Path) -> Result<(Zeroizing<String>, Version), String> {
    let bytes = durable::read(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("{}: there is no such file", path.display()))?;
    let version = version(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: it is not UTF-8", path.display()))?;
    Ok((Zeroizing::new(text), version))
}

/// Credentials that were verified at some expense, by a keyed hash: nothing in memory tells them.
#[derive(Debug)]
pub(super) struct Memory<T> {
    key: hmac::Key,
    known: Mutex<HashMap<[u8; 32], T>>,
}

impl<T: Clone> Memory<T> {
    pub(super) fn new() -> Result<Self, String> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| format!("the system has no random numbers: {error}"))?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &*key), known: Mutex::default() })
    }

    /// The name of a credential in this memory.
    pub(super) fn name(&self, credential: &[u8]) -> [u8; 32] {
        hmac::sign(&self.key, credential).as_ref().try_into().unwrap_or_default()
    }

    pub(super) fn get(&self, name: &[u8; 32]) -> Option<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Remembers. A memory that is full begins anew: what is in use comes back at once.
    pub(super) fn put(&self, name: [u8; 32], value: T) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(name, value);
    }
}

/// An identity that is nothing but a name.
pub(super) fn named(name: &str) -> Arc<Identity> {
    Arc::new(Identity { name: name.to_owned(), ..Identity::default() })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_credential_stands_behind_its_scheme_once() {
        let read = |values: &[&str], scheme| presented(&headers(values), &AUTHORIZATION, scheme).map(str::to_owned);
        assert_eq!(read(&["Bearer abc"], "Bearer"), Ok("abc".into()));
        assert_eq!(read(&["bEARER  abc"], "Bearer"), Ok("abc".into()));
        assert_eq!(read(&["abc"], ""), Ok("abc".into()));
        for missing in [&[][..], &["Basic abc"], &["Bearer"], &["Bearer "], &["Bearerabc"], &[""]] {
            assert_eq!(read(missing, "Bearer"), Err(Denied::Missing), "{missing:?}");
        }
        assert_eq!(read(&["Bearer a", "Bearer b"], "Bearer"), Err(Denied::Wrong("repeated")));
        assert_eq!(
            read(&[&format!("Bearer {}", "a".repeat(CREDENTIAL_BYTES_MAX))], "Bearer"),
            Err(Denied::Wrong("too_long"))
        );
    }

    #[test]
    fn memory_is_bounded_and_knows_only_hashes() {
        let memory = Memory::new().unwrap();
        let name = memory.name(b"secret");
        memory.put(name, 7);
        assert_eq!((memory.get(&name), memory.get(&memory.name(b"other"))), (Some(7), None));
        assert_ne!(name, hash(b"secret"), "the hash has a key");
        (0..REMEMBERED_MAX).for_each(|n| memory.put(memory.name(&n.to_le_bytes()), 0));
        assert!(memory.known.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
