//! The whole process: what is lost and what arrives twice when the collector or telseal goes away.

use std::collections::BTreeSet;
use std::ops::Range;

use telseal::otlp::Signal;

use crate::hec::{Acks, Fault, Hec, TOKEN};
use crate::numbers;
use crate::process::{Site, assert_verified, eventually};
use crate::sender::send;
use crate::telemetry::numbered;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters:
  splunk_hec:
    endpoint: $NEXT
    token: $TOKEN
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
    acknowledgements: {query_interval: 20ms, timeout: 500ms}
    batch: {max_bytes: 4 KiB}
service:
  data_dir: $DATA
  shutdown_timeout: 3s
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], exporters: [splunk_hec], $STORAGE}
";
const SEALED: &str = "processors: [seal]";
const SPOOL: &str = "storage: disk";

fn site(storage: &str, hec: &Hec) -> Site {
    let unused = if storage == SEALED { "" } else { "processors: {seal: {}}\n" };
    let words = [("$NEXT", &*hec.url()), ("$STORAGE", storage), ("$TOKEN", TOKEN)];
    Site::new(&TEMPLATE.replace(unused, ""), &words)
}

fn send_acknowledged(site: &Site, range: Range<u64>) {
    for number in range {
        let answer = send(site.http, Signal::Logs, &numbered([number])).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Waits until all records up to `count` are indexed; how many are there twice.
fn duplicates(hec: &Hec, count: u64) -> usize {
    let all: BTreeSet<u64> = (0..count).collect();
    let is_all = |events: &[serde_json::Value]| numbers(events).into_iter().collect::<BTreeSet<_>>() == all;
    let found = hec.wait_for("all acknowledged records", is_all);
    found.len() - all.len()
}

fn assert_balanced(site: &Site) {
    for name in ["telseal_pipeline_unaccounted_records", "telseal_exporter_unaccounted_records"] {
        assert!(site.metric(name).abs() < f64::EPSILON, "{name}: {}", site.metric(name));
    }
}

#[test]
fn what_a_collector_took_and_lost_before_it_was_indexed_is_sent_again() {
    for storage in [SEALED, SPOOL] {
        // Slow to index, so that there is something to lose.
        let mut hec = Hec::start(Acks::After(10));
        let site = site(storage, &hec);
        let telseal = site.start();
        for round in 0..3 {
            send_acknowledged(&site, round * 20..(round + 1) * 20);
            eventually("a request that waits", || (hec.seen().len() as u64 > round).then_some(()));
            hec.crash();
            hec.up();
        }
        hec.set_acks(Acks::After(1));
        let doubled = duplicates(&hec, 60);
        println!("{storage}: {doubled} of 60 records twice after three crashes of the collector");
        site.wait_until_delivered();
        assert_balanced(&site);
        let ended = telseal.terminate();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
        assert!(!ended.output.contains("hunter2"), "{}", ended.output);
        if storage == SEALED {
            assert_verified(&site);
        }
    }
}

#[test]
fn what_waits_for_its_acknowledgement_survives_kill_9() {
    for storage in [SEALED, SPOOL] {
        let hec = Hec::start(Acks::After(5));
        let site = site(storage, &hec);
        let mut telseal = site.start();
        for round in 0..3 {
            send_acknowledged(&site, round * 20..(round + 1) * 20);
            telseal.kill();
            telseal = site.start();
        }
        let doubled = duplicates(&hec, 60);
        println!("{storage}: {doubled} of 60 records twice after three kills of telseal");
        site.wait_until_delivered();
        assert_balanced(&site);
        drop(telseal);
    }
}

#[test]
fn an_orderly_end_waits_for_the_acknowledgements_and_leaves_nothing_to_send_twice() {
    let hec = Hec::start(Acks::After(5));
    let site = site(SEALED, &hec);
    let telseal = site.start();
    send_acknowledged(&site, 0..30);
    let ended = telseal.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    let telseal = site.start();
    assert_eq!(duplicates(&hec, 30), 0);
    site.wait_until_delivered();
    drop(telseal);
}

#[test]
fn bad_days_cost_nothing() {
    let hec = Hec::start(Acks::After(0));
    let site = site(SPOOL, &hec);
    let telseal = site.start();
    hec.next([Fault::Code(9), Fault::Page(503), Fault::Code(26), Fault::Page(500), Fault::Code(23), Fault::Code(8)]);
    send_acknowledged(&site, 0..20);
    assert_eq!(duplicates(&hec, 20), 0);
    // A wrong token pauses, and nothing is lost; the probe comes after 15 seconds.
    hec.always(Some(Fault::Code(4)));
    send_acknowledged(&site, 20..25);
    eventually("the alarm", || (site.metric("telseal_exporter_paused") > 0.0).then_some(()));
    hec.always(None);
    assert_eq!(duplicates(&hec, 25), 0);
    site.wait_until_delivered();
    assert_balanced(&site);
    let ended = telseal.terminate();
    assert!(!ended.output.contains("hunter2") && ended.output.contains("HEC code 4"), "{}", ended.output);
}
