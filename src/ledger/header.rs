//! The first line of a segment: all that is needed to go on, or to verify this file alone.

use std::sync::Arc;

use super::cert::Cert;
use super::chain::Chain;
use super::entry::Stream;
use super::hash::Hash;
use super::note::{SigningKey, VerifyingKey};
use super::scan::{Scan, push_base64, push_decimal};
use super::tree::Frontier;

/// What is signed begins with this, so that it is no checkpoint: an origin has no space.
const SIGNED_PREFIX: &[u8] = b"telseal segment/v1\n";

const OPEN: &[u8] = b"{\"audit.segment\":{\"cert\":\"";

/// What a header says, its signatures not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The epoch whose key signed it.
    pub(super) epoch: Arc<Cert>,
    pub(super) frontier: Frontier,
    pub(super) prev_leaf: Hash,
    pub(super) records: u64,
    pub(super) stream: Stream,
    /// The root key.
    pub(super) vkey: VerifyingKey,
    signed_bytes: usize,
    signature: [u8; 64],
}

/// True when a line is a header, by how it begins.
pub(super) fn is_header(line: &[u8]) -> bool {
    line.starts_with(b"{\"audit.segment\":")
}

/// Appends the header of a segment that goes on after `chain`.
pub(super) fn push_header_line(out: &mut Vec<u8>, chain: &Chain, root: &VerifyingKey, key: &SigningKey) {
    let start = out.len();
    out.extend_from_slice(OPEN);
    out.extend_from_slice(chain.epoch.note.replace('\n', "\\n").as_bytes());
    out.extend_from_slice(b"\",\"epoch\":");
    push_decimal(out, chain.epoch.epoch.into());
    out.extend_from_slice(b",\"first\":");
    push_decimal(out, chain.frontier.size());
    out.extend_from_slice(b",\"frontier\":[");
    for (index, hash) in chain.frontier.hashes().iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        push_base64(out, hash);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"prev_leaf\":\"");
    push_base64(out, &chain.prev_leaf);
    out.extend_from_slice(b"\",\"records\":");
    push_decimal(out, chain.records);
    out.extend_from_slice(b",\"stream\":\"");
    out.extend_from_slice(&chain.stream.text());
    out.extend_from_slice(b"\",\"v\":1,\"vkey\":\"");
    out.extend_from_slice(root.to_string().as_bytes());
    out.extend_from_slice(b"\"}");
    let signature = key.sign(&[SIGNED_PREFIX, &out[start..]].concat());
    out.extend_from_slice(b",\"sig\":\"");
    push_base64(out, &signature);
    out.extend_from_slice(b"\"}\n");
}

impl Header {
    /// Reads a header line (without its end).
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut scan = Scan(line);
        scan.literal(OPEN)?;
        let cert = Cert::parse(&scan.note()?)?;
        scan.literal(b",\"epoch\":")?;
        let epoch = scan.number()?;
        scan.literal(b",\"first\":")?;
        let first = scan.number()?;
        scan.literal(b",\"frontier\":[")?;
        let frontier = Frontier::from_parts(first, hashes(&mut scan, first.count_ones())?)?;
        scan.literal(b"],\"prev_leaf\":\"")?;
        let prev_leaf = scan.base64()?;
        scan.literal(b",\"records\":")?;
        let records = scan.number()?;
        scan.literal(b",\"stream\":\"")?;
        let stream = Stream::parse(scan.text()?.as_bytes())?;
        scan.literal(b",\"v\":1,\"vkey\":\"")?;
        let vkey = VerifyingKey::parse(scan.text()?)?;
        scan.literal(b"}")?;
        let signed_bytes = line.len() - scan.0.len();
        scan.literal(b",\"sig\":\"")?;
        let signature = scan.base64()?;
        scan.literal(b"}")?;
        scan.end()?;
        let agrees = epoch == u64::from(cert.epoch) && stream == cert.stream && vkey.origin() == cert.origin;
        let is_plausible = records <= first && (first > 0 || prev_leaf == [0; 32]);
        let epoch = Arc::new(cert);
        (agrees && is_plausible).then_some(Self {
            epoch,
            frontier,
            prev_leaf,
            records,
            stream,
            vkey,
            signed_bytes,
            signature,
        })
    }

    /// The number of the first entry of the segment.
    pub(super) fn first(&self) -> u64 {
        self.frontier.size()
    }

    /// Checks the signature of the epoch's key over the line this header was read from.
    pub(super) fn is_signed(&self, line: &[u8]) -> bool {
        let signed = line.get(..self.signed_bytes).map(|signed| [SIGNED_PREFIX, signed].concat());
        signed.is_some_and(|signed| self.epoch.key.verify(&signed, &self.signature))
    }

    /// The state in which the ledger was when this segment began.
    pub(super) fn chain(&self) -> Chain {
        Chain {
            stream: self.stream,
            records: self.records,
            prev_leaf: self.prev_leaf,
            signed: self.frontier.size(),
            frontier: self.frontier.clone(),
            sealed_at_ns: 0,
            epoch: self.epoch.clone(),
        }
    }
}

fn hashes(scan: &mut Scan<'_>, count: u32) -> Option<Vec<Hash>> {
    (0..count)
        .map(|index| {
            scan.literal(if index == 0 { b"\"" } else { b",\"" })?;
            scan.base64()
        })
        .collect()
}
