//! Goes through the lines of a ledger without judging them: for proofs, exports, indexes and comparisons, each of which
//! checks by itself what it relies on.
//!
//! A segment may be there in three forms, of which the first is taken: plain (`.ndjson`), compressed (`.ndjson.zst`), or
//! without bodies (`.seal.zst`). Memory: one line. A last line without its end is not read: somebody is writing it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::bodies::{KeyId, Keyring, Opener, Shut, is_bodies, is_locked, parse_locked};
use super::entry::{ENTRY_BYTES, Entry, SealedLine, is_stub, parse_stub};
use super::files;
use super::header::{Header, is_header};
use super::note::{VerifyingKey, is_checkpoint, parse_checkpoint_line};
use super::verify::LEDGER_DIR;
use super::{LINE_BYTES_MAX, OWN_LINE, disclosed};
use crate::stdx::durable::{self, Error};

/// Why the lines could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The disk refused, or a compressed file is damaged.
    #[error(transparent)]
    File(#[from] Error),
    /// There is no ledger.
    #[error("no ledger in {}", .0.display())]
    NoLedger(PathBuf),
    /// There is more than one, and the caller wants one.
    #[error("{} has {} ledgers: name one of {}", path.display(), dirs.len(), names(dirs))]
    Several {
        /// What was given.
        path: PathBuf,
        /// What is in it.
        dirs: Vec<PathBuf>,
    },
    /// A line is in no form that a ledger has.
    #[error("{}:{line}: {what}", path.display())]
    Malformed {
        /// The segment.
        path: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

fn names(dirs: &[PathBuf]) -> String {
    dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The number of its first entry, as its name or its header says.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
}

/// The segments of one ledger, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The ledger's folder; of a file that was named, the folder it lies in.
    pub dir: PathBuf,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// A single file was named: what is around it does not count.
    pub is_one_file: bool,
    /// What opens encrypted bodies; without keys they come out as they are.
    pub keyring: Keyring,
}

impl Folder {
    /// The one ledger at `path`: a segment file, a ledger's folder, a pipeline's folder, or a `data_dir` with one sealed
    /// pipeline.
    ///
    /// # Errors
    /// When there is none or more than one, or the disk refuses.
    pub fn find(path: &Path) -> Result<Self, WalkError> {
        if path.is_file() {
            let first = SegmentReader::open(path, &Keyring::default())?.header()?.first();
            let segments = vec![Segment { first, path: path.to_owned() }];
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
            return Ok(Self { dir: dir.to_owned(), segments, is_one_file: true, keyring: Keyring::default() });
        }
        let mut found = folders(path)?;
        match found.len() {
            0 => Err(WalkError::NoLedger(path.to_owned())),
            1 => Ok(found.remove(0)),
            _ => {
                let dirs = found.into_iter().map(|folder| folder.dir).collect();
                Err(WalkError::Several { path: path.to_owned(), dirs })
            }
        }
    }

    /// The same, with the keys that open its bodies.
    #[must_use]
    pub fn with_keys(self, keyring: Keyring) -> Self {
        Self { keyring, ..self }
    }

    /// At the beginning of one of its segments.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self, path: &Path) -> Result<SegmentReader, WalkError> {
        SegmentReader::open(path, &self.keyring)
    }

    /// The key that opens the body of an entry, when it is encrypted and none of ours does.
    ///
    /// # Errors
    /// When its segment cannot be read.
    pub fn missing_key(&self, seq: u64) -> Result<Option<KeyId>, WalkError> {
        let Some(segment) = self.segment_of(seq) else { return Ok(None) };
        let mut reader = self.open(&segment.path)?;
        while let Some(item) = reader.next_item()? {
            if item.entry().and_then(Entry::decode).is_some_and(|entry| entry.seq == seq) {
                return Ok(if matches!(item, Item::Locked(_)) { reader.missing_key() } else { None });
            }
        }
        Ok(None)
    }

    /// The segment in which an entry must be, if it is anywhere.
    #[must_use]
    pub fn segment_of(&self, seq: u64) -> Option<&Segment> {
        self.segments.iter().rev().find(|segment| segment.first <= seq)
    }

    /// The segments from the one that has this entry on.
    #[must_use]
    pub fn from(&self, seq: u64) -> &[Segment] {
        let before = self.segments.iter().rposition(|segment| segment.first <= seq).unwrap_or(0);
        &self.segments[before..]
    }

    /// The `data_dir` or whatever else lies around it holds a living process's lock.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let dir = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        dir.ancestors().take(3).any(durable::is_locked)
    }
}

/// The ledgers at or below a folder: itself, its `ledger`, or the `ledger` of each of its folders.
fn folders(path: &Path) -> Result<Vec<Folder>, WalkError> {
    if !path.exists() {
        return Err(Error::new("open", path, std::io::ErrorKind::NotFound.into()).into());
    }
    let below = durable::list(path)?.into_iter().map(|dir| dir.join(LEDGER_DIR));
    let candidates = [path.to_owned(), path.join(LEDGER_DIR)].into_iter().chain(below);
    let mut found = Vec::new();
    for dir in candidates.filter(|dir| dir.is_dir()) {
        let segments: Vec<Segment> =
            files::list(&dir)?.into_iter().map(|file| Segment { first: file.first, path: file.path }).collect();
        if !segments.is_empty() {
            found.push(Folder { dir, segments, is_one_file: false, keyring: Keyring::default() });
        }
    }
    Ok(found)
}

/// A record or one of the ledger's own events, with all that its line holds.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// The whole line, without its end.
    pub line: &'a [u8],
    /// The canonical line without its closing brace.
    pub open_body: &'a [u8],
    /// The entry.
    pub entry: [u8; ENTRY_BYTES],
    /// The salt of its commitment.
    pub salt: [u8; 16],
    /// The values of its erasable fields, a JSON array; empty without any.
    pub disclosures: &'a [u8],
}

impl Sealed<'_> {
    /// True when the body is what the entry commits to, and each value beside it is what the body promises.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        let hashed = || super::hash::commit(&self.salt, self.open_body, b"}");
        Entry::decode(&self.entry).is_some_and(|entry| {
            u64::from(entry.body_len) == self.open_body.len() as u64 + 1
                && hashed() == entry.commit
                && disclosed::closed(self.open_body, self.disclosures).is_ok()
        })
    }
}

/// True when a canonical line is what an entry with this salt commits to.
#[must_use]
pub fn is_committed(entry: &Entry, salt: &[u8; 16], canonical: &[u8]) -> bool {
    u64::from(entry.body_len) == canonical.len() as u64 && super::hash::commit(salt, canonical, b"") == entry.commit
}

/// True when each of these values (a JSON array, as a seal has it) is what the canonical line promises under its name.
#[must_use]
pub fn is_disclosed(canonical: &[u8], disclosures: &[u8]) -> bool {
    disclosed::closed(canonical.strip_suffix(b"}").unwrap_or(canonical), disclosures).is_ok()
}

/// The root key that a segment names. Nothing vouches for it but the segment itself.
///
/// # Errors
/// When the segment cannot be read or has no whole header.
pub fn root_key_of(path: &Path) -> Result<VerifyingKey, WalkError> {
    Ok(SegmentReader::open(path, &Keyring::default())?.header()?.vkey)
}

/// The leaf of an entry in the tree.
#[must_use]
pub fn leaf(entry: &[u8; ENTRY_BYTES]) -> [u8; 32] {
    super::entry::leaf_of(entry)
}

/// A line of a segment.
#[derive(Debug)]
pub enum Item<'a> {
    /// The first line.
    Header,
    /// A record or an event.
    Sealed(Sealed<'a>),
    /// The entry of a line whose body is gone.
    Stub([u8; ENTRY_BYTES]),
    /// The entry of a line whose body is encrypted, without the key that opens it.
    Locked([u8; ENTRY_BYTES]),
    /// A checkpoint: the signed note.
    Checkpoint(String),
}

impl Item<'_> {
    /// The 128 bytes of its entry, where it has one.
    #[must_use]
    pub fn entry(&self) -> Option<&[u8; ENTRY_BYTES]> {
        match self {
            Self::Sealed(sealed) => Some(&sealed.entry),
            Self::Stub(entry) | Self::Locked(entry) => Some(entry),
            Self::Header | Self::Checkpoint(_) => None,
        }
    }
}

/// Reads one segment line by line.
pub struct SegmentReader {
    lines: Box<dyn BufRead + Send>,
    path: PathBuf,
    opener: Opener,
    buffer: Vec<u8>,
    number: u64,
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentReader").field("path", &self.path).field("line", &self.number).finish_non_exhaustive()
    }
}

impl SegmentReader {
    /// At the beginning of a segment, in whichever form its name says it is. Encrypted bodies are opened where one of the keys
    /// does that.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, keyring: &Keyring) -> Result<Self, WalkError> {
        let file = File::open(path).map_err(|e| Error::new("open", path, e))?;
        let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
        let lines: Box<dyn BufRead + Send> = if is_compressed {
            let decoder = zstd::stream::read::Decoder::new(file).map_err(|e| Error::new("decompress", path, e))?;
            Box::new(BufReader::with_capacity(1 << 18, decoder))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, file))
        };
        Ok(Self { lines, path: path.to_owned(), opener: Opener::new(path, keyring), buffer: Vec::new(), number: 0 })
    }

    /// The segment.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line that was read last, from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.number
    }

    /// The next line, taken apart; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or is in no form that a ledger has.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, WalkError> {
        loop {
            if !self.next_line()? {
                return Ok(None);
            }
            // Of a line of bodies nothing is to be seen but through the lines that follow it.
            if !is_bodies(&self.buffer) {
                break;
            }
            let seen = self.opener.view(&self.buffer).map(|_| ());
            seen.map_err(|shut| self.shut(shut))?;
        }
        let (path, line) = (&self.path, self.number);
        let seen = match self.opener.view(&self.buffer) {
            Ok(seen) => seen.unwrap_or_default(),
            Err(shut) => return Err(shut_at(path, line, shut)),
        };
        let item = parse(seen);
        item.map(Some).map_err(|what| WalkError::Malformed { path: path.clone(), line, what })
    }

    /// The header, which is the first line. Its signature is not checked here.
    pub(super) fn header(&mut self) -> Result<Header, WalkError> {
        let has_line = self.next_line()?;
        let header = Header::parse(&self.buffer).filter(|_| has_line);
        let seen = self.opener.view(&self.buffer).map(|_| ());
        seen.map_err(|shut| self.shut(shut))?;
        header.ok_or_else(|| self.malformed("the first line is no whole segment header"))
    }

    /// The body key that would have opened what was not opened.
    #[must_use]
    pub fn missing_key(&self) -> Option<KeyId> {
        self.opener.missing()
    }

    fn shut(&self, shut: Shut) -> WalkError {
        shut_at(&self.path, self.number, shut)
    }

    /// An error at the present line.
    #[must_use]
    pub fn malformed(&self, what: &'static str) -> WalkError {
        WalkError::Malformed { path: self.path.clone(), line: self.number, what }
    }

    /// Reads a whole line into the buffer, without its end.
    fn next_line(&mut self) -> Result<bool, WalkError> {
        self.buffer.clear();
        let mut limited = (&mut self.lines).take(LINE_BYTES_MAX as u64 + 1);
        limited.read_until(b'\n', &mut self.buffer).map_err(|e| Error::new("read", &self.path, e))?;
        if self.buffer.pop() != Some(b'\n') {
            return Ok(false);
        }
        self.number += 1;
        Ok(true)
    }
}

fn shut_at(path: &Path, line: u64, shut: Shut) -> WalkError {
    match shut {
        Shut::Wrong(_, what) => WalkError::Malformed { path: path.to_owned(), line, what },
        Shut::File(error) => error.into(),
    }
}

fn parse(line: &[u8]) -> Result<Item<'_>, &'static str> {
    if line.starts_with(OWN_LINE) {
        if is_header(line) {
            return Ok(Item::Header);
        }
        if is_checkpoint(line) {
            return parse_checkpoint_line(line).map(Item::Checkpoint).ok_or("the line is no whole checkpoint");
        }
        if is_stub(line) {
            let entry = parse_stub(line).filter(|entry| Entry::decode(entry).is_some());
            return entry.map(Item::Stub).ok_or("the line is no whole stub of an entry");
        }
        if is_locked(line) {
            return parse_locked(line).map(Item::Locked).ok_or("the line is no whole entry");
        }
    }
    let sealed = parse_sealed(line).ok_or("the line has no whole seal")?;
    Ok(Item::Sealed(sealed))
}

/// Takes a sealed line apart: one of a segment, or a copy of one.
#[must_use]
pub fn parse_sealed(line: &[u8]) -> Option<Sealed<'_>> {
    let SealedLine { open_body, entry, seq, salt, disclosures, .. } = SealedLine::parse(line)?;
    Entry::decode(&entry).filter(|decoded| decoded.seq == seq)?;
    Some(Sealed { line, open_body, entry, salt, disclosures })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{Drafts, Ledger, Options};
    use super::*;

    pub(crate) fn ledger_of(dir: &Path, records: u64, segment_bytes_max: u64) {
        let options = Options { segment_bytes_max, ..Options::new("logs") };
        let (mut ledger, ..) = Ledger::open(dir, &options).unwrap();
        for n in 0..records {
            let mut drafts = Drafts::with_capacity(1, 100);
            drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}"}}"#).as_bytes());
            drafts.finish_line(1, 0, 0).unwrap();
            ledger.append(&[drafts]).unwrap();
        }
    }

    fn entries(folder: &Folder) -> Vec<u64> {
        let mut found = Vec::new();
        for segment in &folder.segments {
            let mut reader = folder.open(&segment.path).unwrap();
            while let Some(item) = reader.next_item().unwrap() {
                found.extend(item.entry().and_then(Entry::decode).map(|entry| entry.seq));
                if let Item::Sealed(sealed) = item {
                    assert!(sealed.is_genuine());
                }
            }
        }
        found
    }

    #[test]
    fn all_entries_come_in_order_whatever_form_the_segments_have() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("logs").join("ledger");
        ledger_of(&dir, 30, 4000);
        let folder = Folder::find(data.path()).unwrap();
        let expected = entries(&folder);
        assert!(folder.segments.len() > 3 && expected.iter().copied().eq(0..expected.len() as u64));
        // The second one is compressed, and its plain form goes away later.
        let plain = &folder.segments[1].path;
        let bytes = durable::read(plain, 1 << 20).unwrap().unwrap();
        let compressed = plain.with_extension("ndjson.zst");
        durable::create_new(&compressed, &zstd::encode_all(bytes.as_slice(), 1).unwrap(), durable::Mode::Shared)
            .unwrap();
        assert_eq!(Folder::find(&dir).unwrap(), folder);
        durable::remove(plain).unwrap();
        let now = Folder::find(&dir).unwrap();
        assert_eq!(now.segments[1].path, compressed);
        assert_eq!(entries(&now), expected);
        let alone = Folder::find(&compressed).unwrap();
        assert_eq!((alone.segments.len(), alone.segments[0].first), (1, folder.segments[1].first));
    }

    #[test]
    fn a_data_dir_with_two_ledgers_asks_which() {
        let data = tempfile::tempdir().unwrap();
        for pipeline in ["logs", "traces"] {
            ledger_of(&data.path().join(pipeline).join("ledger"), 1, 4000);
        }
        let error = Folder::find(data.path()).unwrap_err();
        assert!(matches!(&error, WalkError::Several { dirs, .. } if dirs.len() == 2), "{error}");
        assert!(error.to_string().contains("name one of"), "{error}");
    }

    #[test]
    fn what_is_no_line_of_a_ledger_is_named_by_its_place() {
        let dir = tempfile::tempdir().unwrap();
        ledger_of(dir.path(), 2, 1 << 20);
        let path = Folder::find(dir.path()).unwrap().segments[0].path.clone();
        let text = String::from_utf8(durable::read(&path, 1 << 20).unwrap().unwrap()).unwrap();
        durable::write_atomic(&path, text.replace("\"v\":1}}", "\"v\":2}}").as_bytes(), durable::Mode::Shared).unwrap();
        let mut reader = SegmentReader::open(&path, &Keyring::default()).unwrap();
        assert!(matches!(reader.next_item(), Ok(Some(Item::Header))));
        let error = reader.next_item().unwrap_err();
        assert!(error.to_string().ends_with(":2: the line has no whole seal"), "{error}");
    }
}
