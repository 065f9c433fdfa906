//! A bounded ring: refusing and dropping the oldest. Virtual time.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use telseal::pipeline::Refused;
use telseal::pipeline::delivery::Settings;

use crate::rig::{Plan, Rig, Say, Scripted, named, quick, request};

#[tokio::test(start_paused = true)]
async fn a_full_ring_refuses_says_when_to_come_back_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).holding(10_000, false));
    let mut taken = 0;
    let refused = loop {
        match rig.submit(5).await {
            Ok(_) => taken += 5,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, Refused::Full { retry_after, .. } if retry_after == Duration::from_secs(5)),
        "{refused:?}"
    );
    assert!(rig.pipeline.account().appended() == taken && taken > 0);
    rig.check_books();
    exporter.now(|_| Say::Yes);
    rig.rest().await;
    assert!(rig.pipeline.why_not_ready().is_none());
    rig.submit(5).await.unwrap();
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..taken + 5));
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn what_can_never_fit_is_invalid_and_drives_nothing_out() {
    for drop_oldest in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let exporter = Scripted::down();
        let rig = Rig::start(dir.path(), Plan::memory(&exporter).holding(5_000, drop_oldest));
        rig.submit(3).await.unwrap();
        let refused = rig.submit(1000).await.unwrap_err();
        assert!(matches!(refused, Refused::Invalid { .. }), "{refused:?}");
        exporter.now(|_| Say::Yes);
        rig.rest().await;
        assert_eq!((exporter.taken(), rig.export().overrun.load(Relaxed)), (named(0..3), 0));
        rig.check_books();
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_oldest_is_counted_to_the_record_while_it_happens() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).holding(10_000, true));
    rig.submit(7).await.unwrap();
    rig.until("the first payload is under way", |_| !exporter.calls().is_empty()).await;
    for _ in 0..500 {
        rig.submit(3).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // During the outage already: the operator sees what is lost, not when it is over.
    let export = rig.export();
    let (overrun, lag) = (export.overrun.load(Relaxed), export.lag_records.load(Relaxed));
    assert!(overrun > 0 && overrun + lag == 1500, "{overrun} + {lag}: the first payload is in the loop's hands");
    exporter.now(|_| Say::Yes);
    rig.rest().await;
    let taken = exporter.taken();
    assert_eq!(taken, [named(0..7), named(7 + overrun..1507)].concat());
    assert_eq!(export.overrun.load(Relaxed), overrun);
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn two_exporters_lose_each_what_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let (healthy, down) = (Scripted::healthy(), Scripted::down());
    let rig = Rig::start(dir.path(), Plan::memory(&healthy).and("otlp_http/down", &down).holding(10_000, true));
    for _ in 0..500 {
        rig.submit(3).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.until("the healthy one", |_| healthy.taken().len() == 1500).await;
    assert_eq!(healthy.taken(), named(0..1500));
    down.now(|_| Say::Yes);
    rig.rest().await;
    let exports = rig.pipeline.exports();
    let [first, second] = exports.as_slice() else { panic!("two exporters") };
    assert_eq!(first.overrun.load(Relaxed), 0);
    assert_eq!(second.overrun.load(Relaxed) + down.taken().len() as u64, 1500);
    rig.check_books();
}

/// More threads than senders, so that a drop may come between any two steps of the loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn drops_at_any_moment_are_counted_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    // One entry at a time, so that the ring is full while the loop is on its way.
    let one = Settings { batch_bytes_max: 1, ..quick() };
    let rig = std::sync::Arc::new(Rig::start(dir.path(), Plan::memory(&exporter).with(one).holding(300, true)));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let rig = rig.clone();
        senders.spawn(async move {
            let (intake, body) = (rig.intake(), request(&named(0..2)));
            for _ in 0..10_000 {
                intake.submit(rig.request(body.clone())).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    rig.rest().await;
    let (taken, overrun) = (exporter.taken().len() as u64, rig.export().overrun.load(Relaxed));
    assert_eq!(taken + overrun, 80_000);
    rig.check_books();
}
