//! The newest sealed requests, still as OTLP: an exporter of OTLP that keeps up reads these, and is spared reading the
//! ledger's lines back. One that falls behind reads the ledger; nothing depends on what is here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::exporter::Payload;
use crate::ledger::Sealed;
use crate::otlp::line::{SEAL_BYTES, SealView, put_with_seals};
use crate::otlp::{DecodeError, Signal};
use crate::pipeline::store::Chunk;
use crate::stdx::segments::Position;

/// How many bytes of requests are kept at most, with their seals: a flood that outruns its exporter for some tenths of a
/// second. What every exporter has passed is let go at once, so that a quiet pipeline keeps nothing.
const BYTES_MAX: usize = 32 << 20;
/// Where memory is limited it may take a sixteenth of that.
const SHARE: u64 = 16;

/// How much a sealed pipeline keeps at most in a process that may take `memory` bytes.
#[must_use]
pub fn bytes_max(memory: Option<u64>) -> usize {
    memory.map_or(BYTES_MAX, |limit| usize::try_from(limit / SHARE).unwrap_or(BYTES_MAX).min(BYTES_MAX))
}

/// Clones share the requests.
#[derive(Debug, Clone)]
pub struct Recent {
    signal: Signal,
    stream: Arc<str>,
    bytes_max: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Arc<Request>>,
    bytes: usize,
}

#[derive(Debug)]
struct Request {
    otlp: Bytes,
    sealed: Sealed,
}

impl Kept {
    /// The oldest go, as long as there is one that may.
    fn let_go(&mut self, may: impl Fn(&Self, &Request) -> bool) {
        while let Some(oldest) = self.requests.front()
            && may(self, oldest)
        {
            self.bytes -= oldest.bytes();
            self.requests.pop_front();
        }
    }
}

impl Request {
    fn lines(&self) -> u64 {
        self.sealed.seals.len() as u64
    }

    /// What it holds of memory: of small records the seals are the larger part.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.otlp.len() + size_of_val(self.sealed.seals.as_slice())
    }

    /// How many records lie before it in the ledger.
    fn start(&self) -> u64 {
        self.sealed.end.record - self.lines()
    }

    /// How many bytes it has with its seals, about.
    fn sealed_bytes(&self) -> usize {
        self.otlp.len() + self.sealed.seals.len() * SEAL_BYTES
    }

    fn put_sealed(&self, out: &mut Vec<u8>, signal: Signal, stream: &str) -> Result<(), DecodeError> {
        let seals = self.sealed.seals.iter().zip(self.sealed.first..);
        let views = seals.map(|(seal, number)| SealView { number, entry: &seal.entry, salt: &seal.salt });
        put_with_seals(out, signal, &self.otlp, stream, views)
    }
}

impl Recent {
    /// Nothing yet, of the ledger with the id `stream`.
    #[must_use]
    pub fn new(signal: Signal, stream: &str, bytes_max: usize) -> Self {
        Self { signal, stream: stream.into(), bytes_max, kept: Arc::default() }
    }

    /// Keeps a request that was just sealed, and lets go of the oldest.
    pub fn keep(&self, otlp: Bytes, sealed: Sealed) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let request = Request { otlp, sealed };
        kept.bytes += request.bytes();
        kept.requests.push_back(Arc::new(request));
        kept.let_go(|kept, _| kept.bytes > self.bytes_max);
    }

    /// Lets go of what lies before `passed`.
    pub fn pass(&self, passed: Position) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.let_go(|_, oldest| oldest.sealed.end.record <= passed.record);
    }

    /// The requests from `from` on, up to `bytes_max` but at least one; `None` when the one that begins there is gone.
    #[must_use]
    pub fn read(&self, from: Position, bytes_max: usize) -> Option<Chunk> {
        let found = self.find(from, bytes_max);
        let next = found.last()?.sealed.end;
        let records = found.iter().map(|request| request.lines()).sum();
        // Requests end to end are one request, as exporters send it.
        let mut joined = Vec::with_capacity(found.iter().map(|request| request.sealed_bytes()).sum());
        for request in found {
            // A request that cannot be walked was sealed all the same: let the ledger's lines tell.
            request.put_sealed(&mut joined, self.signal, &self.stream).ok()?;
        }
        Some(Chunk { payload: Payload::from_otlp(self.signal, vec![joined.into()], records), next })
    }

    fn find(&self, from: Position, bytes_max: usize) -> Vec<Arc<Request>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.requests.partition_point(|request| request.start() < from.record);
        let (mut found, mut bytes, mut at) = (Vec::new(), 0, from.record);
        for request in kept.requests.range(first..) {
            bytes += request.otlp.len();
            if request.start() != at || (bytes > bytes_max && !found.is_empty()) {
                break;
            }
            at = request.sealed.end.record;
            found.push(request.clone());
        }
        found
    }
}
