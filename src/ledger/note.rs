//! Notes and checkpoints in the C2SP formats `signed-note` and `tlog-checkpoint`: what other tools can verify.
//!
//! A note is a text that ends in a line end, an empty line, and signature lines `— name base64(key hash, signature)`.
//! A checkpoint's text is `origin LF size LF base64(root) LF`; the first signature is that of the epoch's key, the
//! second, where there is one, the root key's. Limits: Ed25519; lines of other kinds are kept and not checked.

mod key;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use self::key::{Signer, SigningKey, VerifyingKey, is_origin};
use super::scan::{Scan, base64_exact, decimal};

/// The most that a checkpoint adds to a segment, its line end included: two names, two signatures, two numbers.
pub(super) const CHECKPOINT_LINE_BYTES_MAX: usize = 1200;

/// A signed text, taken apart; its signatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// What is signed, its last line end included.
    pub text: &'a str,
    /// Who signed.
    pub signatures: Vec<Signature<'a>>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The name of the key.
    pub name: &'a str,
    /// The hash of name and key.
    pub key_hash: [u8; 4],
    /// What follows: of Ed25519, 64 bytes.
    pub bytes: Vec<u8>,
}

/// What a key says about a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It signed this text.
    Signed,
    /// It did not sign at all.
    Absent,
    /// A signature in its name does not fit the text.
    Wrong,
}

impl<'a> Note<'a> {
    /// Takes a note apart, or `None` when it is none.
    #[must_use]
    pub fn parse(note: &'a str) -> Option<Self> {
        let (text, signatures) = note.rsplit_once("\n\n")?;
        let lines = signatures.strip_suffix('\n')?.split('\n');
        let signatures = lines.map(Signature::parse).collect::<Option<Vec<_>>>()?;
        Some(Self { text: &note[..=text.len()], signatures })
    }

    /// Checks the signature of a key.
    #[must_use]
    pub fn verdict(&self, key: &VerifyingKey) -> Verdict {
        let Some(signature) = self.signatures.iter().find(|signature| signature.is_by(key)) else {
            return Verdict::Absent;
        };
        if signature.fits(key, self.text) { Verdict::Signed } else { Verdict::Wrong }
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_hash, bytes) = bytes.split_first_chunk()?;
        // One value has one spelling.
        (STANDARD.encode([key_hash, bytes].concat()) == encoded).then_some(())?;
        Some(Self { name, key_hash: *key_hash, bytes: bytes.to_vec() })
    }

    /// True when it is in the name of this key.
    #[must_use]
    pub fn is_by(&self, key: &VerifyingKey) -> bool {
        self.name == key.origin() && self.key_hash == key.key_hash()
    }

    fn fits(&self, key: &VerifyingKey, text: &str) -> bool {
        let bytes: Option<&[u8; 64]> = self.bytes.as_slice().try_into().ok();
        bytes.is_some_and(|bytes| key.verify(text.as_bytes(), bytes))
    }
}

/// The note of a text (which ends in a line end), signed by all of these in this order. One that cannot sign now is
/// left out.
#[must_use]
pub fn sign_note(text: &str, signers: &[&dyn Signer]) -> String {
    let mut note = format!("{text}\n");
    for signer in signers {
        let Some(signature) = signer.sign(text.as_bytes()) else { continue };
        let key = signer.verifying();
        let signature = [key.key_hash().as_slice(), &signature].concat();
        note += &format!("— {} {}\n", key.origin(), STANDARD.encode(signature));
    }
    note
}

/// The size and root that a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries the tree has.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self, origin: &str) -> String {
        format!("{origin}\n{}\n{}\n", self.size, STANDARD.encode(self.root))
    }

    /// Reads a note's text: the origin and what is covered, or `None` when it is no checkpoint as we write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<(&str, Self)> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let checkpoint = Self { size: decimal(size.as_bytes())?, root: base64_exact(root.as_bytes())? };
        lines.next().is_none().then_some((origin, checkpoint))
    }
}

const CHECKPOINT: &[u8] = b"{\"audit.checkpoint\":\"";

/// True when a line is a checkpoint, by how it begins.
pub(super) fn is_checkpoint(line: &[u8]) -> bool {
    line.starts_with(CHECKPOINT)
}

/// Appends the line that carries a note. Only its line ends need an escape: a name has no other such character.
pub(super) fn push_checkpoint_line(out: &mut Vec<u8>, note: &str) {
    out.extend_from_slice(CHECKPOINT);
    out.extend_from_slice(note.replace('\n', "\\n").as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// The note in a line (without its end).
pub(super) fn parse_checkpoint_line(line: &[u8]) -> Option<String> {
    let mut scan = Scan(line);
    scan.literal(CHECKPOINT)?;
    let note = scan.note()?;
    scan.literal(b"}")?;
    scan.end()?;
    Some(note)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8, name: &str) -> SigningKey {
        SigningKey::from_seed(&[seed; 32], name).unwrap()
    }

    proptest! {
        #[test]
        fn a_note_comes_back_and_any_change_is_refused(size: u64, root: [u8; 32], at: prop::sample::Index, bit in 0..8_u8) {
            let (epoch, ours) = (key(1, "telseal/x/epoch/0"), key(2, "telseal/x"));
            let checkpoint = Checkpoint { size, root };
            let mut line = Vec::new();
            push_checkpoint_line(&mut line, &sign_note(&checkpoint.text("telseal/x"), &[&epoch, &ours]));
            prop_assert!(line.len() <= CHECKPOINT_LINE_BYTES_MAX);
            let line = line.strip_suffix(b"\n").unwrap();
            let open = |line: &[u8]| {
                let note = parse_checkpoint_line(line)?;
                let note = Note::parse(&note)?;
                let by_both = [&epoch, &ours].iter().all(|key| note.verdict(key.verifying()) == Verdict::Signed);
                by_both.then_some(Checkpoint::parse(note.text)?.1)
            };
            prop_assert_eq!(open(line), Some(checkpoint));
            let mut changed = line.to_vec();
            changed[at.index(line.len())] ^= 1 << bit;
            prop_assert_eq!(open(&changed), None);
        }
    }

    #[test]
    fn another_key_of_the_same_name_did_not_sign_and_a_foreign_line_is_kept() {
        let (one, two) = (key(1, "telseal/a"), key(2, "telseal/a"));
        let text = Checkpoint { size: 1, root: [1; 32] }.text("telseal/a");
        let witness = format!("— witness.example/w {}\n", STANDARD.encode([7; 4 + 8 + 64]));
        let note = sign_note(&text, &[&one]) + &witness;
        let note = Note::parse(&note).unwrap();
        assert_eq!(note.verdict(one.verifying()), Verdict::Signed);
        assert_eq!(note.verdict(two.verifying()), Verdict::Absent);
        assert_eq!((note.signatures[1].name, note.signatures[1].bytes.len()), ("witness.example/w", 72));
        for wrong in ["telseal/a\n1\n", "telseal/a\n1\n\n", "telseal/a\n\n— x\n", "telseal/a\n\n— x AA==\n"] {
            assert_eq!(Note::parse(wrong), None, "{wrong:?}");
        }
    }
}
