//! What `enrich` knows besides the records, with the real binary: the request over both protocols, a table that changes
//! while telseal runs, this machine, and the Collector's processors under their own names.

use std::fs;
use std::path::Path;

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, eventually};
use crate::sender::{PROTOBUF, call, path, post};
use crate::telemetry::{Item, numbered, records};

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
processors:
  resourcedetection: {detectors: [system, docker], override: false}
  resource: {attributes: [{key: tenant.from, value: header, action: upsert}]}
  enrich:
    trusted: [client.address, team]
    baggage: {keys: [flow]}
    actions:
      - {key: client.address, from_context: client.address, action: insert}
      - {key: tenant, from_context: metadata.X-Tenant, action: insert}
    lookups:
      - {file: $DIR/teams.csv, key: tenant, reload_interval: 50ms, default: {team: unknown}}
  attributes: {actions: [{key: last, value: true, action: insert}]}
  redaction: {allow_all_keys: true, blocked_values: ['record [0-9]']}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs:
      receivers: [otlp]
      processors: [resourcedetection, resource, enrich, attributes, redaction]
      exporters: [otlp_http/next]
";

fn put(file: &Path, content: &str) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

/// Every string attribute of the newest record that arrived, and its body, as `key=value` words.
fn newest(next: &Destination, count: usize) -> Vec<String> {
    let got = next.wait_for("the record", |got| got.len() == count);
    let record = records(Signal::Logs, &got[count - 1].body).remove(0);
    let Item::Log(log) = record.item else { panic!("no log record") };
    let resource = record.resource.unwrap_or_default().attributes;
    let attributes = log.attributes.into_iter().chain(resource);
    let body = format!("body={:?}", log.body.unwrap().value.unwrap());
    let word = |pair: opentelemetry_proto::tonic::common::v1::KeyValue| {
        format!("{}={:?}", pair.key, pair.value.unwrap().value.unwrap())
    };
    attributes.map(word).chain([body]).collect()
}

fn assert_has(words: &[String], expected: &[&str]) {
    for word in expected {
        assert!(words.iter().any(|found| found == word), "{word} is not in {words:#?}");
    }
}

#[test]
fn records_learn_of_their_request_their_table_and_their_machine() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let table = site.dir().join("teams.csv");
    put(&table, "tenant,team\npay,payments\n");
    let _telseal = site.start();
    let headers = [("content-type", PROTOBUF), ("x-tenant", "pay"), ("baggage", "flow=check%20out,other=1")];
    assert_eq!(post(site.http, &path(Signal::Logs), &headers, &numbered([1])).unwrap().status, 200);
    let words = newest(&next, 1);
    let expected = [
        "client.address=StringValue(\"127.0.0.1\")",
        "tenant=StringValue(\"pay\")",
        "team=StringValue(\"payments\")",
        "flow=StringValue(\"check out\")",
        "tenant.from=StringValue(\"header\")",
        "os.type=StringValue(\"linux\")",
        "last=BoolValue(true)",
        "body=StringValue(\"****\")",
    ];
    assert_has(&words, &expected);
    assert!(!words.iter().any(|word| word.starts_with("other=")), "{words:?}");

    put(&table, "tenant,team\npay,treasury\n");
    eventually("the table is reloaded", || (site.metric("telseal_enrich_table_reloads_total") >= 1.0).then_some(()));
    assert_eq!(call(site.grpc, Signal::Logs, &[("x-tenant", "pay")], &numbered([2])).code, 0);
    assert_has(&newest(&next, 2), &["client.address=StringValue(\"127.0.0.1\")", "team=StringValue(\"treasury\")"]);

    put(&table, "tenant,team\npay\n");
    eventually("the broken table is refused", || {
        (site.metric("telseal_enrich_table_reloads_total") >= 2.0).then_some(())
    });
    assert_eq!(call(site.grpc, Signal::Logs, &[("x-tenant", "other")], &numbered([3])).code, 0);
    assert_has(&newest(&next, 3), &["team=StringValue(\"unknown\")"]);
    assert_eq!(site.metric("telseal_enrich_table_rows"), 1.0);
    assert_eq!(site.metric("telseal_enrich_lookups_total"), 3.0);
    assert!(site.metric("telseal_redactions_total") >= 3.0);
}

#[test]
fn a_table_that_is_missing_at_start_is_an_error_that_names_it() {
    let site = Site::new(TEMPLATE, &[("$NEXT", "http://127.0.0.1:1")]);
    let ended = site.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("processors.enrich.lookups[0].file: cannot use"), "{}", ended.output);
    assert!(ended.output.contains("teams.csv"), "{}", ended.output);
}
