//! Cosignatures of witnesses, as C2SP `tlog-cosignature` has them: `cosignature/v1`, Ed25519, with the time of signing.
//!
//! A cosignature says: of all trees of this origin that I have seen, this is the largest, and it contains the ones before.
//! Not supported: ML-DSA-44 (kind 0x06); such lines are passed over.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::sha256;
use super::note::{Note, Signature, SigningKey};
use super::scan::base64_exact;

/// The number of Ed25519 cosignatures in signed notes.
const COSIGNATURE: u8 = 4;

/// The public key of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: [u8; 32],
}

impl WitnessKey {
    /// Reads `name+key hash+base64`, or `None` when it is not the text of an Ed25519 witness key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, _hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key: [u8; 33] = base64_exact(key.as_bytes())?;
        let (kind, public) = key.split_first()?;
        let found = Self { name: name.to_owned(), public: *public.first_chunk()? };
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        // Comparing with how it would be written checks the key hash as well.
        (*kind == COSIGNATURE && is_name && found.to_string() == text).then_some(found)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself, without the name.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    fn key_hash(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[COSIGNATURE], &self.public].concat());
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// When this witness cosigned the note, in seconds since 1970; `None` when it did not, or the signature does not fit.
    #[must_use]
    pub fn cosigned_at(&self, note: &Note<'_>) -> Option<u64> {
        let hash = self.key_hash();
        let own = |signature: &&Signature<'_>| signature.name == self.name && signature.key_hash == hash;
        note.signatures.iter().filter(own).find_map(|signature| {
            let (time, signature) = signature.bytes.split_first_chunk::<8>()?;
            let seconds = u64::from_be_bytes(*time);
            let message = message(note.text, seconds);
            let fits = UnparsedPublicKey::new(&ED25519, &self.public).verify(message.as_bytes(), signature).is_ok();
            (fits && seconds <= i64::MAX.unsigned_abs()).then_some(seconds)
        })
    }
}

/// The C2SP text of the key.
impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.key_hash();
        let key = [[COSIGNATURE].as_slice(), &self.public].concat();
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{}", self.name, STANDARD.encode(key))
    }
}

fn message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// The public half of a key that cosigns.
#[must_use]
pub fn witness_key(key: &SigningKey) -> Option<WitnessKey> {
    let text = key.verifying().to_string();
    let public: [u8; 33] = base64_exact(text.splitn(3, '+').nth(2)?.as_bytes())?;
    Some(WitnessKey { name: key.verifying().origin().to_owned(), public: *public.last_chunk()? })
}

/// The signature line, with its end, of a witness under a checkpoint's text.
#[must_use]
pub fn cosign(key: &SigningKey, text: &str, seconds: u64) -> Option<String> {
    let witness = witness_key(key)?;
    let signature = key.sign(message(text, seconds).as_bytes());
    let bytes = [witness.key_hash().as_slice(), &seconds.to_be_bytes(), &signature].concat();
    Some(format!("— {} {}\n", witness.name, STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosignature_holds_for_its_text_its_time_and_its_witness() {
        let key = SigningKey::from_seed(&[1; 32], "witness.example/w1").unwrap();
        let witness = witness_key(&key).unwrap();
        assert_eq!(WitnessKey::parse(&witness.to_string()).as_ref(), Some(&witness));
        let text = "example.com/log\n5\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n";
        let note = format!("{text}\n{}", cosign(&key, text, 1_679_315_147).unwrap());
        assert_eq!(witness.cosigned_at(&Note::parse(&note).unwrap()), Some(1_679_315_147));
        let other = witness_key(&SigningKey::from_seed(&[2; 32], "witness.example/w1").unwrap()).unwrap();
        assert_eq!(other.cosigned_at(&Note::parse(&note).unwrap()), None);
        let changed = note.replacen("\n5\n", "\n6\n", 1);
        assert_eq!(witness.cosigned_at(&Note::parse(&changed).unwrap()), None);
        // A key that signs a log is no key of a witness, though the bytes are the same.
        assert_eq!(WitnessKey::parse(&key.verifying().to_string()), None);
    }

    #[test]
    fn the_key_id_is_that_of_kind_4() {
        let key = SigningKey::from_seed(&[1; 32], "w").unwrap();
        let witness = witness_key(&key).unwrap();
        let id = sha256(&[b"w\n\x04".as_slice(), &witness.public].concat());
        assert!(witness.to_string().starts_with(&format!("w+{:02x}{:02x}{:02x}{:02x}+B", id[0], id[1], id[2], id[3])));
    }
}
