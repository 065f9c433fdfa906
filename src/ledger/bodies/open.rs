//! Turns locked lines back into sealed lines while the lines of a segment go by, so that all readers see the same.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::data_keys::NoKey;
use super::{About, BODIES, BOX_OVERHEAD, DataKeys, Key, KeyId, Keyring, Place, is_bodies, is_locked, parse_locked};
use crate::ledger::checker::Fault;
use crate::ledger::entry::{Entry, Kind, push_sealed_line, push_stub_line};
use crate::ledger::header::{Header, is_header};
use crate::ledger::scan::Scan;
use crate::ledger::{LINE_BYTES_MAX, OWN_LINE};
use crate::stdx::durable;

/// Why a line cannot be seen through.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum Shut {
    /// It is not what was written.
    #[error("{}", .1)]
    Wrong(Fault, &'static str),
    /// The disk refused.
    #[error(transparent)]
    File(#[from] durable::Error),
}

/// What the bodies of the next locked lines are.
#[derive(Debug, Clone)]
enum Bodies {
    /// The text, and how much of it was taken.
    Open(Vec<u8>, usize),
    /// Nobody gave us the key.
    Locked,
    /// Nobody has the key any more.
    Gone,
}

/// Sees through the lines of one segment, in their order.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Opener {
    keyring: Keyring,
    dir: PathBuf,
    /// The header's line, until it is needed.
    header: Vec<u8>,
    keys: Option<(Place, DataKeys)>,
    bodies: Bodies,
    /// How many locked lines the last bodies line still opens, and the number that the next one has if it is the first.
    left: u64,
    first: Option<u64>,
    /// The body key that was missing.
    missing: Option<KeyId>,
    line: Vec<u8>,
}

impl Opener {
    /// For the segment with this path.
    pub(in crate::ledger) fn new(path: &Path, keyring: &Keyring) -> Self {
        Self {
            keyring: keyring.clone(),
            dir: path.parent().unwrap_or(path).to_owned(),
            header: Vec::new(),
            keys: None,
            bodies: Bodies::Locked,
            left: 0,
            first: None,
            missing: None,
            line: Vec::new(),
        }
    }

    /// How many locked lines the last bodies line still opens: between 0 and the next one a reader may begin.
    pub(in crate::ledger) fn left(&self) -> u64 {
        self.left
    }

    /// Forgets the last bodies line: the next line that comes is that one again.
    pub(in crate::ledger) fn rewind(&mut self) {
        (self.left, self.first) = (0, None);
    }

    /// The body key that would have opened what was not opened.
    pub(in crate::ledger) fn missing(&self) -> Option<KeyId> {
        self.missing
    }

    /// The next line (without its end) as it is to be read: itself, or the sealed line that it stands for, or a stub where the
    /// body is gone; `None` for a bodies line, which is nobody's to read. A locked line without a key at hand stays one.
    #[inline]
    pub(in crate::ledger) fn view<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<&'a [u8]>, Shut> {
        if self.first.is_none() && !line.starts_with(OWN_LINE) {
            return Ok(Some(line));
        }
        self.view_own(line)
    }

    fn view_own<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<&'a [u8]>, Shut> {
        if is_bodies(line) {
            self.begin(line)?;
            return Ok(None);
        }
        if is_locked(line) {
            return self.locked(line).map(Some);
        }
        if self.first.is_some() {
            return Err(Shut::Wrong(
                Fault::Malformed,
                "a line of bodies is not followed by the first line that it opens",
            ));
        }
        if is_header(line) {
            self.header = line.to_vec();
        }
        Ok(Some(line))
    }

    /// A bodies line.
    fn begin(&mut self, line: &[u8]) -> Result<(), Shut> {
        let malformed = Shut::Wrong(Fault::Malformed, "the line is no whole line of bodies");
        let Some((about, inner, sealed)) = About::parse(line).filter(|_| self.left == 0) else { return Err(malformed) };
        let mut sealed = STANDARD.decode(sealed).ok().filter(|sealed| sealed.len() >= BOX_OVERHEAD).ok_or(malformed)?;
        let key = self.key(about.key)?;
        let bound = self.keys.as_ref().map(|(place, _)| place.bound("bodies", inner)).unwrap_or_default();
        self.bodies = match key {
            Err(NoKey::Gone) => Bodies::Gone,
            Err(NoKey::NotAtHand(under)) => {
                self.missing = Some(under);
                Bodies::Locked
            }
            Err(NoKey::Wrong) => {
                return Err(Shut::Wrong(
                    Fault::Modified,
                    "the key of the segment does not open: it is not what was wrapped",
                ));
            }
            Ok(key) => {
                let packed = key.open(&bound, &mut sealed);
                let packed =
                    packed.ok_or(Shut::Wrong(Fault::Modified, "the bodies are not what was encrypted here"))?;
                Bodies::Open(unpack(packed, about.bytes)?, 0)
            }
        };
        (self.left, self.first) = (about.count, Some(about.first));
        Ok(())
    }

    /// A key of the segment. The file is read again when it does not help: somebody may have changed it since.
    fn key(&mut self, id: KeyId) -> Result<Result<Key, NoKey>, Shut> {
        if let Some((_, keys)) = &self.keys
            && let Ok(key) = keys.key(id, &self.keyring)
        {
            return Ok(Ok(key));
        }
        let (place, keys) = self.read_keys()?;
        let key = keys.key(id, &self.keyring);
        self.keys = Some((place, keys));
        Ok(key)
    }

    fn read_keys(&self) -> Result<(Place, DataKeys), Shut> {
        let header = Header::parse(&self.header);
        let place = Place::of(&header.ok_or(Shut::Wrong(Fault::Malformed, "bodies without a segment header"))?);
        let keys = DataKeys::read(&self.dir, place.clone())?.map_err(|(fault, what)| Shut::Wrong(fault, what))?;
        Ok((place, keys))
    }

    /// A locked line.
    fn locked<'a>(&'a mut self, line: &'a [u8]) -> Result<&'a [u8], Shut> {
        let malformed = |what| Shut::Wrong(Fault::Malformed, what);
        let bytes = parse_locked(line).ok_or(malformed("the line is no whole entry"))?;
        let entry = Entry::decode(&bytes).ok_or(malformed("the line holds no valid entry"))?;
        if entry.kind != Kind::Record {
            return Err(malformed("one of the ledger's own events is encrypted"));
        }
        self.left = self.left.checked_sub(1).ok_or(malformed("an encrypted line without a line of bodies"))?;
        if self.first.take().is_some_and(|first| first != entry.seq) {
            return Err(Shut::Wrong(Fault::Modified, "the bodies are those of other entries"));
        }
        self.line.clear();
        match &mut self.bodies {
            Bodies::Locked => return Ok(line),
            Bodies::Gone => push_stub_line(&mut self.line, &bytes),
            Bodies::Open(text, at) => {
                let rest = &text[*at..];
                let (salt, disclosures, body) =
                    take(rest, &entry).ok_or(Shut::Wrong(Fault::Modified, "the body is not that of the entry"))?;
                *at += 20 + disclosures.len() + body.len();
                if self.left == 0 && *at != text.len() {
                    return Err(malformed("the bodies have more than their lines"));
                }
                let stream = entry.stream.text();
                push_sealed_line(&mut self.line, (body, disclosures), &bytes, entry.seq, salt, &stream);
            }
        }
        self.line.pop();
        Ok(&self.line)
    }
}

/// The salt, disclosures and body at the beginning of the text.
fn take<'a>(text: &'a [u8], entry: &Entry) -> Option<(&'a [u8; 16], &'a [u8], &'a [u8])> {
    let (salt, rest) = text.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (disclosures, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let body = rest.get(..usize::try_from(entry.body_len).ok()?)?;
    Some((salt, disclosures, body))
}

/// One frame of exactly this many bytes.
fn unpack(packed: &[u8], bytes: usize) -> Result<Vec<u8>, Shut> {
    let malformed = Shut::Wrong(Fault::Malformed, "the bodies do not decompress to what is said about them");
    let is_one = zstd::zstd_safe::find_frame_compressed_size(packed).is_ok_and(|length| length == packed.len());
    let text = zstd::bulk::decompress(packed, bytes).ok().filter(|text| is_one && text.len() == bytes);
    text.ok_or(malformed)
}

impl About {
    /// What stands in a bodies line (without its end), the bytes it is bound to, and its box in base64.
    pub(super) fn parse(line: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let mut scan = Scan(line);
        scan.literal(BODIES)?;
        let start = scan.0;
        scan.literal(b"{\"bytes\":")?;
        let bytes = usize::try_from(scan.number()?).ok().filter(|bytes| *bytes <= LINE_BYTES_MAX)?;
        scan.literal(b",\"count\":")?;
        let count = scan.number().filter(|count| *count > 0)?;
        scan.literal(b",\"first\":")?;
        let first = scan.number()?;
        scan.literal(b",\"key\":\"")?;
        let key = KeyId::parse(scan.text()?)?;
        scan.literal(b",\"v\":1}")?;
        let inner = &start[..start.len() - scan.0.len()];
        scan.literal(b",\"box\":\"")?;
        let sealed = scan.text()?.as_bytes();
        scan.literal(b"}")?;
        scan.end()?;
        Some((Self { bytes, count, first, key }, inner, sealed))
    }
}
