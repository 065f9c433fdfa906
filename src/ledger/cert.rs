//! What ties an epoch's key to the ledger: a note signed by the root key, by the epoch before, or by both.

use super::entry::Stream;
use super::note::{Note, Signer, Verdict, VerifyingKey, sign_note};
use super::scan::decimal;

/// The first line of the text: nothing else that is signed begins like this.
const TITLE: &str = "telseal epoch/v1";

/// The certificate of an epoch's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cert {
    /// The ledger's name.
    pub origin: String,
    /// The ledger's id.
    pub stream: Stream,
    /// The number of the epoch, from 0.
    pub epoch: u32,
    /// The number of the first entry of the epoch.
    pub first: u64,
    /// The key, named `<origin>/epoch/<n>`.
    pub key: VerifyingKey,
    /// The whole note.
    pub note: String,
}

/// The name of an epoch's key.
#[must_use]
pub fn key_name(origin: &str, epoch: u32) -> String {
    format!("{origin}/epoch/{epoch}")
}

impl Cert {
    /// Certifies `key` for the entries from `first` on.
    #[must_use]
    pub fn sign(
        origin: &str,
        stream: Stream,
        (epoch, first): (u32, u64),
        key: &VerifyingKey,
        signers: &[&dyn Signer],
    ) -> Self {
        let text = format!("{TITLE}\n{origin}\n{stream}\n{epoch}\n{first}\n{key}\n");
        let note = sign_note(&text, signers);
        Self { origin: origin.to_owned(), stream, epoch, first, key: key.clone(), note }
    }

    /// Reads a certificate, or `None` when it is none as we write it. Its signatures are not checked yet.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        let parsed = Note::parse(note)?;
        let mut lines = parsed.text.strip_suffix('\n')?.split('\n');
        let mut next = || lines.next();
        (next()? == TITLE).then_some(())?;
        let (origin, stream) = (next()?.to_owned(), Stream::parse(next()?.as_bytes())?);
        let epoch = u32::try_from(decimal(next()?.as_bytes())?).ok()?;
        let (first, key) = (decimal(next()?.as_bytes())?, VerifyingKey::parse(next()?)?);
        let fits = next().is_none() && key.origin() == key_name(&origin, epoch) && (epoch > 0 || first == 0);
        fits.then(|| Self { origin, stream, epoch, first, key, note: note.to_owned() })
    }

    /// What a key says about it.
    #[must_use]
    pub fn verdict(&self, key: &VerifyingKey) -> Verdict {
        Note::parse(&self.note).map_or(Verdict::Wrong, |note| note.verdict(key))
    }

    /// True when nobody signed it but these: a segment has no place for other lines.
    #[must_use]
    pub fn is_signed_only_by(&self, keys: &[&VerifyingKey]) -> bool {
        let Some(note) = Note::parse(&self.note) else { return false };
        note.signatures.len() <= keys.len()
            && note.signatures.iter().all(|signature| keys.iter().any(|key| signature.is_by(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::note::SigningKey;
    use super::*;

    fn key(seed: u8, name: &str) -> SigningKey {
        SigningKey::from_seed(&[seed; 32], name).unwrap()
    }

    #[test]
    fn a_certificate_comes_back_and_says_who_signed_it() {
        let (root, old, new) = (key(1, "acme/x"), key(2, "acme/x/epoch/6"), key(3, "acme/x/epoch/7"));
        let stream = Stream::new("acme/x", &[9; 16]);
        let cert = Cert::sign("acme/x", stream, (7, 1234), new.verifying(), &[&root, &old]);
        let read = Cert::parse(&cert.note).unwrap();
        assert_eq!(read, cert);
        assert_eq!(read.verdict(root.verifying()), Verdict::Signed);
        assert_eq!(read.verdict(old.verifying()), Verdict::Signed);
        assert_eq!(read.verdict(new.verifying()), Verdict::Absent);
        assert!(read.is_signed_only_by(&[root.verifying(), old.verifying()]));
        assert!(!read.is_signed_only_by(&[root.verifying()]));
        let changed = Cert::parse(&cert.note.replace("\n1234\n", "\n1235\n")).unwrap();
        assert_eq!(changed.verdict(root.verifying()), Verdict::Wrong);
    }

    #[test]
    fn a_certificate_that_contradicts_itself_is_none() {
        let (root, new) = (key(1, "acme/x"), key(3, "acme/x/epoch/7"));
        let cert = Cert::sign("acme/x", Stream::default(), (7, 5), new.verifying(), &[&root]).note;
        for (from, to) in [("epoch/v1", "epoch/v2"), ("\n7\n", "\n8\n"), ("\n7\n", "\n07\n"), ("\n5\n", "\n5\n\n")] {
            assert_eq!(Cert::parse(&cert.replacen(from, to, 1)), None, "{to:?}");
        }
        let zero = key(4, "acme/x/epoch/0");
        let cert = Cert::sign("acme/x", Stream::default(), (0, 5), zero.verifying(), &[&root]).note;
        assert_eq!(Cert::parse(&cert), None);
    }
}
