//! Pseudonyms: what `hash` and `tokenize` put in the place of a value, and how they are known again.
//!
//! `hash` is HMAC-SHA-256 cut to 128 bits, `tokenize` is AES-SIV (RFC 5297) with AES-256, both under subkeys of the
//! configured key. The detector's name goes into both, so that the same text found as two kinds of thing gives two
//! pseudonyms. Both carry a check under the key (a tag of 32 bits behind the hash, the synthetic IV of 128 bits of the
//! token): only what this key made counts as made already, everything else is scanned like any text.

mod base32;
mod siv;

use aws_lc_rs::hmac;
use serde::Deserialize;

use crate::processor::redact::keys::siv::Siv;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// The shortest key: 32 characters. A random one in hexadecimal has 64.
const SECRET_LEN_MIN: usize = 32;
const ID_LEN_MAX: usize = 16;
const HASH_LEN: usize = 16;
const CHECK_LEN: usize = 4;
/// What stands before the base32 of a token.
const TOKEN_MARK: &str = "enc.";

/// A key for pseudonyms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// Its name, which every pseudonym made with it carries: 1 to 16 of `a-z` and `0-9`, as in `k3`. Must be set.
    pub id: String,
    /// The key itself: at least 32 characters, best from `openssl rand -hex 32`, by `${file:..}` or `${env:..}`. Must be
    /// set.
    pub secret: Secret,
}

impl KeyConfig {
    /// Finds what is wrong with this key alone.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if self.id.is_empty() || self.id.len() > ID_LEN_MAX || !self.id.bytes().all(fits) {
            problems.add(&at.key("id"), "the name of a key has 1 to 16 of a-z and 0-9");
        }
        if self.secret.reveal().len() < SECRET_LEN_MIN {
            problems.add_hint(
                &at.key("secret"),
                format!("a key has at least {SECRET_LEN_MIN} characters"),
                "make one with `openssl rand -hex 32` and name its file: `${file:/etc/telseal/redact.key}`",
            );
        }
    }
}

/// A pseudonym that cannot be made or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error("no key of that name")]
    NoKey,
    /// It is not of the form, or was not made with this key, or was changed.
    #[error("this is no token made with the key it names")]
    NotOurs,
    /// The cryptographic library refused.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// The configured keys, the current one first.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    hash: hmac::Key,
    check: hmac::Key,
    siv: Siv,
}

impl Key {
    fn new(config: &KeyConfig) -> Result<Self, KeyError> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, config.secret.reveal().as_bytes());
        let derive = |label: &str| hmac::sign(&root, format!("telseal redact 1: {label}").as_bytes());
        let mac = |label| hmac::Key::new(hmac::HMAC_SHA256, derive(label).as_ref());
        let siv = Siv::new(derive("siv mac").as_ref(), derive("siv ctr").as_ref())?;
        Ok(Self { id: config.id.clone(), hash: mac("hash"), check: mac("check"), siv })
    }

    fn hash(&self, detector: &str, value: &str) -> String {
        let message = [detector.as_bytes(), b"\0", value.as_bytes()].concat();
        let tag = hmac::sign(&self.hash, &message);
        let hash = &tag.as_ref()[..HASH_LEN];
        let check = self.check(detector, hash);
        format!("{detector}:{}:{}", self.id, base32::encode(&[hash, &check].concat()))
    }

    fn check(&self, detector: &str, hash: &[u8]) -> [u8; CHECK_LEN] {
        let tag = hmac::sign(&self.check, &[detector.as_bytes(), b"\0", hash].concat());
        let mut check = [0; CHECK_LEN];
        check.copy_from_slice(&tag.as_ref()[..CHECK_LEN]);
        check
    }

    fn is_ours(&self, detector: &str, pseudonym: &str) -> bool {
        if let Some(token) = pseudonym.strip_prefix(TOKEN_MARK) {
            return self.open(detector, token).is_ok();
        }
        let Some(bytes) = base32::decode(pseudonym) else { return false };
        bytes.split_at_checked(HASH_LEN).is_some_and(|(hash, check)| self.check(detector, hash) == check)
    }

    fn open(&self, detector: &str, token: &str) -> Result<String, KeyError> {
        let sealed = base32::decode(token).ok_or(KeyError::NotOurs)?;
        String::from_utf8(self.siv.open(detector.as_bytes(), &sealed)?).map_err(|_| KeyError::NotOurs)
    }
}

impl Keys {
    pub(super) fn new(configs: &[KeyConfig]) -> Result<Self, KeyError> {
        configs.iter().map(Key::new).collect::<Result<_, _>>().map(Self)
    }

    fn key(&self, id: &str) -> Result<&Key, KeyError> {
        self.0.iter().find(|key| key.id == id).ok_or(KeyError::NoKey)
    }

    /// `email:k3:` and 32 characters, by the key of that name or the current one.
    pub(super) fn hash(&self, id: Option<&str>, detector: &str, value: &str) -> Result<String, KeyError> {
        let key = id.map_or_else(|| self.0.first().ok_or(KeyError::NoKey), |id| self.key(id))?;
        Ok(key.hash(detector, value))
    }

    /// `email:k3:enc.` and the value, encrypted with the current key.
    pub(super) fn tokenize(&self, detector: &str, value: &str) -> Result<String, KeyError> {
        let key = self.0.first().ok_or(KeyError::NoKey)?;
        let sealed = key.siv.seal(detector.as_bytes(), value.as_bytes())?;
        Ok(format!("{detector}:{}:{TOKEN_MARK}{}", key.id, base32::encode(&sealed)))
    }

    /// The value behind a token.
    pub(super) fn detokenize(&self, token: &str) -> Result<String, KeyError> {
        let mut parts = token.splitn(3, ':');
        let (Some(detector), Some(key), Some(sealed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::NotOurs);
        };
        self.key(key)?.open(detector, sealed.strip_prefix(TOKEN_MARK).ok_or(KeyError::NotOurs)?)
    }

    /// The length of the pseudonym of one of these keys that stands at the start of `text`, and the name of its detector;
    /// `None` when there is none.
    pub(super) fn pseudonym<'t>(&self, text: &'t str) -> Option<(usize, &'t str)> {
        if self.0.is_empty() {
            return None;
        }
        let end_of = |from: usize, is: fn(&u8) -> bool| {
            from + text.as_bytes()[from..].iter().position(|byte| !is(byte)).unwrap_or(text.len() - from)
        };
        let detector = end_of(0, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
        let id = text.get(detector..)?.strip_prefix(':').map(|_| detector + 1)?;
        let id_end = end_of(id, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let key = self.key(&text[id..id_end]).ok()?;
        let start = text.get(id_end..)?.strip_prefix(':').map(|_| id_end + 1)?;
        let mark = if text[start..].starts_with(TOKEN_MARK) { start + TOKEN_MARK.len() } else { start };
        let end = end_of(mark, |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        key.is_ours(&text[..detector], &text[start..end]).then_some((end, &text[..detector]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn key(id: &str) -> KeyConfig {
        KeyConfig { id: id.to_owned(), secret: Secret::new(format!("{id}-0123456789abcdef0123456789abcdef")) }
    }

    #[test]
    fn pseudonyms_are_stable_differ_by_detector_and_key_and_are_known_again() {
        let keys = Keys::new(&[key("k3"), key("k2")]).unwrap();
        let hash = keys.hash(None, "email", "bob@example.com").unwrap();
        assert_eq!(hash, "email:k3:ocz5ie6e7s6u4heutvse7uyphis3y4i5");
        assert_eq!(keys.hash(Some("k3"), "email", "bob@example.com").unwrap(), hash);
        for other in [
            keys.hash(Some("k2"), "email", "bob@example.com").unwrap(),
            keys.hash(None, "phone", "bob@example.com").unwrap(),
            keys.hash(None, "email", "bob@example.con").unwrap(),
        ] {
            assert_ne!(other.rsplit(':').next(), hash.rsplit(':').next());
            assert_eq!(keys.pseudonym(&other).map(|found| found.0), Some(other.len()));
        }
        let token = keys.tokenize("email", "bob@example.com").unwrap();
        assert_eq!(keys.detokenize(&token).unwrap(), "bob@example.com");
        assert_eq!(keys.pseudonym(&format!("{token}, and")), Some((token.len(), "email")));
        assert_eq!(keys.hash(Some("k9"), "email", "x"), Err(KeyError::NoKey));
    }

    #[test]
    fn what_the_key_did_not_make_is_no_pseudonym() {
        let keys = Keys::new(&[key("k3")]).unwrap();
        let hash = keys.hash(None, "email", "bob@example.com").unwrap();
        let token = keys.tokenize("email", "bob@example.com").unwrap();
        for text in [
            hash.replace("email", "phone"),
            hash.replace("k3", "k2"),
            format!("{hash}a"),
            hash[..hash.len() - 1].to_owned(),
            token.replace("email", "phone"),
            token[..token.len() - 2].to_owned(),
            "email:k3:".to_owned(),
            "email:k3:enc.".to_owned(),
            "email:k3:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
            "email:".to_owned(),
            String::new(),
        ] {
            assert_eq!(keys.pseudonym(&text), None, "{text}");
            assert!(keys.detokenize(&text).is_err());
        }
    }

    #[test]
    fn a_key_that_is_short_or_has_no_name_is_a_problem() {
        let mut problems = Problems::default();
        KeyConfig { id: "K 1".to_owned(), secret: Secret::new("short") }.check(&At::new("keys[0]"), &mut problems);
        let paths: Vec<_> = problems.0.iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, ["keys[0].id", "keys[0].secret"]);
        assert!(!format!("{problems:?}").contains("short\""));
    }
}
