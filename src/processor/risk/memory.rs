//! What `risk_tag` remembers between batches: windows of correlations, and the sessions of agents.
//!
//! One lock, held once a batch and only when something is to be remembered. Everything in here can be written down and read
//! back ([`snapshot`]), so that a restart forgets nothing; both have limits, beyond which what was not touched for longest goes,
//! and is counted.

pub mod session;
mod snapshot;

use std::sync::{Mutex, PoisonError};

use metrics::{counter, gauge};

use super::event::{Event, Field, Hits, RuleEngine, RuleInfo};
use super::sigma::correlation::Heard;
use super::sigma::correlation::state::State;
use session::{Fact, Note, Sessions};

/// How long a window or session is kept after it was last touched, at least.
const KEEP_NANOS: u64 = 24 * 3600 * 1_000_000_000;
/// How often stale windows and sessions are looked for.
const SWEEP_NANOS: u64 = 60 * 1_000_000_000;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    windows: State,
    sessions: Sessions,
    swept: u64,
}

/// Something that a record adds.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    /// The record: its resource, its scope, its place.
    pub(super) at: [usize; 3],
    /// When it happened, Unix nanoseconds.
    pub(super) time: u64,
    pub(super) heard: Vec<Heard>,
    pub(super) note: Option<Note<'a>>,
}

/// Something that several records together mean, as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) rule: RuleInfo,
    /// Which kind of correlation, or `session`.
    pub(super) kind: &'static str,
    pub(super) labels: Vec<(String, String)>,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: usize,
    pub(super) id: String,
}

impl Memory {
    /// Takes in what a batch adds, in its order; gives what is to be reported and for which record.
    pub(super) fn take(
        &self,
        pending: Vec<Pending<'_>>,
        engine: &dyn RuleEngine,
        now: u64,
    ) -> Vec<([usize; 3], Report)> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reports = vec![];
        for one in pending {
            let mut all = inner.correlate(&one.heard, one.time, now, engine);
            for fact in one.note.map_or(vec![], |note| inner.sessions.see(&note, one.time, now)) {
                all.extend(inner.judge(&fact, one.time, now, engine));
            }
            reports.extend(all.into_iter().map(|report| (one.at, report)));
        }
        reports.extend(inner.sweep(engine, now).into_iter().map(|report| ([0; 3], report)));
        reports
    }

    /// How many windows and sessions are open.
    #[must_use]
    pub fn open(&self) -> (usize, usize) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.windows.open(), inner.sessions.open())
    }

    /// Everything as bytes, if it changed since this was last asked.
    #[must_use]
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = inner.windows.take_changed() | inner.sessions.take_changed();
        changed.then(|| snapshot::write(&inner.windows, &inner.sessions))
    }

    /// Takes up what [`Memory::snapshot`] gave.
    ///
    /// # Errors
    /// When the bytes are no snapshot, or a damaged one. Nothing is taken up then.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), &'static str> {
        let (windows, sessions) = snapshot::read(bytes)?;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.windows, inner.sessions) = (windows, sessions);
        Ok(())
    }
}

impl Inner {
    fn correlate(&mut self, heard: &[Heard], time: u64, now: u64, engine: &dyn RuleEngine) -> Vec<Report> {
        if heard.is_empty() {
            return vec![];
        }
        let incidents = engine.correlate(heard, time, now, &mut self.windows);
        let reports = incidents.into_iter().filter_map(|incident| {
            Some(Report {
                rule: engine.incident_rule(&incident)?.clone(),
                kind: incident.kind,
                labels: incident.labels,
                first: incident.first_unix_nano,
                last: incident.last_unix_nano,
                count: incident.count,
                id: incident.id,
            })
        });
        reports.collect()
    }

    /// What the rules say to a fact about a session.
    fn judge(&mut self, fact: &Fact, time: u64, now: u64, engine: &dyn RuleEngine) -> Vec<Report> {
        let (mut hits, mut heard) = (Hits::default(), vec![]);
        let count = fact.count.to_string();
        let mut event = Event::default();
        event.push(Field::Kind, "session");
        event.push(Field::EventName, fact.name);
        event.push(Field::Vendor, &fact.vendor);
        event.push(Field::SessionId, &fact.session);
        event.push_attribute("telseal.count", crate::otlp::value::Value::Str(&count));
        engine.evaluate(&event, &mut hits, &mut heard);
        let labels = vec![("session.id".to_owned(), fact.session.clone())];
        let mut reports: Vec<Report> = hits
            .iter()
            .filter_map(|place| engine.rules().get(place))
            .map(|rule| Report {
                rule: rule.clone(),
                kind: "session",
                labels: labels.clone(),
                first: time,
                last: time,
                count: usize::try_from(fact.count).unwrap_or(usize::MAX),
                id: fact.id(),
            })
            .collect();
        reports.extend(self.correlate(&heard, time, now, engine));
        reports
    }

    /// Once a minute: forgets what is over, and finds sessions that ended without saying so.
    fn sweep(&mut self, engine: &dyn RuleEngine, now: u64) -> Vec<Report> {
        if now < self.swept.saturating_add(SWEEP_NANOS) {
            return vec![];
        }
        self.swept = now;
        self.windows.drop_stale(now, engine.look_back_nanos().max(KEEP_NANOS));
        let mut reports = vec![];
        for fact in self.sessions.drop_stale(now, KEEP_NANOS) {
            reports.extend(self.judge(&fact, now, now, engine));
        }
        let evicted = self.windows.take_evicted() + self.sessions.take_evicted();
        counter!("telseal_risk_state_evicted_total").increment(evicted);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
        gauge!("telseal_risk_state_entries").set((self.windows.open() + self.sessions.open()) as f64);
        reports
    }
}

#[cfg(test)]
mod tests;
