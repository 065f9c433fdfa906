//! The delivery loop: one task an exporter, one cursor, one payload under way.
//!
//! Read at the cursor, export, and move the cursor only when the destination confirmed or the record was put aside.
//! - `Retry`: the same payload again after a wait (exponential, full jitter, at least what the destination asked for).
//!   Where an end of that is configured, the payload is then put aside as it is.
//! - `Pause`: a credential or an address is wrong; nothing is dropped, an alarm is raised, and one probe a while is made.
//! - `Permanent`: the payload is halved until the bad record stands alone; that one is put aside with the cause.
//! - `Partial`: the destination said which records it refuses; those are put aside, the rest is delivered.
//!
//! An exporter of rolls (objects in a bucket) is driven by `delivery/rolling.rs` with the same verdicts.
//!
//! A slow exporter slows no other. Delivery is at least once: after a crash the last payloads may go out again. At
//! shutdown a loop over records on disk ends with the first failure, since they stay; one over records in memory uses
//! the time there is.

mod rolling;
mod stop;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::exporter::{ExportError, Exporter, Payload, Refusal, Roll, refused_records};
use crate::pipeline::account::ExportAccount;
use crate::pipeline::cursor::Place;
use crate::pipeline::lens::Lens;
use crate::pipeline::rejected::Rejected;
use crate::pipeline::store::{Chunk, ReadError, Reader};

pub use self::rolling::Rolling;
use self::stop::Begun;
pub use self::stop::Stop;
use crate::stdx::backoff::Backoff;
use crate::stdx::clock;

/// How a delivery loop tries again, and how much it takes at once.
#[derive(Debug, Clone)]
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
    /// What the exporter gets to see.
    pub lens: Lens,
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
            lens: Lens::default(),
        }
    }
}

/// The wait between probes of a paused exporter.
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// The wait after the log or the dead-letter folder could not be read or written.
const STORAGE_WAIT: Duration = Duration::from_secs(5);
/// The longest wait between the last tries, when shutdown has begun and the records are in memory.
const LAST_WAIT: Duration = Duration::from_secs(1);

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
    /// Where it gathers, if it is an exporter of rolls.
    pub rolling: Option<Rolling>,
    /// When it is to end.
    pub stop: Stop,
}

/// How an attempt ended.
enum Verdict {
    Delivered,
    /// All was taken but these, which never will be.
    Partial {
        refused: Vec<Refusal>,
        rejected_before: u64,
    },
    /// It will never be taken as it is; why.
    Refused(String),
    /// It may be good, but was tried for as long as it should be.
    GivenUp(String),
    /// Shutdown came first; the payload stays where it is.
    Stopped,
}

/// What an exporter is asked to do.
#[derive(Clone, Copy)]
enum Call<'p> {
    Export(&'p Payload),
    Gather(&'p Payload),
    Confirm(&'p Roll),
}

impl<'p> Call<'p> {
    fn of(payload: &'p Payload, rolls: bool) -> Self {
        if rolls { Self::Gather(payload) } else { Self::Export(payload) }
    }

    /// True when it was a payload with which the roll is large enough.
    async fn make<E: Exporter>(self, exporter: &E, rolling: Option<&Rolling>) -> Result<bool, ExportError> {
        match (self, rolling) {
            (Self::Gather(payload), Some(rolling)) => exporter.gather(&rolling.log, payload).await,
            (Self::Confirm(roll), Some(rolling)) => exporter.confirm(&rolling.log, roll).await.map(|()| false),
            (Self::Export(payload) | Self::Gather(payload), _) => exporter.export(payload).await.map(|()| false),
            (Self::Confirm(_), None) => Ok(false),
        }
    }
}

/// A loop that dies takes its exporter out of service until the next start. Nothing is lost, but somebody must know.
impl<E> Drop for Delivery<E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.account.paused.store(true, Relaxed);
            tracing::error!(
                exporter = self.account.exporter(),
                "BUG: delivery died; its records are kept, restart telseal"
            );
        }
    }
}

impl<E: Exporter> Delivery<E> {
    /// Runs until the log is closed and read to its end, or the shutdown deadline.
    pub async fn run(mut self) {
        self.begin().await;
        if let Some(every) = self.exporter.rolls_every() {
            self.run_rolls(every).await;
            return self.place.store_durably().await;
        }
        while self.wait_for_records().await {
            if !self.step().await {
                break;
            }
        }
        self.place.store_durably().await;
    }

    /// Only what a human must mend is of interest before there is a record.
    async fn begin(&mut self) {
        let answer = tokio::select! {
            answer = self.exporter.begin() => answer,
            () = self.stop.deadline() => return,
        };
        if let Err(ExportError::Pause { cause }) = answer {
            self.alarm(&cause);
        }
    }

    /// Waits for records behind the cursor; stores the cursor when there is a moment of rest.
    async fn wait_for_records(&mut self) -> bool {
        while !self.stop.is_leaving() {
            let rest = self.place.rest_before_store();
            tokio::select! {
                more = self.reader.wait(self.place.position()) => return more,
                () = self.stop.no_more() => return false,
                () = tokio::time::sleep(rest.unwrap_or(Duration::MAX)), if rest.is_some() => self.place.store().await,
            }
        }
        false
    }

    /// One payload. False when shutdown came first.
    async fn step(&mut self) -> bool {
        self.catch_up();
        let Chunk { payload, next } = match self.reader.read(self.place.position(), self.settings.batch_bytes_max).await
        {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return true,
            Err(error) => return self.read_failed(error).await,
        };
        // The log may have dropped its oldest between the look and the read.
        let first = next.record.saturating_sub(payload.records());
        self.settle(&self.account.overrun, first.saturating_sub(self.place.position().record));
        self.place.begin(next);
        if payload.records() > 0 && !self.show(payload).await {
            self.keep_progress().await;
            return false;
        }
        self.finish().await;
        true
    }

    /// Delivers what the exporter is to see of a payload. False when shutdown came first.
    async fn show(&mut self, payload: Payload) -> bool {
        let records = payload.records();
        let seen = match self.settings.lens.look(payload.clone()) {
            Ok(seen) => seen,
            Err(error) => {
                return self.put_aside(&payload, &format!("not sent, since it cannot be read: {error}")).await;
            }
        };
        let left = seen.as_ref().map_or(0, Payload::records);
        if let Some(seen) = seen
            && !self.deliver(seen).await
        {
            return false;
        }
        // Only now: what was passed over lies between the others, and progress is kept by count.
        self.settle(&self.account.filtered, records - left);
        true
    }

    /// These records have met their fate.
    fn settle(&self, fate: &AtomicU64, records: u64) {
        add(fate, records);
        add(&self.account.passed, records);
    }

    async fn finish(&mut self) {
        self.place.finish(&self.reader);
        // The same number as before, or records went past uncounted.
        self.account.passed.store(self.place.passed(), Relaxed);
        self.place.store_when_due().await;
    }

    /// Shutdown came while a payload was halved: moves behind the part of it that is delivered or put aside already, as far
    /// as the log can be read on from there, so that it does not come again.
    async fn keep_progress(&mut self) {
        let settled = self.place.settled(self.account.passed.load(Relaxed));
        if self.reader.oldest() > self.place.position() {
            return;
        }
        // Line by line, where requests are kept as a whole.
        let mut reader = self.reader.of_exporter(false);
        while let Ok(Some(chunk)) = reader.read(self.place.position(), 1).await
            && chunk.next.record <= settled
        {
            self.place.begin(chunk.next);
            self.place.finish(&self.reader);
        }
    }

    /// Jumps over what the log had to drop before it was this exporter's turn, and counts it.
    fn catch_up(&mut self) {
        let missed = self.place.catch_up(&self.reader);
        self.settle(&self.account.overrun, missed);
    }

    /// Goes on behind damage, counts it, and waits where the disk does not answer. False when shutdown came first.
    async fn read_failed(&mut self, error: ReadError) -> bool {
        let from = self.place.position();
        self.catch_up();
        if self.place.position() != from {
            return true;
        }
        let exporter = self.account.exporter();
        let Some(next) = error.read_on() else {
            tracing::error!(exporter, %error, "cannot read the stored records");
            return self.pause_for(STORAGE_WAIT).await;
        };
        let records = next.record.saturating_sub(from.record);
        tracing::error!(exporter, %error, records, "stored records are damaged and lost, going on behind them");
        self.settle(&self.account.damaged, records);
        self.place.begin(next);
        self.finish().await;
        true
    }

    /// Delivers or puts aside every record of the payload. False when shutdown came first.
    async fn deliver(&mut self, payload: Payload) -> bool {
        let mut pending = vec![payload];
        while let Some(payload) = pending.pop() {
            let (cause, halves) = match self.attempt(Call::of(&payload, self.rolling.is_some())).await {
                Verdict::Delivered => continue,
                Verdict::Partial { refused, rejected_before }
                    if self.put_aside_some(&payload, &refused, rejected_before).await =>
                {
                    continue;
                }
                Verdict::Partial { .. } => return false,
                Verdict::Stopped => return false,
                Verdict::GivenUp(cause) => (cause, None),
                Verdict::Refused(cause) => (cause, payload.split().ok().flatten()),
            };
            match halves {
                Some((first, second)) => pending.extend([second, first]),
                None if self.put_aside(&payload, &cause).await => {}
                None => return false,
            }
        }
        true
    }

    /// Exports until there is an answer that is final.
    async fn attempt(&mut self, call: Call<'_>) -> Verdict {
        let Settings { initial_wait, max_wait, multiplier, .. } = self.settings;
        let mut backoff = Backoff::new(initial_wait, max_wait, multiplier, clock::unix_nanos());
        let began = Instant::now();
        loop {
            let rejected_before = self.exporter.rejected_records();
            let answer = tokio::select! {
                // An answer that has come counts, even at the last moment.
                biased;
                answer = call.make(&*self.exporter, self.rolling.as_ref()) => answer,
                () = self.stop.deadline() => return Verdict::Stopped,
            };
            let wait = match answer {
                Ok(is_full) => {
                    self.taken(call, is_full, rejected_before);
                    return Verdict::Delivered;
                }
                Err(ExportError::Permanent { cause }) => {
                    self.answered();
                    return Verdict::Refused(cause);
                }
                Err(ExportError::Partial { refused }) => {
                    self.answered();
                    return Verdict::Partial { refused, rejected_before };
                }
                Err(ExportError::Pause { cause }) => {
                    self.alarm(&cause);
                    PROBE_EVERY
                }
                Err(ExportError::Retry { cause, .. }) if self.is_given_up(began) => return Verdict::GivenUp(cause),
                Err(ExportError::Retry { after, cause }) => {
                    self.warn(&cause);
                    backoff.next_wait().max(after.unwrap_or_default())
                }
            };
            add(&self.account.retries, 1);
            self.catch_up();
            if !self.pause_for(wait).await {
                return Verdict::Stopped;
            }
        }
    }

    /// A call has ended well.
    fn taken(&mut self, call: Call<'_>, is_full: bool, rejected_before: u64) {
        match (call, &mut self.rolling) {
            // The destination knows nothing of it yet.
            (Call::Gather(payload), Some(rolling)) => rolling.add(payload, is_full),
            (Call::Confirm(roll), _) => {
                self.answered();
                self.settle(&self.account.delivered, roll.records);
            }
            (Call::Export(payload) | Call::Gather(payload), _) => {
                self.answered();
                self.count_delivered(payload.records(), rejected_before);
            }
        }
    }

    /// What the destination took, without what it said it threw away of that. An exporter that several pipelines share
    /// counts for all of them: with exports at the same time the wrong one may be charged, never more than it sent.
    fn count_delivered(&self, records: u64, rejected_before: u64) {
        let rejected = self.exporter.rejected_records().saturating_sub(rejected_before).min(records);
        self.settle(&self.account.rejected, rejected);
        self.settle(&self.account.delivered, records - rejected);
    }

    /// The destination works: it took the payload, or had something to say about it.
    fn answered(&self) {
        let was_paused = self.account.paused.swap(false, Relaxed);
        if self.account.failing.swap(false, Relaxed) || was_paused {
            tracing::info!(exporter = self.account.exporter(), "the destination answers again");
        }
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

    /// Puts some records of a payload aside; the others are delivered. Nothing is counted before all of it is done, since
    /// progress is kept by count. False when shutdown came first.
    async fn put_aside_some(&mut self, payload: &Payload, refused: &[Refusal], rejected_before: u64) -> bool {
        for Refusal { records, cause } in refused {
            // What cannot be taken apart is put aside as a whole: twice is better than never.
            let bad = payload.pick(records).unwrap_or_else(|_| payload.clone());
            if !self.write_aside(&bad, cause).await {
                return false;
            }
        }
        let bad = refused_records(refused).min(payload.records());
        self.settle(&self.account.dead_lettered, bad);
        self.count_delivered(payload.records() - bad, rejected_before);
        true
    }

    /// Puts the payload aside. False when shutdown came first.
    async fn put_aside(&mut self, payload: &Payload, cause: &str) -> bool {
        let done = self.write_aside(payload, cause).await;
        if done {
            self.settle(&self.account.dead_lettered, payload.records());
        }
        done
    }

    /// Writes dead letters; waits where the folder cannot be written. False when shutdown came first.
    async fn write_aside(&mut self, payload: &Payload, cause: &str) -> bool {
        loop {
            match self.rejected.put(payload, cause).await {
                Ok(()) => {
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
    /// on disk, since waiting for a destination that fails would gain nothing then; and when only this loop is to end, for
    /// its records stay in the log. From memory there is a try at once.
    async fn pause_for(&mut self, wait: Duration) -> bool {
        let durable = self.reader.is_durable();
        if self.stop.is_leaving() {
            return false;
        }
        if !self.stop.is_shutdown() {
            return tokio::select! {
                () = tokio::time::sleep(wait) => true,
                begun = self.stop.begun() => begun == Begun::Shutdown && !durable,
            };
        }
        tokio::select! {
            () = tokio::time::sleep(wait.min(LAST_WAIT)), if !durable => true,
            () = self.stop.deadline(), if !durable => false,
            else => false,
        }
    }
}

fn add(counter: &AtomicU64, records: u64) {
    counter.fetch_add(records, Relaxed);
}
