//! Pipelines on disk: restarts, crashes, damage, full disks.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use telseal::pipeline::Refused;
use telseal::pipeline::store::Kind;

use crate::rig::{Events, Plan, Rig, Say, Scripted, copy_of, ledger, named};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

fn both(sealed: bool, exporter: &std::sync::Arc<Scripted>) -> Plan {
    if sealed { Plan::ledger(exporter) } else { Plan::spool(exporter) }
}

fn segments(rig: &Rig) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(rig.dir.join("spool")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A record of about 1 KiB times `kib`.
fn heavy(number: u64, kib: usize) -> Vec<String> {
    vec![format!("{}{}", named(number..number + 1)[0], "x".repeat(kib << 10))]
}

fn numbers(exporter: &Scripted) -> Vec<String> {
    exporter.taken().iter().map(|name| name[..7].to_owned()).collect()
}

#[tokio::test]
async fn a_restart_goes_on_at_the_cursor_of_each_exporter_without_duplicates() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (up, down) = (Scripted::healthy(), Scripted::down());
        for round in 0..3 {
            let rig = Rig::start(dir.path(), both(sealed, &up).and("otlp_grpc/down", &down));
            for request in 0..10 {
                rig.submit_names(&named(round * 30 + request * 3..round * 30 + request * 3 + 3)).await.unwrap();
            }
            rig.until("the healthy one", |rig| rig.export().lag_records.load(Relaxed) == 0).await;
            assert_eq!(rig.stop(10 * SECOND).await, (round + 1) * 30);
        }
        assert_eq!(up.taken(), named(0..90));
        down.now(|_| Say::Yes);
        let rig = Rig::start(dir.path(), both(sealed, &up).and("otlp_grpc/down", &down));
        rig.rest().await;
        assert_eq!((rig.stop(10 * SECOND).await, down.taken()), (0, named(0..90)));
        assert_eq!(up.taken(), named(0..90));
    }
}

#[tokio::test]
async fn after_a_crash_only_what_went_out_last_comes_again() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let up = Scripted::healthy();
        let rig = Rig::start(dir.path(), both(sealed, &up));
        rig.submit(100).await.unwrap();
        rig.rest().await;
        // The cursor is written when there is a moment of rest.
        tokio::time::sleep(Duration::from_millis(400)).await;
        up.now(|_| Say::Hang);
        rig.submit(10).await.unwrap();
        let copy = rig.crash();
        let after = Scripted::healthy();
        let rig = Rig::start(copy.path(), both(sealed, &after));
        rig.rest().await;
        assert_eq!((up.taken(), after.taken()), (named(0..100), named(100..110)));
        rig.stop(10 * SECOND).await;
    }
}

#[tokio::test]
async fn a_damaged_or_lost_cursor_delivers_from_the_oldest_record() {
    for damage in [Some("7 4096 19 deadbeef\n"), Some(""), None] {
        let dir = tempfile::tempdir().unwrap();
        let up = Scripted::healthy();
        let rig = Rig::start(dir.path(), Plan::spool(&up));
        rig.submit(20).await.unwrap();
        rig.rest().await;
        let cursor = rig.dir.join("cursors/otlp_http-next");
        rig.stop(10 * SECOND).await;
        match damage {
            Some(text) => std::fs::write(&cursor, text).unwrap(),
            None => std::fs::remove_file(&cursor).unwrap(),
        }
        let (events, _guard) = Events::collect();
        let rig = Rig::start(dir.path(), Plan::spool(&up));
        rig.rest().await;
        assert_eq!(up.taken(), [named(0..20), named(0..20)].concat());
        assert_eq!(events.count("cursor is damaged"), usize::from(damage.is_some()));
        rig.stop(10 * SECOND).await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_log_is_put_right_before_it_can_mislead() {
    let dir = tempfile::tempdir().unwrap();
    let up = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::spool(&up));
    rig.submit(500).await.unwrap();
    rig.rest().await;
    let cursor = rig.dir.join("cursors/otlp_http-next");
    let spool = rig.dir.join("spool");
    rig.stop(10 * SECOND).await;
    let old = std::fs::read_to_string(&cursor).unwrap();
    std::fs::remove_dir_all(&spool).unwrap();
    up.now(|_| Say::Hang);
    let rig = Rig::start(dir.path(), Plan::spool(&up));
    rig.until("the cursor is written anew", |_| std::fs::read_to_string(&cursor).unwrap() != old).await;
    rig.submit(600).await.unwrap();
    let copy = rig.crash();
    let after = Scripted::healthy();
    let rig = Rig::start(copy.path(), Plan::spool(&after));
    rig.rest().await;
    assert_eq!(after.taken(), named(0..600));
}

#[tokio::test]
async fn segments_go_when_the_slowest_has_passed_them_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (up, down) = (Scripted::healthy(), Scripted::down());
    // Segments of 1 MiB.
    let rig = Rig::start(dir.path(), Plan::spool(&up).and("otlp_http/down", &down).holding(8 * MIB, false));
    for number in 0..50 {
        rig.submit_names(&heavy(number, 100)).await.unwrap();
    }
    rig.until("the healthy one", |_| up.taken().len() == 50).await;
    assert_eq!(segments(&rig).len(), 5);
    down.now(|_| Say::Yes);
    rig.rest().await;
    // The next append lets them go.
    rig.submit_names(&heavy(50, 1)).await.unwrap();
    rig.until("passed segments go", |rig| segments(rig).len() == 1).await;
    rig.rest().await;
    assert_eq!((numbers(&up), numbers(&down)), (named(0..51), named(0..51)));
    rig.check_books();
    rig.stop(10 * SECOND).await;
}

#[tokio::test]
async fn a_destination_far_behind_makes_senders_wait_and_then_they_go_on() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let down = Scripted::down();
        let rig = Rig::start(dir.path(), both(sealed, &down).holding(MIB, false));
        let mut taken = 0;
        let refused = loop {
            match rig.submit_names(&heavy(taken, 10)).await {
                Ok(_) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, Refused::Full { retry_after, .. } if retry_after >= SECOND), "{refused:?}");
        assert!((90..120).contains(&taken), "{taken} records of 10 KiB in 1 MiB");
        assert!(rig.pipeline.why_not_ready().is_some());
        down.now(|_| Say::Yes);
        rig.rest().await;
        assert!(rig.pipeline.why_not_ready().is_none());
        rig.submit_names(&heavy(taken, 10)).await.unwrap();
        rig.rest().await;
        assert_eq!(numbers(&down), named(0..taken + 1));
        rig.check_books();
        rig.stop(10 * SECOND).await;
    }
}

#[tokio::test]
async fn a_spool_that_drops_its_oldest_counts_them_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let down = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::spool(&down).holding(4 * MIB, true));
    for number in 0..200 {
        rig.submit_names(&heavy(number, 100)).await.unwrap();
    }
    assert!(segments(&rig).len() <= 5, "{:?}", segments(&rig));
    down.now(|_| Say::Yes);
    rig.rest().await;
    let overrun = rig.export().overrun.load(Relaxed);
    assert!(overrun > 100, "{overrun}");
    let taken = numbers(&down);
    assert_eq!(taken.len() as u64 + overrun, 200);
    // The payload that was under way, and then what is left.
    let under_way = taken.iter().zip(named(0..200)).take_while(|(taken, name)| *taken == name).count() as u64;
    assert_eq!(taken, [named(0..under_way), named(under_way + overrun..200)].concat());
    rig.check_books();
    rig.stop(10 * SECOND).await;
}

/// The exporter has read a segment to its end when that segment is given up: there is nothing to miss, but another
/// place to read.
#[tokio::test]
async fn an_exporter_at_the_end_of_a_dropped_segment_goes_on_in_the_next() {
    for end in 3..6 {
        let dir = tempfile::tempdir().unwrap();
        let exporter = Scripted::healthy();
        let rig = Rig::start(dir.path(), Plan::spool(&exporter).holding(MIB, true));
        // Each is more than a segment, so that the next one begins another.
        rig.submit_names(&heavy(0, 1100)).await.unwrap();
        rig.rest().await;
        exporter.now(|_| Say::Retry(None));
        rig.submit_names(&heavy(1, 1100)).await.unwrap();
        rig.until("the second is under way", |_| exporter.calls().len() > 1).await;
        for number in 2..end {
            rig.submit_names(&heavy(number, 1100)).await.unwrap();
        }
        rig.until("its segment is gone", |rig| segments(rig).len() == 1).await;
        exporter.now(|_| Say::Yes);
        rig.rest().await;
        assert_eq!(numbers(&exporter), [named(0..2), named(end - 1..end)].concat());
        assert_eq!(rig.export().overrun.load(Relaxed), end - 3);
        rig.check_books();
        rig.stop(10 * SECOND).await;
    }
}

#[tokio::test]
async fn one_damaged_frame_costs_one_request_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::spool(&exporter));
    for _ in 0..10 {
        rig.submit(5).await.unwrap();
    }
    rig.stop(10 * SECOND).await;
    let path = dir.path().join("logs/spool/00000000000000000000.spool");
    let mut bytes = std::fs::read(&path).unwrap();
    let frame = bytes.len() / 10;
    bytes[3 * frame + 40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    exporter.now(|_| Say::Yes);
    let (events, _guard) = Events::collect();
    let rig = Rig::start(dir.path(), Plan::spool(&exporter));
    rig.rest().await;
    assert_eq!(exporter.taken(), [named(0..15), named(20..50)].concat());
    assert_eq!((rig.export().damaged.load(Relaxed), events.count("damaged")), (5, 2), "one line, which says it twice");
    rig.check_books();
    rig.stop(10 * SECOND).await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_makes_senders_wait_and_the_process_lives() {
    let (events, _guard) = Events::collect();
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("logs/spool");
    std::fs::create_dir_all(&spool).unwrap();
    // Every write to /dev/full fails as on a full disk.
    let segment = spool.join("00000000000000000000.spool");
    std::os::unix::fs::symlink("/dev/full", &segment).unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::spool(&exporter));
    for _ in 0..3 {
        let refused = rig.submit(3).await.unwrap_err();
        assert!(matches!(refused, Refused::Full { retry_after, .. } if retry_after >= SECOND), "{refused:?}");
    }
    rig.check_books();
    assert_eq!(rig.pipeline.account().appended(), 0);
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, "").unwrap();
    rig.submit(3).await.unwrap();
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..3));
    assert_eq!(rig.stop(10 * SECOND).await, 0);
    // The sequencer has a thread of its own, whose events this test does not see; the delivery loop said nothing.
    assert_eq!(events.count("ERROR"), 0);
}

#[tokio::test]
async fn a_ledger_that_cannot_begin_a_segment_refuses_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let small = || Plan::of(ledger(64 << 10), &exporter);
    let rig = Rig::start(dir.path(), small());
    rig.submit_names(&heavy(0, 70)).await.unwrap();
    rig.rest().await;
    // The segment is full; the folder for the next one is not where it was.
    let (ledger, away) = (rig.dir.join("ledger"), rig.dir.join("away"));
    std::fs::rename(&ledger, &away).unwrap();
    let refused = rig.submit_names(&heavy(1, 1)).await.unwrap_err();
    assert!(matches!(refused, Refused::Full { .. }), "{refused:?}");
    std::fs::rename(&away, &ledger).unwrap();
    rig.submit_names(&heavy(1, 1)).await.unwrap();
    rig.rest().await;
    assert_eq!(numbers(&exporter), named(0..2));
    rig.check_books();
    rig.stop(10 * SECOND).await;
    verified(&ledger, 2);
}

pub(crate) fn verified(ledger: &Path, records: u64) {
    let report = telseal::ledger::verify(ledger, &telseal::ledger::VerifyOptions::default()).unwrap();
    assert_eq!(report.ledgers[0].records, records);
}

/// A file system of 3 MiB; only root can make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

/// Not even the segment that is being written may hold room that nobody needs: a small disk would never be free again.
#[tokio::test]
async fn a_small_disk_that_ran_full_is_given_back_when_all_is_delivered() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: no right to mount a small disk");
        return;
    };
    let exporter = Scripted::down();
    // Segments of 8 MiB: the disk is full long before the first one is.
    let rig = Rig::start(disk.0.path(), Plan::spool(&exporter).holding(64 * MIB, false));
    let mut taken = 0;
    while rig.submit_names(&heavy(taken, 100)).await.is_ok() {
        taken += 1;
    }
    assert!((20..31).contains(&taken), "{taken}");
    exporter.now(|_| Say::Yes);
    rig.rest().await;
    assert_eq!(numbers(&exporter), named(0..taken));
    for number in taken..taken + 100 {
        // A sender comes back until it is taken; the first try after the end of the outage makes room.
        for attempt in 0.. {
            match rig.submit_names(&heavy(number, 100)).await {
                Ok(_) => break,
                Err(refused) => assert!(attempt < 50, "{refused:?}"),
            }
            rig.rest().await;
        }
    }
    rig.rest().await;
    assert_eq!(numbers(&exporter), named(0..taken + 100));
    rig.check_books();
    rig.stop(10 * SECOND).await;
}

#[tokio::test]
async fn a_sender_that_hangs_up_leaves_no_trace_in_the_books() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::spool(&exporter));
    for _ in 0..50 {
        let intake = rig.intake();
        let request = rig.request(crate::rig::request(&named(0..1)));
        let mut submitting = Box::pin(intake.submit(request));
        // Polled once: it waits for the disk now.
        let _ = tokio::time::timeout(Duration::ZERO, &mut submitting).await;
        drop(submitting);
    }
    assert_eq!(rig.budget.in_flight(), 0);
    rig.submit(1).await.unwrap();
    rig.rest().await;
    rig.check_books();
    assert_eq!(rig.stop(10 * SECOND).await, 0);
}

/// Reading lines back costs more than sealing them: an exporter of OTLP that keeps up is woken when its records are there as OTLP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exporter_of_otlp_that_keeps_up_never_reads_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::of_otlp(|_| Say::Yes);
    let rig = Rig::start(dir.path(), Plan::ledger(&exporter));
    for first in 0..200 {
        rig.submit_names(&named(first * 3..first * 3 + 3)).await.unwrap();
    }
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..600));
    assert_eq!(exporter.read_back.load(Relaxed), 0);
    rig.stop(10 * SECOND).await;
}

#[tokio::test]
async fn what_is_sealed_goes_into_a_ledger_and_nothing_else_does() {
    use telseal::otlp::Signal;
    use telseal::pipeline::chain::{Chain, Seal};
    use telseal::pipeline::{Pipeline, Settings};
    for (storage, sealed) in [(Kind::Memory, true), (Kind::Spool, true), (ledger(MIB), false)] {
        let dir = tempfile::tempdir().unwrap();
        let chain = Chain::new(Signal::Logs, vec![], sealed.then_some(Seal::default()));
        let settings = Settings {
            id: "logs".to_owned(),
            signal: Signal::Logs,
            dir: dir.path().to_owned(),
            storage,
            hold_bytes_max: MIB,
            drop_oldest: false,
        };
        assert!(Pipeline::open(settings, chain).is_err());
    }
}

/// The folder is copied at many moments while requests come in: what was acknowledged before a copy began is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_moment_what_was_acknowledged_is_on_disk() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let down = Scripted::down();
        let small = if sealed { ledger(64 << 10) } else { Kind::Spool };
        let plan = |exporter: &_| Plan::of(small.clone(), exporter).holding(32 * MIB, false);
        let rig = std::sync::Arc::new(Rig::start(dir.path(), plan(&down)));
        let acknowledged = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..8 {
            let (rig, acknowledged) = (rig.clone(), acknowledged.clone());
            senders.spawn(async move {
                for request in 0..60 {
                    let first = sender * 10_000 + request * 10;
                    rig.submit_names(&named(first..first + 7)).await.unwrap();
                    acknowledged.lock().unwrap().extend(named(first..first + 7));
                }
            });
        }
        let mut copies = vec![];
        while !senders.is_empty() {
            let before = acknowledged.lock().unwrap().clone();
            let from = rig.dir.clone();
            copies.push((before, tokio::task::spawn_blocking(move || copy_of(&from)).await.unwrap()));
            // On a slow disk fewer copies a second, so that they do not grow with its slowness.
            tokio::time::sleep(Duration::from_millis(5 << (copies.len() / 8).min(8))).await;
            while senders.try_join_next().is_some() {}
        }
        assert!(copies.len() > 3, "{}", copies.len());
        for (before, copy) in copies {
            let up = Scripted::healthy();
            let rig = Rig::start(copy.path(), plan(&up));
            rig.rest().await;
            let taken: std::collections::BTreeSet<String> = up.taken().into_iter().collect();
            assert_eq!(taken.len(), up.taken().len(), "nothing twice");
            assert!(before.iter().all(|name| taken.contains(name)));
            rig.stop(10 * SECOND).await;
            if sealed {
                verified(&copy.path().join("logs/ledger"), taken.len() as u64);
            }
        }
    }
}
