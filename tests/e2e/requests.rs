//! Commands beside a running telseal that add to its ledger: it is asked to, and answers.

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, said, telseal};
use crate::sender::send;
use crate::telemetry::numbered;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

#[test]
fn an_export_and_a_new_epoch_are_sealed_by_the_telseal_that_is_running() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let running = site.start();
    assert_eq!(send(site.http, Signal::Logs, &numbered([1, 2])).expect("an answer").status, 200);
    let (data, out) = (site.data_dir(), site.data_dir().join("out.csv"));
    let export = ["export", "--format", "csv", "--out"].map(std::ffi::OsStr::new);
    let exported = telseal(export.into_iter().chain([out.as_os_str(), data.as_os_str()]));
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    assert!(said(&exported).contains("noted       in the ledger"), "{}", said(&exported));
    let rotated = telseal(["keys".as_ref(), "rotate".as_ref(), data.as_os_str()]);
    assert_eq!(rotated.status.code(), Some(0), "{}", said(&rotated));
    assert!(said(&rotated).contains("epoch 1 signs from now on"), "{}", said(&rotated));
    assert_eq!(running.terminate().status.code(), Some(0));

    let segment = std::fs::read_to_string(site.files("logs/ledger", ".ndjson").remove(0)).unwrap();
    let events = |kind: &str| segment.matches(&format!("{{\"audit.control\":\"{kind}\"")).count();
    assert_eq!((events("export"), events("key_rotate"), events("end")), (1, 1, 1));
    let verified = telseal(["verify".as_ref(), data.as_os_str()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}
