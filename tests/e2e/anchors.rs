//! Anchors: a ledger whose disk was set back does not start, and says why; who knows why may go on, and that is sealed.

use std::fs;
use std::path::Path;

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, assert_verified, files_below, said, telseal};
use crate::sender::send;
use crate::telemetry::numbered;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {origin: acme.example/seal/test, anchors: [{dir: $ANCHOR}], anchor_interval: 1ms}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

pub(crate) fn run_and_send(site: &Site, numbers: std::ops::Range<u64>) {
    let telseal = site.start();
    for number in numbers {
        assert_eq!(send(site.http, Signal::Logs, &numbered([number])).expect("an answer").status, 200);
    }
    site.wait_until_delivered();
    assert_eq!(telseal.terminate().status.code(), Some(0));
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

#[test]
fn a_ledger_that_was_set_back_does_not_start_unless_the_reason_is_given() {
    let next = Destination::start();
    let anchor = tempfile::tempdir().unwrap();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url()), ("$ANCHOR", &anchor.path().display().to_string())]);
    run_and_send(&site, 0..3);
    let backup = tempfile::tempdir().unwrap();
    copy(site.data_dir(), backup.path());
    run_and_send(&site, 3..6);
    let checkpoints = fs::read_to_string(files_below(anchor.path()).remove(0)).unwrap();
    assert!(checkpoints.contains("acme.example/seal/test\n"), "{checkpoints}");

    fs::remove_dir_all(site.data_dir()).unwrap();
    copy(backup.path(), site.data_dir());
    let config = site.config();
    let refused = telseal(["run".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(
        said(&refused).contains("was cut off") && said(&refused).contains("--accept-rollback"),
        "{}",
        said(&refused)
    );

    let telseal = site.start_with(&["--accept-rollback", "restored from the backup of Sunday"]);
    assert_eq!(send(site.http, Signal::Logs, &numbered([9])).expect("an answer").status, 200);
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_verified(&site);
    let ledger = fs::read_to_string(site.files("logs/ledger", ".ndjson").remove(0)).unwrap();
    assert!(ledger.contains("\"cause\":\"rollback\"") && ledger.contains("backup of Sunday"), "{ledger}");
    run_and_send(&site, 10..11);
}
