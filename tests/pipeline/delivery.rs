//! Retry, pause, bisecting, dead letters: what becomes of records when destinations say no. Virtual time.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telseal::pipeline::delivery::Settings;
use tokio::time::Instant;

use crate::rig::{Events, Plan, Rig, Say, Scripted, name_in, named};

const SECOND: Duration = Duration::from_secs(1);

/// The waits between the calls of a destination.
fn waits(exporter: &Scripted) -> Vec<Duration> {
    exporter.calls().windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

/// Says `no` so many times, then yes.
fn failing(times: usize, no: Say) -> Arc<Scripted> {
    let mut left = times;
    Scripted::new(move |_| {
        let say = if left > 0 { no } else { Say::Yes };
        left = left.saturating_sub(1);
        say
    })
}

#[tokio::test(start_paused = true)]
async fn waits_are_drawn_below_a_ceiling_that_doubles_up_to_the_maximum() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = vec![];
    for _ in 0..20 {
        let exporter = failing(8, Say::Retry(None));
        let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(Settings::default()));
        rig.submit(3).await.unwrap();
        rig.rest_long().await;
        let waits = waits(&exporter);
        assert_eq!(waits.len(), 8);
        for (wait, ceiling) in waits.iter().zip([1, 2, 4, 8, 16, 30, 30, 30]) {
            // Timers have a resolution of a millisecond.
            assert!(*wait <= ceiling * SECOND + Duration::from_millis(2), "{waits:?}");
        }
        assert_eq!(rig.export().retries.load(Relaxed), 8);
        assert_eq!(exporter.taken(), named(0..3));
        rig.check_books();
        all.push(waits);
    }
    // Full jitter: the same failure does not wait the same time twice, and not near the ceiling only.
    let first: Vec<_> = all.iter().map(|waits| waits[7].as_secs()).collect();
    assert!(first.iter().any(|wait| *wait < 12) && first.iter().any(|wait| *wait > 15), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_destination_asks_for_is_the_least_wait() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = failing(3, Say::Retry(Some(100 * SECOND)));
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(Settings::default()));
    rig.submit(1).await.unwrap();
    rig.rest_long().await;
    assert!(
        waits(&exporter).iter().all(|wait| *wait >= 100 * SECOND && *wait < 101 * SECOND),
        "{:?}",
        waits(&exporter)
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_said_once_and_its_end_too() {
    let (events, _guard) = Events::collect();
    let dir = tempfile::tempdir().unwrap();
    let exporter = failing(9, Say::Retry(None));
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(1).await.unwrap();
    rig.rest().await;
    assert_eq!((events.count("export failed"), events.count("answers again")), (1, 1));
    rig.submit(1).await.unwrap();
    rig.rest().await;
    assert_eq!((events.count("export failed"), events.count("answers again")), (1, 1));
    let mut left = 4;
    exporter.now(move |_| {
        left -= 1;
        if left > 0 { Say::Retry(None) } else { Say::Yes }
    });
    rig.submit(1).await.unwrap();
    rig.rest().await;
    assert_eq!((events.count("export failed"), events.count("answers again")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_credential_pauses_and_drops_nothing_whatever_retry_says() {
    for (retry, give_up_after) in [(true, None), (true, Some(SECOND)), (false, None)] {
        let (events, _guard) = Events::collect();
        let dir = tempfile::tempdir().unwrap();
        let exporter = failing(10, Say::Pause);
        let settings = Settings { retry, give_up_after, ..Settings::default() };
        let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(settings));
        rig.submit(5).await.unwrap();
        rig.until("it should pause", |rig| rig.export().paused.load(Relaxed)).await;
        rig.submit(5).await.unwrap();
        rig.rest_long().await;
        assert_eq!(exporter.taken(), named(0..10));
        assert!(!rig.export().paused.load(Relaxed));
        assert_eq!(rig.export().dead_lettered.load(Relaxed), 0);
        assert!(waits(&exporter)[..10].iter().all(|wait| wait.as_secs() == 15), "{:?}", waits(&exporter));
        assert_eq!((events.count("paused"), events.count("answers again")), (1, 1));
        rig.check_books();
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_record_costs_one_record_and_the_rest_arrives_once_and_in_order() {
    for bad in [0, 1, 499, 500, 998, 999] {
        let dir = tempfile::tempdir().unwrap();
        let poison = named(bad..bad + 1);
        let refused = poison.clone();
        let exporter = Scripted::new(move |names| if names.contains(&refused[0]) { Say::Permanent } else { Say::Yes });
        let rig = Rig::start(dir.path(), Plan::memory(&exporter));
        // Several requests and one large one, so that both kinds of halving are needed.
        for records in [1, 7, 492, 500] {
            rig.submit(records).await.unwrap();
        }
        rig.rest().await;
        let mut expected = named(0..1000);
        expected.retain(|name| *name != poison[0]);
        assert_eq!(exporter.taken(), expected);
        let letters = rig.dead_letters();
        assert_eq!(letters.len(), 1);
        assert_eq!(
            (letters[0]["reason"].as_str(), vec![name_in(&letters[0])]),
            (Some("scripted refusal of 1 records"), poison)
        );
        assert_eq!(
            (letters[0]["exporter"].as_str(), letters[0]["signal"].as_str()),
            (Some("otlp_http/next"), Some("logs"))
        );
        let export = rig.export();
        assert_eq!((export.delivered.load(Relaxed), export.dead_lettered.load(Relaxed)), (999, 1));
        rig.check_books();
        // Halving is logarithmic: 1 + 2 for each level.
        assert!(exporter.calls().len() < 40, "{}", exporter.calls().len());
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_a_destination_names_are_put_aside_without_halving() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::new(|names| match names.iter().position(|name| name == "r000007") {
        Some(place) => Say::AllBut(place),
        None => Say::Yes,
    });
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    for records in [5, 5] {
        rig.submit(records).await.unwrap();
    }
    rig.rest().await;
    let mut expected = named(0..10);
    expected.remove(7);
    assert_eq!(exporter.taken(), expected);
    let letters = rig.dead_letters();
    assert_eq!(letters.iter().map(name_in).collect::<Vec<_>>(), named(7..8));
    let export = rig.export();
    assert_eq!((export.delivered.load(Relaxed), export.dead_lettered.load(Relaxed)), (9, 1));
    assert!(exporter.calls().len() <= 2, "{:?}", exporter.calls());
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_fails_while_a_payload_is_halved_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut calls = 0;
    let exporter = Scripted::new(move |names| {
        calls += 1;
        match calls % 3 {
            0 => Say::Retry(None),
            1 if names.len() > 1 => Say::Permanent,
            _ if names.contains(&"r000042".to_owned()) => Say::Permanent,
            _ => Say::Yes,
        }
    });
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(100).await.unwrap();
    rig.rest().await;
    let lettered: Vec<String> = rig.dead_letters().iter().map(name_in).collect();
    let mut all = [exporter.taken(), lettered.clone()].concat();
    all.sort();
    assert_eq!(all, named(0..100));
    assert!(lettered.contains(&"r000042".to_owned()));
    assert!(exporter.taken().is_sorted());
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_put_aside_whole_and_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let settings = Settings { give_up_after: Some(60 * SECOND), ..Settings::default() };
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(settings));
    let began = Instant::now();
    rig.submit(1000).await.unwrap();
    rig.rest_long().await;
    let took = began.elapsed();
    assert!(took >= 60 * SECOND && took < 120 * SECOND, "every half was tried for as long again: {took:?}");
    assert!(exporter.calls().iter().all(|(_, records)| *records == 1000));
    let names: Vec<String> = rig.dead_letters().iter().map(name_in).collect();
    assert_eq!((names, rig.export().dead_lettered.load(Relaxed)), (named(0..1000), 1000));
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn without_retry_a_payload_is_tried_once() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::down();
    let rig = Rig::start(dir.path(), Plan::memory(&exporter).with(Settings { retry: false, ..Settings::default() }));
    rig.submit(50).await.unwrap();
    rig.rest().await;
    rig.submit(50).await.unwrap();
    rig.rest().await;
    assert_eq!((exporter.calls().len(), rig.export().retries.load(Relaxed)), (2, 0));
    assert_eq!(rig.dead_letters().iter().map(name_in).collect::<Vec<_>>(), named(0..100));
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_takes_no_dead_letters_holds_up_but_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    // Root may write everywhere; a file where the folder should be stops everybody.
    std::fs::write(dir.path().join("logs/rejected"), "in the way").unwrap();
    let exporter = Scripted::new(|names| if names.contains(&"r000001".to_owned()) { Say::Permanent } else { Say::Yes });
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(3).await.unwrap();
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!((exporter.taken(), rig.export().dead_lettered.load(Relaxed)), (named(0..1), 0));
    std::fs::remove_file(dir.path().join("logs/rejected")).unwrap();
    rig.rest().await;
    assert_eq!(exporter.taken(), ["r000000", "r000002"]);
    assert_eq!(name_in(&rig.dead_letters()[0]), "r000001");
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn half_a_dead_letter_of_a_crash_does_not_spoil_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("logs/rejected")).unwrap();
    let path = dir.path().join("logs/rejected/otlp_http-next.ndjson");
    std::fs::write(&path, "{\"rejected_at_unix_nano\":\"17").unwrap();
    let rig = Rig::start(dir.path(), Plan::memory(&Scripted::new(|_| Say::Permanent)));
    rig.submit(1).await.unwrap();
    rig.rest().await;
    let text = std::fs::read_to_string(path).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(name_in(&last), "r000000");
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_dead_exporter_slows_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (fast, slow, dead) =
        (Scripted::healthy(), Scripted::slow(60 * SECOND, |_| Say::Yes), Scripted::new(|_| Say::Hang));
    let rig = Rig::start(dir.path(), Plan::memory(&fast).and("otlp_http/slow", &slow).and("otlp_http/dead", &dead));
    let began = Instant::now();
    for _ in 0..100 {
        rig.submit(10).await.unwrap();
        rig.until("the fast one is held up", |rig| rig.export().lag_records.load(Relaxed) == 0).await;
    }
    assert!(began.elapsed() < SECOND);
    assert_eq!(fast.taken(), named(0..1000));
    assert!(slow.taken().is_empty());
    // What hangs shows how far it is behind, though it has not failed.
    assert_eq!(rig.pipeline.exports()[2].lag_records.load(Relaxed), 1000);
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(slow.taken(), named(0..1000));
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn what_a_destination_throws_away_is_not_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::new(|names| if names.len() == 10 { Say::YesBut(3) } else { Say::Yes });
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    for records in [10, 5, 10] {
        rig.submit(records).await.unwrap();
        rig.rest().await;
    }
    let export = rig.export();
    assert_eq!((export.delivered.load(Relaxed), export.rejected.load(Relaxed)), (19, 6));
    rig.check_books();
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_has_something_to_say_about_the_data_is_not_paused() {
    let dir = tempfile::tempdir().unwrap();
    let answers = Mutex::new(vec![Say::Permanent, Say::Pause]);
    let exporter = Scripted::new(move |_| answers.lock().unwrap().pop().unwrap_or(Say::Hang));
    let rig = Rig::start(dir.path(), Plan::memory(&exporter));
    rig.submit(2).await.unwrap();
    rig.until("it should try the first half", |_| exporter.calls().len() == 3).await;
    assert!(!rig.export().paused.load(Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_dies_raises_the_alarm_and_its_records_are_kept() {
    let (events, _guard) = Events::collect();
    let dir = tempfile::tempdir().unwrap();
    let (broken, healthy) = (Scripted::new(|_| Say::Panic), Scripted::healthy());
    let rig = Rig::start(dir.path(), Plan::memory(&broken).and("otlp_http/other", &healthy));
    rig.submit(4).await.unwrap();
    rig.until("the alarm", |rig| rig.export().paused.load(Relaxed)).await;
    rig.submit(4).await.unwrap();
    rig.until("the other goes on", |_| healthy.taken().len() == 8).await;
    assert_eq!((events.count("delivery died"), rig.export().lag_records.load(Relaxed)), (1, 8));
    assert_eq!(rig.stop(SECOND).await, 8);
}
