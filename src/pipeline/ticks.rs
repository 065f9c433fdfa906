//! What a ledger says by itself as time passes: that it lives, and that records were dropped.
//!
//! A gap entry tells the drops of one reason since the last one, at most once a second; a heartbeat comes when nothing was
//! sealed for a while; requests to the ledger are looked for once a second. The sequencer sleeps until the first of these is due.
//! Spools have none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::ledger::{DeclaredGap, Ledger};
use crate::pipeline::account::Account;
use crate::pipeline::sealer::Sealer;
use crate::pipeline::store::Writer;

/// How often drops are told, at most.
const GAP_EVERY: Duration = Duration::from_secs(1);

/// How often sessions are looked at that may be over.
const SESSIONS_EVERY: Duration = Duration::from_secs(60);

/// How often requests in `orders/` are looked for.
const REQUESTS_EVERY: Duration = Duration::from_secs(1);

/// How long a sequencer without anything to say sleeps: until somebody sends.
const IDLE: Duration = Duration::from_secs(3600);

/// The times at which a ledger says something by itself.
pub(super) struct Ticks {
    account: Arc<Account>,
    /// Cleared before the drops are read: a later one wakes the sequencer again.
    knows_drops: Arc<AtomicBool>,
    heartbeat: Option<Duration>,
    sealed_at: Instant,
    /// When drops are told next; `None` while there are none.
    gaps_due: Option<Instant>,
    /// When they were told last, by both clocks.
    told_at: Option<Instant>,
    told_at_ns: u64,
    sessions_seen_at: Instant,
    requests_seen_at: Instant,
    /// What was told, by reason.
    told: Vec<(String, u64)>,
    /// The ledger could not be written last time, and that was said.
    failing: bool,
}

impl Ticks {
    pub(super) fn new(writer: &Writer, account: Arc<Account>, knows_drops: Arc<AtomicBool>) -> Self {
        let ledger = writer.ledger();
        let heartbeat = ledger.map(|ledger| Duration::from_secs(ledger.heartbeat_seconds()));
        let told_at_ns = ledger.map_or(0, Ledger::now_ns);
        Self {
            account,
            knows_drops,
            heartbeat,
            sealed_at: Instant::now(),
            gaps_due: None,
            told_at: None,
            told_at_ns,
            sessions_seen_at: Instant::now(),
            requests_seen_at: Instant::now(),
            told: Vec::new(),
            failing: false,
        }
    }

    /// How long the sequencer may sleep.
    pub(super) fn rest(&self) -> Duration {
        let Some(heartbeat) = self.heartbeat else { return IDLE };
        let until = (self.sealed_at + heartbeat).min(self.requests_seen_at + REQUESTS_EVERY);
        let until = self.gaps_due.map_or(until, |due| due.min(until));
        until.saturating_duration_since(Instant::now())
    }

    /// Records were dropped.
    pub(super) fn dropped(&mut self) {
        if self.heartbeat.is_some() && self.gaps_due.is_none() {
            let now = Instant::now();
            self.gaps_due = Some(self.told_at.map_or(now, |told| (told + GAP_EVERY).max(now)));
        }
    }

    /// A group was stored, or could not be.
    pub(super) fn after_group(&mut self, writer: &mut Writer, is_stored: bool, has_drops: bool) {
        if self.heartbeat.is_none() {
            return;
        }
        if is_stored {
            self.sealed_at = Instant::now();
        }
        self.look_around(writer, Instant::now());
        if has_drops {
            self.dropped();
        }
        if is_stored && self.gaps_due.is_some_and(|due| due <= self.sealed_at) {
            self.tell_gaps(writer);
        }
    }

    /// Says what is due.
    pub(super) fn tick(&mut self, writer: &mut Writer) {
        let Some(heartbeat) = self.heartbeat else { return };
        let now = Instant::now();
        if self.gaps_due.is_some_and(|due| due <= now) {
            self.tell_gaps(writer);
        }
        self.look_around(writer, now);
        if self.sealed_at + heartbeat <= now {
            let told = writer.sealer().map(|sealer| sealer.ledger.heartbeat(&self.account.counters()));
            self.note(told.transpose().map(drop));
            // Also when it failed: a full disk is not asked again at once.
            self.sealed_at = now;
        }
    }

    /// Sessions that are over, and requests.
    fn look_around(&mut self, writer: &mut Writer, now: Instant) {
        let Some(sealer) = writer.sealer() else { return };
        if now.saturating_duration_since(self.sessions_seen_at) >= SESSIONS_EVERY {
            self.sessions_seen_at = now;
            sealer.close_idle_sessions();
        }
        if now.saturating_duration_since(self.requests_seen_at) >= REQUESTS_EVERY {
            self.requests_seen_at = now;
            sealer.serve();
        }
    }

    /// Says what is left to say before the end.
    pub(super) fn end(&mut self, writer: &mut Writer) {
        if self.heartbeat.is_some() {
            self.tell_gaps(writer);
        }
    }

    fn tell_gaps(&mut self, writer: &mut Writer) {
        let Some(Sealer { ledger, .. }) = writer.sealer() else { return };
        self.knows_drops.store(false, Relaxed);
        let (now, now_ns) = (Instant::now(), ledger.now_ns());
        let mut told = Ok(());
        for (cause, total) in self.account.counters().dropped {
            let before = self.told.iter_mut().find(|(known, _)| *known == cause);
            let count = total - before.as_ref().map_or(0, |(_, count)| *count);
            if count == 0 {
                continue;
            }
            told = ledger.gap(&DeclaredGap { cause: cause.clone(), count, from_ns: self.told_at_ns, to_ns: now_ns });
            if told.is_err() {
                break;
            }
            match before {
                Some(before) => before.1 = total,
                None => self.told.push((cause, total)),
            }
        }
        self.gaps_due = told.is_err().then(|| now + GAP_EVERY);
        if told.is_ok() {
            self.told_at_ns = now_ns;
            self.sealed_at = now;
        }
        self.told_at = Some(now);
        self.note(told);
    }

    fn note(&mut self, written: Result<(), crate::ledger::LedgerError>) {
        if let Err(error) = &written
            && !self.failing
        {
            tracing::error!(%error, "the ledger cannot say what it should; it is tried again");
        }
        self.failing = written.is_err();
    }
}
