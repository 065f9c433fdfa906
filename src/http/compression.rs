//! Content encodings, with a limit on what comes out: a small body may not turn into a large one unnoticed.
//!
//! Everything works on whole bodies in memory, because both sides of telseal know a body's size before it is used. The
//! states of the decompressors are kept per thread: setting one up costs more than a small body does.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 1950: what HTTP calls `deflate` has a zlib header.
    Deflate,
    /// Snappy, in its block format or in its framing format; a framed body says so in its first bytes.
    Snappy,
}

impl Encoding {
    /// What can be read, in the words of `Accept-Encoding` and `grpc-accept-encoding`.
    pub const ACCEPTED: &'static str = "gzip, zstd, deflate, snappy, identity";

    /// The encoding with that name in a header; `None` when there is no such encoding here.
    #[must_use]
    pub fn from_header(name: &[u8]) -> Option<Self> {
        let names: [(&[u8], Self); 8] = [
            (b"gzip", Self::Gzip),
            (b"", Self::Identity),
            (b"identity", Self::Identity),
            (b"zstd", Self::Zstd),
            (b"snappy", Self::Snappy),
            (b"deflate", Self::Deflate),
            (b"zlib", Self::Deflate),
            (b"x-snappy-framed", Self::Snappy),
        ];
        let name = name.trim_ascii();
        names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }
}

/// Why a body could not be decompressed. `E` is the refusal of the caller's budget.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecompressError<E> {
    /// More comes out than the limit allows.
    #[error("larger than {max} bytes after decompression")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The body is not what it is said to be, or ends too early.
    #[error("not a whole {format} body")]
    Corrupt {
        /// What it was said to be.
        format: &'static str,
    },
    /// There is no room for what comes out.
    #[error("no room for the decompressed body")]
    NoRoom(E),
}

/// The decompressed `body`, of at most `max` bytes. `reserve` is asked before memory is taken, with the whole size then
/// needed.
///
/// # Errors
/// When the body is damaged or too large, or `reserve` refuses.
pub fn decompress<E>(
    encoding: Encoding,
    body: &[u8],
    max: usize,
    reserve: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, DecompressError<E>> {
    let out = Out { bytes: vec![], max, reserve };
    match encoding {
        // Some encoders write nothing at all for nothing.
        _ if body.is_empty() => Ok(out.bytes),
        Encoding::Identity => identity(body, out),
        Encoding::Gzip => gunzip(body, out),
        Encoding::Deflate => unzlib(body, out),
        Encoding::Zstd => unzstd(body, out),
        Encoding::Snappy if body.starts_with(SNAPPY_STREAM) => unsnap_framed(body, out),
        Encoding::Snappy => unsnap(body, out),
    }
}

/// What has come out so far, and what may.
struct Out<F> {
    bytes: Vec<u8>,
    max: usize,
    reserve: F,
}

/// The first guess where the format does not tell: telemetry shrinks to a tenth or so.
const GUESS: usize = 8;
/// No less is allocated at a time.
const STEP_BYTES: usize = 16 << 10;

impl<E, F: FnMut(usize) -> Result<(), E>> Out<F> {
    /// Takes memory for `len` bytes in all, but not for more than the limit.
    fn size_to(&mut self, len: usize) -> Result<(), DecompressError<E>> {
        let len = len.min(self.max);
        if len > self.bytes.capacity() {
            (self.reserve)(len).map_err(DecompressError::NoRoom)?;
            self.bytes.reserve_exact(len - self.bytes.len());
        }
        Ok(())
    }

    /// Makes room for more when there is none left. Full at the limit is an error only if more would come out, so one
    /// byte beyond it is allowed here and `finish` looks again.
    fn room(&mut self) -> Result<(), DecompressError<E>> {
        if self.bytes.len() > self.max {
            return Err(self.too_large());
        }
        if self.bytes.len() == self.bytes.capacity() {
            let more = (self.bytes.len() * 2).max(STEP_BYTES).min(self.max.saturating_add(1));
            (self.reserve)(more).map_err(DecompressError::NoRoom)?;
            self.bytes.reserve_exact(more - self.bytes.len());
        }
        Ok(())
    }

    fn too_large(&self) -> DecompressError<E> {
        DecompressError::TooLarge { max: self.max }
    }

    fn finish(self) -> Result<Vec<u8>, DecompressError<E>> {
        if self.bytes.len() > self.max { Err(self.too_large()) } else { Ok(self.bytes) }
    }
}

type Decompressed<E> = Result<Vec<u8>, DecompressError<E>>;

fn identity<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    if body.len() > out.max {
        return Err(out.too_large());
    }
    out.size_to(body.len())?;
    out.bytes.extend_from_slice(body);
    Ok(out.bytes)
}

thread_local! {
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static ZSTD: RefCell<Option<Decoder<'static>>> = const { RefCell::new(None) };
}

const BAD_GZIP: &str = "gzip";
const BAD_ZLIB: &str = "deflate";

/// All members of a gzip body, one after the other.
fn gunzip<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    let corrupt = || DecompressError::Corrupt { format: BAD_GZIP };
    // The last four bytes are the length modulo 2^32: right for nearly every body. Deflate cannot shrink by more than
    // 1032, so a length that claims more is a lie and buys no memory.
    let announced = body.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail) as usize);
    out.size_to(announced.min(body.len().saturating_mul(1032)))?;
    let mut rest = body;
    loop {
        let start = out.bytes.len();
        rest = inflate(false, BAD_GZIP, gzip_content(rest).ok_or_else(corrupt)?, &mut out)?;
        let (trailer, next) = rest.split_first_chunk::<8>().ok_or_else(corrupt)?;
        if u64::from_le_bytes(*trailer) != gzip_trailer(&out.bytes[start..]) {
            return Err(corrupt());
        }
        rest = next;
        if rest.is_empty() {
            return out.finish();
        }
    }
}

/// What follows the header of a gzip member (RFC 1952, 2.3).
fn gzip_content(member: &[u8]) -> Option<&[u8]> {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = member else { return None };
    let mut rest = rest;
    if flags & 4 != 0 {
        let (len, extra) = rest.split_first_chunk::<2>()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            rest = &rest[memchr::memchr(0, rest)? + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    (flags & 0xe0 == 0).then_some(rest)
}

/// CRC-32 and length, as they stand at the end of a member.
fn gzip_trailer(content: &[u8]) -> u64 {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    u64::from(crc.amount()) << 32 | u64::from(crc.sum())
}

fn unzlib<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    out.size_to(body.len().saturating_mul(GUESS))?;
    match inflate(true, BAD_ZLIB, body, &mut out)? {
        [] => out.finish(),
        _ => Err(DecompressError::Corrupt { format: BAD_ZLIB }),
    }
}

/// One deflate stream, with zlib header or without; returns what follows it.
fn inflate<'b, E>(
    has_header: bool,
    format: &'static str,
    mut rest: &'b [u8],
    out: &mut Out<impl FnMut(usize) -> Result<(), E>>,
) -> Result<&'b [u8], DecompressError<E>> {
    INFLATE.with_borrow_mut(|state| {
        state.reset(has_header);
        loop {
            out.room()?;
            let (read, written) = (state.total_in(), out.bytes.len());
            let status = state
                .decompress_vec(rest, &mut out.bytes, FlushDecompress::None)
                .map_err(|_| DecompressError::Corrupt { format })?;
            let read = usize::try_from(state.total_in() - read).unwrap_or(usize::MAX);
            rest = rest.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                return Ok(rest);
            }
            // With room left, all input was taken or nothing moves: the rest is missing.
            let stuck = rest.is_empty() || (read == 0 && written == out.bytes.len());
            if stuck && out.bytes.len() < out.bytes.capacity() {
                return Err(DecompressError::Corrupt { format });
            }
        }
    })
}

/// The window every decoder must support (RFC 8878, 3.1.1.1.2); a frame may not make us hold more.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

fn unzstd<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    let corrupt = || DecompressError::Corrupt { format: "zstd" };
    match zstd::zstd_safe::get_frame_content_size(body) {
        Ok(Some(len)) if len > out.max as u64 => return Err(out.too_large()),
        // As announced, but no more than a good compression would give: the announcement is the sender's.
        Ok(Some(len)) => out.size_to(usize::try_from(len).unwrap_or(usize::MAX).min(body.len().saturating_mul(256)))?,
        Ok(None) => out.size_to(body.len().saturating_mul(GUESS))?,
        Err(_) => return Err(corrupt()),
    }
    ZSTD.with_borrow_mut(|kept| {
        let mut decoder = match kept.take() {
            Some(decoder) => decoder,
            None => zstd_decoder().map_err(|_| corrupt())?,
        };
        decoder.reinit().map_err(|_| corrupt())?;
        let done = unzstd_frames(&mut decoder, body, &mut out);
        *kept = Some(decoder);
        done.and_then(|()| out.finish())
    })
}

fn zstd_decoder() -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

/// All frames of the body, one after the other.
fn unzstd_frames<E>(
    decoder: &mut Decoder<'static>,
    body: &[u8],
    out: &mut Out<impl FnMut(usize) -> Result<(), E>>,
) -> Result<(), DecompressError<E>> {
    let mut input = InBuffer::around(body);
    loop {
        out.room()?;
        let (read, written) = (input.pos(), out.bytes.len());
        let wanted = {
            let mut output = OutBuffer::around_pos(&mut out.bytes, written);
            decoder.run(&mut input, &mut output).map_err(|_| DecompressError::Corrupt { format: "zstd" })?
        };
        let used_up = input.pos() == body.len();
        if wanted == 0 && used_up {
            return Ok(());
        }
        let full = out.bytes.len() == out.bytes.capacity();
        let moved = input.pos() != read || out.bytes.len() != written;
        if !full && (used_up || !moved) {
            return Err(DecompressError::Corrupt { format: "zstd" });
        }
    }
}

fn unsnap<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    let corrupt = |_| DecompressError::Corrupt { format: "snappy" };
    let len = snap::raw::decompress_len(body).map_err(corrupt)?;
    if len > out.max {
        return Err(out.too_large());
    }
    // A copy element of two bytes gives at most 64: more than 32 times the body cannot come out.
    if len > body.len().saturating_mul(32) {
        return Err(DecompressError::Corrupt { format: "snappy" });
    }
    out.size_to(len)?;
    out.bytes.resize(len, 0);
    let written = snap::raw::Decoder::new().decompress(body, &mut out.bytes).map_err(corrupt)?;
    out.bytes.truncate(written);
    Ok(out.bytes)
}

/// What every framed snappy body begins with.
const SNAPPY_STREAM: &[u8] = b"\xff\x06\x00\x00sNaPpY";

fn unsnap_framed<E>(body: &[u8], mut out: Out<impl FnMut(usize) -> Result<(), E>>) -> Decompressed<E> {
    use std::io::Read;
    let mut frames = snap::read::FrameDecoder::new(body);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = frames.read(&mut chunk).map_err(|_| DecompressError::Corrupt { format: "snappy" })?;
        if read == 0 {
            return Ok(out.bytes);
        }
        let len = out.bytes.len() + read;
        if len > out.max {
            return Err(out.too_large());
        }
        if len > out.bytes.capacity() {
            out.size_to(len.max(out.bytes.len() * 2))?;
        }
        out.bytes.extend_from_slice(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests;
