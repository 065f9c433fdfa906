//! The 128 bytes that stand for one sealed line, and how they travel at the end of that line.

use std::fmt;

use super::hash::Hash;
use super::scan::{base64_exact, base64_len, decimal, push_base64, push_decimal};

/// The size of an entry.
pub const ENTRY_BYTES: usize = 128;

const MAGIC: &[u8; 4] = b"SEL1";

/// What a line is. The numbers are the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A record of the pipeline.
    Record = 0,
    /// The first entry of a ledger: origin and nonce, from which the stream's id is made.
    Genesis = 1,
    /// Nothing was sealed for a while, and the ledger lives.
    Heartbeat = 2,
    /// The next signing key.
    KeyRotate = 3,
    /// Records that are known to be missing, and why.
    Gap = 4,
    /// Bodies that a policy deleted.
    Retention = 5,
    /// One body that was deleted on request.
    Erasure = 6,
    /// Bodies that must not be deleted.
    Hold = 7,
    /// The receipt of an outside witness.
    Anchor = 8,
    /// The configuration in force.
    Config = 9,
    /// Somebody took records out.
    Export = 10,
    /// The end of the last run was not orderly; what was not acknowledged, if anything, was cut off.
    UncleanStart = 11,
    /// The orderly end of a run.
    End = 12,
    /// What belongs to one session of a producer.
    Session = 13,
}

impl Kind {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Record, "record"),
        (Self::Genesis, "genesis"),
        (Self::Heartbeat, "heartbeat"),
        (Self::KeyRotate, "key_rotate"),
        (Self::Gap, "gap"),
        (Self::Retention, "retention"),
        (Self::Erasure, "erasure"),
        (Self::Hold, "hold"),
        (Self::Anchor, "anchor"),
        (Self::Config, "config"),
        (Self::Export, "export"),
        (Self::UncleanStart, "unclean_start"),
        (Self::End, "end"),
        (Self::Session, "session"),
    ];

    /// Its name in a control line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |(_, name)| name)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(kind, _)| *kind)
    }
}

/// The identity of a ledger: a `UUIDv8` made from its origin and a random nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stream(pub [u8; 16]);

impl Stream {
    /// The id of the ledger with this origin and nonce.
    #[must_use]
    pub fn new(origin: &str, nonce: &[u8; 16]) -> Self {
        let hash = super::hash::sha256(&[origin.as_bytes(), nonce].concat());
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }

    /// The 36 characters of its UUID text.
    #[must_use]
    pub fn text(&self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let places = (0..36).filter(|place| ![8, 13, 18, 23].contains(place));
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        places.zip(digits).for_each(|(place, digit)| text[place] = HEX[usize::from(digit)]);
        text
    }

    /// Reads the text, which has one spelling.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut id = [0; 16];
        let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'-').collect();
        if digits.len() != 32 {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let stream = Self(id);
        (stream.text() == text).then_some(stream)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

/// What is sealed about one line. Big-endian, in this order, after the magic `SEL1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the line is (byte 4).
    pub kind: Kind,
    /// The signal, in the pipeline's numbering; 0 in control lines (byte 5).
    pub signal: u8,
    /// What the pipeline noticed about the record (bytes 6 and 7).
    pub flags: u16,
    /// The ledger (bytes 8 to 23).
    pub stream: Stream,
    /// The number of the line, from 0 (bytes 24 to 31).
    pub seq: u64,
    /// When it was sealed, in nanoseconds since 1970 (bytes 32 to 39).
    pub sealed_at_ns: u64,
    /// The leaf of the entry before, zeros for the first: this is the chain (bytes 40 to 71).
    pub prev_leaf: [u8; 32],
    /// The commitment to the line (bytes 72 to 103).
    pub commit: [u8; 32],
    /// The length of the canonical line (bytes 104 to 107).
    pub body_len: u32,
    /// The number of the epoch whose key signs (bytes 108 to 111).
    pub epoch: u32,
    /// The risk the pipeline assigned (byte 112).
    pub risk: u8,
    /// The size of the last checkpoint before this entry: no checkpoint can be taken out unseen (bytes 113 to 120).
    pub signed: u64,
}

impl Entry {
    /// The 128 bytes; the last 7 are zero.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5] = self.signal;
        bytes[6..8].copy_from_slice(&self.flags.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.stream.0);
        bytes[24..32].copy_from_slice(&self.seq.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.sealed_at_ns.to_be_bytes());
        bytes[40..72].copy_from_slice(&self.prev_leaf);
        bytes[72..104].copy_from_slice(&self.commit);
        bytes[104..108].copy_from_slice(&self.body_len.to_be_bytes());
        bytes[108..112].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[112] = self.risk;
        bytes[113..121].copy_from_slice(&self.signed.to_be_bytes());
        bytes
    }

    /// Reads the 128 bytes, or `None` when they are no entry that this version can write.
    #[must_use]
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        if bytes[..4] != *MAGIC || bytes[121..] != [0; 7] {
            return None;
        }
        Some(Self {
            kind: Kind::from_number(bytes[4])?,
            signal: bytes[5],
            flags: u16::from_be_bytes(field(bytes, 6)),
            stream: Stream(field(bytes, 8)),
            seq: u64::from_be_bytes(field(bytes, 24)),
            sealed_at_ns: u64::from_be_bytes(field(bytes, 32)),
            prev_leaf: field(bytes, 40),
            commit: field(bytes, 72),
            body_len: u32::from_be_bytes(field(bytes, 104)),
            epoch: u32::from_be_bytes(field(bytes, 108)),
            risk: bytes[112],
            signed: u64::from_be_bytes(field(bytes, 113)),
        })
    }
}

fn field<const N: usize>(bytes: &[u8; ENTRY_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

const SEAL: &[u8] = b",\"audit.seal\":{";
const DISCLOSURES: &[u8] = b"\"disclosures\":";
const ENTRY: &[u8] = b"\"entry\":\"";
const NUMBER: &[u8] = b"\",\"n\":";
const SALT: &[u8] = b",\"salt\":\"";
const STREAM: &[u8] = b"\",\"stream\":\"";
const CLOSE: &[u8] = b"\",\"v\":1}}";

/// The most that sealing adds to a line, its end of line included; not counted are disclosures.
pub const SEAL_BYTES_MAX: usize = SEAL.len()
    + DISCLOSURES.len()
    + 1
    + ENTRY.len()
    + base64_len(ENTRY_BYTES)
    + NUMBER.len()
    + 20
    + SALT.len()
    + base64_len(16)
    + STREAM.len()
    + 36
    + CLOSE.len()
    + 1;

/// Appends a canonical line (`{..}`) with its seal as last member, and the end of line. `disclosures` is a JSON array, or
/// empty.
pub(super) fn push_sealed_line(
    out: &mut Vec<u8>,
    (line, disclosures): (&[u8], &[u8]),
    entry: &[u8; ENTRY_BYTES],
    seq: u64,
    salt: &[u8; 16],
    stream_text: &[u8; 36],
) {
    out.extend_from_slice(open_line(line));
    push_seal(out, disclosures, entry, seq, salt, stream_text);
}

/// What a canonical line and its seal have in common: the line without its closing brace.
pub(super) fn open_line(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"}").unwrap_or(line)
}

/// Appends what follows [`open_line`] in a sealed line.
pub(super) fn push_seal(
    out: &mut Vec<u8>,
    disclosures: &[u8],
    entry: &[u8; ENTRY_BYTES],
    seq: u64,
    salt: &[u8; 16],
    stream_text: &[u8; 36],
) {
    out.extend_from_slice(SEAL);
    if !disclosures.is_empty() {
        out.extend_from_slice(DISCLOSURES);
        out.extend_from_slice(disclosures);
        out.push(b',');
    }
    out.extend_from_slice(ENTRY);
    push_base64(out, entry);
    out.extend_from_slice(NUMBER);
    push_decimal(out, seq);
    out.extend_from_slice(SALT);
    push_base64(out, salt);
    out.extend_from_slice(STREAM);
    out.extend_from_slice(stream_text);
    out.extend_from_slice(CLOSE);
    out.push(b'\n');
}

/// A sealed line, taken apart; nothing about it is checked yet but its form.
#[derive(Debug)]
pub(super) struct SealedLine<'a> {
    /// The canonical line without its closing brace.
    pub(super) open_body: &'a [u8],
    /// The JSON array of its disclosures, empty when it has none.
    pub(super) disclosures: &'a [u8],
    pub(super) entry: [u8; ENTRY_BYTES],
    pub(super) seq: u64,
    pub(super) salt: [u8; 16],
    pub(super) stream_text: &'a [u8],
}

impl<'a> SealedLine<'a> {
    /// Takes a line (without its end) apart, from its end: what a record contains cannot mislead it.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(CLOSE)?;
        let (rest, stream_text) = rest.split_at_checked(rest.len().checked_sub(36)?)?;
        let (rest, salt) = base64_at_end(rest.strip_suffix(STREAM)?)?;
        let rest = rest.strip_suffix(SALT)?;
        let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).take(21).count();
        let (rest, number) = rest.split_at(rest.len() - digits);
        let (rest, entry) = base64_at_end(rest.strip_suffix(NUMBER)?)?;
        let rest = rest.strip_suffix(ENTRY)?;
        let (open_body, disclosures) = match rest.strip_suffix(SEAL) {
            Some(open_body) => (open_body, [].as_slice()),
            None => with_disclosures(rest, &entry)?,
        };
        Some(Self { open_body, disclosures, entry, seq: decimal(number)?, salt, stream_text })
    }
}

/// Where the disclosures begin, the entry says: it knows the length of the line.
fn with_disclosures<'a>(rest: &'a [u8], entry: &[u8; ENTRY_BYTES]) -> Option<(&'a [u8], &'a [u8])> {
    let body_len = usize::try_from(Entry::decode(entry)?.body_len).ok()?;
    let (open_body, seal) = rest.split_at_checked(body_len.checked_sub(1)?)?;
    Some((open_body, seal.strip_prefix(SEAL)?.strip_prefix(DISCLOSURES)?.strip_suffix(b",")?))
}

/// The risk in the seal of a line (its end of line may be there); `None` when it has no whole seal.
#[must_use]
pub fn risk_of(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Entry::decode(&SealedLine::parse(line)?.entry).map(|entry| entry.risk)
}

fn base64_at_end<const N: usize>(text: &[u8]) -> Option<(&[u8], [u8; N])> {
    let (rest, value) = text.split_at_checked(text.len().checked_sub(base64_len(N))?)?;
    Some((rest, base64_exact(value)?))
}

const STUB: &[u8] = b"{\"audit.entry\":\"";

/// True when a line is an entry without its body, by how it begins.
pub(super) fn is_stub(line: &[u8]) -> bool {
    line.starts_with(STUB)
}

/// Appends the line that stands for a record whose body is gone.
pub(super) fn push_stub_line(out: &mut Vec<u8>, entry: &[u8; ENTRY_BYTES]) {
    out.extend_from_slice(STUB);
    push_base64(out, entry);
    out.extend_from_slice(b"\"}\n");
}

/// The entry in such a line (without its end).
pub(super) fn parse_stub(line: &[u8]) -> Option<[u8; ENTRY_BYTES]> {
    base64_exact(line.strip_prefix(STUB)?.strip_suffix(b"\"}")?)
}

/// For the chain: an entry's own hash.
pub(super) fn leaf_of(entry: &[u8; ENTRY_BYTES]) -> Hash {
    super::hash::leaf(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let start = (0..14_u8, any::<u8>(), any::<u16>(), any::<[u8; 16]>(), any::<u64>(), any::<u64>());
        let rest = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<u32>(), any::<u32>(), any::<u8>(), any::<u64>());
        (start, rest).prop_map(|((kind, signal, flags, stream, seq, sealed_at_ns), rest)| {
            let (prev_leaf, commit, body_len, epoch, risk, signed) = rest;
            let (kind, stream) = (Kind::from_number(kind).unwrap(), Stream(stream));
            Entry { kind, signal, flags, stream, seq, sealed_at_ns, prev_leaf, commit, body_len, epoch, risk, signed }
        })
    }

    proptest! {
        #[test]
        fn an_entry_and_its_line_come_back(entry in entry(), salt: [u8; 16], text in "[a-z\",:{}]{0,60}") {
            let bytes = entry.encode();
            prop_assert_eq!(Entry::decode(&bytes), Some(entry.clone()));
            let line = format!("{{\"k\":\"{text}\"}}");
            let mut out = Vec::new();
            let entry = Entry { body_len: line.len() as u32, ..entry };
            let bytes = entry.encode();
            let disclosed = if text.len() % 2 == 0 { "" } else { r#"[["s","n",{"audit.seal":{"disclosures":[1]}}]]"# };
            push_sealed_line(&mut out, (line.as_bytes(), disclosed.as_bytes()), &bytes, entry.seq, &salt, &entry.stream.text());
            prop_assert!(out.len() <= line.len() + disclosed.len() + SEAL_BYTES_MAX);
            let back = SealedLine::parse(out.strip_suffix(b"\n").unwrap()).unwrap();
            prop_assert_eq!(back.open_body, line.strip_suffix('}').unwrap().as_bytes());
            prop_assert_eq!(back.disclosures, disclosed.as_bytes());
            prop_assert_eq!((back.entry, back.seq, back.salt), (bytes, entry.seq, salt));
            prop_assert_eq!(Stream::parse(back.stream_text), Some(entry.stream));
        }

        #[test]
        fn reading_a_line_never_panics(line in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = SealedLine::parse(&line);
            let with_end = [line.as_slice(), CLOSE].concat();
            prop_assert!(SealedLine::parse(&with_end).is_none());
        }
    }

    #[test]
    fn a_sealed_line_is_json_with_the_seal_as_last_member() {
        let entry = [7; ENTRY_BYTES];
        let mut out = Vec::new();
        push_sealed_line(&mut out, (br#"{"body":"x"}"#, b""), &entry, 42, &[9; 16], &Stream([1; 16]).text());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["audit.seal"]["n"], 42);
        assert_eq!(value["audit.seal"]["v"], 1);
        assert_eq!(value["audit.seal"]["stream"], "01010101-0101-0101-0101-010101010101");
        assert_eq!(value["body"], "x");
    }

    #[test]
    fn a_stream_id_is_a_uuid_of_version_8() {
        let text = Stream::new("telseal/logs/1", &[3; 16]).to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "8"));
        assert!("89ab".contains(&text[19..20]), "{text}");
        assert_eq!(Stream::parse(text.to_uppercase().as_bytes()), None);
    }
}
