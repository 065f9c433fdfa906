//! The files of a ledger's folder: which segments there are, and in which forms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::EXTENSION;
use crate::stdx::durable::Result;
use crate::stdx::segments;

/// The end of the names of closed segments.
pub const PACKED_EXTENSION: &str = "ndjson.zst";

/// The end of the names of what is left of a closed segment without the bodies of its records.
pub const STUBS_EXTENSION: &str = "seal.zst";

/// In which form a segment is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines as they were written.
    Plain,
    /// The same in zstd frames.
    Packed,
    /// In zstd frames, with an entry alone in the place of every record.
    Stubs,
}

impl Form {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Plain, EXTENSION), (Self::Packed, PACKED_EXTENSION), (Self::Stubs, STUBS_EXTENSION)];

    /// The form that a file's name says; a file of another name is taken for plain lines, or, with `.zst`, packed ones.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".seal.zst") {
            Self::Stubs
        } else if name.ends_with(".zst") {
            Self::Packed
        } else {
            Self::Plain
        }
    }
}

/// A segment of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The number in its name: of its first entry.
    pub first: u64,
    /// Where it is.
    pub path: PathBuf,
    /// In which form.
    pub form: Form,
}

/// The segments of a folder in order, each in the fullest form in which it is there. Other files are not listed.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<File>> {
    let mut found = BTreeMap::new();
    for (form, extension) in Form::ALL {
        for (first, path) in segments::list(dir, extension)? {
            found.entry(first).or_insert(File { first, path, form });
        }
    }
    Ok(found.into_values().collect())
}
