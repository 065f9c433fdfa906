//! Reading the body of a request: to its end, within its limits, in one piece, with memory reserved before it is taken.

use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Version;
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::status::{Failure, Kind};
use crate::http::compression::{DecompressError, Encoding, decompress};
use crate::pipeline::Permit;

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes, both as they arrive and after decompression.
    pub(super) bytes_max: usize,
    /// From the first byte to the last.
    pub(super) timeout: Duration,
}

/// The whole body of an HTTP request, as it arrives.
pub(super) async fn read_whole(body: &mut Incoming, limits: Limits, permit: &mut Permit) -> Result<Bytes, Failure> {
    let announced = body.size_hint().exact();
    let mut gather = Gather::new(limits.bytes_max);
    if let Some(len) = announced {
        gather.expect(usize::try_from(len).unwrap_or(usize::MAX), permit)?;
    }
    in_time(limits, async {
        while let Some(data) = next(body).await? {
            gather.push(data, permit)?;
        }
        Ok(gather.finish())
    })
    .await
}

/// The one message of a unary gRPC request, as it arrives, and whether it is compressed.
pub(super) async fn read_message(
    body: &mut Incoming,
    limits: Limits,
    permit: &mut Permit,
) -> Result<(bool, Bytes), Failure> {
    in_time(limits, async {
        let mut gather = Gather::new(limits.bytes_max);
        let mut prefix = Prefix::default();
        while let Some(mut data) = next(body).await? {
            if prefix.take(&mut data) {
                gather.expect(prefix.message_len(), permit)?;
            }
            if !data.is_empty() {
                gather.push(data, permit)?;
            }
        }
        let compressed = prefix.is_compressed()?;
        if gather.len() < prefix.message_len() {
            return Err(Failure::new(Kind::Framing, "the request ends before its message does"));
        }
        Ok((compressed, gather.finish()))
    })
    .await
}

/// The content of a body that is whole: decompressed, and in memory of its own.
pub(super) fn content(encoding: Encoding, body: Bytes, limits: Limits, permit: &mut Permit) -> Result<Bytes, Failure> {
    if encoding == Encoding::Identity {
        return Ok(own(body));
    }
    // Both are in memory until this is done.
    let held = body.len();
    decompress(encoding, &body, limits.bytes_max, |bytes| permit.grow_to(held + bytes)).map(fitted).map_err(|error| {
        match error {
            DecompressError::NoRoom(refused) => refused.into(),
            DecompressError::TooLarge { .. } => Failure::too_large(limits.bytes_max),
            DecompressError::Corrupt { .. } => Failure::new(Kind::Invalid, error.to_string()),
        }
    })
}

/// Before a request is refused whose body was not read: on HTTP/1, closing now would reset the connection, and a sender
/// that writes before it reads would never see why. So the rest is read and forgotten, but not for ever, and not from a
/// sender that waits for leave to send it.
pub(super) async fn linger(head: &Parts, body: &mut Incoming) {
    const BYTES_MAX: usize = 64 << 20;
    const TIME_MAX: Duration = Duration::from_secs(5);
    if head.version >= Version::HTTP_2 || head.headers.contains_key(EXPECT) || body.is_end_stream() {
        return;
    }
    let all = async {
        let mut seen = 0;
        while let Ok(Some(data)) = next(body).await
            && seen < BYTES_MAX
        {
            seen += data.len();
        }
    };
    let _ = timeout(TIME_MAX, all).await;
}

async fn in_time<T>(limits: Limits, reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limits.timeout, reading)
        .await
        .unwrap_or_else(|_| Err(Failure::new(Kind::Timeout, "the request did not arrive in time")))
}

/// The next piece; `None` at the end of the body.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(Kind::Cut, "the request was cut off"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A piece this large is taken over as it is. A smaller one is copied, because it may be a slice of a much larger
/// buffer of the connection, which it would keep alive uncounted for as long as the pipeline holds the request.
const SHARED_BYTES_MIN: usize = 128 << 10;

fn own(body: Bytes) -> Bytes {
    if body.len() < SHARED_BYTES_MIN { Bytes::copy_from_slice(&body) } else { body }
}

/// Without much room at its end that nobody counts.
pub(super) fn fitted(mut bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() - bytes.len() > bytes.len() / 4 {
        bytes.shrink_to_fit();
    }
    bytes.into()
}

/// Pieces of a body on their way to one.
struct Gather {
    /// The only piece so far.
    single: Bytes,
    /// Once there are several: all of them.
    joined: Vec<u8>,
    /// The length that was announced. More is an error.
    announced: Option<usize>,
    max: usize,
}

impl Gather {
    fn new(max: usize) -> Self {
        Self { single: Bytes::new(), joined: vec![], announced: None, max }
    }

    fn len(&self) -> usize {
        self.single.len() + self.joined.len()
    }

    /// `len` bytes are to come.
    fn expect(&mut self, len: usize, permit: &mut Permit) -> Result<(), Failure> {
        if len > self.max {
            return Err(Failure::too_large(self.max));
        }
        self.announced = Some(len);
        Ok(permit.grow_to(len)?)
    }

    fn push(&mut self, data: Bytes, permit: &mut Permit) -> Result<(), Failure> {
        let len = self.len() + data.len();
        match self.announced {
            Some(announced) if len > announced => {
                return Err(Failure::new(Kind::Framing, "the request goes on after its message"));
            }
            Some(_) => {}
            None => self.grow(len, permit)?,
        }
        if self.len() == 0 {
            self.single = data;
        } else {
            self.join(&data, len);
        }
        Ok(())
    }

    fn join(&mut self, data: &Bytes, len: usize) {
        if self.joined.is_empty() {
            self.joined.reserve_exact(self.announced.unwrap_or(len));
            self.joined.extend_from_slice(&self.single);
            self.single = Bytes::new();
        }
        self.joined.extend_from_slice(data);
    }

    /// Reserves in steps, not for each of many small pieces.
    fn grow(&self, len: usize, permit: &mut Permit) -> Result<(), Failure> {
        const STEP_BYTES: usize = 64 << 10;
        if len > self.max {
            return Err(Failure::too_large(self.max));
        }
        if len > permit.bytes() {
            permit.grow_to(len.next_multiple_of(STEP_BYTES).min(self.max))?;
        }
        Ok(())
    }

    fn finish(self) -> Bytes {
        if self.joined.is_empty() { self.single } else { fitted(self.joined) }
    }
}

/// The five bytes before a gRPC message: compressed or not, and its length. They may arrive in pieces.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; 5],
    filled: usize,
}

impl Prefix {
    /// Takes what is missing from `data`; true when that completes it.
    fn take(&mut self, data: &mut Bytes) -> bool {
        let was_missing = self.bytes.len() - self.filled;
        let taken = was_missing.min(data.len());
        self.bytes[self.filled..self.filled + taken].copy_from_slice(&data[..taken]);
        data.advance(taken);
        self.filled += taken;
        was_missing > 0 && taken == was_missing
    }

    fn message_len(&self) -> usize {
        let [_, length @ ..] = self.bytes;
        usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
    }

    fn is_compressed(&self) -> Result<bool, Failure> {
        match self.bytes[0] {
            _ if self.filled < self.bytes.len() => Err(Failure::new(Kind::Framing, "the request has no message")),
            0 => Ok(false),
            1 => Ok(true),
            flag => {
                Err(Failure::new(Kind::Framing, format!("a message has the flag {flag}, which is neither 0 nor 1")))
            }
        }
    }
}
