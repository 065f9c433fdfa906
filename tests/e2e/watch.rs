//! `telseal watch` beside a running telseal: it tells of each advance, and ends when somebody changes what was sealed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, said, telseal};
use crate::sender::send;
use crate::telemetry::numbered;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {heartbeat: 1s}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

fn send_one(site: &Site, number: u64) {
    assert_eq!(send(site.http, Signal::Logs, &numbered([number])).expect("an answer").status, 200);
}

#[test]
fn a_watch_tells_of_each_advance_and_ends_when_what_was_sealed_is_changed() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let running = site.start();
    send_one(&site, 1);
    let mut watch = Command::new(env!("CARGO_BIN_EXE_telseal"))
        .args(["watch".as_ref(), site.data_dir().as_os_str(), "--interval".as_ref(), "20ms".as_ref()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut size = || {
        let line = lines.next().expect("an advance").unwrap();
        let size = line.split_once(' ').unwrap().1.split(' ').next().unwrap().parse::<u64>();
        size.unwrap_or_else(|_| panic!("{line}"))
    };
    let first = size();
    send_one(&site, 2);
    assert!(size() > first);
    assert_eq!(running.terminate().status.code(), Some(0));

    let segment = site.files("logs/ledger", ".ndjson").remove(0);
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("\"body\"", "\"Body\"", 1) + " ").unwrap();
    let ended = watch.wait().unwrap();
    let mut err = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(ended.code(), Some(4), "{err}");
    assert!(err.contains("modified"), "{err}");
}

#[test]
fn one_look_says_that_a_ledger_is_silent_unless_it_ended_in_order() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let once = || telseal(["watch".as_ref(), site.data_dir().as_os_str(), "--once".as_ref()]);
    let running = site.start();
    send_one(&site, 1);
    assert_eq!(once().status.code(), Some(0), "{}", said(&once()));
    drop(running.kill());
    // Longer than three heartbeats.
    std::thread::sleep(std::time::Duration::from_millis(3_200));
    let silent = once();
    assert!(silent.status.code() == Some(6) && said(&silent).contains("stale: no entry since"), "{}", said(&silent));
    let again = site.start();
    assert_eq!(again.terminate().status.code(), Some(0));
    std::thread::sleep(std::time::Duration::from_millis(3_200));
    assert_eq!(once().status.code(), Some(0), "{}", said(&once()));
}
