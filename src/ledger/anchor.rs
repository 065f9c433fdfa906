//! Anchors: copies of checkpoints outside the ledger's folder, best on another volume that only allows appending. What
//! is anchored cannot be cut off or rewritten later without that showing: at the next start, and in every verification
//! that is shown the anchor.
//!
//! In the anchor's folder there is one file a ledger and month, `<origin, with - for />-<first 8 hex digits of its SHA-256>-
//! <year>-<month>.checkpoints`: signed notes, one after the other, an empty line between them. Notes are appended, and on disk when
//! that returns; a torn last one is passed over. About 300 bytes a note.

mod cosigner;
mod publisher;

pub(super) use self::publisher::Publisher;
pub use self::publisher::Settings;

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use super::hash::{Hash, sha256};
use super::note::Checkpoint;
use super::scan::{base64_exact, decimal};
use crate::stdx::calendar::date;
use crate::stdx::durable::{self, AppendFile, Error};

/// The end of the names of anchor files.
const EXTENSION: &str = "checkpoints";
/// A month with a note a second has 2.7 million of them.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// A checkpoint somebody kept, its signatures not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The ledger's name.
    pub origin: String,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// All of it.
    pub note: String,
}

impl Anchored {
    /// Reads one note; `None` when it has not the form of a signed checkpoint.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        let (text, signatures) = note.split_once("\n\n")?;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let checkpoint = Checkpoint { size: decimal(size.as_bytes())?, root: base64_exact(root.as_bytes())? };
        let is_signed = signatures.starts_with("— ") && signatures.ends_with('\n');
        (is_signed && lines.next().is_none()).then(|| Self {
            origin: origin.to_owned(),
            checkpoint,
            note: note.to_owned(),
        })
    }

    /// All whole notes of a text, in order; what lies between them is passed over.
    #[must_use]
    pub fn parse_all(text: &str) -> Vec<Self> {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut notes = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let signatures =
                lines[at..].iter().skip(4).take_while(|line| line.starts_with("— ") && line.ends_with('\n'));
            let end = (at + 4 + signatures.count()).min(lines.len());
            let note = Self::parse(&lines[at..end].concat());
            at = if note.is_some() { end } else { at + 1 };
            notes.extend(note);
        }
        notes
    }
}

/// Why a ledger must not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rollback {
    /// The ledger is shorter than it once was.
    #[error(
        "the anchor {} has a checkpoint over {anchored} entries, but the ledger has only {found}: it was cut off, or its disk was \
         set back; put the newer files back, or start with --accept-rollback and a reason",
        path.display()
    )]
    Truncated {
        /// The anchor's file, or the address of the witness.
        path: PathBuf,
        /// What it knows of.
        anchored: u64,
        /// What is there.
        found: u64,
    },
    /// The ledger is another one than it once was.
    #[error(
        "the anchor {} has another root at {size} entries than the ledger: there are two histories; keep both, verify both, and \
         start with --accept-rollback and a reason only when it is known why",
        path.display()
    )]
    Forked {
        /// The anchor's file, or the address of the witness.
        path: PathBuf,
        /// Where they differ.
        size: u64,
    },
}

/// One folder with anchors of one ledger.
#[derive(Debug)]
pub struct Anchor {
    dir: PathBuf,
    prefix: String,
    file: Option<AppendFile>,
    last: Option<(PathBuf, Anchored)>,
}

impl Anchor {
    /// Opens the folder, which must exist: a volume that is not mounted is no anchor.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(dir: &Path, origin: &str) -> Result<Self, Error> {
        if !dir.is_dir() {
            let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such folder (is the volume mounted?)");
            return Err(Error::new("use the anchor", dir, missing));
        }
        let prefix = prefix_of(origin);
        let is_ours = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix))
                && path.extension().is_some_and(|extension| extension == EXTENSION)
        };
        let files: Vec<PathBuf> = durable::list(dir)?.into_iter().filter(is_ours).collect();
        let mut last = None;
        for path in files.into_iter().rev() {
            if let Some(anchored) = read(&path)?.pop() {
                last = Some((path, anchored));
                break;
            }
        }
        Ok(Self { dir: dir.to_owned(), prefix, file: None, last })
    }

    /// The newest checkpoint it knows.
    #[must_use]
    pub fn last(&self) -> Option<&Anchored> {
        self.last.as_ref().map(|(_, anchored)| anchored)
    }

    /// Compares what is anchored with a ledger of `size` entries. `root_at` tells the root that the ledger had at a size for
    /// which it has a checkpoint.
    ///
    /// # Errors
    /// When the ledger is not a continuation of what was anchored.
    pub fn guard(&self, size: u64, root_at: impl FnOnce(u64) -> Option<Hash>) -> Result<(), Rollback> {
        let Some((path, anchored)) = &self.last else { return Ok(()) };
        let Checkpoint { size: anchored, root } = anchored.checkpoint;
        if anchored > size {
            return Err(Rollback::Truncated { path: path.clone(), anchored, found: size });
        }
        if root_at(anchored) == Some(root) {
            return Ok(());
        }
        Err(Rollback::Forked { path: path.clone(), size: anchored })
    }

    /// Adds a checkpoint, unless it is the one that is there already. On disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses; the next call tries again.
    pub fn publish(&mut self, note: &str, now_ns: u64) -> Result<(), Error> {
        let Some(anchored) = Anchored::parse(note) else { return Ok(()) };
        if self.last().is_some_and(|last| last.checkpoint == anchored.checkpoint) {
            return Ok(());
        }
        let path = self.path_at(now_ns);
        let file = match self.file.take() {
            Some(file) if file.path() == path => file,
            _ => open(&path)?,
        };
        // The empty line in front ends a note that a crash may have torn.
        file.append(&mut [IoSlice::new(b"\n"), IoSlice::new(note.as_bytes())])?;
        file.sync()?;
        self.file = Some(file);
        self.last = Some((path, anchored));
        Ok(())
    }

    fn path_at(&self, now_ns: u64) -> PathBuf {
        let (year, month, _) = date(now_ns / 1_000_000_000 / 86_400);
        self.dir.join(format!("{}{year:04}-{month:02}.{EXTENSION}", self.prefix))
    }
}

fn open(path: &Path) -> Result<AppendFile, Error> {
    if path.exists() { AppendFile::open(path) } else { AppendFile::create(path) }
}

/// All notes of a file: an anchor's, or any other that holds checkpoints.
///
/// # Errors
/// When it cannot be read, or is larger than 2 GiB.
pub fn read(path: &Path) -> Result<Vec<Anchored>, Error> {
    let bytes = durable::read(path, FILE_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| Error::new("read", path, std::io::ErrorKind::NotFound.into()))?;
    Ok(Anchored::parse_all(&String::from_utf8_lossy(&bytes)))
}

fn prefix_of(origin: &str) -> String {
    let name: String = origin.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let [a, b, c, d, ..] = sha256(origin.as_bytes());
    format!("{name}-{a:02x}{b:02x}{c:02x}{d:02x}-")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files on purpose")]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const ORIGIN: &str = "acme.example/seal/prod";
    /// 2026-11-22
    const NOW_NS: u64 = 1_795_305_600 * 1_000_000_000;
    const DAY_NS: u64 = 86_400 * 1_000_000_000;

    fn note(size: u64) -> String {
        let root = STANDARD.encode([u8::try_from(size).unwrap(); 32]);
        format!("{ORIGIN}\n{size}\n{root}\n\n— {ORIGIN}/epoch/0 c2ln\n— {ORIGIN} c2ln\n")
    }

    fn anchor(dir: &Path) -> Anchor {
        Anchor::open(dir, ORIGIN).unwrap()
    }

    fn root(byte: u8) -> impl FnOnce(u64) -> Option<Hash> {
        move |_| Some([byte; 32])
    }

    #[test]
    fn the_newest_checkpoint_is_found_again_over_months_and_beside_other_ledgers() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = anchor(dir.path());
        assert_eq!(one.last(), None);
        for (size, days) in [(1, 0), (2, 1), (2, 2), (3, 20)] {
            one.publish(&note(size), NOW_NS + days * DAY_NS).unwrap();
        }
        let mut other = Anchor::open(dir.path(), "acme.example/seal/prod2").unwrap();
        other.publish(&note(200), NOW_NS).unwrap();
        let files = durable::list(dir.path()).unwrap();
        let name = |at: usize| files[at].file_name().unwrap().to_str().unwrap();
        assert_eq!(files.len(), 3);
        assert!(
            name(0).starts_with("acme.example-seal-prod-") && name(0).ends_with("-2026-11.checkpoints"),
            "{}",
            name(0)
        );
        assert!(name(1).ends_with("-2026-12.checkpoints"), "{}", name(1));
        assert_eq!(anchor(dir.path()).last().unwrap().note, note(3));
        let sizes: Vec<u64> = read(&files[0]).unwrap().iter().map(|one| one.checkpoint.size).collect();
        assert_eq!(sizes, [1, 2]);
    }

    #[test]
    fn a_torn_note_is_passed_over_and_the_next_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        anchor(dir.path()).publish(&note(1), NOW_NS).unwrap();
        let path = durable::list(dir.path()).unwrap().remove(0);
        let whole = std::fs::read(&path).unwrap();
        let torn = format!("\n{}", note(2));
        for length in 1..torn.len() - 1 {
            std::fs::write(&path, [&whole, &torn.as_bytes()[..length]].concat()).unwrap();
            let mut anchor = anchor(dir.path());
            let found = anchor.last().unwrap().checkpoint.size;
            // With one whole signature the note says what it says.
            assert!(found == 1 || String::from_utf8_lossy(&torn.as_bytes()[..length]).contains("c2ln\n"), "{length}");
            anchor.publish(&note(3), NOW_NS).unwrap();
            assert_eq!(self::anchor(dir.path()).last().unwrap().checkpoint.size, 3, "{length}");
        }
    }

    #[test]
    fn a_ledger_that_is_shorter_or_another_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut anchor = anchor(dir.path());
        assert_eq!(anchor.guard(0, root(0)), Ok(()));
        anchor.publish(&note(5), NOW_NS).unwrap();
        assert_eq!(anchor.guard(5, root(5)), Ok(()));
        assert_eq!(anchor.guard(9, root(5)), Ok(()));
        assert!(matches!(anchor.guard(4, root(5)), Err(Rollback::Truncated { anchored: 5, found: 4, .. })));
        assert!(matches!(anchor.guard(9, root(6)), Err(Rollback::Forked { size: 5, .. })));
        assert!(matches!(anchor.guard(9, |_| None), Err(Rollback::Forked { .. })));
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_anchor() {
        let dir = tempfile::tempdir().unwrap();
        let error = Anchor::open(&dir.path().join("absent"), ORIGIN).unwrap_err().to_string();
        assert!(error.contains("mounted"), "{error}");
    }
}
