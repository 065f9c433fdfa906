//! What a destination is: the trait, what it is given, and how it says no.
//!
//! An exporter sends one payload and reports what came of it. It knows neither the log it was read from nor when
//! to try again: `pipeline::delivery` retries, pauses, bisects and dead-letters for all of them alike.

mod authorized;
#[cfg(feature = "s3")]
pub mod awss3;
pub mod classify;
pub mod datadog;
pub mod debug;
pub mod file;
pub mod loki;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod outbound;
pub mod partition;
mod parts;
pub mod prom;
pub mod prometheus;
pub mod prometheusremotewrite;
mod rejections;
pub mod roll;
mod shapes;
pub mod splunk_hec;
pub mod syslog;

use std::future::{Future, ready};
use std::time::Duration;

use bumpalo::Bump;
use bytes::{Bytes, BytesMut};
use memchr::memchr_iter;
use thiserror::Error;

pub use roll::{Log, Roll};

use crate::otlp::line::LineWriter;
use crate::otlp::model::{Batch, Entity};
use crate::otlp::{self, DecodeError, Signal};
use crate::stdx::segments::Position;

/// A destination. One delivery task drives it, one payload at a time.
pub trait Exporter: Send + Sync + 'static {
    /// Sends the payload. `Ok` means that the destination has confirmed it: the cursor moves and never comes back.
    fn export(&self, payload: &Payload) -> impl Future<Output = Result<(), ExportError>> + Send;

    /// Before the first export: finds out what can be known without data, such as that a credential is not valid. `Pause` raises
    /// the alarm at once instead of with the first record.
    fn begin(&self) -> impl Future<Output = Result<(), ExportError>> + Send {
        ready(Ok(()))
    }

    /// True when it asks payloads for OTLP and never for lines: a sealed pipeline can then spare reading lines back.
    fn wants_otlp(&self) -> bool {
        false
    }

    /// For a destination that takes many payloads as one thing: how long it may be gathered for at most. Such an exporter
    /// gets [`Exporter::resume`], [`Exporter::gather`], [`Exporter::confirm`] and [`Exporter::settled`] called instead of
    /// [`Exporter::export`]; see [`roll`].
    fn rolls_every(&self) -> Option<Duration> {
        None
    }

    /// At the start: the roll that an earlier run has begun to send from this very place, whose end only `confirm` is to be
    /// called for. Whatever else is left from then is forgotten.
    fn resume(&self, _log: &Log, _from: Position) -> impl Future<Output = Result<Option<Roll>, ExportError>> + Send {
        ready(Ok(None))
    }

    /// Adds a payload to the roll. `Ok(true)`: it is large enough. After an error nothing of the payload is in it.
    fn gather(&self, _log: &Log, _payload: &Payload) -> impl Future<Output = Result<bool, ExportError>> + Send {
        ready(Ok(true))
    }

    /// Sends what was gathered. `Ok` means that the destination has confirmed all of it. Called again after an error.
    fn confirm(&self, _log: &Log, _roll: &Roll) -> impl Future<Output = Result<(), ExportError>> + Send {
        ready(Ok(()))
    }

    /// The cursor is on disk behind the roll: nothing of it is needed any more.
    fn settled(&self, _log: &Log) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Orderly shutdown: write out, close, rename into place. Nothing is exported afterwards.
    fn close(&self) -> impl Future<Output = Result<(), ExportError>> + Send {
        ready(Ok(()))
    }

    /// Records that destinations said they threw away from payloads they took (OTLP's `partial_success`), since start.
    /// They are lost there and cannot be sent again, since nobody says which ones they are.
    fn rejected_records(&self) -> u64 {
        0
    }
}

/// Why a payload was not taken. Causes name the host or path, never a secret or a body.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExportError {
    /// Trying again may work: the destination is busy, down or unreachable.
    #[error("{cause}")]
    Retry {
        /// How long the destination asked us to wait.
        after: Option<Duration>,
        /// What happened.
        cause: String,
    },
    /// This payload will never be taken as it is. The delivery loop halves it until the bad record stands alone,
    /// and puts that one aside with the cause.
    #[error("{cause}")]
    Permanent {
        /// What happened.
        cause: String,
    },
    /// Nothing is wrong with the data: a credential or an address is (401, 403, 404). Kept, alarmed, probed.
    #[error("{cause}")]
    Pause {
        /// What happened.
        cause: String,
    },
    /// The destination has confirmed all records but these, which it will never take: the delivery loop puts them aside.
    #[error("{} records were refused: {}", refused_records(.refused), refused.first().map_or("", |first| &first.cause))]
    Partial {
        /// Which ones, and why; no record stands in two.
        refused: Vec<Refusal>,
    },
}

/// Records of a payload that a destination will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Their places in the payload, from 0, ascending.
    pub records: Vec<u64>,
    /// What happened.
    pub cause: String,
}

/// How many records were refused altogether.
#[must_use]
pub fn refused_records(refused: &[Refusal]) -> u64 {
    refused.iter().map(|refusal| refusal.records.len() as u64).sum()
}

/// Some records on their way to one destination. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Payload {
    signal: Signal,
    records: u64,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// One or more whole `Export*ServiceRequest` messages. Joined end to end they are one, as protobuf merges
    /// repeated fields.
    Otlp(Vec<Bytes>),
    /// Sealed canonical lines, each ended by a line feed.
    Lines(Bytes),
}

impl Payload {
    /// A payload of OTLP requests that hold `records` records together.
    #[must_use]
    pub fn from_otlp(signal: Signal, requests: Vec<Bytes>, records: u64) -> Self {
        Self { signal, records, form: Form::Otlp(requests) }
    }

    /// A payload of sealed lines, each ended by a line feed.
    #[must_use]
    pub fn from_lines(signal: Signal, lines: Bytes, records: u64) -> Self {
        Self { signal, records, form: Form::Lines(lines) }
    }

    /// Which of the three signals it carries.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How many records: log records, spans, data points, or sealed lines.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Its size as stored.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        match &self.form {
            Form::Otlp(requests) => requests.iter().map(Bytes::len).sum(),
            Form::Lines(lines) => lines.len(),
        }
    }

    /// The sealed lines, where the pipeline seals.
    #[must_use]
    pub fn lines(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Otlp(_) => None,
            Form::Lines(lines) => Some(lines),
        }
    }

    /// The payload as canonical lines: the sealed ones, or the same without a seal where the pipeline does not seal.
    /// Unsealed metrics are one line together.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub fn to_lines(&self) -> Result<Bytes, DecodeError> {
        if let Form::Lines(lines) = &self.form {
            return Ok(lines.clone());
        }
        let mut lines = Vec::with_capacity(self.bytes_len() * 2);
        otlp::line::write_request(&mut LineWriter::default(), self.signal, &self.otlp()?, &mut |line, _| {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        })?;
        Ok(lines.into())
    }

    /// The payload as one `Export*ServiceRequest` in protobuf.
    ///
    /// # Errors
    /// When a stored line cannot be read back; that would be a defect or damage on disk.
    pub fn otlp(&self) -> Result<Bytes, DecodeError> {
        match &self.form {
            Form::Otlp(requests) => Ok(joined(requests)),
            Form::Lines(lines) => otlp::line::to_otlp(self.signal, lines).map(Bytes::from),
        }
    }

    /// Two halves, or `None` when it is one record.
    ///
    /// # Errors
    /// When the stored bytes cannot be taken apart.
    pub fn split(&self) -> Result<Option<(Self, Self)>, DecodeError> {
        match &self.form {
            Form::Otlp(requests) if requests.len() > 1 => self.split_requests(requests).map(Some),
            Form::Otlp(requests) => self.split_request(&joined(requests)),
            Form::Lines(lines) => Ok(self.split_lines(lines)),
        }
    }

    /// The records at these places, which are counted from 0 and ascend.
    ///
    /// # Errors
    /// When the stored bytes cannot be taken apart.
    pub fn pick(&self, places: &[u64]) -> Result<Self, DecodeError> {
        let mut wanted = Places { places, next: 0 };
        if let Form::Lines(lines) = &self.form {
            let lines = lines.split_inclusive(|byte| *byte == b'\n');
            let picked: Vec<u8> = lines.filter(|_| wanted.has_next()).flatten().copied().collect();
            return Ok(Self::from_lines(self.signal, picked.into(), places.len() as u64));
        }
        let (bytes, arena) = (self.otlp()?, Bump::new());
        let mut batch = Batch::open(self.signal, &bytes, &arena)?;
        for scope in batch.groups.iter_mut().flat_map(|group| &mut group.scopes) {
            let mut failed = None;
            scope.retain(|record| match self.signal {
                Signal::Metrics => {
                    wanted.pick_points(record, &arena).unwrap_or_else(|error| failed.replace(error).is_some())
                }
                _ => wanted.has_next(),
            });
            failed.map_or(Ok(()), Err)?;
        }
        let mut out = Vec::new();
        batch.encode(&mut out);
        Ok(Self::from_otlp(self.signal, vec![out.into()], places.len() as u64))
    }

    /// True when it is the very same bytes in memory, as when a payload is exported again.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Bytes, b: &Bytes| a.as_ptr() == b.as_ptr() && a.len() == b.len();
        self.signal == other.signal
            && match (&self.form, &other.form) {
                (Form::Otlp(a), Form::Otlp(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
                (Form::Lines(a), Form::Lines(b)) => same(a, b),
                _ => false,
            }
    }

    fn split_requests(&self, requests: &[Bytes]) -> Result<(Self, Self), DecodeError> {
        let (left, right) = requests.split_at(requests.len() / 2);
        let mut records = 0;
        for request in left {
            records += otlp::count(self.signal, request)?;
        }
        let rest = self.records.saturating_sub(records);
        Ok((Self::from_otlp(self.signal, left.to_vec(), records), Self::from_otlp(self.signal, right.to_vec(), rest)))
    }

    fn split_request(&self, request: &Bytes) -> Result<Option<(Self, Self)>, DecodeError> {
        let Some((left, right)) = otlp::halves(self.signal, request)? else { return Ok(None) };
        let half = |bytes: Vec<u8>| -> Result<Self, DecodeError> {
            let records = otlp::count(self.signal, &bytes)?;
            Ok(Self::from_otlp(self.signal, vec![bytes.into()], records))
        };
        Ok(Some((half(left)?, half(right)?)))
    }

    fn split_lines(&self, lines: &Bytes) -> Option<(Self, Self)> {
        if self.records < 2 {
            return None;
        }
        let half = usize::try_from(self.records / 2).unwrap_or(usize::MAX);
        let at = memchr_iter(b'\n', lines).nth(half - 1)? + 1;
        let left = Self::from_lines(self.signal, lines.slice(..at), half as u64);
        let right = Self::from_lines(self.signal, lines.slice(at..), self.records - half as u64);
        Some((left, right))
    }
}

/// Walks records in order and says which of them are wanted.
struct Places<'p> {
    places: &'p [u64],
    next: u64,
}

impl Places<'_> {
    fn has_next(&mut self) -> bool {
        let is_wanted = self.places.first() == Some(&self.next);
        self.places = &self.places[usize::from(is_wanted)..];
        self.next += 1;
        is_wanted
    }

    /// Leaves the wanted data points of a metric; true when there are any.
    fn pick_points<'a>(&mut self, metric: &mut Entity<'a>, arena: &'a Bump) -> Result<bool, DecodeError> {
        let before = self.places.len();
        metric.retain_points(arena, &mut |_| Ok(self.has_next()))?;
        Ok(self.places.len() < before)
    }
}

fn joined(requests: &[Bytes]) -> Bytes {
    match requests {
        [one] => one.clone(),
        many => {
            let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|request| all.extend_from_slice(request));
            all.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::otlp::json::to_protobuf;

    fn payload(signal: Signal, records: u64, request: &serde_json::Value) -> Payload {
        let bytes = to_protobuf(signal, request.to_string().as_bytes()).unwrap();
        Payload::from_otlp(signal, vec![bytes.into()], records)
    }

    fn names(payload: &Payload) -> Vec<String> {
        let text = String::from_utf8(payload.to_lines().unwrap().to_vec()).unwrap();
        text.split('"').filter(|word| word.starts_with("n-")).map(str::to_owned).collect()
    }

    #[test]
    fn records_are_picked_by_their_places_whatever_holds_them() {
        let scope = |names: [&str; 2]| json!({"logRecords": names.map(|name| json!({"eventName": name}))});
        let logs = json!({"resourceLogs": [{"scopeLogs": [scope(["n-0", "n-1"]), scope(["n-2", "n-3"])]}]});
        let logs = payload(Signal::Logs, 4, &logs);
        let lines = Payload::from_lines(Signal::Logs, logs.to_lines().unwrap(), 4);
        for payload in [logs, lines] {
            assert_eq!(names(&payload.pick(&[0, 3]).unwrap()), ["n-0", "n-3"]);
            assert_eq!(
                (names(&payload.pick(&[2]).unwrap()), payload.pick(&[2]).unwrap().records()),
                (vec!["n-2".to_owned()], 1)
            );
        }
    }

    #[test]
    fn data_points_are_picked_out_of_their_metrics() {
        let point = |name: &str| json!({"asInt": 1, "attributes": [{"key": name, "value": {"intValue": 1}}]});
        let metric = |points: &[&str]| json!({"name": "m", "gauge": {"dataPoints": points.iter().map(|name| point(name)).collect::<Vec<_>>()}});
        let metrics = [metric(&["n-0", "n-1"]), metric(&["n-2"]), metric(&["n-3", "n-4"])];
        let metrics =
            payload(Signal::Metrics, 5, &json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}));
        let picked = metrics.pick(&[1, 4]).unwrap();
        assert_eq!(names(&picked), ["n-1", "n-4"]);
        assert_eq!(otlp::count(Signal::Metrics, &picked.otlp().unwrap()), Ok(2));
    }

    #[test]
    fn a_payload_is_the_same_as_its_clone_and_no_other() {
        let (one, two) = (Bytes::from(vec![1, 2]), Bytes::from(vec![1, 2]));
        let of = |bytes: &Bytes| Payload::from_otlp(Signal::Logs, vec![bytes.clone()], 1);
        assert!(of(&one).is_same(&of(&one).clone()));
        assert!(!of(&one).is_same(&of(&two)));
        assert!(!of(&one).is_same(&Payload::from_lines(Signal::Logs, one, 1)));
    }
}
