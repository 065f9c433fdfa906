//! Files of zstd frames: bytes that will not change any more, in less room.
//!
//! Written as one frame per piece, each with its size and checksum, so that `zstdcat` and every other zstd tool reads
//! them. Read strictly: frames and nothing else, each with content, the last one whole. Frames that another tool made,
//! larger ones included, are read too. Limits: memory for one window (128 MiB at most, half a MiB of ours).

use std::path::Path;

use zstd::bulk::Compressor;
use zstd::stream::raw::{Decoder, Operation};
use zstd::zstd_safe::{self, CParameter};

use super::durable::{Error, Mode, NewFile, ReadFile, Result};

/// How every frame begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How many packed bytes are read at once.
const STEP_BYTES: usize = 128 * 1024;

/// The longest header of a frame.
const HEADER_BYTES_MAX: usize = 18;

/// Writes a file of frames, which exists under its name only when it is whole.
pub struct Packer {
    file: NewFile,
    compressor: Compressor<'static>,
    out: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Packer {
    /// Begins the file that will be `path`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(path: &Path, level: i32) -> Result<Self> {
        let fail = |cause| Error::new("pack", path, cause);
        let mut compressor = Compressor::new(level).map_err(fail)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(fail)?;
        Ok(Self { file: NewFile::create(path, Mode::Shared)?, compressor, out: Vec::new() })
    }

    /// Adds a frame; nothing adds none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.out.clear();
        self.out.reserve_exact(zstd_safe::compress_bound(bytes.len()));
        let packed = self.compressor.compress_to_buffer(bytes, &mut self.out);
        packed.map_err(|cause| Error::new("pack", self.file.path(), cause))?;
        self.file.write(&self.out)
    }

    /// Gives the file its name; it is on disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<()> {
        self.file.finish()
    }
}

/// Reads a file of frames from its beginning to its end.
pub struct Unpacker {
    file: ReadFile,
    decoder: Decoder<'static>,
    input: Vec<u8>,
    start: usize,
    end: usize,
    read_offset: u64,
    /// How many bytes came out of the frame under way; `None` between frames.
    frame: Option<u64>,
    /// How many bytes came out of the file.
    position: u64,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").field("file", &self.file).field("position", &self.position).finish_non_exhaustive()
    }
}

impl Unpacker {
    /// Opens an existing file.
    ///
    /// # Errors
    /// When it does not exist or the system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(ReadFile::open(path)?)
    }

    fn of(file: ReadFile) -> Result<Self> {
        let decoder = Decoder::new().map_err(|cause| Error::new("unpack", file.path(), cause))?;
        let input = vec![0; STEP_BYTES];
        Ok(Self { file, decoder, input, start: 0, end: 0, read_offset: 0, frame: None, position: 0 })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// How many bytes of the file were read.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.read_offset
    }

    /// Reads some bytes; 0 is the end of a whole file.
    ///
    /// # Errors
    /// When the file is no file of frames (`InvalidData`), or the system refuses.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while !buffer.is_empty() {
            if self.frame.is_none() && !self.begin_frame()? {
                return Ok(0);
            }
            let is_end = self.start == self.end && self.fill()? == 0;
            let step = self.decoder.run_on_buffers(&self.input[self.start..self.end], buffer);
            let step = step.map_err(|cause| self.broken(&cause.to_string()))?;
            self.start += step.bytes_read;
            self.position += step.bytes_written as u64;
            if is_end && step.bytes_written == 0 && step.remaining > 0 {
                return Err(self.broken("it ends in the middle of a frame"));
            }
            let in_frame = self.frame.unwrap_or(0) + step.bytes_written as u64;
            self.frame = Some(in_frame);
            if step.remaining == 0 {
                if in_frame == 0 {
                    return Err(self.broken("an empty frame"));
                }
                self.frame = None;
                self.decoder.reinit().map_err(|cause| Error::new("unpack", self.file.path(), cause))?;
            }
            if step.bytes_written > 0 {
                return Ok(step.bytes_written);
            }
        }
        Ok(0)
    }

    /// Fills the buffer from a place in the unpacked bytes. Reading on is cheap, going back begins anew.
    ///
    /// # Errors
    /// When the file ends before that, or as [`Unpacker::read`].
    pub fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        if offset < self.position {
            *self = Self::of(self.file.clone())?;
        }
        let mut scratch = Vec::new();
        while self.position < offset {
            let skip = usize::try_from(offset - self.position).unwrap_or(usize::MAX).min(STEP_BYTES);
            scratch.resize(skip, 0);
            if self.read(&mut scratch)? == 0 {
                return Err(self.broken("shorter than expected"));
            }
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => return Err(self.broken("shorter than expected")),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// True when another frame begins here, false at the end of the file.
    fn begin_frame(&mut self) -> Result<bool> {
        while self.end - self.start < MAGIC.len() && self.fill()? > 0 {}
        let next = &self.input[self.start..self.end];
        if next.is_empty() {
            return Ok(false);
        }
        if !next.starts_with(&MAGIC) {
            return Err(self.broken("something that is no zstd frame"));
        }
        self.frame = Some(0);
        Ok(true)
    }

    fn fill(&mut self) -> Result<usize> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = self.file.read_at(&mut self.input[self.end..], self.read_offset)?;
        self.end += read;
        self.read_offset += read as u64;
        Ok(read)
    }

    fn broken(&self, what: &str) -> Error {
        Error::content("unpack", self.file.path(), what)
    }
}

/// How many bytes a file of frames unpacks to: what the frames say, or, where one does not say it, what comes out.
///
/// # Errors
/// When it is no file of frames, or the system refuses.
pub fn unpacked_bytes(path: &Path) -> Result<u64> {
    let file = ReadFile::open(path)?;
    let (end, mut at, mut total) = (file.bytes_len()?, 0, 0);
    while at < end {
        let Some((content, next)) = frame_at(&file, at, end)? else { return count(path) };
        (total, at) = (total + content, next);
    }
    Ok(total)
}

fn count(path: &Path) -> Result<u64> {
    let (mut unpacker, mut scratch) = (Unpacker::open(path)?, vec![0; STEP_BYTES]);
    while unpacker.read(&mut scratch)? > 0 {}
    Ok(unpacker.position)
}

/// The content's size and the end of the frame at `at`; `None` when the frame does not say its size, or is none.
fn frame_at(file: &ReadFile, at: u64, end: u64) -> Result<Option<(u64, u64)>> {
    let mut header = [0; HEADER_BYTES_MAX];
    let read = file.read_at(&mut header, at)?;
    let header = &header[..read];
    let (Ok(Some(content)), Some(&flags)) = (zstd_safe::get_frame_content_size(header), header.get(4)) else {
        return Ok(None);
    };
    let is_single = flags & 0x20 != 0;
    let size_bytes = [u64::from(is_single), 2, 4, 8][usize::from(flags >> 6)];
    let dictionary_bytes = [0, 1, 2, 4][usize::from(flags & 3)];
    let mut place = at + 5 + u64::from(!is_single) + dictionary_bytes + size_bytes;
    loop {
        let mut block = [0; 4];
        if place + 3 > end || file.read_at(&mut block[..3], place)? < 3 {
            return Ok(None);
        }
        let block = u32::from_le_bytes(block);
        // A block of one repeated byte holds that byte, whatever its size.
        let bytes = if block >> 1 & 3 == 1 { 1 } else { block >> 3 };
        place += 3 + u64::from(bytes);
        if block & 1 == 1 {
            return Ok(Some((content, place + if flags & 4 == 0 { 0 } else { 4 })));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

    use std::fs;

    use super::*;

    fn unpack(path: &Path, step: usize) -> Result<Vec<u8>> {
        let (mut unpacker, mut all, mut buffer) = (Unpacker::open(path)?, Vec::new(), vec![0; step]);
        loop {
            match unpacker.read(&mut buffer)? {
                0 => return Ok(all),
                read => all.extend_from_slice(&buffer[..read]),
            }
        }
    }

    fn content() -> Vec<Vec<u8>> {
        let noise: Vec<u8> = (0..300_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        vec![noise, vec![b'x'; 2_000_000], b"short".to_vec(), Vec::new(), vec![0]]
    }

    fn packed(dir: &Path) -> std::path::PathBuf {
        let path = dir.join("file.zst");
        let mut packer = Packer::create(&path, 1).unwrap();
        content().iter().for_each(|piece| packer.frame(piece).unwrap());
        assert!(!path.exists());
        packer.finish().unwrap();
        path
    }

    #[test]
    fn what_was_packed_comes_out_from_any_place_and_other_tools_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path());
        let all = content().concat();
        for step in [1 << 20, 1000, 70_000] {
            assert!(unpack(&path, step).unwrap() == all);
        }
        assert!(zstd::decode_all(&*fs::read(&path).unwrap()).unwrap() == all);
        assert_eq!(unpacked_bytes(&path).unwrap(), all.len() as u64);
        let mut unpacker = Unpacker::open(&path).unwrap();
        for at in [0, 5, 1_199_990, 1_200_001, 7, all.len() - 3] {
            let mut three = [0; 3];
            unpacker.read_exact_at(&mut three, at as u64).unwrap();
            assert_eq!(three, all[at..at + 3], "at {at}");
        }
        assert!(unpacker.read_exact_at(&mut [0; 4], all.len() as u64 - 3).is_err());
    }

    #[test]
    fn one_large_frame_without_a_size_as_another_tool_makes_it_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.zst");
        fs::write(&path, zstd::encode_all(&*content().concat(), 19).unwrap()).unwrap();
        assert!(unpack(&path, 5000).unwrap() == content().concat());
        assert_eq!(unpacked_bytes(&path).unwrap(), content().concat().len() as u64);
    }

    #[test]
    fn what_is_not_frames_and_nothing_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path());
        let good = fs::read(&path).unwrap();
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let empty = zstd::encode_all(&b""[..], 1).unwrap();
        for (what, content) in [
            ("garbage at the end", [good.as_slice(), b"x"].concat()),
            ("zeros at the end", [good.as_slice(), &[0; 9]].concat()),
            ("a skippable frame at the end", [good.as_slice(), &skippable].concat()),
            ("a skippable frame at the beginning", [&skippable, good.as_slice()].concat()),
            ("an empty frame", [good.as_slice(), &empty].concat()),
            ("a cut frame", good[..good.len() - 1].to_vec()),
            ("a cut header", [good.as_slice(), &MAGIC].concat()),
            (
                "a flipped bit",
                [&good[..good.len() / 2], &[good[good.len() / 2] ^ 1], &good[good.len() / 2 + 1..]].concat(),
            ),
        ] {
            fs::write(&path, content).unwrap();
            assert!(unpack(&path, 100_000).is_err(), "{what}");
        }
    }
}
