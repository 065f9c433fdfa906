//! Conservation: what came in is stored, dropped for a reason, refused, or under way.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use prost::Message;
use telseal::otlp::DecodeError;
use telseal::otlp::model::Batch;
use telseal::pipeline::chain::Step;
use telseal::pipeline::{Receipt, Refused};
use telseal::processor::filter::{Condition, Config, Filter};
use telseal::processor::{Outcome, Processor};

use crate::rig::{Plan, Rig, Scripted, named, names, request};

/// Drops every record that has the attribute `drop`.
fn filter() -> Step {
    let condition = Condition { key: Some("drop".to_owned()), exists: Some(true), ..Condition::default() };
    let config = Config { drop: vec![condition], ..Config::default() };
    Step { id: "filter".to_owned(), processor: Arc::new(Filter::new(&config).unwrap()) }
}

/// The request with the attribute `key` at the records in `at`.
fn marked(names: &[String], at: &[usize], value: impl Fn() -> AnyValue) -> Bytes {
    let mut decoded = ExportLogsServiceRequest::decode(request(names)).unwrap();
    for index in at {
        let attribute = KeyValue { key: "drop".to_owned(), value: Some(value()), ..KeyValue::default() };
        decoded.resource_logs[0].scope_logs[0].log_records[*index].attributes.push(attribute);
    }
    decoded.encode_to_vec().into()
}

fn text() -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue("yes".to_owned())) }
}

/// Far deeper than a line may be.
fn deep() -> AnyValue {
    let mut value = text();
    for _ in 0..200 {
        value = AnyValue { value: Some(any_value::Value::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    value
}

#[tokio::test]
async fn dropped_records_are_counted_and_the_rest_goes_on() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let exporter = Scripted::healthy();
        let mut plan = if sealed { Plan::ledger(&exporter) } else { Plan::memory(&exporter) };
        plan.steps = vec![filter()];
        let rig = Rig::start(dir.path(), plan);
        let some = rig.request(marked(&named(0..10), &[0, 4, 9], text));
        assert_eq!(rig.intake().submit(some).await, Ok(Receipt::default()));
        let all = rig.request(marked(&named(10..12), &[0, 1], text));
        assert_eq!(rig.intake().submit(all).await, Ok(Receipt::default()));
        rig.rest().await;
        let mut left = named(0..10);
        left.retain(|name| !["r000000", "r000004", "r000009"].contains(&name.as_str()));
        assert_eq!(exporter.taken(), left);
        assert_eq!(rig.pipeline.account().appended(), 7);
        rig.check_books();
        rig.stop(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_sealed_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::ledger(&exporter));
    let receipt = rig.intake().submit(rig.request(marked(&named(0..5), &[2], deep))).await.unwrap();
    assert_eq!(receipt.rejected, 1);
    assert!(receipt.reason.is_some_and(|reason| reason.contains("deep")));
    let receipt = rig.intake().submit(rig.request(marked(&named(5..6), &[0], deep))).await.unwrap();
    assert_eq!(receipt.rejected, 1);
    rig.rest().await;
    assert_eq!(exporter.taken(), ["r000000", "r000001", "r000003", "r000004"]);
    rig.check_books();
    rig.stop(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_invalid_body_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let mut plan = Plan::memory(&exporter);
    plan.steps = vec![filter()];
    let rig = Rig::start(dir.path(), plan);
    let mut body = request(&named(0..3)).to_vec();
    // The text of a body is UTF-8 no more.
    let at = body.windows(7).position(|bytes| bytes == b"r000001").unwrap();
    body[at] = 0xFF;
    let attributed = marked(&named(0..1), &[0], text);
    let mut broken = attributed.to_vec();
    let at = broken.windows(4).position(|bytes| bytes == b"drop").unwrap();
    broken[at] = 0xFF;
    let refused = rig.intake().submit(rig.request(broken.into())).await.unwrap_err();
    assert!(matches!(refused, Refused::Invalid { .. }), "{refused:?}");
    rig.rest().await;
    assert!(exporter.taken().is_empty());
    rig.check_books();
}

/// A defect of ours, which one request must not make everybody's.
struct Panics;

impl Processor for Panics {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        assert!(batch.records().count() < 3, "scripted panic of a processor");
        Ok(Outcome::default())
    }
}

#[tokio::test]
async fn a_panic_in_a_processor_costs_its_request_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let mut plan = Plan::ledger(&exporter);
    plan.steps = vec![Step { id: "panics".to_owned(), processor: Arc::new(Panics) }];
    let rig = Rig::start(dir.path(), plan);
    let (intake, body) = (rig.intake(), rig.request(request(&named(0..3))));
    assert!(tokio::spawn(async move { intake.submit(body).await }).await.unwrap_err().is_panic());
    rig.check_books();
    rig.submit(2).await.unwrap();
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..2));
    rig.check_books();
    rig.stop(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_edited_request_is_stored_edited() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let mut plan = Plan::memory(&exporter);
    plan.steps = vec![filter(), filter()];
    let rig = Rig::start(dir.path(), plan);
    let body = marked(&named(0..4), &[1], text);
    assert_eq!(names(&body).len(), 4);
    rig.intake().submit(rig.request(body)).await.unwrap();
    rig.rest().await;
    assert_eq!(exporter.taken(), ["r000000", "r000002", "r000003"]);
    rig.check_books();
}

/// The ledger's own events of a kind, as JSON.
fn events(rig: &Rig, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(rig.dir.join("ledger/00000000000000000000.ndjson")).unwrap();
    let start = format!("{{\"audit.control\":\"{kind}\"");
    text.lines().filter(|line| line.starts_with(&start)).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_ledger_declares_what_was_dropped_and_that_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let mut plan = Plan::ledger(&exporter);
    plan.steps = vec![filter()];
    if let telseal::pipeline::store::Kind::Ledger(ledger) = &mut plan.storage {
        ledger.options.heartbeat_seconds = 1;
    }
    let rig = Rig::start(dir.path(), plan);
    for from in [0, 10, 20] {
        let some = rig.request(marked(&named(from..from + 10), &[0, 4, 9], text));
        rig.intake().submit(some).await.unwrap();
    }
    // A request of which nothing is stored.
    rig.intake().submit(rig.request(marked(&named(30..31), &[0], text))).await.unwrap();
    let dropped = || -> u64 {
        let gaps = events(&rig, "gap");
        gaps.iter().filter(|gap| gap["cause"] == "filter").map(|gap| gap["count"].as_u64().unwrap()).sum()
    };
    let waited = std::time::Duration::from_secs(20);
    let told = tokio::time::timeout(waited, async {
        while events(&rig, "heartbeat").is_empty() || dropped() < 10 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    told.await.expect("a heartbeat and the gaps");
    assert_eq!(dropped(), 10);
    let gaps = events(&rig, "gap").len();
    assert!((1..=4).contains(&gaps), "{gaps} gap entries");
    let beat = events(&rig, "heartbeat").pop().unwrap();
    assert_eq!((&beat["received"], &beat["sealed"]), (&31.into(), &21.into()));
    let beats = events(&rig, "heartbeat").len();
    rig.check_books();
    rig.stop(std::time::Duration::from_secs(5)).await;
    assert!(beats < 10, "{beats} heartbeats: the sequencer does not sleep");
    let report = telseal::ledger::verify(dir.path(), &telseal::ledger::VerifyOptions::default()).unwrap();
    let ledger = &report.ledgers[0];
    assert_eq!(ledger.gaps["filter"].records, 10);
    assert!(ledger.is_ended && ledger.heartbeat_seconds == Some(1) && ledger.unclean_starts == 0);
}

#[tokio::test]
async fn what_was_dropped_last_is_declared_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let mut plan = Plan::ledger(&exporter);
    plan.steps = vec![filter()];
    let rig = Rig::start(dir.path(), plan);
    for _ in 0..4 {
        rig.intake().submit(rig.request(marked(&named(0..2), &[0, 1], text))).await.unwrap();
    }
    rig.stop(std::time::Duration::from_secs(5)).await;
    let report = telseal::ledger::verify(dir.path(), &telseal::ledger::VerifyOptions::default()).unwrap();
    assert_eq!(report.ledgers[0].gaps["filter"].records, 8);
    assert!(report.ledgers[0].is_ended);
}
