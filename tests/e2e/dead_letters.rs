//! `telseal dead-letter`: what a destination refused is listed, shown, and goes out again once the destination takes it.

use std::collections::BTreeSet;
use std::process::Output;

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, eventually, said, telseal};
use crate::{sender, telemetry};

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}}
";

fn dead_letter(site: &Site, command: &[&str]) -> Output {
    let (data, config) = (site.data_dir().display().to_string(), site.config().display().to_string());
    let words = command.iter().map(|word| word.replace("$DATA", &data).replace("$CONFIG", &config));
    telseal(std::iter::once("dead-letter".to_owned()).chain(words))
}

#[test]
fn letters_are_listed_shown_and_replayed() {
    let destination = Destination::start();
    destination.answer_always(400);
    let site = Site::new(CONFIG, &[("$NEXT", &destination.url())]);
    let running = site.start();
    sender::send(site.http, Signal::Logs, &telemetry::numbered(0..3)).unwrap();
    eventually("dead letters", || (site.metric("telseal_exporter_dead_lettered_records_total") >= 3.0).then_some(()));

    let listed = said(&dead_letter(&site, &["ls", "$DATA"]));
    assert!(listed.contains("otlp_http-next.ndjson: 3 letters, 20") && listed.contains("3  127.0.0.1:"), "{listed}");
    let shown = said(&dead_letter(&site, &["show", "$DATA", "--limit", "1"]));
    assert!(shown.contains("otlp_http/next  logs: 127.0.0.1:") && shown.contains("\"audit.seal"), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let exported = dead_letter(&site, &["export", "$DATA", "--format", "otlp"]);
    assert_eq!(String::from_utf8_lossy(&exported.stdout).matches("resourceLogs").count(), 3);

    // Refused again: everything stays where it was.
    let replay = ["replay", "$DATA", "-c", "$CONFIG", "--exporter", "otlp_http/next"];
    let again = dead_letter(&site, &replay);
    assert_eq!(again.status.code(), Some(5), "{}", said(&again));
    assert!(said(&again).contains("0 records delivered, 3 letters stay"), "{}", said(&again));

    destination.answer_always(503);
    let stopped = dead_letter(&site, &replay);
    assert!(stopped.status.code() == Some(5) && said(&stopped).contains("stopped: 127.0.0.1:"), "{}", said(&stopped));

    destination.answer_always(200);
    let done = dead_letter(&site, &replay);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let got: BTreeSet<u64> = destination.got().iter().flat_map(|got| telemetry::numbers(&got.body)).collect();
    assert_eq!(got, (0..3).collect());
    assert_eq!(said(&dead_letter(&site, &["ls", "$DATA"])), "no dead letters\n");
    drop(running);
}

#[test]
fn an_exporter_that_is_not_there_is_named() {
    let site = Site::new(CONFIG, &[("$NEXT", "http://127.0.0.1:9")]);
    let output = dead_letter(&site, &["replay", "$DATA", "-c", "$CONFIG", "--exporter", "otlp_http/other"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("has no exporter `otlp_http/other`"), "{}", said(&output));
}
