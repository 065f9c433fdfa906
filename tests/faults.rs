//! Bad days: the destination goes away, telseal is killed, the disk is full or a write was torn. What was answered with
//! success arrives or is still there, and the ledger verifies.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

#[path = "faults/damage.rs"]
mod damage;
#[path = "faults/full_disk.rs"]
mod full_disk;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/destination.rs"]
mod destination;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/process.rs"]
mod process;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/sender.rs"]
mod sender;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/telemetry.rs"]
mod telemetry;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use destination::{Destination, Got};
use process::{Ended, Site, assert_verified, eventually};
use sender::{Answer, send};
use telemetry::{numbered, numbers};
use telseal::otlp::Signal;
use telseal::stdx::tasks;
use tempfile::TempDir;

/// A pipeline of log records with a destination that is tried often.
const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {segment_bytes_max: 64 KiB}}
exporters:
  otlp_http:
    endpoint: $NEXT
    compression: none
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
    batch: {max_bytes: 4 KiB}
service:
  data_dir: $DATA
  shutdown_timeout: 2s
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http], $STORAGE}
";
/// The ways to store a pipeline, and what its template says for it.
const SEALED: &str = "processors: [seal]";
const SPOOL: &str = "storage: disk";
const MEMORY: &str = "storage: memory";
const DURABLE: [&str; 2] = [SEALED, SPOOL];

fn site(storage: &str, destination: &Destination) -> Site {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("data");
    site_in(dir, data_dir, storage, destination)
}

fn site_in(dir: TempDir, data_dir: PathBuf, storage: &str, destination: &Destination) -> Site {
    // An unused processor is an error.
    let unused = if storage.starts_with(SEALED) { "" } else { "processors: {seal: {segment_bytes_max: 64 KiB}}\n" };
    let words = [("$NEXT", &*destination.url()), ("$STORAGE", storage)];
    Site::with_data_dir(dir, data_dir, &TEMPLATE.replace(unused, ""), &words)
}

/// Sends a record a request, and fails unless every one is acknowledged.
fn send_acknowledged(site: &Site, range: Range<u64>) {
    for number in range {
        let answer = send(site.http, Signal::Logs, &numbered([number])).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn all_numbers(got: &[Got]) -> Vec<u64> {
    got.iter().flat_map(|got| numbers(&got.body)).collect()
}

/// Waits until all of `wanted` arrived, and returns everything that did, duplicates too.
fn wait_for_all(destination: &Destination, wanted: &BTreeSet<u64>) -> Vec<u64> {
    let arrived = |got: &[Got]| all_numbers(got).into_iter().collect::<BTreeSet<_>>();
    all_numbers(&destination.wait_for("all acknowledged records", |got| wanted.is_subset(&arrived(got))))
}

/// Ends telseal in order when everything is delivered, and looks at its books and its ledger.
fn end_well(site: &Site, telseal: process::Telseal, storage: &str) -> Ended {
    site.wait_until_delivered();
    assert_balanced(site);
    let ended = telseal.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    if storage == SEALED {
        assert_verified(site);
    }
    ended
}

fn assert_balanced(site: &Site) {
    let unaccounted = site.metric("telseal_pipeline_unaccounted_records");
    assert!(unaccounted.abs() < f64::EPSILON, "unaccounted records: {unaccounted}");
}

/// Senders that go on whatever happens: each sends a record again until it is acknowledged.
struct Flood {
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

/// Several at once, so that one write to the disk holds records of several requests.
const SENDERS: u64 = 4;

impl Flood {
    fn start(port: u16) -> Self {
        let (acknowledged, stop) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
        let sender = |first| {
            let (noted, until) = (acknowledged.clone(), stop.clone());
            tasks::thread("sender", move || flood(port, first, &noted, &until)).unwrap()
        };
        let senders = (0..SENDERS).map(sender).collect();
        Self { acknowledged, stop, senders }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more records were acknowledged.
    fn wait_for_more(&self, count: usize) {
        let before = self.acknowledged();
        eventually("more acknowledged records", || (self.acknowledged() >= before + count).then_some(()));
    }

    /// What was acknowledged.
    fn stop(self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.senders.into_iter().for_each(|sender| sender.join().unwrap());
        self.acknowledged.lock().unwrap().clone()
    }
}

/// Sends every [`SENDERS`]th record from `first` on.
fn flood(port: u16, first: u64, noted: &Mutex<BTreeSet<u64>>, until: &AtomicBool) {
    let mut number = first;
    while !until.load(Ordering::Relaxed) {
        match send(port, Signal::Logs, &numbered([number])) {
            Some(Answer { status: 200, .. }) => {
                noted.lock().unwrap().insert(number);
                number += SENDERS;
            }
            _ => std::thread::yield_now(),
        }
    }
}

#[test]
fn nothing_is_lost_while_the_destination_is_down_and_comes_back() {
    for storage in [MEMORY, SPOOL, SEALED] {
        let mut destination = Destination::start_down();
        let site = site(storage, &destination);
        let telseal = site.start();
        send_acknowledged(&site, 0..100);
        eventually("a try that failed", || (site.metric("telseal_exporter_retries_total") > 0.0).then_some(()));
        assert!(site.metric("telseal_exporter_lag_records") > 0.0);
        destination.up();
        send_acknowledged(&site, 100..150);
        destination.down();
        send_acknowledged(&site, 150..200);
        destination.up();
        wait_for_all(&destination, &(0..200).collect());
        end_well(&site, telseal, storage);
    }
}

#[test]
fn a_dead_destination_slows_no_other() {
    for storage in [MEMORY, SPOOL, SEALED] {
        let (mut dead, alive) = (Destination::start_down(), Destination::start());
        let other = format!("exporters:\n  otlp_http/alive: {{endpoint: \"{}\", compression: none}}\n", alive.url());
        let unused = if storage == SEALED { "" } else { "processors: {seal: {segment_bytes_max: 64 KiB}}\n" };
        let template = TEMPLATE
            .replace(unused, "")
            .replace("exporters:\n", &other)
            .replace("exporters: [otlp_http]", "exporters: [otlp_http, otlp_http/alive]");
        let site = Site::new(&template, &[("$NEXT", &dead.url()), ("$STORAGE", storage)]);
        let telseal = site.start();
        send_acknowledged(&site, 0..50);
        wait_for_all(&alive, &(0..50).collect());
        assert!(dead.got().is_empty());
        dead.up();
        wait_for_all(&dead, &(0..50).collect());
        end_well(&site, telseal, storage);
    }
}

#[test]
fn answers_that_ask_for_patience_are_tried_again_without_loss() {
    let destination = Destination::start();
    destination.answer_next([503, 429, 500, 502, 504]);
    let site = site(SPOOL, &destination);
    let telseal = site.start();
    send_acknowledged(&site, 0..20);
    let arrived = wait_for_all(&destination, &(0..20).collect());
    assert_eq!(arrived.len(), 20, "nothing was confirmed twice");
    assert!(site.metric("telseal_exporter_retries_total") >= 5.0);
    end_well(&site, telseal, SPOOL);
}

#[test]
fn a_ledger_verifies_while_it_is_written() {
    let destination = Destination::start();
    let site = site(SEALED, &destination);
    let telseal = site.start();
    let flood = Flood::start(site.http);
    for _ in 0..15 {
        flood.wait_for_more(10);
        assert_verified(&site);
    }
    flood.stop();
    end_well(&site, telseal, SEALED);
}

#[test]
fn a_record_that_is_refused_for_good_is_put_aside_and_counted() {
    let destination = Destination::start();
    destination.answer_always(400);
    let site = site(SEALED, &destination);
    let telseal = site.start();
    send_acknowledged(&site, 0..7);
    eventually("dead letters", || (site.metric("telseal_exporter_dead_lettered_records_total") >= 7.0).then_some(()));
    let letters: String =
        site.files("logs/rejected", ".ndjson").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(letters.lines().count(), 7);
    (0..7).for_each(|number| assert!(letters.contains(&format!("record {number}")), "{letters}"));
    assert!(destination.got().is_empty());
    end_well(&site, telseal, SEALED);
}

#[test]
fn every_acknowledged_record_survives_kill_9_with_the_destination_up() {
    for storage in DURABLE {
        let destination = Destination::start();
        let site = site(storage, &destination);
        let mut telseal = site.start();
        let flood = Flood::start(site.http);
        for _ in 0..3 {
            flood.wait_for_more(40);
            telseal.kill();
            telseal = site.start();
        }
        flood.wait_for_more(20);
        let acknowledged = flood.stop();
        wait_for_all(&destination, &acknowledged);
        end_well(&site, telseal, storage);
    }
}

#[test]
fn every_acknowledged_record_survives_kill_9_with_the_destination_down() {
    for storage in DURABLE {
        let mut destination = Destination::start_down();
        let site = site(storage, &destination);
        let mut telseal = site.start();
        let flood = Flood::start(site.http);
        for _ in 0..3 {
            flood.wait_for_more(40);
            telseal.kill();
            // Half a write may be at the end now, which nobody vouches for: the next start cuts it off.
            telseal = site.start();
            if storage == SEALED {
                assert_verified(&site);
            }
        }
        let acknowledged = flood.stop();
        assert!(destination.got().is_empty());
        destination.up();
        wait_for_all(&destination, &acknowledged);
        end_well(&site, telseal, storage);
    }
}

#[test]
fn kill_9_in_the_middle_of_a_start_harms_nothing() {
    for storage in DURABLE {
        let mut destination = Destination::start_down();
        let site = site(storage, &destination);
        let telseal = site.start();
        send_acknowledged(&site, 0..50);
        telseal.kill();
        for pause_ms in 0..12 {
            let starting = site.launch();
            std::thread::sleep(std::time::Duration::from_millis(pause_ms * 2));
            starting.kill();
        }
        let telseal = site.start();
        destination.up();
        let arrived = wait_for_all(&destination, &(0..50).collect());
        assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 50);
        end_well(&site, telseal, storage);
    }
}

#[test]
fn kill_9_in_the_middle_of_the_first_start_harms_nothing() {
    for storage in DURABLE {
        for pause_ms in 0..12 {
            let destination = Destination::start();
            let site = site(storage, &destination);
            let starting = site.launch();
            std::thread::sleep(std::time::Duration::from_millis(pause_ms * 2));
            starting.kill();
            let telseal = site.start();
            send_acknowledged(&site, 0..1);
            wait_for_all(&destination, &(0..1).collect());
            end_well(&site, telseal, storage);
        }
    }
}

#[test]
fn sigterm_with_the_destination_down_says_what_stays_and_the_next_start_delivers_it() {
    for storage in DURABLE {
        let mut destination = Destination::start_down();
        let site = site(storage, &destination);
        let telseal = site.start();
        let flood = Flood::start(site.http);
        flood.wait_for_more(100);
        let ended = telseal.terminate();
        let acknowledged = flood.stop();
        assert_eq!(ended.status.code(), Some(5), "{}", ended.output);
        assert!(ended.output.contains("stay on disk"), "{}", ended.output);
        if storage == SEALED {
            assert_verified(&site);
        }
        let telseal = site.start();
        destination.up();
        let arrived = wait_for_all(&destination, &acknowledged);
        // What was stored as the end came, without an answer that reached its sender, was sent again.
        let twice = arrived.len() - arrived.iter().collect::<BTreeSet<_>>().len();
        assert!(twice <= SENDERS as usize, "delivered twice: {twice}");
        end_well(&site, telseal, storage);
    }
}

#[test]
fn sigterm_without_records_leaves_nothing_even_with_the_destination_down() {
    for storage in [MEMORY, SPOOL, SEALED] {
        let destination = Destination::start_down();
        let site = site(storage, &destination);
        for _ in 0..3 {
            let ended = site.start().terminate();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
        }
    }
}

#[test]
fn sigterm_with_memory_storage_admits_what_is_lost() {
    let destination = Destination::start_down();
    let site = site(MEMORY, &destination);
    let telseal = site.start();
    send_acknowledged(&site, 0..5);
    let ended = telseal.terminate();
    assert_eq!(ended.status.code(), Some(5), "{}", ended.output);
    assert!(ended.output.contains("lost"), "{}", ended.output);
}

#[test]
fn delivery_goes_on_at_the_cursor_after_an_orderly_restart() {
    for storage in DURABLE {
        let destination = Destination::start();
        let site = site(storage, &destination);
        let telseal = site.start();
        send_acknowledged(&site, 0..100);
        wait_for_all(&destination, &(0..100).collect());
        end_well(&site, telseal, storage);
        let telseal = site.start();
        send_acknowledged(&site, 100..101);
        let arrived = wait_for_all(&destination, &(0..101).collect());
        assert_eq!(arrived.len(), 101, "some were delivered twice");
        end_well(&site, telseal, storage);
    }
}

#[test]
fn after_kill_9_only_the_last_moments_are_delivered_again() {
    for storage in DURABLE {
        let destination = Destination::start();
        let site = site(storage, &destination);
        let telseal = site.start();
        send_acknowledged(&site, 0..100);
        wait_for_all(&destination, &(0..100).collect());
        site.wait_until_delivered();
        let cursor = || site.files("logs/cursors", "").into_iter().next().and_then(|path| fs::read(path).ok());
        // The cursor is written in a moment of rest: it has stopped changing when two looks far apart are equal.
        eventually("a cursor at rest", || {
            let before = cursor()?;
            std::thread::sleep(std::time::Duration::from_millis(400));
            (cursor()? == before).then_some(())
        });
        telseal.kill();
        let telseal = site.start();
        send_acknowledged(&site, 100..101);
        let arrived = wait_for_all(&destination, &(0..101).collect());
        assert_eq!(arrived.len(), 101, "delivered twice although the cursor was at rest");
        end_well(&site, telseal, storage);
    }
}

/// Sends requests of 500 records until one is refused; the answer to that one.
fn send_until_refused(site: &Site, next: &mut u64, acknowledged: &mut BTreeSet<u64>) -> Answer {
    for _ in 0..1000 {
        let numbers = *next..*next + 500;
        let answer = send(site.http, Signal::Logs, &numbered(numbers.clone())).expect("an answer");
        if answer.status != 200 {
            return answer;
        }
        acknowledged.extend(numbers);
        *next += 500;
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_pipeline_asks_senders_to_wait_and_loses_nothing() {
    for storage in [MEMORY, SPOOL, SEALED] {
        let mut destination = Destination::start_down();
        let site = site(&format!("{storage}, hold_bytes_max: 64 KiB"), &destination);
        let telseal = site.start();
        let (mut next, mut acknowledged) = (0, BTreeSet::new());
        let refused = send_until_refused(&site, &mut next, &mut acknowledged);
        assert_eq!(refused.status, 429, "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        // A ring with a little room left still takes a small request.
        let ready = if storage == MEMORY { 200 } else { 503 };
        assert_eq!(site.get("/readyz").expect("the process lives").status, ready);
        destination.up();
        eventually("there is room again", || {
            send(site.http, Signal::Logs, &numbered([next])).filter(|answer| answer.status == 200)
        });
        acknowledged.insert(next);
        wait_for_all(&destination, &acknowledged);
        end_well(&site, telseal, storage);
    }
}
