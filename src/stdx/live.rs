//! A value made from files, and made anew when they change. A version that does not work changes nothing.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};

/// What tells one version from another; nothing when it could not be read.
pub type Version = Option<[u8; 32]>;

/// The version of these bytes.
#[must_use]
pub fn version(bytes: &[u8]) -> Version {
    digest(&SHA256, bytes).as_ref().try_into().ok()
}

/// A value in force, and the version that was last looked at.
#[derive(Debug)]
pub struct Live<T> {
    current: RwLock<Arc<T>>,
    seen: Mutex<Version>,
}

impl<T> Live<T> {
    /// The first value.
    pub fn new(value: T, version: Version) -> Self {
        Self { current: RwLock::new(Arc::new(value)), seen: Mutex::new(version) }
    }

    /// The value in force.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a value in force.
    pub fn set(&self, value: T) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }

    /// Takes what was read, unless it is the version that was looked at last. Of a version that cannot be read or made
    /// the error is returned once.
    pub fn renew<M, E>(
        &self,
        read: Result<(M, Version), E>,
        make: impl FnOnce(M) -> Result<T, E>,
    ) -> Option<Result<(), E>> {
        let version = read.as_ref().ok().and_then(|(_, version)| *version);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, version) == version {
            return None;
        }
        Some(read.and_then(|(material, _)| make(material)).map(|value| self.set(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renew(live: &Live<u32>, text: Option<&str>) -> Option<Result<(), String>> {
        let read = text.ok_or_else(|| "gone".to_owned()).map(|text| (text, version(text.as_bytes())));
        live.renew(read, |text| text.parse::<u32>().map_err(|error| error.to_string()))
    }

    #[test]
    fn a_new_version_is_taken_once_and_a_bad_one_is_reported_once() {
        let live = Live::new(1, version(b"1"));
        assert_eq!(renew(&live, Some("1")), None);
        assert_eq!((renew(&live, Some("2")), *live.current()), (Some(Ok(())), 2));
        assert!(matches!(renew(&live, Some("x")), Some(Err(_))));
        assert_eq!(renew(&live, Some("x")), None);
        assert_eq!(renew(&live, None), Some(Err("gone".into())));
        assert_eq!((renew(&live, None), *live.current()), (None, 2));
        assert_eq!((renew(&live, Some("3")), *live.current()), (Some(Ok(())), 3));
    }
}
