//! Exporters of rolls: the cursor moves when a roll is confirmed and not before, whatever happens in between.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telseal::exporter::{ExportError, Exporter, Log, Payload, Roll};
use telseal::otlp::Signal;
use telseal::pipeline::chain::{Chain, Seal};
use telseal::pipeline::store::Kind;
use telseal::pipeline::{Budget, Pipeline, Request, Settings};
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::segments::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::rig::{copy_of, dead_letters, ledger, named, names, quick, request};

const AGE: Duration = Duration::from_secs(300);

/// A destination of rolls: keeps what it gathered, and confirms as it is told.
struct Bucket {
    /// A roll is large enough with so many records.
    full_at: usize,
    gathered: Mutex<Vec<String>>,
    confirmed: Mutex<Vec<(Roll, Vec<String>)>>,
    says: Mutex<VecDeque<ExportError>>,
    left: Mutex<Option<Roll>>,
    settled: Mutex<usize>,
}

impl Bucket {
    fn new(full_at: usize) -> Arc<Self> {
        Arc::new(Self {
            full_at,
            gathered: Mutex::default(),
            confirmed: Mutex::default(),
            says: Mutex::default(),
            left: Mutex::default(),
            settled: Mutex::default(),
        })
    }

    fn says(&self, errors: impl IntoIterator<Item = ExportError>) {
        self.says.lock().unwrap().extend(errors);
    }

    fn rolls(&self) -> Vec<Vec<String>> {
        self.confirmed.lock().unwrap().iter().map(|(_, names)| names.clone()).collect()
    }
}

impl Exporter for Bucket {
    async fn export(&self, _: &Payload) -> Result<(), ExportError> {
        panic!("an exporter of rolls is never asked to export");
    }

    fn rolls_every(&self) -> Option<Duration> {
        Some(AGE)
    }

    async fn resume(&self, _: &Log, from: Position) -> Result<Option<Roll>, ExportError> {
        Ok(self.left.lock().unwrap().take().filter(|roll| roll.from == from))
    }

    async fn gather(&self, _: &Log, payload: &Payload) -> Result<bool, ExportError> {
        let mut gathered = self.gathered.lock().unwrap();
        let names = names(&payload.otlp().unwrap());
        if names.contains(&"bad".to_owned()) {
            return Err(ExportError::Permanent { cause: "scripted".to_owned() });
        }
        gathered.extend(names);
        Ok(gathered.len() >= self.full_at)
    }

    async fn confirm(&self, _: &Log, roll: &Roll) -> Result<(), ExportError> {
        if let Some(error) = self.says.lock().unwrap().pop_front() {
            return Err(error);
        }
        let names = std::mem::take(&mut *self.gathered.lock().unwrap());
        self.confirmed.lock().unwrap().push((roll.clone(), names));
        Ok(())
    }

    async fn settled(&self, _: &Log) {
        *self.settled.lock().unwrap() += 1;
    }
}

struct Rig {
    pipeline: Pipeline,
    dir: std::path::PathBuf,
    budget: Budget,
    stop: watch::Sender<Option<Instant>>,
}

impl Rig {
    fn start(
        dir: &std::path::Path,
        bucket: &Arc<Bucket>,
        storage: Kind,
        hold_bytes_max: u64,
        drop_oldest: bool,
    ) -> Self {
        Self::start_with(dir, bucket, storage, hold_bytes_max, drop_oldest, quick())
    }

    fn start_with(
        dir: &std::path::Path,
        bucket: &Arc<Bucket>,
        storage: Kind,
        hold_bytes_max: u64,
        drop_oldest: bool,
        delivery: telseal::pipeline::delivery::Settings,
    ) -> Self {
        let dir = dir.join("logs");
        let seal = matches!(storage, Kind::Ledger(_)).then(Seal::default);
        let id = "logs".to_owned();
        let settings = Settings { id, signal: Signal::Logs, dir: dir.clone(), storage, hold_bytes_max, drop_oldest };
        let pipeline = Pipeline::open(settings, Chain::new(Signal::Logs, vec![], seal)).unwrap();
        let (stop, stopped) = watch::channel(None);
        pipeline.attach("awss3", bucket.clone(), delivery, stopped).unwrap();
        Self { pipeline, dir, budget: Budget::new(ByteSize::mib(64)), stop }
    }

    async fn submit(&self, names: &[String]) {
        let body = request(names);
        let permit = self.budget.reserve(body.len()).unwrap();
        let request = Request {
            signal: Signal::Logs,
            body,
            records: names.len() as u64,
            permit,
            sender: telseal::otlp::sender::Sender::default(),
        };
        self.pipeline.intake().unwrap().submit(request).await.unwrap();
    }

    /// Real time, because the disk is real; the clock of timers is virtual where a test says so.
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("waited in vain: {:?}", self.pipeline.exports());
    }

    fn lag(&self) -> u64 {
        self.pipeline.exports()[0].lag_records.load(Relaxed)
    }

    async fn stop(self) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.stop.send_replace(Some(deadline));
        let left = self.pipeline.drain(deadline).await;
        assert_eq!(self.pipeline.exports()[0].unaccounted(), 0, "{:?}", self.pipeline.exports());
        left
    }
}

fn retry() -> ExportError {
    ExportError::Retry { after: None, cause: "scripted".to_owned() }
}

#[tokio::test]
async fn a_roll_is_confirmed_when_it_is_large_enough_and_the_cursor_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(6);
    let rig = Rig::start(dir.path(), &bucket, Kind::Spool, 64 << 20, false);
    rig.submit(&named(0..4)).await;
    rig.until(|_| bucket.gathered.lock().unwrap().len() == 4).await;
    assert_eq!((rig.lag(), bucket.rolls().len()), (4, 0));
    rig.submit(&named(4..8)).await;
    rig.until(|rig| rig.lag() == 0).await;
    assert_eq!(bucket.rolls(), [named(0..8)]);
    rig.submit(&named(8..9)).await;
    assert_eq!(rig.stop().await, 0);
    assert_eq!(bucket.rolls(), [named(0..8), named(8..9)]);
    let confirmed = bucket.confirmed.lock().unwrap().clone();
    assert_eq!(confirmed[0].0.to, confirmed[1].0.from);
}

#[tokio::test(start_paused = true)]
async fn a_roll_is_confirmed_when_its_first_record_is_old_enough() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(1000);
    let rig = Rig::start(dir.path(), &bucket, Kind::Memory, 64 << 20, false);
    let began = Instant::now();
    rig.submit(&named(0..1)).await;
    tokio::time::sleep(AGE / 2).await;
    rig.submit(&named(1..2)).await;
    tokio::time::sleep(AGE / 2 + Duration::from_secs(1)).await;
    assert_eq!(bucket.rolls(), [named(0..2)]);
    assert!(began.elapsed() < AGE + Duration::from_secs(2));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_roll_does_not_hold_up_a_log_until_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(usize::MAX);
    let rig = Rig::start(dir.path(), &bucket, Kind::Memory, 4000, false);
    for at in 0..200 {
        rig.submit(&named(at..at + 1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.stop().await;
    assert!(bucket.rolls().len() > 2);
    assert_eq!(bucket.rolls().concat(), named(0..200));
}

#[tokio::test]
async fn what_is_not_confirmed_is_sent_again_and_never_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(4);
    bucket.says([retry(), retry(), retry()]);
    let rig = Rig::start(dir.path(), &bucket, ledger(64 << 20), 64 << 20, false);
    rig.submit(&named(0..4)).await;
    rig.until(|rig| rig.lag() == 0).await;
    assert_eq!(bucket.rolls(), [named(0..4)]);
    let checkpoint = bucket.confirmed.lock().unwrap()[0].0.checkpoint.clone();
    assert!(checkpoint.is_some_and(|note| note.starts_with("logs") || note.contains("\n\n\u{2014} ")));
    assert!(!rig.dir.join("rejected").exists());
    rig.stop().await;
}

#[tokio::test]
async fn a_roll_given_up_is_put_aside_record_by_record() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(4);
    bucket.says([retry()]);
    let once = telseal::pipeline::delivery::Settings { retry: false, ..quick() };
    let rig = Rig::start_with(dir.path(), &bucket, Kind::Spool, 64 << 20, false, once);
    rig.submit(&named(0..4)).await;
    rig.until(|rig| rig.lag() == 0).await;
    assert_eq!(dead_letters(&rig.dir.join("rejected/awss3.ndjson")).len(), 4);
    assert_eq!(rig.pipeline.exports()[0].dead_lettered.load(Relaxed), 4);
    rig.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_encoded_is_put_aside_alone() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(3);
    let rig = Rig::start(dir.path(), &bucket, Kind::Spool, 64 << 20, false);
    rig.submit(&["a", "b", "bad", "c"].map(str::to_owned)).await;
    rig.until(|rig| rig.lag() == 0).await;
    assert_eq!(bucket.rolls(), [["a", "b", "c"].map(str::to_owned)]);
    assert_eq!(dead_letters(&rig.dir.join("rejected/awss3.ndjson")).len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn after_a_crash_what_was_not_confirmed_comes_again_and_what_was_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(4);
    let rig = Rig::start(dir.path(), &bucket, Kind::Spool, 64 << 20, false);
    rig.submit(&named(0..4)).await;
    rig.until(|_| *bucket.settled.lock().unwrap() == 1).await;
    rig.submit(&named(4..6)).await;
    rig.until(|_| bucket.gathered.lock().unwrap().len() == 2).await;
    let crashed = copy_of(&rig.dir);
    let again = Bucket::new(3);
    let second = Rig::start(crashed.path(), &again, Kind::Spool, 64 << 20, false);
    second.submit(&named(6..7)).await;
    second.until(|rig| rig.lag() == 0).await;
    assert_eq!(again.rolls(), [named(4..7)]);
    second.stop().await;
    rig.stop().await;
}

#[tokio::test]
async fn after_a_crash_a_roll_that_was_being_sent_is_sent_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(4);
    bucket.says((0..100_000).map(|_| retry()));
    let rig = Rig::start(dir.path(), &bucket, Kind::Spool, 64 << 20, false);
    rig.submit(&named(0..4)).await;
    rig.until(|rig| rig.pipeline.exports()[0].retries.load(Relaxed) > 0).await;
    rig.submit(&named(4..8)).await;
    let crashed = copy_of(&rig.dir);
    let roll =
        Roll { from: Position::default(), to: Position { record: 4, ..end_of(&rig) }, records: 4, checkpoint: None };
    let again = Bucket::new(4);
    *again.left.lock().unwrap() = Some(roll.clone());
    let second = Rig::start(crashed.path(), &again, Kind::Spool, 64 << 20, false);
    second.until(|rig| rig.lag() == 0).await;
    let confirmed = again.confirmed.lock().unwrap().clone();
    assert_eq!(confirmed[0].0, roll);
    assert_eq!(confirmed[1].1, named(4..8));
    second.stop().await;
    rig.stop().await;
}

/// Where the first request ends in the first segment: half of what both take, since they are of one length.
fn end_of(rig: &Rig) -> Position {
    let bytes = rig.pipeline.exports()[0].lag_bytes.load(Relaxed);
    Position { record: 0, segment: 0, offset: bytes / 2 }
}
