//! The two events on which all keys rest: the first entry of a ledger, and the change to the next epoch's key.

use super::super::cert::Cert;
use super::super::chain::Chain;
use super::super::control::Control;
use super::super::entry::{Entry, Kind, Stream};
use super::super::note::{Verdict, VerifyingKey};
use super::super::scan::Scan;
use super::{Fault, Finding};

/// The first entry tells the origin, the keys and the nonce, and the stream's id is made from them.
pub(super) fn check(body: &[u8], entry: &Entry, chain: &Chain, root: &VerifyingKey) -> Result<(), Finding> {
    let read = || {
        let mut scan = Scan(body);
        scan.literal(b"{\"audit.control\":\"genesis\",\"cert\":\"")?;
        let cert = scan.note()?;
        scan.literal(b",\"nonce\":\"")?;
        let nonce = scan.base64()?;
        scan.literal(b",\"origin\":\"")?;
        let origin = scan.text()?;
        scan.literal(b",\"v\":1,\"vkey\":\"")?;
        let vkey = scan.text()?;
        scan.end()?;
        let is_ours = origin == root.origin() && vkey == root.to_string() && cert == chain.epoch.note;
        let is_first = entry.seq == 0 && entry.kind == Kind::Genesis;
        Some(is_ours && is_first && Stream::new(origin, &nonce) == entry.stream)
    };
    match read() {
        Some(true) => Ok(()),
        _ => {
            let what = "the entry is not the genesis of this origin, key and stream";
            Err(Finding::new(Fault::Malformed, entry.seq, what))
        }
    }
}

/// The event that a change of the key is sealed as.
pub(in super::super) fn key_rotate(cert: &Cert, reason: &str) -> Control {
    Control::new(Kind::KeyRotate).text("cert", &cert.note).text("reason", reason)
}

/// Reads the certificate of the next epoch: it must be for the next number and the next entry, and be signed by the
/// epoch that ends.
pub(super) fn next_epoch(body: &[u8], entry: &Entry, chain: &Chain, root: &VerifyingKey) -> Result<Cert, Finding> {
    let read = || {
        let mut scan = Scan(body);
        scan.literal(b"{\"audit.control\":\"key_rotate\",\"cert\":\"")?;
        let cert = Cert::parse(&scan.note()?)?;
        scan.literal(b",\"reason\":\"")?;
        scan.text()?;
        scan.end()?;
        Some(cert)
    };
    let now = &chain.epoch;
    let wrong = |fault, what: String| Err(Finding::new(fault, entry.seq, what));
    let Some(cert) = read() else {
        return wrong(Fault::Malformed, "the entry names no next epoch in the form of a certificate".to_owned());
    };
    if (&cert.origin, cert.stream) != (&now.origin, now.stream) {
        return wrong(Fault::WrongKey, "the certificate is another ledger's".to_owned());
    }
    if Some(cert.epoch) != now.epoch.checked_add(1) || cert.first != entry.seq + 1 {
        let what =
            format!("a certificate for epoch {} from entry {} on, at entry {}", cert.epoch, cert.first, entry.seq);
        return wrong(Fault::WrongEpoch, what);
    }
    if cert.verdict(&now.key) != Verdict::Signed || !cert.is_signed_only_by(&[root, &now.key]) {
        return wrong(Fault::WrongKey, format!("epoch {} did not certify its successor", now.epoch));
    }
    if cert.verdict(root) == Verdict::Wrong {
        return wrong(Fault::WrongKey, "the root key's signature of the certificate does not fit".to_owned());
    }
    Ok(cert)
}
