//! Retention while the ledger is being written: a job that deletes what is due, by the same signed orders as `telseal retain`.
//!
//! Once in a while the oldest bodies are looked at. When they are due, a thread of its own verifies the whole ledger and plans;
//! the writer seals the orders between two groups; the thread then deletes. Taken are whole segments that every exporter has left
//! behind and, where closed segments are packed, that are packed. Nothing is deleted from a ledger that does not verify, or
//! without the root key. A kill in between is as with the command: the next start does the rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Draft, ORDERS_DIR, PENDING_FILE, Plan, Retention, SegmentFacts, Survey};
use crate::ledger::bodies::{self, Keyring};
use crate::ledger::close;
use crate::ledger::files::{self, Form, STUBS_EXTENSION};
use crate::ledger::verify::{VerifyOptions, verify};
use crate::ledger::walk::SegmentReader;
use crate::ledger::writer::{Ledger, LedgerError};
use crate::stdx::durable::{self, Mode};
use crate::stdx::segments::{Position, Retiring, path_of};
use crate::stdx::tasks;

/// Who is named in the orders.
const ACTOR: &str = "telseal";
/// The first look comes so long after the start, unless the interval is shorter: 1 minute.
const FIRST: Duration = Duration::from_secs(60);

/// What a ledger deletes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Bodies of segments whose last entry was sealed longer ago.
    pub older_than: Duration,
    /// How often that is looked for.
    pub every: Duration,
    /// The policy's name; it is sealed with the orders.
    pub name: String,
}

/// The job, at work or at rest.
#[derive(Debug)]
pub struct Job {
    policy: Policy,
    due: Instant,
    cancelled: Arc<AtomicBool>,
    state: State,
}

#[derive(Debug)]
enum State {
    Rest,
    Planning(JoinHandle<Result<Plan, String>>),
    Deleting(JoinHandle<Result<u64, String>>),
}

impl Job {
    /// A job that looks for the first time a minute after the start.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let due = Instant::now() + policy.every.min(FIRST);
        Self { policy, due, cancelled: Arc::default(), state: State::Rest }
    }

    /// Goes on, if there is something to go on with; never waits. `keep` is where the slowest exporter is.
    pub fn step(&mut self, ledger: &mut Ledger, keep: Position) {
        let next = match std::mem::replace(&mut self.state, State::Rest) {
            State::Rest if Instant::now() >= self.due => self.look(ledger, keep),
            State::Planning(thread) if thread.is_finished() => self.order(ledger, joined(thread)),
            State::Deleting(thread) if thread.is_finished() => Ok(self.report(joined(thread))),
            other => Ok(other),
        };
        self.state = next.unwrap_or_else(|error| {
            tracing::warn!(error, "retention: nothing was deleted; it is tried again at the next interval");
            State::Rest
        });
    }

    /// Is anything due? If so, a thread looks closer.
    fn look(&mut self, ledger: &Ledger, keep: Position) -> Result<State, String> {
        self.due = Instant::now() + self.policy.every;
        let (dir, now_ns) = (ledger.dir().to_owned(), ledger.now_ns());
        let age_ns = u64::try_from(self.policy.older_than.as_nanos()).unwrap_or(u64::MAX);
        let before_ns = now_ns.saturating_sub(age_ns);
        if !is_due(&dir, keep, before_ns).map_err(|error| error.to_string())? {
            return Ok(State::Rest);
        }
        if !ledger.has_root_key() {
            return Err(LedgerError::NoRootKey.to_string());
        }
        let retention =
            Retention { before_ns, actor: ACTOR.to_owned(), policy: self.policy.name.clone(), ..Retention::default() };
        let packed_only = ledger.packs();
        let keyring = ledger.encryption().clone();
        let plan = move || plan(&dir, &retention, &keyring, keep, packed_only);
        tasks::thread("retention-plan", plan).map(State::Planning).map_err(|error| error.to_string())
    }

    /// Seals the orders, and lets the thread delete.
    fn order(&self, ledger: &mut Ledger, plan: Result<Plan, String>) -> Result<State, String> {
        let plan = plan?;
        if plan.drafts.is_empty() {
            return Ok(State::Rest);
        }
        let (segments, pending) = seal_orders(ledger, &plan)?;
        let (dir, cancelled) = (ledger.dir().to_owned(), self.cancelled.clone());
        let records = plan.records;
        let delete = move || delete(&dir, segments, &pending, &cancelled).map(|()| records);
        tasks::thread("retention-delete", delete).map(State::Deleting).map_err(|error| error.to_string())
    }

    fn report(&self, done: Result<u64, String>) -> State {
        match done {
            Ok(records) => {
                metrics::counter!("telseal_ledger_retention_records_total").increment(records);
                tracing::info!(records, policy = self.policy.name, "retention: bodies were deleted by order");
            }
            Err(error) => {
                tracing::warn!(error, "retention: what was ordered is not all done; the next start does the rest");
            }
        }
        State::Rest
    }
}

impl Drop for Job {
    /// The folder may be opened again by the same process: nobody may change it then. A thread that plans only reads.
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
        if let State::Deleting(thread) = std::mem::replace(&mut self.state, State::Rest) {
            drop(thread.join());
        }
    }
}

fn joined<T>(thread: JoinHandle<Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("BUG: the thread panicked".to_owned()))
}

/// The oldest segment with bodies began before that: it costs one line to know.
fn is_due(dir: &Path, keep: Position, before_ns: u64) -> Result<bool, super::RetainError> {
    let files = files::list(dir)?;
    let Some(oldest) = files.iter().find(|file| file.form != Form::Stubs && file.first < keep.segment) else {
        return Ok(false);
    };
    let mut reader = SegmentReader::open(&oldest.path, &Keyring::default())?;
    while let Some(item) = reader.next_item()? {
        if let Some(entry) = item.entry().and_then(crate::ledger::entry::Entry::decode) {
            return Ok(entry.sealed_at_ns < before_ns);
        }
    }
    Ok(false)
}

/// Verifies everything, on one core, and says what goes.
fn plan(
    dir: &Path,
    retention: &Retention,
    keyring: &Keyring,
    keep: Position,
    packed_only: bool,
) -> Result<Plan, String> {
    let one = VerifyOptions { threads: Some(1), keyring: keyring.clone(), ..VerifyOptions::default() };
    let report = verify(dir, &one).map_err(|error| error.to_string())?;
    let root = &report.ledgers.first().ok_or("no ledger")?.key;
    let survey = Survey::read(dir, root, keyring, &BTreeSet::new()).map_err(|error| error.to_string())?;
    let stays = |segment: &SegmentFacts| {
        let is_plain = || path_of(dir, segment.first, crate::ledger::EXTENSION).exists();
        segment.first >= keep.segment || (packed_only && is_plain())
    };
    retention.plan_but(&survey, stays).map_err(|error| error.to_string())
}

/// The orders are on disk and signed when this returns. What is to be deleted, and the file that says so.
fn seal_orders(ledger: &mut Ledger, plan: &Plan) -> Result<(Vec<Retiring>, PathBuf), String> {
    let pending = pending(ledger.dir()).map_err(|error| error.to_string())?;
    for Draft { kind, order } in &plan.drafts {
        ledger.append_order(*kind, order).map_err(|error| error.to_string())?;
    }
    Ok((plan.segments.iter().map(|(first, _)| ledger.segments.to_retire(*first)).collect(), pending))
}

/// Says on disk that something may be unfinished.
fn pending(dir: &Path) -> durable::Result<PathBuf> {
    let orders = dir.join(ORDERS_DIR);
    durable::create_dir(&orders)?;
    let pending = orders.join(PENDING_FILE);
    durable::write_atomic(&pending, b"\n", Mode::Shared)?;
    Ok(pending)
}

/// Leaves the sidecars only. Each is made anew from the bodies, which were verified.
fn delete(dir: &Path, segments: Vec<Retiring>, pending: &Path, cancelled: &AtomicBool) -> Result<(), String> {
    for segment in segments {
        let path = segment.path();
        if !path.exists() {
            continue;
        }
        let stubs = path_of(dir, segment.first(), STUBS_EXTENSION);
        match close::write_stubs(&path, &stubs, cancelled) {
            Ok(true) => {
                let first = segment.first();
                let gone = segment.finish().and_then(|()| bodies::forget(dir, first));
                gone.map_err(|error| error.to_string())?;
            }
            Ok(false) => return Err("telseal is ending".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    durable::remove(pending).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, draft, fast_dir, options};
    use super::*;
    use crate::ledger::Options;
    use crate::ledger::bodies::tests::{check_keys, encrypted, encryption};
    use crate::stdx::durable::faults::{kill_at, revive};

    const POLICY: Duration = Duration::from_secs(3600);

    fn job() -> Job {
        let mut job = Job::new(Policy { older_than: POLICY, every: Duration::from_secs(86_400), name: "p".into() });
        job.due = Instant::now();
        job
    }

    /// Steps until it rests again.
    fn run(job: &mut Job, ledger: &mut Ledger, keep: Position) {
        job.due = Instant::now();
        job.step(ledger, keep);
        while !matches!(job.state, State::Rest) {
            job.step(ledger, keep);
        }
    }

    fn in_two_hours() -> u64 {
        crate::stdx::clock::unix_nanos() + 2 * u64::try_from(POLICY.as_nanos()).unwrap()
    }

    fn plain() -> Options {
        Options { compression: false, ..options() }
    }

    /// What an exporter that is at `keep` still gets.
    fn bodies_gone(dir: &Path) -> u64 {
        check(dir).unwrap().ledgers[0].bodies_gone
    }

    #[test]
    fn what_is_old_and_passed_goes_while_records_come_in() {
        let dir = fast_dir();
        let (mut ledger, ..) = Ledger::open(dir.path(), &plain()).unwrap();
        (0..12).for_each(|n| drop(ledger.append(&[draft(n)]).unwrap()));
        let (mut job, end) = (job(), ledger.end());
        assert!(end.segment > 0);
        run(&mut job, &mut ledger, end);
        assert_eq!(bodies_gone(dir.path()), 0, "nothing is old");
        drop(ledger);

        let later = Options { clock: in_two_hours, ..plain() };
        let (mut ledger, reader, _) = Ledger::open(dir.path(), &later).unwrap();
        run(&mut job, &mut ledger, Position::default());
        assert_eq!(bodies_gone(dir.path()), 0, "an exporter is at the beginning");
        let second = reader.segments().next_segment(Position::default()).unwrap();
        run(&mut job, &mut ledger, second);
        let gone = bodies_gone(dir.path());
        assert_eq!(gone, second.record);
        assert_eq!(reader.segments().oldest(), second);
        ledger.append(&[draft(12)]).unwrap();
        let end = ledger.end();
        run(&mut job, &mut ledger, end);
        assert!(bodies_gone(dir.path()) > gone);
        assert!(!dir.path().join(ORDERS_DIR).join(PENDING_FILE).exists());
        ledger.finish().unwrap();
        let (ledger, ..) = Ledger::open(dir.path(), &later).unwrap();
        ledger.finish().unwrap();
        assert!(bodies_gone(dir.path()) > gone);
    }

    #[test]
    fn nothing_goes_without_the_root_key_or_from_a_ledger_that_does_not_verify() {
        let dir = fast_dir();
        let (mut ledger, ..) = Ledger::open(dir.path(), &plain()).unwrap();
        (0..12).for_each(|n| drop(ledger.append(&[draft(n)]).unwrap()));
        ledger.finish().unwrap();
        let key = dir.path().join(crate::ledger::keys::ROOT_KEY_FILE);
        let aside = dir.path().join("aside");
        durable::rename(&key, &aside).unwrap();
        let later = Options { clock: in_two_hours, ..plain() };
        let (mut ledger, ..) = Ledger::open(dir.path(), &later).unwrap();
        let (mut job, end) = (job(), ledger.end());
        run(&mut job, &mut ledger, end);
        ledger.finish().unwrap();
        assert_eq!(bodies_gone(dir.path()), 0);
        durable::rename(&aside, &key).unwrap();

        let (mut ledger, ..) = Ledger::open(dir.path(), &later).unwrap();
        let first = path_of(dir.path(), 0, crate::ledger::EXTENSION);
        let good = std::fs::read_to_string(&first).unwrap();
        durable::replace(&first, good.replacen("record 1", "record 7", 1).as_bytes(), Mode::Shared).unwrap();
        let end = ledger.end();
        run(&mut job, &mut ledger, end);
        durable::replace(&first, good.as_bytes(), Mode::Shared).unwrap();
        assert_eq!(bodies_gone(dir.path()), 0);
        ledger.finish().unwrap();
        verify(dir.path(), &VerifyOptions::default()).unwrap();
    }

    /// One retention that is killed at its effect number `at`. How many bodies are gone after the next start, of how many, and
    /// whether it came to its end.
    fn killed(at: u64) -> (u64, u64, bool) {
        let dir = fast_dir();
        let (mut ledger, ..) = Ledger::open(dir.path(), &plain()).unwrap();
        (0..12).for_each(|n| drop(ledger.append(&[draft(n)]).unwrap()));
        let all = Retention { before_ns: u64::MAX, actor: ACTOR.to_owned(), ..Retention::default() };
        let plan = plan(dir.path(), &all, &encryption(), ledger.end(), false).unwrap();
        kill_at(at, false);
        let done = seal_orders(&mut ledger, &plan)
            .and_then(|(segments, pending)| delete(dir.path(), segments, &pending, &AtomicBool::new(false)));
        revive();
        drop(ledger);
        let (ledger, ..) = Ledger::open(dir.path(), &plain()).unwrap();
        ledger.finish().unwrap();
        check_keys(dir.path());
        (bodies_gone(dir.path()), plan.records, done.is_ok())
    }

    fn killed_everywhere() {
        let (mut at, mut kept, mut went) = (1, 0, 0);
        loop {
            let (gone, records, is_done) = killed(at);
            assert!(records > 0 && (gone == 0 || gone == records), "killed at {at}: {gone} of {records}");
            (kept, went) = (kept + u64::from(gone == 0), went + u64::from(gone > 0));
            if is_done {
                break;
            }
            at += 1;
        }
        assert!(kept > 3 && went > 10, "{kept}, {went}");
    }

    #[test]
    fn a_kill_at_any_effect_leaves_all_bodies_or_none_after_the_next_start() {
        killed_everywhere();
    }

    #[test]
    fn a_kill_at_any_effect_leaves_all_encrypted_bodies_or_none_after_the_next_start() {
        encrypted(killed_everywhere);
    }
}
