//! The delivery loop: one task an exporter, one cursor, one payload under way.
//!
//! Read at the cursor, export, and move the cursor only when the destination confirmed or the record was put aside.
//! - `Retry`: the same payload again after a wait (exponential, full jitter, at least what the destination asked for).
//! - `Pause`: a credential or an address is wrong; nothing is dropped, an alarm is raised, and one probe a while is made.
//! - `Permanent`: the payload is halved until the bad record stands alone; that one is put aside with the cause.
//!
//! A slow exporter slows no other. Delivery is at least once: after a crash the last payloads may go out again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::exporter::{ExportError, Exporter, Payload};
use crate::pipeline::account::ExportAccount;
use crate::pipeline::cursor::Place;
use crate::pipeline::rejected::Rejected;
use crate::pipeline::store::{Chunk, ReadError, Reader};
use crate::stdx::backoff::Backoff;

/// How a delivery loop tries again, and how much it takes at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// False: one try, then the payload is put aside.
    pub retry: bool,
    /// The longest wait before the second try.
    pub initial_wait: Duration,
    /// The longest wait before any try.
    pub max_wait: Duration,
    /// How the longest wait grows.
    pub multiplier: f64,
    /// After this long a payload is put aside; `None`: never.
    pub give_up_after: Option<Duration>,
    /// Stored requests are joined up to this many bytes.
    pub batch_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: true,
            initial_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(30),
            multiplier: 2.0,
            give_up_after: None,
            batch_bytes_max: 2 << 20,
        }
    }
}

/// The wait between probes of a paused exporter.
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// The wait after the log or the dead-letter folder could not be read or written.
const STORAGE_WAIT: Duration = Duration::from_secs(5);

/// One exporter of one pipeline, at work.
pub struct Delivery<E> {
    /// The destination; shared where several pipelines name it.
    pub exporter: Arc<E>,
    /// How to try again.
    pub settings: Settings,
    /// The log it reads.
    pub reader: Reader,
    /// Where it is in that log.
    pub place: Place,
    /// Where records go that no destination takes.
    pub rejected: Rejected,
    /// The books.
    pub account: Arc<ExportAccount>,
    /// Set when telseal shuts down: the moment at which the loop must end.
    pub stop: watch::Receiver<Option<Instant>>,
}

/// How an attempt ended.
enum Verdict {
    Delivered,
    /// It will never be taken; why.
    Refused(String),
    /// Shutdown came first; the payload stays where it is.
    Stopped,
}

impl<E: Exporter> Delivery<E> {
    /// Runs until the log is closed and read to its end, or the shutdown deadline.
    pub async fn run(mut self) {
        while self.wait_for_records().await {
            if !self.step().await {
                break;
            }
        }
        self.place.store_durably();
    }

    /// Waits for records behind the cursor; stores the cursor when there is a moment of rest.
    async fn wait_for_records(&mut self) -> bool {
        loop {
            let mut stop = self.stop.clone();
            let rest = self.place.rest_before_store();
            tokio::select! {
                more = self.reader.wait(self.place.position()) => return more,
                () = deadline(&mut stop) => return false,
                () = tokio::time::sleep(rest.unwrap_or(Duration::MAX)), if rest.is_some() => self.place.store(),
            }
        }
    }

    /// One payload. False when shutdown came first.
    async fn step(&mut self) -> bool {
        let overrun = self.place.catch_up(&self.reader);
        self.account.overrun.fetch_add(overrun, Relaxed);
        let chunk = match self.reader.read(self.place.position(), self.settings.batch_bytes_max).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return true,
            Err(error) => return self.unreadable(&error).await,
        };
        let Chunk { payload, next } = chunk;
        if payload.records() > 0 && !self.deliver(payload).await {
            return false;
        }
        self.place.move_to(next, &self.reader);
        true
    }

    /// Goes on behind a damaged place, whose records are counted as lost; waits where nothing can be read. False when
    /// shutdown came first.
    async fn unreadable(&mut self, error: &ReadError) -> bool {
        let Some(next) = error.read_on() else {
            tracing::error!(exporter = self.account.exporter(), %error, "cannot read the stored records");
            return self.pause_for(STORAGE_WAIT).await;
        };
        let records = next.record.saturating_sub(self.place.position().record);
        tracing::error!(exporter = self.account.exporter(), %error, records, "stored records are damaged and lost");
        add(&self.account.damaged, records);
        self.place.move_to(next, &self.reader);
        true
    }

    /// Delivers or puts aside every record of the payload. False when shutdown came first.
    async fn deliver(&mut self, payload: Payload) -> bool {
        let mut pending = vec![payload];
        while let Some(payload) = pending.pop() {
            match self.attempt(&payload).await {
                Verdict::Delivered => add(&self.account.delivered, payload.records()),
                Verdict::Stopped => return false,
                Verdict::Refused(cause) => match payload.split() {
                    Ok(Some((first, second))) => pending.extend([second, first]),
                    Ok(None) | Err(_) => {
                        if !self.put_aside(&payload, &cause).await {
                            return false;
                        }
                    }
                },
            }
        }
        true
    }

    /// Exports until there is an answer that is final.
    async fn attempt(&mut self, payload: &Payload) -> Verdict {
        let Settings { initial_wait, max_wait, multiplier, .. } = self.settings;
        let mut backoff = Backoff::new(initial_wait, max_wait, multiplier, self.place.position().record ^ 0x9E37_79B9);
        let began = Instant::now();
        loop {
            let answer = tokio::select! {
                answer = self.exporter.export(payload) => answer,
                () = deadline(&mut self.stop) => return Verdict::Stopped,
            };
            let (wait, cause) = match answer {
                Ok(()) => return self.resumed(),
                Err(ExportError::Permanent { cause }) => return Verdict::Refused(cause),
                Err(ExportError::Pause { cause }) => {
                    self.alarm(&cause);
                    (PROBE_EVERY, cause)
                }
                Err(ExportError::Retry { after, cause }) => {
                    self.warn(&cause);
                    (backoff.next_wait().max(after.unwrap_or_default()), cause)
                }
            };
            add(&self.account.retries, 1);
            if self.is_given_up(began) {
                return Verdict::Refused(cause);
            }
            if !self.pause_for(wait).await {
                return Verdict::Stopped;
            }
        }
    }

    fn resumed(&self) -> Verdict {
        if self.account.paused.swap(false, Relaxed) {
            tracing::info!(exporter = self.account.exporter(), "destination takes records again");
        }
        self.account.failing.store(false, Relaxed);
        Verdict::Delivered
    }

    fn alarm(&self, cause: &str) {
        if !self.account.paused.swap(true, Relaxed) {
            tracing::error!(exporter = self.account.exporter(), cause, "paused: nothing is dropped, fix the exporter");
        }
    }

    /// Says once that a destination fails; again only after it worked in between.
    fn warn(&self, cause: &str) {
        if !self.account.failing.swap(true, Relaxed) {
            tracing::warn!(exporter = self.account.exporter(), cause, "export failed, will be tried again");
        }
    }

    fn is_given_up(&self, began: Instant) -> bool {
        !self.settings.retry || self.settings.give_up_after.is_some_and(|limit| began.elapsed() >= limit)
    }

    /// Puts the payload aside; waits where the folder cannot be written. False when shutdown came first.
    async fn put_aside(&mut self, payload: &Payload, cause: &str) -> bool {
        loop {
            match self.rejected.put(payload, cause).await {
                Ok(()) => {
                    add(&self.account.dead_lettered, payload.records());
                    tracing::warn!(exporter = self.account.exporter(), records = payload.records(), cause, "put aside");
                    return true;
                }
                Err(error) => {
                    tracing::error!(exporter = self.account.exporter(), %error, "cannot put a refused record aside");
                    if !self.pause_for(STORAGE_WAIT).await {
                        return false;
                    }
                }
            }
        }
    }

    /// Waits. False when the loop should end: at the deadline, or as soon as shutdown begins where the records are
    /// on disk, since waiting for a destination that fails would gain nothing then.
    async fn pause_for(&mut self, wait: Duration) -> bool {
        let durable = self.reader.is_durable();
        let ended = async |stop: &mut watch::Receiver<Option<Instant>>| {
            if durable {
                let _ = stop.wait_for(Option::is_some).await;
            } else {
                deadline(stop).await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = ended(&mut self.stop) => false,
        }
    }
}

/// Resolves at the moment at which the loop must end; never, while nobody asked for it.
async fn deadline(stop: &mut watch::Receiver<Option<Instant>>) {
    let at = match stop.wait_for(Option::is_some).await {
        Ok(at) => *at,
        Err(_) => return,
    };
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

fn add(counter: &AtomicU64, records: u64) {
    counter.fetch_add(records, Relaxed);
}
