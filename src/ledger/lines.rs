//! The lines of a segment file, packed or not, read in large steps through one buffer.

use std::path::Path;

use super::LINE_BYTES_MAX;
use crate::stdx::durable::{Error, ReadFile, Result};
use crate::stdx::packed::Unpacker;

/// How much is read at once; longer lines make the buffer grow.
const STEP_BYTES: usize = 512 * 1024;

/// What the lines lie in.
#[derive(Debug)]
enum Source {
    Plain(ReadFile),
    Packed(Box<Unpacker>),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Plain(file) => file.path(),
            Self::Packed(file) => file.path(),
        }
    }
}

/// Reads a file line by line; one whose name ends in `.zst` is unpacked.
#[derive(Debug)]
pub(super) struct Lines {
    file: Source,
    buffer: Vec<u8>,
    /// What of the buffer is not handed out yet.
    start: usize,
    end: usize,
    /// Where the buffer's `end` lies in the unpacked file.
    read_offset: u64,
}

/// One line, without its end.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// False for what follows the last line end of the file.
    pub(super) is_whole: bool,
    /// Where it ends in the unpacked file, its line end included.
    pub(super) end_offset: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let is_packed = path.extension().is_some_and(|extension| extension == "zst");
        let file = if is_packed {
            Source::Packed(Box::new(Unpacker::open(path)?))
        } else {
            Source::Plain(ReadFile::open(path)?)
        };
        Ok(Self { file, buffer: vec![0; STEP_BYTES], start: 0, end: 0, read_offset: 0 })
    }

    /// The next line, or `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        let mut searched = 0;
        let (length, is_whole) = loop {
            let pending = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', &pending[searched..]) {
                break (searched + at, true);
            }
            searched = pending.len();
            if self.fill()? == 0 {
                break (searched, false);
            }
        };
        if length == 0 && !is_whole {
            return Ok(None);
        }
        let bytes = &self.buffer[self.start..self.start + length];
        self.start += length + usize::from(is_whole);
        let end_offset = self.read_offset - (self.end - self.start) as u64;
        Ok(Some(Line { bytes, is_whole, end_offset }))
    }

    /// Where the next line begins in the unpacked file.
    pub(super) fn offset(&self) -> u64 {
        self.read_offset - (self.end - self.start) as u64
    }

    /// How many bytes of the file itself were read.
    pub(super) fn consumed(&self) -> u64 {
        match &self.file {
            Source::Plain(_) => self.read_offset,
            Source::Packed(file) => file.consumed(),
        }
    }

    /// Makes room and reads once. 0 is the end of the file.
    fn fill(&mut self) -> Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= LINE_BYTES_MAX {
                let reason = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                return Err(Error::content("read", self.file.path(), reason));
            }
            self.buffer.resize((self.buffer.len() * 2).min(LINE_BYTES_MAX), 0);
        }
        let buffer = &mut self.buffer[self.end..];
        let read = match &mut self.file {
            Source::Plain(file) => file.read_at(buffer, self.read_offset)?,
            Source::Packed(file) => file.read(buffer)?,
        };
        self.end += read;
        self.read_offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::durable::{Mode, create_new};

    #[test]
    fn lines_of_all_lengths_come_out_with_their_places() {
        let lengths = [0, 1, STEP_BYTES - 3, 5, STEP_BYTES * 3, 0, STEP_BYTES, 2];
        let content: Vec<u8> = lengths.iter().flat_map(|n| [vec![b'x'; *n], vec![b'\n']].concat()).collect();
        let content = [content.as_slice(), b"rest"].concat();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        create_new(&path, &content, Mode::Shared).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        let mut end = 0;
        for length in lengths {
            end += length as u64 + 1;
            let line = lines.next().unwrap().unwrap();
            assert_eq!((line.bytes.len(), line.is_whole, line.end_offset), (length, true, end));
        }
        let rest = lines.next().unwrap().unwrap();
        assert_eq!((rest.bytes, rest.is_whole, rest.end_offset), (b"rest".as_slice(), false, content.len() as u64));
        assert!(lines.next().unwrap().is_none());
    }
}
