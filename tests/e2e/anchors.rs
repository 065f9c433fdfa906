//! Anchors: a ledger whose disk was set back does not start, and says why; who knows why may go on, and that is sealed.

use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use telseal::otlp::Signal;

use crate::destination::{Destination, Got};
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

/// What a SIEM keeps of the ledger's length is enough to find that its end is gone, though what is left is whole in itself.
#[test]
fn a_checkpoint_that_travelled_as_a_record_finds_a_ledger_that_was_cut_off() {
    let next = Destination::start();
    let template = TEMPLATE.replace("anchors: [{dir: $ANCHOR}], anchor_interval: 1ms", "checkpoint_records: 1s");
    let site = Site::new(&template, &[("$NEXT", &next.url())]);
    run_and_send(&site, 0..3);
    let backup = tempfile::tempdir().unwrap();
    copy(site.data_dir(), backup.path());
    run_and_send(&site, 3..6);
    let notes = checkpoints(&next.got());
    assert!((2..=4).contains(&notes.len()), "one at the end of each run, and at most one a second: {}", notes.len());

    let anchor = backup.path().join("from-the-siem");
    fs::write(&anchor, notes.last().unwrap()).unwrap();
    let verify = |path: &Path| telseal(["verify".as_ref(), path.as_os_str(), "--anchor".as_ref(), anchor.as_os_str()]);
    let whole = verify(site.data_dir());
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    let cut = verify(backup.path());
    assert_eq!(cut.status.code(), Some(4), "{}", said(&cut));
    assert!(said(&cut).contains("truncated"), "{}", said(&cut));
}

/// The bodies of the records that are checkpoints.
fn checkpoints(got: &[Got]) -> Vec<String> {
    let requests = got.iter().map(|got| ExportLogsServiceRequest::decode(&got.body[..]).unwrap());
    let groups = requests.flat_map(|request| request.resource_logs);
    let records = groups.flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records);
    let checkpoints = records.filter(|record| record.event_name == "audit.checkpoint");
    let body = |record: LogRecord| match record.body.and_then(|body| body.value) {
        Some(Value::StringValue(note)) => note,
        other => panic!("{other:?}"),
    };
    checkpoints.map(body).collect()
}
