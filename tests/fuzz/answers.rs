//! What destinations answer.

use std::sync::{Arc, Mutex};

use serde_json::json;
use telseal::exporter::datadog::Datadog;
use telseal::exporter::loki::Loki;
use telseal::exporter::otlp_http::OtlpHttp;
use telseal::exporter::prometheusremotewrite::PrometheusRemoteWrite;
use telseal::exporter::splunk_hec::SplunkHec;
use telseal::exporter::{Exporter, Payload};
use telseal::otlp::{Signal, json};

use crate::fake::fake;
use crate::mutate::fuzz;

const WORDS: [&str; 12] = [
    "{",
    "}",
    "\"code\":",
    "\"ackId\":",
    "\"acks\":{",
    "\"invalid-event-number\":",
    "-1",
    "4294967296",
    "true",
    "\u{0}",
    "line 7",
    "stream '{",
];
/// What a destination may have read in a request, and must not come back in a message.
const CANARY: &str = "canary-4c1d";

/// Sends one payload after the other to a destination whose answers are changed by chance.
fn answered<E: Exporter>(signal: Signal, answers: &[(u16, &str)], make: impl Fn(&str) -> E) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = Arc::new(Mutex::new((200, String::new())));
    let given = answer.clone();
    let (url, _) = runtime.block_on(fake(move |_| given.lock().unwrap().clone()));
    let exporter = make(&url);
    let request = json::to_protobuf(signal, request(signal).as_bytes()).unwrap();
    let payload = Payload::from_otlp(signal, vec![request.into()], 2);
    let seeds: Vec<Vec<u8>> = answers.iter().map(|(status, body)| format!("{status} {body}").into_bytes()).collect();
    fuzz(&seeds, &WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let (status, body) = text.split_once(' ').unwrap_or(("200", &text));
        let status = status.parse().ok().filter(|status| (200..600).contains(status)).unwrap_or(400);
        *answer.lock().unwrap() = (status, format!("{body}{CANARY}"));
        if let Err(error) = runtime.block_on(exporter.export(&payload)) {
            assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
        }
    });
}

fn request(signal: Signal) -> String {
    match signal {
        Signal::Metrics => json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1"}, {"timeUnixNano": "2", "asInt": "2"}]}}]}]}]}),
        _ => json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
            {"timeUnixNano": "1", "body": {"stringValue": "one"}}, {"timeUnixNano": "2", "body": {"stringValue": "two"}}]}]}]}),
    }
    .to_string()
}

#[test]
fn of_splunk() {
    let answers = [
        (200, r#"{"text":"Success","code":0}"#),
        (400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#),
        (503, r#"{"text":"Server is busy","code":9}"#),
    ];
    answered(Signal::Logs, &answers, |url| {
        let config =
            json!({"endpoint": url, "token": "t", "acknowledgements": {"indexer_acknowledgements_enabled": false}});
        SplunkHec::new("splunk_hec", &serde_json::from_value(config).unwrap()).unwrap()
    });
}

#[test]
fn of_loki() {
    let answers = [
        (
            400,
            "entry for stream '{service_name=\"x\"}' has timestamp too old: 1970-01-01T00:00:00Z, oldest acceptable timestamp is: x\n",
        ),
        (400, "max entry size '262144' bytes exceeded for stream '{}' while adding an entry with length '3' bytes"),
        (429, "Ingestion rate limit exceeded for user fake (limit: 4 bytes/sec) while attempting to ingest '2' lines"),
        (204, ""),
    ];
    answered(Signal::Logs, &answers, |url| {
        Loki::new("loki", &serde_json::from_value(json!({"endpoint": url})).unwrap()).unwrap()
    });
}

#[test]
fn of_datadog() {
    let answers = [
        (202, "{}"),
        (400, r#"{"errors":[{"detail":"bad","status":"400","title":"x"}]}"#),
        (403, r#"{"errors":["Forbidden"]}"#),
    ];
    answered(Signal::Logs, &answers, |url| {
        let config = json!({"api": {"key": "0".repeat(32)}, "logs": {"endpoint": url}});
        Datadog::new("datadog", &serde_json::from_value(config).unwrap()).unwrap()
    });
}

#[test]
fn of_remote_write() {
    let answers = [(204, ""), (400, "out of order sample"), (500, "err: x")];
    answered(Signal::Metrics, &answers, |url| {
        let config = json!({"endpoint": url});
        PrometheusRemoteWrite::new("prometheusremotewrite", &serde_json::from_value(config).unwrap()).unwrap()
    });
}

#[test]
fn of_the_next_collector() {
    let answers = [(200, "\n\u{4}\u{8}\u{1}\u{12}\0"), (400, "\u{8}\u{3}\u{12}\u{3}bad"), (200, "{}")];
    answered(Signal::Logs, &answers, |url| {
        OtlpHttp::new("otlp_http", &serde_json::from_value(json!({"endpoint": url})).unwrap()).unwrap()
    });
}
