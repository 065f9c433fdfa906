//! Splunk's HTTP Event Collector: <https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector>.
//!
//! A payload becomes one request for each token and index, of bounded size; `docs/exporters/splunk_hec.md` says where every field
//! goes. What counts as delivered: with indexer acknowledgement, what Splunk says is indexed; without, what it answered with
//! success, which only means that it could be parsed.
//! - Tried again: what `exporter::classify` and the table of codes in `answer.rs` say; only the requests of a payload that
//!   were not confirmed. What is not acknowledged in time is sent again, on a new channel: Splunk then has it twice.
//! - An event that Splunk names as bad is put aside alone. Events of an index that an attribute chose and Splunk does not
//!   have are put aside; an index from the configuration pauses the exporter, as a wrong token does.

mod answer;
mod channel;
mod config;
mod encode;
mod fields;
mod flight;
mod metadata;
mod metric;
mod parts;
mod span;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;
use tracing::warn;

use crate::exporter::classify::Verdict;
use crate::exporter::outbound::{Call, Outbound, described, unreadable};
use crate::exporter::rejections::{PartialSuccess, Rejections};
use crate::exporter::{ExportError, Exporter, Payload};
use crate::http::client::{Answer, BuildError, Compression};
use crate::stdx::secret::Secret;

use answer::{Meaning, Reply};
use channel::Channels;
use flight::{Flight, Flights, Waiting};
use parts::Part;

pub use config::{Acknowledgements, Config, FieldNames, MetadataAttributes, Placement};

/// The wait before the first question for acknowledgements.
const FIRST_QUESTION: Duration = Duration::from_millis(100);
/// How many ids are asked for at once.
const QUESTION_MAX: usize = 1000;
/// Splunk Cloud calls the first event of a request bad when the request is too large for it. Its limit is above this.
const SUSPICIOUS_BYTES: usize = 1 << 20;
/// By how much gzip can make a body longer: five bytes a block of 16 KiB, and its own header and trailer.
const GZIP_EXTRA_BYTES: usize = 32;

/// The exporter.
#[derive(Debug)]
pub struct SplunkHec {
    id: String,
    config: Config,
    /// `authorization` by token: the exporter's own, then the named ones in their order.
    tokens: Vec<HeaderValue>,
    events: Outbound,
    raw: Outbound,
    acks: Outbound,
    health: Outbound,
    channels: Channels,
    unfinished: Mutex<Flights>,
    rejections: Rejections,
    /// Ask for its health first.
    is_suspect: AtomicBool,
    /// Splunk has given an id to ask for an acknowledgement with.
    acknowledges: AtomicBool,
    has_warned: AtomicBool,
}

impl SplunkHec {
    /// An exporter with these settings, named `id` in messages and metrics. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let events = config.settings().build(id)?;
        let channels = Channels::new(events.endpoints())
            .map_err(|error| BuildError::Client { name: events.name().to_owned(), cause: error.to_string() })?;
        let health_path = config.health_path.clone();
        Ok(Self {
            id: id.to_owned(),
            tokens: std::iter::once(&config.token)
                .chain(config.tokens.values())
                .map(authorization)
                .collect::<Result<_, _>>()?,
            raw: events.beside(|path| format!("{}/raw", base(path))),
            acks: events.beside(|path| format!("{}/ack", base(path))).uncompressed(),
            health: events.beside(|_| health_path.clone()).uncompressed(),
            events,
            channels,
            config: config.clone(),
            unfinished: Mutex::default(),
            rejections: Rejections::new(id),
            is_suspect: AtomicBool::new(true),
            acknowledges: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        })
    }

    fn begin(&self, payload: &Payload) -> Result<Flight, ExportError> {
        let known = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).take(payload);
        if let Some(flight) = known {
            return Ok(flight);
        }
        let limit = self.config.content_length_max(payload.signal());
        let limit = match self.config.settings().compression {
            Compression::None => limit,
            _ => limit - (limit / 1024 + GZIP_EXTRA_BYTES).min(limit / 2),
        };
        let encoded = encode::encode(&self.config, payload, limit).map_err(|error| unreadable(&error))?;
        Ok(Flight::new(payload, encoded))
    }

    async fn fly(&self, flight: &mut Flight) -> Result<(), ExportError> {
        self.check_health().await?;
        while let Some(part) = flight.todo.pop_front() {
            self.send(flight, part).await?;
        }
        self.await_acknowledgements(flight).await
    }

    /// Whether the destination says that it is well; asked only where that is wanted and there is a reason to.
    async fn check_health(&self) -> Result<(), ExportError> {
        if self.config.health_check_enabled && self.is_suspect.load(Relaxed) {
            let call = Call { method: Method::GET, query: "", body: bytes::Bytes::new() };
            let (answer, at) = self.health.call(&call, |at| self.headers(at, 0, &self.channels.id(at))).await?;
            self.channels.note(at, &answer);
            let cause = || explained(self.health.name_of(at), &answer, &Reply::read(&answer.body));
            answer::health(&answer).result(cause)?;
        }
        self.is_suspect.store(false, Relaxed);
        Ok(())
    }

    fn headers(&self, at: usize, token: usize, channel: &str) -> HeaderMap {
        let token = self.tokens.get(token).or_else(|| self.tokens.first());
        token.map(|token| self.channels.headers(at, token, channel)).unwrap_or_default()
    }

    /// Sends one request and decides what becomes of its events.
    async fn send(&self, flight: &mut Flight, part: Part) -> Result<(), ExportError> {
        let out = if part.is_raw { &self.raw } else { &self.events };
        let body = match out.compressed(part.body.clone()) {
            Ok(body) => body,
            Err(error) => return put_back(flight, part, error),
        };
        let call = Call { method: Method::POST, query: &part.query, body };
        let channels: Vec<String> = (0..out.endpoints()).map(|at| self.channels.id(at)).collect();
        let sent = out.call(&call, |at| self.headers(at, part.token, &channels[at])).await;
        let (answer, at) = match sent {
            Ok(sent) => sent,
            Err(error) => return put_back(flight, part, error),
        };
        self.channels.note(at, &answer);
        let reply = Reply::read(&answer.body);
        let cause = explained(out.name_of(at), &answer, &reply);
        match reply.meaning(&answer) {
            Meaning::Taken | Meaning::Other(Verdict::Taken) => {
                self.taken(flight, part, &reply, at, &channels[at], cause)
            }
            Meaning::BadEvent(number) if number < part.len() => {
                self.bad_event(flight, part, number, &cause);
                Ok(())
            }
            Meaning::BadIndex if part.chosen => {
                flight.refuse(part, &cause);
                Ok(())
            }
            Meaning::BadIndex => put_back(flight, part, ExportError::Pause { cause }),
            Meaning::BadEvent(_) | Meaning::Other(Verdict::Permanent) => refused(flight, part, cause),
            Meaning::Other(verdict) => match verdict.result(|| cause) {
                Ok(()) => Ok(()),
                Err(error) => put_back(flight, part, error),
            },
        }
    }

    fn taken(
        &self,
        flight: &mut Flight,
        part: Part,
        reply: &Reply,
        at: usize,
        channel: &str,
        cause: String,
    ) -> Result<(), ExportError> {
        let settings = &self.config.acknowledgements;
        flight.touch();
        match reply.ack_id {
            Some(ack_id) if settings.indexer_acknowledgements_enabled => {
                self.acknowledges.store(true, Relaxed);
                let (channel, since) = (channel.to_owned(), Instant::now());
                flight.waiting.push(Waiting { part, at, channel, ack_id, since });
            }
            None if settings.required => {
                let cause = format!("{cause}: no `ackId`, the token has no indexer acknowledgement");
                return put_back(flight, part, ExportError::Pause { cause });
            }
            None if settings.indexer_acknowledgements_enabled && !self.has_warned.swap(true, Relaxed) => {
                warn!(
                    exporter = self.id,
                    "the token has no indexer acknowledgement: what counts as delivered was parsed, not indexed"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Splunk has taken the events before the bad one, and none after it.
    fn bad_event(&self, flight: &mut Flight, part: Part, number: usize, cause: &str) {
        flight.touch();
        if number == 0 && part.len() > 1 && part.body.len() > SUSPICIOUS_BYTES {
            return halve(flight, part);
        }
        let (before, rest) = part.split_at(number);
        let (bad, after) = rest.split_at(1);
        flight.refuse(bad, cause);
        if after.len() > 0 {
            flight.todo.push_front(after);
        }
        // No id came for those, so where acknowledgements are to be had they are sent once more to get one.
        if before.len() > 0 && self.acknowledges.load(Relaxed) {
            flight.todo.push_front(before);
        }
    }

    /// Waits until all that was taken is indexed.
    async fn await_acknowledgements(&self, flight: &mut Flight) -> Result<(), ExportError> {
        let settings = &self.config.acknowledgements;
        let mut wait = FIRST_QUESTION.min(settings.query_interval.0);
        while !flight.waiting.is_empty() {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(settings.query_interval.0);
            let asked = self.ask(flight).await;
            self.expire(flight, settings.timeout.0)?;
            asked?;
        }
        Ok(())
    }

    /// Asks each endpoint for what waits there.
    async fn ask(&self, flight: &mut Flight) -> Result<(), ExportError> {
        let place = |waiting: &Waiting| (waiting.at, waiting.part.token, waiting.channel.clone());
        let places: BTreeSet<_> = flight.waiting.iter().map(place).collect();
        for asked in places {
            let waiting = flight.waiting.iter().filter(|waiting| place(waiting) == asked);
            let ids: Vec<u64> = waiting.map(|waiting| waiting.ack_id).collect();
            let (at, token, channel) = &asked;
            for ids in ids.chunks(QUESTION_MAX) {
                let known = self.ask_at(*at, *token, channel, ids).await?;
                flight.waiting.retain(|waiting| place(waiting) != asked || !known.contains(&waiting.ack_id));
            }
        }
        Ok(())
    }

    /// Which of these ids are acknowledged. Splunk forgets what it has answered with `true`.
    async fn ask_at(&self, at: usize, token: usize, channel: &str, ids: &[u64]) -> Result<BTreeSet<u64>, ExportError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let body = format!("{{\"acks\":[{}]}}", ids.join(",")).into();
        let call = Call { method: Method::POST, query: "", body };
        let answer = self.acks.call_at(at, &call, &self.headers(at, token, channel)).await?;
        self.channels.note(at, &answer);
        let reply = Reply::read(&answer.body);
        let cause = || explained(self.acks.name_of(at), &answer, &reply);
        match reply.meaning(&answer) {
            Meaning::Taken | Meaning::Other(Verdict::Taken) => {}
            Meaning::Other(Verdict::Permanent) | Meaning::BadEvent(_) | Meaning::BadIndex => {
                return Err(ExportError::Pause { cause: cause() });
            }
            Meaning::Other(verdict) => verdict.result(cause)?,
        }
        let known = answer::acknowledged(&answer.body)
            .map_err(|error| ExportError::Retry { after: None, cause: format!("{}: {error}", cause()) })?;
        Ok(known.into_iter().collect())
    }

    /// What waits for too long is sent again, on a new channel: the machine that had the old one may be gone.
    fn expire(&self, flight: &mut Flight, limit: Duration) -> Result<(), ExportError> {
        let waiting = std::mem::take(&mut flight.waiting);
        let (late, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| one.since.elapsed() >= limit);
        flight.waiting = waiting;
        let Some(first) = late.first() else { return Ok(()) };
        let (name, count) = (self.acks.name_of(first.at).to_owned(), late.len());
        for Waiting { part, at, channel, .. } in late {
            self.channels.renew(at, &channel);
            flight.todo.push_back(part);
        }
        let cause = format!("{name} did not acknowledge {count} requests within {limit:?}, they are sent again");
        Err(ExportError::Retry { after: None, cause })
    }
}

/// It goes out with the next try.
fn put_back(flight: &mut Flight, part: Part, error: ExportError) -> Result<(), ExportError> {
    flight.todo.push_front(part);
    Err(error)
}

/// The request will never be taken as it is. The delivery loop halves a payload; where part of one is confirmed already, that is
/// done here.
fn refused(flight: &mut Flight, part: Part, cause: String) -> Result<(), ExportError> {
    if flight.is_whole() {
        return Err(ExportError::Permanent { cause });
    }
    if part.len() > 1 {
        halve(flight, part);
    } else {
        flight.refuse(part, &cause);
    }
    Ok(())
}

fn halve(flight: &mut Flight, part: Part) {
    let half = part.len() / 2;
    let (first, second) = part.split_at(half);
    flight.todo.push_front(second);
    flight.todo.push_front(first);
}

/// Where the other paths lie beside that of events.
fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix("/1.0").unwrap_or(path);
    path.strip_suffix("/event").or_else(|| path.strip_suffix("/raw")).unwrap_or(path)
}

fn explained(name: &str, answer: &Answer, reply: &Reply) -> String {
    format!("{}{}", described(name, answer.status), reply.described())
}

fn authorization(token: &Secret) -> Result<HeaderValue, BuildError> {
    let value = zeroize::Zeroizing::new(format!("Splunk {}", token.reveal()));
    let mut value = HeaderValue::from_str(&value).map_err(|_| BuildError::Header("authorization".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Exporter for SplunkHec {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let mut flight = self.begin(payload)?;
        match self.fly(&mut flight).await {
            Ok(()) => {
                let message = "Splunk takes finite numbers only".to_owned();
                let unsent = PartialSuccess { rejected: flight.unsent_records, message };
                if flight.unsent_records > 0 {
                    self.rejections.note(payload.signal(), payload.records(), &unsent);
                }
                flight.result()
            }
            Err(error) => {
                self.is_suspect.store(true, Relaxed);
                if !matches!(error, ExportError::Permanent { .. }) {
                    self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).keep(flight);
                }
                Err(error)
            }
        }
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }
}
