//! Random schedules of requests, answers, reloads, clean ends and crashes, each from a seed that is named when it fails
//! (`SIM_SEED=` plays it again, `SIM_SEEDS=` tries as many). What holds at the end of each: every acknowledged record was delivered or put aside, nothing that was never sent appears,
//! and where nothing crashed and no payload was cut in two by a shutdown nothing appears twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telseal::pipeline::delivery::Settings;
use telseal::pipeline::store::Kind;

use crate::rig::{Plan, Rig, Say, Scripted, dead_letters, ledger, name_in, named, quick};

/// xorshift64*.
#[derive(Clone)]
struct Random(Arc<Mutex<u64>>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)))
    }

    fn below(&self, end: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// Answers of every kind; `worst` in ten are a no.
fn moody(random: &Random, worst: u64) -> impl FnMut(&[String]) -> Say + Send + use<> {
    let random = random.clone();
    move |names| match random.below(10) {
        mood if mood >= worst => Say::Yes,
        _ => match random.below(4) {
            0 => Say::Permanent,
            1 if names.len() > 1 => Say::Permanent,
            _ => Say::Retry(Some(Duration::from_millis(random.below(20)))),
        },
    }
}

async fn simulate(seed: u64, storage: Kind, crashes: bool) {
    let random = Random::new(seed);
    let mut home = tempfile::tempdir().unwrap();
    let exporters = [Scripted::new(moody(&random, 5)), Scripted::of_otlp(moody(&random, 2))];
    let give_up = Settings { give_up_after: seed.is_multiple_of(3).then_some(Duration::from_millis(30)), ..quick() };
    let plan = || {
        Plan::of(storage.clone(), &exporters[0])
            .with(Settings { batch_bytes_max: 2000, ..give_up.clone() })
            .and("otlp_grpc/b", &exporters[1])
    };
    let mut rig = Rig::start(home.path(), plan());
    let (mut acknowledged, mut sent) = (vec![], 0);
    let mut aside: [Vec<String>; 2] = Default::default();
    for _ in 0..60 {
        match random.below(20) {
            // An orderly end, long or short.
            0 => {
                let timeout = Duration::from_millis(random.below(300));
                rig.stop(timeout).await;
                rig = Rig::start(home.path(), plan());
            }
            // A crash: what the destinations got in the meantime does not count for the copy.
            1 if crashes => {
                let copy = rig.crash();
                collect_letters(&rig, &mut aside);
                drop(rig);
                rig = Rig::start(copy.path(), plan());
                home = copy;
            }
            // A reload: an exporter ends, perhaps the log forgets it for a while, and another goes on in its place.
            2 => {
                let index = usize::from(random.below(2) == 1);
                let id = ["otlp_http/next", "otlp_grpc/b"][index];
                // A payload that is cut off may come again: where nothing may come twice, it is waited for.
                let grace = Duration::from_millis(random.below(30));
                rig.pipeline.detach(id, if crashes { grace } else { Duration::from_secs(10) }).await;
                // In a spool what is behind all others goes meanwhile.
                if matches!(storage, Kind::Ledger(_)) && random.below(2) == 0 {
                    rig.pipeline.release(id);
                }
                rig.attach(id, &exporters[index]);
            }
            3..6 => tokio::time::sleep(Duration::from_millis(random.below(50))).await,
            _ => {
                let records = 1 + random.below(40);
                let names = named(sent..sent + records);
                sent += records;
                if rig.submit_names(&names).await.is_ok() {
                    acknowledged.extend(names);
                }
            }
        }
    }
    rig.rest().await;
    collect_letters(&rig, &mut aside);
    // In a spool a request that was halved when the end came may come again in part.
    let exact = !crashes && matches!(storage, Kind::Ledger(_));
    for (exporter, aside) in exporters.iter().zip(&aside) {
        check_arrivals(seed, &acknowledged, sent, &exporter.taken(), aside, exact);
    }
    rig.check_books();
    rig.stop(Duration::from_secs(10)).await;
    if matches!(storage, Kind::Ledger(_)) {
        let verdict =
            telseal::ledger::verify(&home.path().join("logs/ledger"), &telseal::ledger::VerifyOptions::default());
        assert!(verdict.is_ok(), "seed {seed}: {verdict:?}");
    }
}

/// Nothing acknowledged is missing, nothing comes from nowhere, and where it is `exact` nothing comes twice.
fn check_arrivals(seed: u64, acknowledged: &[String], sent: u64, taken: &[String], aside: &[String], exact: bool) {
    let known: BTreeSet<&String> = taken.iter().chain(aside).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|name| !known.contains(name)).collect();
    assert!(lost.is_empty(), "seed {seed}: lost {lost:?}");
    let valid: BTreeSet<String> = named(0..sent).into_iter().collect();
    assert!(known.iter().all(|name| valid.contains(*name)), "seed {seed}: a record from nowhere");
    assert!(!exact || known.len() == taken.len() + aside.len(), "seed {seed}: a record came twice");
}

fn collect_letters(rig: &Rig, aside: &mut [Vec<String>; 2]) {
    for (aside, name) in aside.iter_mut().zip(["otlp_http-next", "otlp_grpc-b"]) {
        let letters = dead_letters(&rig.dir.join(format!("rejected/{name}.ndjson")));
        aside.extend(letters.iter().map(name_in));
    }
}

/// The seeds to try: a few, or so many as `SIM_SEEDS` says, or the one of `SIM_SEED`.
fn seeds(first: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SIM_SEED"), number("SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, many) => first..first + many.unwrap_or(4),
    }
}

#[tokio::test]
async fn a_spool_keeps_its_word_on_any_schedule() {
    for seed in seeds(1) {
        simulate(seed, Kind::Spool, true).await;
    }
}

#[tokio::test]
async fn a_ledger_keeps_its_word_on_any_schedule() {
    for seed in seeds(100_001) {
        simulate(seed, ledger(16 << 10), true).await;
    }
}

#[tokio::test]
async fn without_a_crash_nothing_comes_twice() {
    for seed in seeds(200_001) {
        simulate(seed, ledger(16 << 10), false).await;
    }
}
