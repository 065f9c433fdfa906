//! Exporters that come, go and change while their pipeline works: every record once, in order, and every book balanced.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use telseal::ledger::Applied;
use telseal::otlp::Signal;
use telseal::pipeline::chain::{Chain, Seal, Step};
use telseal::processor::filter::{self, Condition, Filter};

use crate::rig::{Plan, Rig, Say, Scripted, named};

/// The id that plans give their first exporter.
const FIRST: &str = "otlp_http/next";
const SECOND: Duration = Duration::from_secs(1);

fn plans(exporter: &Arc<Scripted>) -> [Plan; 3] {
    [Plan::memory(exporter), Plan::spool(exporter), Plan::ledger(exporter)]
}

#[tokio::test(start_paused = true)]
async fn another_exporter_goes_on_where_the_first_one_was() {
    for index in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Scripted::healthy(), Scripted::healthy());
        let [memory, spool, ledger] = plans(&first);
        let plan = [memory, spool, ledger].into_iter().nth(index).unwrap();
        let rig = Rig::start(dir.path(), plan);
        rig.submit(10).await.unwrap();
        rig.rest().await;
        rig.pipeline.detach(FIRST, 5 * SECOND).await;
        rig.submit(10).await.unwrap();
        assert_eq!((first.taken(), rig.export().lag_records.load(Relaxed)), (named(0..10), 10), "the log waits for it");
        rig.attach(FIRST, &second);
        rig.submit(10).await.unwrap();
        rig.rest().await;
        assert_eq!(second.taken(), named(10..30));
        assert_eq!(rig.export().delivered.load(Relaxed), 30, "its books go on");
        rig.stop(5 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_payload_under_way_is_finished_and_one_that_hangs_is_given_up_and_comes_again() {
    for (takes, wanted) in [(3 * SECOND, named(0..10)), (60 * SECOND, named(0..0))] {
        let dir = tempfile::tempdir().unwrap();
        let slow = Scripted::slow(takes, |_| Say::Yes);
        let rig = Rig::start(dir.path(), Plan::memory(&slow));
        rig.submit(10).await.unwrap();
        rig.until("it is under way", |_| !slow.calls().is_empty()).await;
        rig.submit(10).await.unwrap();
        rig.pipeline.detach(FIRST, 5 * SECOND).await;
        assert_eq!((slow.taken(), slow.calls().len()), (wanted.clone(), 1));
        let next = Scripted::healthy();
        rig.attach(FIRST, &next);
        rig.rest().await;
        assert_eq!([wanted, next.taken()].concat(), named(0..20));
        rig.stop(5 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_waits_for_its_destination_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for say in [|| Say::Retry(Some(100 * SECOND)), || Say::Pause] {
        let down = Scripted::new(move |_| say());
        let rig = Rig::start(dir.path(), Plan::memory(&down));
        rig.submit(10).await.unwrap();
        rig.until("it fails", |_| !down.calls().is_empty()).await;
        let before = tokio::time::Instant::now();
        rig.pipeline.detach(FIRST, 30 * SECOND).await;
        assert!(before.elapsed() < 30 * SECOND, "{:?}", before.elapsed());
        let next = Scripted::healthy();
        rig.attach(FIRST, &next);
        rig.rest().await;
        assert_eq!(next.taken(), named(0..10));
        rig.stop(5 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_taken_away_holds_nothing_up_and_comes_back_to_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (stays, goes) = (Scripted::healthy(), Scripted::down());
    let rig = Rig::start(dir.path(), Plan::ledger(&stays).and("goes", &goes));
    rig.submit(10).await.unwrap();
    rig.until("it fails", |_| !goes.calls().is_empty()).await;
    rig.pipeline.detach("goes", 5 * SECOND).await;
    rig.pipeline.release("goes");
    assert_eq!(rig.pipeline.exports().len(), 1);
    rig.rest().await;
    rig.submit(10).await.unwrap();
    let back = Scripted::healthy();
    rig.attach("goes", &back);
    rig.rest().await;
    assert_eq!((back.taken(), stays.taken()), (named(0..20), named(0..20)));
    rig.stop(5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_went_meanwhile_is_counted_as_overrun() {
    let dir = tempfile::tempdir().unwrap();
    let (stays, goes) = (Scripted::healthy(), Scripted::down());
    let rig = Rig::start(dir.path(), Plan::memory(&stays).and("goes", &goes));
    rig.submit(10).await.unwrap();
    rig.until("it fails", |_| !goes.calls().is_empty()).await;
    rig.pipeline.detach("goes", 5 * SECOND).await;
    rig.pipeline.release("goes");
    rig.rest().await;
    rig.submit(10).await.unwrap();
    rig.rest().await;
    let back = Scripted::healthy();
    rig.attach("goes", &back);
    rig.submit(10).await.unwrap();
    rig.rest().await;
    assert_eq!(back.taken(), named(20..30));
    assert_eq!(rig.pipeline.exports()[1].overrun.load(Relaxed), 20);
    rig.stop(5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_exporter_gets_what_the_ledger_has_also_as_otlp() {
    let dir = tempfile::tempdir().unwrap();
    let first = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::ledger(&first));
    rig.submit(10).await.unwrap();
    rig.rest().await;
    let new = Scripted::of_otlp(|_| Say::Yes);
    rig.attach("new", &new);
    rig.submit(10).await.unwrap();
    rig.rest().await;
    assert_eq!(new.taken(), named(0..20));
    rig.stop(5 * SECOND).await;
}

/// Drops everything.
fn nothing_passes() -> Vec<Step> {
    let everything = Condition { key: Some("name".into()), exists: Some(false), ..Condition::default() };
    let filter = Filter::new(&filter::Config { drop: vec![everything], ..filter::Config::default() }).unwrap();
    vec![Step { id: "filter".to_owned(), processor: Arc::new(filter) }]
}

#[tokio::test(start_paused = true)]
async fn other_processors_are_asked_from_the_next_request_on_and_the_ledger_says_so_first() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::ledger(&exporter));
    rig.submit(10).await.unwrap();
    let applied = Applied { config_digest: "ab".repeat(32), processors: vec![], rule_sets: vec![] };
    rig.pipeline.configure(applied).await.unwrap();
    let seal = || Some(Seal { keep_otlp: true, ..Seal::default() });
    rig.pipeline.rechain(Chain::new(Signal::Logs, nothing_passes(), seal())).unwrap();
    rig.submit(10).await.unwrap();
    let refused = rig.pipeline.rechain(Chain::new(Signal::Logs, vec![], None));
    assert!(refused.unwrap_err().to_string().contains("what is sealed stays sealed"));
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..10), "the others are dropped");
    let ledger = rig.dir.join("ledger");
    rig.stop(5 * SECOND).await;
    let mut text = String::new();
    for entry in std::fs::read_dir(ledger).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "ndjson" || end == "seg") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let at: Vec<usize> = text.match_indices(r#""audit.control":"config""#).map(|(at, _)| at).collect();
    assert_eq!(at.len(), 2, "{text}");
    assert!(text[at[1]..].starts_with(r#""audit.control":"config""#) && text[at[1]..].contains(r#""reload":1"#));
    assert!(text[at[1]..].contains(&"ab".repeat(32)));
}
