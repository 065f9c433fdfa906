//! How far each file is read, in a small file that is replaced as a whole: a line a file, `place path`. The place is a byte
//! of the file's content, decompressed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::stdx::durable::{self, Error, Mode};

/// Room for about 100,000 files.
const BYTES_MAX: u64 = 16 << 20;

#[derive(Debug)]
pub(super) struct Positions {
    path: PathBuf,
    places: BTreeMap<PathBuf, u64>,
}

impl Positions {
    pub(super) fn load(path: PathBuf) -> durable::Result<Self> {
        let bytes = durable::read(&path, BYTES_MAX)?.unwrap_or_default();
        let damaged =
            || Error::content("read", &path, "not a list of places and files; remove it to read all files again");
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        let entry = |line: &str| {
            let (place, file) = line.split_once(' ')?;
            Some((PathBuf::from(file), place.parse().ok()?))
        };
        let places = text.lines().map(entry).collect::<Option<BTreeMap<_, _>>>().ok_or_else(damaged)?;
        Ok(Self { path, places })
    }

    pub(super) fn of(&self, file: &Path) -> u64 {
        self.places.get(file).copied().unwrap_or(0)
    }

    /// Notes a place, on disk when it returns. Files that are gone are forgotten.
    pub(super) fn set(&mut self, file: &Path, place: u64) -> durable::Result<()> {
        let is_new = self.places.insert(file.to_owned(), place).is_none();
        if is_new {
            self.places.retain(|file, _| file.exists());
        }
        let mut text = String::new();
        for (file, place) in &self.places {
            let _ = writeln!(text, "{place} {}", file.display());
        }
        durable::write_atomic(&self.path, text.as_bytes(), Mode::Private)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_damage_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let (list, file) = (dir.path().join("list"), dir.path().join("a file"));
        durable::create_new(&file, b"", Mode::Private).unwrap();
        let mut positions = Positions::load(list.clone()).unwrap();
        assert_eq!(positions.of(&file), 0);
        positions.set(&file, 7).unwrap();
        assert_eq!(Positions::load(list.clone()).unwrap().of(&file), 7);
        durable::write_atomic(&list, b"seven file\n", Mode::Private).unwrap();
        assert!(Positions::load(list).is_err());
    }
}
