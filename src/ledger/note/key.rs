//! Ed25519 keys with the name of what they sign, in the text form of C2SP signed notes.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::hash::sha256;
use super::super::scan::base64_exact;

/// The number of Ed25519 in signed notes.
const ED25519_NOTE: u8 = 1;

/// The longest origin, in bytes.
const ORIGIN_BYTES_MAX: usize = 255;

/// The longest name of a key: an origin, `/epoch/` and a number.
const NAME_BYTES_MAX: usize = ORIGIN_BYTES_MAX + 7 + 10;

/// A public key with its name: the ledger's origin for the root key, `<origin>/epoch/<n>` for an epoch's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    public: [u8; 32],
}

impl VerifyingKey {
    /// Reads `name+key hash+base64`, or `None` when it is not the text of an Ed25519 key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, _hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key: [u8; 33] = base64_exact(key.as_bytes())?;
        let (kind, public) = key.split_first()?;
        let found = Self { name: name.to_owned(), public: *public.first_chunk()? };
        // Comparing with how it would be written checks the key hash as well.
        (*kind == ED25519_NOTE && is_name(name) && found.to_string() == text).then_some(found)
    }

    /// The name of the key. A root key has that of its ledger: the origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the public key, in hex: what people compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256(&self.public).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first four bytes of the hash of name and key, by which a signature names its key.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 4] {
        let input = [self.name.as_bytes(), b"\n", &[ED25519_NOTE], &self.public].concat();
        let hash = sha256(&input);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Checks a signature over anything.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

/// The C2SP text of the key.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.key_hash();
        let key = [[ED25519_NOTE].as_slice(), &self.public].concat();
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{}", self.name, STANDARD.encode(key))
    }
}

/// True when a text can name a ledger: not empty, at most 255 bytes, and free of what the formats around it use.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    is_name(text) && text.len() <= ORIGIN_BYTES_MAX
}

fn is_name(text: &str) -> bool {
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && !['+', '"', '\\'].contains(&c);
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(fine)
}

/// What signs for a ledger's identity: a key in a file, or a service that keeps the key to itself.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half.
    fn verifying(&self) -> &VerifyingKey;

    /// Signs; `None` when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Option<[u8; 64]>;
}

/// A key that signs. `Debug` shows the public half only.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying)
    }
}

impl SigningKey {
    /// Reads a PKCS#8 key, to sign under this name; `None` when it is not an Ed25519 key or the name is not one.
    #[must_use]
    pub fn from_pkcs8(pkcs8: &[u8], name: &str) -> Option<Self> {
        Self::of(Ed25519KeyPair::from_pkcs8(pkcs8).ok()?, name)
    }

    /// The key that grows from these 32 bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32], name: &str) -> Option<Self> {
        Self::of(Ed25519KeyPair::from_seed_unchecked(seed).ok()?, name)
    }

    fn of(pair: Ed25519KeyPair, name: &str) -> Option<Self> {
        let public = *pair.public_key().as_ref().first_chunk()?;
        let verifying = VerifyingKey { name: name.to_owned(), public };
        is_name(name).then_some(Self { pair, verifying })
    }

    /// The public half.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }
}

impl Signer for SigningKey {
    fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        Some(Self::sign(self, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example key and note of Go's `golang.org/x/mod/sumdb/note`, whose format C2SP signed-note is.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    const GO_SIGNATURE: &str =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    #[test]
    fn the_key_and_signature_that_another_implementation_published_are_accepted() {
        let key = VerifyingKey::parse(GO_KEY).unwrap();
        let signature: [u8; 68] = base64_exact(GO_SIGNATURE.as_bytes()).unwrap();
        assert_eq!(signature[..4], key.key_hash());
        assert!(key.verify(GO_TEXT.as_bytes(), signature[4..].first_chunk().unwrap()));
        assert!(!key.verify(GO_TEXT.to_uppercase().as_bytes(), signature[4..].first_chunk().unwrap()));
        assert_eq!(key.to_string(), GO_KEY);
    }

    #[test]
    fn the_text_of_a_key_has_one_spelling_and_its_debug_form_shows_no_secret() {
        let key = SigningKey::from_seed(&[7; 32], "telseal/logs/x").unwrap();
        let text = key.verifying().to_string();
        assert_eq!(VerifyingKey::parse(&text).as_ref(), Some(key.verifying()));
        for wrong in [text.replace("logs", "logz"), text.replace('+', " "), format!("{text}\n"), String::new()] {
            assert_eq!(VerifyingKey::parse(&wrong), None, "{wrong}");
        }
        assert_eq!(format!("{key:?}"), format!("SigningKey({text})"));
    }
}
