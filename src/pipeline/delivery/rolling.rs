//! The delivery loop of an exporter of rolls: it reads ahead of the cursor until the exporter has enough or the time is up,
//! has the roll confirmed, and only then moves the cursor, on disk, behind all of it.
//!
//! What the exporter gathers is a copy that may be thrown away at any moment: the log has everything behind the cursor.
//! Books: records that are filtered or put aside are settled when they are read, the others when the roll is confirmed.

use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Delivery, Verdict};
use crate::exporter::{ExportError, Exporter, Log, Payload, Roll};
use crate::pipeline::store::Chunk;

/// What a delivery loop knows of the roll that is being gathered.
#[derive(Debug)]
pub struct Rolling {
    pub(super) log: Log,
    /// How much of the log a roll may hold up.
    held_bytes_max: u64,
    open: Open,
}

#[derive(Debug, Default)]
struct Open {
    began: Option<Instant>,
    records: u64,
    held_bytes: u64,
    is_full: bool,
}

impl Rolling {
    /// Nothing is gathered yet.
    #[must_use]
    pub fn new(log: Log, held_bytes_max: u64) -> Self {
        Self { log, held_bytes_max, open: Open::default() }
    }

    /// The exporter has a payload.
    pub(super) fn add(&mut self, payload: &Payload, is_full: bool) {
        self.open.records += payload.records();
        self.open.is_full |= is_full;
    }

    fn is_full(&self) -> bool {
        self.open.is_full || self.open.held_bytes >= self.held_bytes_max
    }
}

/// Why gathering paused.
enum Next {
    More,
    Due,
    /// The log is closed and read to its end.
    End,
    Stopped,
}

impl<E: Exporter> Delivery<E> {
    /// Until the log is closed and read to its end, or the shutdown deadline.
    pub(super) async fn run_rolls(&mut self, every: Duration) {
        if !self.resume().await {
            return;
        }
        loop {
            let goes_on = match self.next(every).await {
                Next::More => self.gather().await,
                Next::Due => self.close_roll().await,
                Next::End => {
                    self.close_roll().await;
                    false
                }
                Next::Stopped => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn open(&self) -> Option<&Open> {
        self.rolling.as_ref().map(|rolling| &rolling.open)
    }

    async fn next(&mut self, every: Duration) -> Next {
        // What is gathered is gathered again by whoever comes next.
        if self.stop.is_leaving() {
            return Next::Stopped;
        }
        if self.rolling.as_ref().is_some_and(Rolling::is_full) {
            return Next::Due;
        }
        let due = self.open().and_then(|open| open.began).map(|began| began + every);
        let ahead = self.place.ahead();
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Next::Due,
            more = self.reader.wait(ahead) => if more { Next::More } else { Next::End },
            () = self.stop.no_more() => Next::Stopped,
        }
    }

    /// Reads one payload ahead of the cursor. False when shutdown came first.
    async fn gather(&mut self) -> bool {
        self.catch_up();
        let ahead = self.place.ahead();
        let Chunk { payload, next } = match self.reader.read(ahead, self.settings.batch_bytes_max).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return true,
            // Damage: first everything before it, then on behind it.
            Err(_) if ahead != self.place.position() => return self.close_roll().await,
            Err(error) => return self.read_failed(error).await,
        };
        let first = next.record.saturating_sub(payload.records());
        self.settle(&self.account.overrun, first.saturating_sub(ahead.record));
        self.place.begin(next);
        if let Some(rolling) = &mut self.rolling {
            rolling.open.began.get_or_insert_with(Instant::now);
            // As the log counts, which is more than the records themselves.
            rolling.open.held_bytes = self.reader.bytes_between(self.place.position(), next);
        }
        payload.records() == 0 || self.show(payload).await
    }

    /// Has the roll confirmed and moves the cursor behind it. False when shutdown came first.
    async fn close_roll(&mut self) -> bool {
        let records = self.open().map_or(0, |open| open.records);
        if records > 0 {
            let (from, to) = (self.place.position(), self.place.ahead());
            let checkpoint = self.reader.checkpoint(to).await;
            if !self.send(&Roll { from, to, records, checkpoint }).await {
                return false;
            }
        }
        self.finish().await;
        self.settle_roll().await;
        true
    }

    /// Before the next roll may begin, the cursor is on disk: of two rolls that a crash leaves, one would come twice.
    async fn settle_roll(&mut self) {
        self.place.store_durably().await;
        if let Some(rolling) = &mut self.rolling {
            rolling.open = Open::default();
            self.exporter.settled(&rolling.log).await;
        }
    }

    /// What an earlier run has begun to send is sent as it is. False when shutdown came first.
    async fn resume(&mut self) -> bool {
        let Some(log) = self.rolling.as_ref().map(|rolling| rolling.log.clone()) else { return false };
        let from = self.place.position();
        let roll = loop {
            match self.exporter.resume(&log, from).await {
                Ok(roll) => break roll,
                Err(ExportError::Pause { cause }) => self.alarm(&cause),
                Err(error) => self.warn(&error.to_string()),
            }
            if !self.pause_for(super::STORAGE_WAIT).await {
                return false;
            }
        };
        let Some(roll) = roll.filter(|roll| roll.to > from) else { return true };
        tracing::info!(exporter = self.account.exporter(), records = roll.records, "going on with what was being sent");
        self.place.begin(roll.to);
        if !self.send(&roll).await {
            return false;
        }
        // Of the others it was settled before the crash what they are; only their number is known now.
        self.settle(&self.account.filtered, (roll.to.record - from.record).saturating_sub(roll.records));
        self.finish().await;
        self.settle_roll().await;
        true
    }

    /// Sends a roll until there is an answer that is final. False when shutdown came first.
    async fn send(&mut self, roll: &Roll) -> bool {
        loop {
            let cause = match self.attempt(Call::Confirm(roll)).await {
                Verdict::Delivered | Verdict::Partial { .. } => return true,
                Verdict::Stopped => return false,
                Verdict::GivenUp(cause) => return self.put_roll_aside(roll, &cause).await,
                Verdict::Refused(cause) => cause,
            };
            // No record of thousands is to blame; somebody has to look.
            self.alarm(&cause);
            if !self.pause_for(super::PROBE_EVERY).await {
                return false;
            }
        }
    }

    /// Reads the roll once more and puts all of it aside. False when shutdown came first.
    async fn put_roll_aside(&mut self, roll: &Roll, cause: &str) -> bool {
        let mut at = roll.from;
        while at < roll.to
            && let Ok(Some(Chunk { payload, next })) = self.reader.read(at, self.settings.batch_bytes_max).await
        {
            at = next;
            let Ok(Some(seen)) = self.settings.lens.look(payload) else { continue };
            if !self.put_aside(&seen, cause).await {
                return false;
            }
        }
        true
    }
}
