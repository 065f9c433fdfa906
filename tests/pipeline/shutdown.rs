//! The end of a pipeline: what is delivered, what stays, what is said.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use telseal::pipeline::Refused;
use telseal::pipeline::delivery::Settings;
use tokio::time::Instant;

use crate::rig::{Events, Plan, Rig, Say, Scripted, named};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn records_in_memory_are_tried_until_the_deadline_and_then_their_loss_is_said() {
    let (events, _guard) = Events::collect();
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(12).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    assert_eq!(rig.stop(10 * SECOND).await, 12);
    assert!((10 * SECOND..12 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(events.count("were in memory and are lost"), 1);
}

#[tokio::test(start_paused = true)]
async fn records_in_memory_get_a_last_chance_though_the_next_try_was_far_away() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::new(|_| Say::Retry(Some(300 * SECOND)));
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(Settings::default()));
    rig.submit(12).await.unwrap();
    rig.until("the first try", |_| !exporter.calls().is_empty()).await;
    let began = Instant::now();
    exporter.now(move |_| if began.elapsed() > 3 * SECOND { Say::Yes } else { Say::Retry(Some(300 * SECOND)) });
    assert_eq!(rig.stop(10 * SECOND).await, 0);
    assert_eq!(exporter.taken(), named(0..12));
    assert!(began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_destination_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::slow(3 * SECOND, |_| Say::Yes);
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(12).await.unwrap();
    tokio::time::sleep(SECOND).await;
    rig.submit(12).await.unwrap();
    assert_eq!(rig.stop(10 * SECOND).await, 0);
    assert_eq!(exporter.taken(), named(0..24));
}

#[tokio::test(start_paused = true)]
async fn an_export_that_hangs_does_not_outlive_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path(), Plan::memory(&Scripted::new(|_| Say::Hang)));
    rig.submit(12).await.unwrap();
    let began = Instant::now();
    assert_eq!(rig.stop(10 * SECOND).await, 12);
    assert!(began.elapsed() < 12 * SECOND);
}

#[tokio::test]
async fn records_on_disk_do_not_wait_for_a_dead_destination() {
    for sealed in [false, true] {
        let plan = |exporter| if sealed { Plan::ledger(exporter) } else { Plan::spool(exporter) };
        let dir = tempfile::tempdir().unwrap();
        let (events, guard) = Events::collect();
        let down = Scripted::new(|_| Say::Retry(Some(60 * SECOND)));
        let rig = Rig::start(dir.path(), plan(&down));
        rig.submit(100).await.unwrap();
        rig.until("the first try", |_| !down.calls().is_empty()).await;
        let began = Instant::now();
        assert_eq!(rig.stop(60 * SECOND).await, 100);
        assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
        assert_eq!(events.count("stay on disk"), 1);
        drop(guard);
        let up = Scripted::healthy();
        let rig = Rig::start(dir.path(), plan(&up));
        rig.rest().await;
        assert_eq!((up.taken(), rig.stop(10 * SECOND).await), (named(0..100), 0));
    }
}

/// The door closes while requests are anywhere on their way. The loop has ended already: its destination is down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_group_is_on_disk_before_the_end_is_said() {
    for round in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::start(dir.path(), Plan::ledger(&Scripted::down()));
        rig.submit_names(&named(0..1)).await.unwrap();
        let mut senders = tokio::task::JoinSet::new();
        for sender in 1..=40 {
            let intake = rig.intake();
            let names = named(sender * 1000..sender * 1000 + 25);
            let request = rig.request(crate::rig::request(&names));
            senders.spawn(async move { (names, intake.submit(request).await) });
        }
        tokio::time::sleep(Duration::from_micros(200 * round)).await;
        let deadline = rig.begin_stop(10 * SECOND);
        let left = rig.pipeline.drain(deadline).await;
        let mut acknowledged = named(0..1);
        // Whatever comes now was answered before the drain ended, or the drain did not wait for it.
        while let Some(Ok((names, result))) = senders.try_join_next() {
            match result {
                Ok(_) => acknowledged.extend(names),
                Err(refused) => assert!(matches!(refused, Refused::Closed), "{refused:?}"),
            }
        }
        senders.join_all().await;
        rig.check_books();
        assert_eq!(left, rig.pipeline.account().appended(), "round {round}");
        drop(rig);
        let up = Scripted::healthy();
        let rig = Rig::start(dir.path(), Plan::ledger(&up));
        rig.rest().await;
        let taken = up.taken();
        assert!(acknowledged.iter().all(|name| taken.contains(name)), "round {round}");
        assert_eq!(taken.len() as u64, left, "round {round}");
    }
}

#[tokio::test]
async fn a_closed_pipeline_has_no_door() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path(), Plan::spool(&Scripted::healthy()));
    rig.submit(1).await.unwrap();
    rig.rest().await;
    let deadline = rig.begin_stop(SECOND);
    assert_eq!(rig.pipeline.drain(deadline).await, 0);
    assert!(rig.pipeline.intake().is_none());
    assert_eq!(rig.pipeline.drain(deadline).await, 0, "once more is harmless");
    assert_eq!(rig.export().delivered.load(Relaxed), 1);
}
