//! Keys, and checkpoints in the C2SP formats `signed-note` and `tlog-checkpoint`: what other tools can verify.
//!
//! A checkpoint is the text `origin LF size LF base64(root) LF`, an empty line, and one signature line
//! `— origin base64(key hash, Ed25519 signature)`. A public key is written `origin+key hash+base64(0x01, key)`.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::sha256;
use super::scan::{Scan, base64_exact, decimal};

/// The number of Ed25519 in signed notes.
const ED25519_NOTE: u8 = 1;

/// The size and root that a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries the tree has.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// Why a note was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not in the form this version writes.
    #[error("not a checkpoint in signed-note form")]
    Malformed,
    /// It names another origin or key.
    #[error("signed by another key")]
    WrongKey,
    /// The signature does not fit the text.
    #[error("the signature does not fit")]
    BadSignature,
}

/// A public key with the name of what it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    origin: String,
    public: [u8; 32],
}

impl VerifyingKey {
    /// Reads `origin+key hash+base64`, or `None` when it is not the text of an Ed25519 key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (origin, _hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key: [u8; 33] = base64_exact(key.as_bytes())?;
        let (kind, public) = key.split_first()?;
        let found = Self { origin: origin.to_owned(), public: *public.first_chunk()? };
        // Comparing with how it would be written checks the key hash as well.
        (*kind == ED25519_NOTE && is_origin(origin) && found.to_string() == text).then_some(found)
    }

    /// The name of the log that this key signs.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// SHA-256 of the public key, in hex: what people compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256(&self.public).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn key_hash(&self) -> [u8; 4] {
        let input = [self.origin.as_bytes(), b"\n", &[ED25519_NOTE], &self.public].concat();
        let hash = sha256(&input);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Checks a signature over anything.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }

    /// Checks a note and gives back what it covers.
    ///
    /// # Errors
    /// When it is malformed, names another key, or its signature does not fit.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (checkpoint, text, signature) = self.read(note)?;
        if self.verify(text, &signature) { Ok(checkpoint) } else { Err(NoteError::BadSignature) }
    }

    /// Reads a note that names this key, without checking the signature: what it covers, what was signed, and that.
    pub(super) fn read<'a>(&self, note: &'a str) -> Result<(Checkpoint, &'a [u8], [u8; 64]), NoteError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let checkpoint = parse_text(text).ok_or(NoteError::Malformed)?;
        let line =
            signatures.strip_prefix("— ").and_then(|line| line.strip_suffix('\n')).ok_or(NoteError::Malformed)?;
        let (name, signature) = line.split_once(' ').ok_or(NoteError::Malformed)?;
        let signature: [u8; 68] = base64_exact(signature.as_bytes()).ok_or(NoteError::Malformed)?;
        let (hash, signature) = signature.split_at(4);
        if name != self.origin || hash != self.key_hash() || text.split('\n').next() != Some(name) {
            return Err(NoteError::WrongKey);
        }
        let signature = *signature.first_chunk().ok_or(NoteError::Malformed)?;
        Ok((checkpoint, &note.as_bytes()[..=text.len()], signature))
    }
}

/// The C2SP text of the key.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.key_hash();
        let key = [[ED25519_NOTE].as_slice(), &self.public].concat();
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{}", self.origin, STANDARD.encode(key))
    }
}

/// True when a text can name a log: not empty, and free of what the formats around it use.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && !['+', '"', '\\'].contains(&c);
    !text.is_empty() && text.len() <= 255 && text.chars().all(fine)
}

fn parse_text(text: &str) -> Option<Checkpoint> {
    let mut lines = text.split('\n');
    let (_origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let checkpoint = Checkpoint { size: decimal(size.as_bytes())?, root: base64_exact(root.as_bytes())? };
    lines.next().is_none().then_some(checkpoint)
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
    /// Reads a PKCS#8 key, to sign as `origin`; `None` when it is not an Ed25519 key or the origin is not one.
    #[must_use]
    pub fn from_pkcs8(pkcs8: &[u8], origin: &str) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let public = *pair.public_key().as_ref().first_chunk()?;
        let verifying = VerifyingKey { origin: origin.to_owned(), public };
        is_origin(origin).then_some(Self { pair, verifying })
    }

    /// The public half.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }

    /// The signed note of a checkpoint.
    #[must_use]
    pub fn note(&self, checkpoint: &Checkpoint) -> String {
        let origin = &self.verifying.origin;
        let mut note = format!("{origin}\n{}\n{}\n", checkpoint.size, STANDARD.encode(checkpoint.root));
        let signature = self.sign(note.as_bytes());
        let signature = [self.verifying.key_hash().as_slice(), &signature].concat();
        note += &format!("\n— {origin} {}\n", STANDARD.encode(signature));
        note
    }
}

const CHECKPOINT: &[u8] = b"{\"audit.checkpoint\":\"";

/// True when a line is a checkpoint, by how it begins.
pub(super) fn is_checkpoint(line: &[u8]) -> bool {
    line.starts_with(CHECKPOINT)
}

/// Appends the line that carries a note. Only its line ends need an escape: an origin has no other such character.
pub(super) fn push_checkpoint_line(out: &mut Vec<u8>, note: &str) {
    out.extend_from_slice(CHECKPOINT);
    out.extend_from_slice(note.replace('\n', "\\n").as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// The note in a line (without its end).
pub(super) fn parse_checkpoint_line(line: &[u8]) -> Option<String> {
    let mut scan = Scan(line);
    scan.literal(CHECKPOINT)?;
    let escaped = std::str::from_utf8(scan.0.strip_suffix(b"\"}")?).ok()?;
    let note = escaped.replace("\\n", "\n");
    // A note that holds what would need another escape, or a raw line end, was not written by us.
    let plain = |c: char| c == '\n' || !(c.is_control() || c == '"' || c == '\\');
    (note.chars().all(plain) && !escaped.contains('\n')).then_some(note)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example key and note of Go's `golang.org/x/mod/sumdb/note`, whose format C2SP signed-note is.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    const GO_SIGNATURE: &str =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    fn key(origin: &str) -> SigningKey {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        SigningKey::from_pkcs8(pkcs8.as_ref(), origin).unwrap()
    }

    #[test]
    fn the_key_and_signature_that_another_implementation_published_are_accepted() {
        let key = VerifyingKey::parse(GO_KEY).unwrap();
        let signature: [u8; 68] = base64_exact(GO_SIGNATURE.as_bytes()).unwrap();
        assert_eq!(signature[..4], key.key_hash());
        assert!(key.verify(GO_TEXT.as_bytes(), signature[4..].first_chunk().unwrap()));
        assert!(!key.verify(GO_TEXT.to_uppercase().as_bytes(), signature[4..].first_chunk().unwrap()));
        assert_eq!(key.to_string(), GO_KEY);
    }

    proptest! {
        #[test]
        fn a_note_comes_back_and_any_change_is_refused(size: u64, root: [u8; 32], at: prop::sample::Index, bit in 0..8_u8) {
            let key = key("telseal/logs/x");
            let checkpoint = Checkpoint { size, root };
            let mut line = Vec::new();
            push_checkpoint_line(&mut line, &key.note(&checkpoint));
            let line = line.strip_suffix(b"\n").unwrap();
            let open = |line: &[u8]| key.verifying().open(&parse_checkpoint_line(line)?).ok();
            prop_assert_eq!(open(line), Some(checkpoint));
            let mut changed = line.to_vec();
            changed[at.index(line.len())] ^= 1 << bit;
            prop_assert_eq!(open(&changed), None);
        }
    }

    #[test]
    fn another_key_of_the_same_name_is_the_wrong_key() {
        let (one, two) = (key("telseal/a"), key("telseal/a"));
        let note = one.note(&Checkpoint { size: 1, root: [1; 32] });
        assert_eq!(two.verifying().open(&note), Err(NoteError::WrongKey));
        assert_eq!(one.verifying().open("telseal/a\n1\n"), Err(NoteError::Malformed));
    }

    #[test]
    fn the_text_of_a_key_has_one_spelling_and_its_debug_form_shows_no_secret() {
        let key = key("telseal/logs/x");
        let text = key.verifying().to_string();
        assert_eq!(VerifyingKey::parse(&text).as_ref(), Some(key.verifying()));
        for wrong in [text.replace("logs", "logz"), text.replace('+', " "), format!("{text}\n"), String::new()] {
            assert_eq!(VerifyingKey::parse(&wrong), None, "{wrong}");
        }
        assert_eq!(format!("{key:?}"), format!("SigningKey({text})"));
    }
}
