//! A place in a folder of segments, and the small file in which an exporter keeps its place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::stdx::durable::{self, Mode, Result};

/// A place between two records. Ordered by how much lies before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// How many records lie before it, from the very first one.
    pub record: u64,
    /// The segment, by the number in its name.
    pub segment: u64,
    /// The byte in that segment.
    pub offset: u64,
}

/// The text is not a position, or not a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position: expected `segment offset record checksum`")]
pub struct NotAPosition;

impl Position {
    fn fields(&self) -> String {
        format!("{} {} {}", self.segment, self.offset, self.record)
    }
}

/// `segment offset record checksum`: three decimal numbers and the CRC-32C, in hex, of the text before it.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields();
        write!(f, "{fields} {:08x}", crc32c::crc32c(fields.as_bytes()))
    }
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> std::result::Result<Self, NotAPosition> {
        let mut numbers = text.trim_end().split(' ').map(|field| field.parse::<u64>().ok());
        let mut next = || numbers.next().flatten().ok_or(NotAPosition);
        let position = Self { segment: next()?, offset: next()?, record: next()? };
        // Comparing the text as it would be written checks the checksum and everything around it.
        if position.to_string() == text.trim_end() { Ok(position) } else { Err(NotAPosition) }
    }
}

/// What a cursor file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// There is none: the exporter is new.
    Missing,
    /// The exporter's place.
    At(Position),
    /// The file is not whole, as after a power failure: begin at the oldest record, which may deliver twice.
    Damaged,
}

/// The file in which an exporter keeps its place between runs.
///
/// Stores are atomic but do not wait for the disk: losing the last ones means records delivered twice, never a
/// record lost, because a position is stored only after the destination confirmed what lies before it.
#[derive(Debug, Clone)]
pub struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    /// The cursor kept at `path`, whose folder must exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the position.
    ///
    /// # Errors
    /// When the disk refuses; damage is not an error, see [`Cursor::Damaged`].
    pub fn load(&self) -> Result<Cursor> {
        let Some(bytes) = durable::read(&self.path, 1024)? else { return Ok(Cursor::Missing) };
        let position = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        Ok(position.map_or(Cursor::Damaged, Cursor::At))
    }

    /// Keeps the position.
    ///
    /// # Errors
    /// When the disk refuses; the old position then stays.
    pub fn store(&self, position: Position) -> Result<()> {
        durable::replace(&self.path, format!("{position}\n").as_bytes(), Mode::Shared)
    }

    /// Like [`CursorFile::store`], but on disk when it returns: at an orderly end.
    ///
    /// # Errors
    /// When the disk refuses; the old position then stays.
    pub fn store_durably(&self, position: Position) -> Result<()> {
        durable::write_atomic(&self.path, format!("{position}\n").as_bytes(), Mode::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_stored() {
        let dir = tempfile::tempdir().unwrap();
        let cursor = CursorFile::new(dir.path().join("cursor"));
        assert_eq!(cursor.load().unwrap(), Cursor::Missing);
        let position = Position { segment: 7, offset: 4096, record: 19 };
        cursor.store(position).unwrap();
        assert_eq!(cursor.load().unwrap(), Cursor::At(position));
        cursor.store_durably(Position::default()).unwrap();
        assert_eq!(cursor.load().unwrap(), Cursor::At(Position::default()));
    }

    #[test]
    fn any_changed_or_lost_byte_of_a_cursor_is_noticed() {
        let position = Position { segment: 120, offset: 40_960, record: 1_234_567 };
        let text = position.to_string();
        assert_eq!(text.parse(), Ok(position));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(String::from_utf8(bytes).unwrap().parse::<Position>(), Err(NotAPosition), "byte {at}");
            assert_eq!(text[..at].parse::<Position>(), Err(NotAPosition), "first {at} bytes");
        }
    }

    #[test]
    fn positions_are_ordered_by_the_records_before_them() {
        let at = |record, segment, offset| Position { record, segment, offset };
        assert!(at(1, 9, 0) < at(2, 0, 0));
        assert!(at(2, 1, 9) < at(2, 2, 0));
        assert!(at(2, 2, 0) < at(2, 2, 1));
    }
}
