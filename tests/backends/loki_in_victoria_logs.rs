//! `loki` into VictoriaLogs: a recorded agent session, sealed and unsealed.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use telseal::otlp::Signal;

use crate::process::{Site, files_below};
use crate::{sender, victoria_logs};

const CONFIG: &str = "
receivers:
  otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}
processors:
  seal: {}
exporters:
  loki: {endpoint: 'http://127.0.0.1:$PORT/insert/loki/api/v1/push?disable_message_parsing=1', encoding: $ENCODING}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [$SEAL], exporters: [loki], storage: disk}
    traces: {receivers: [otlp], processors: [$SEAL], exporters: [loki], storage: disk}
";

/// Sends the session through telseal, and returns what VictoriaLogs then holds.
fn session(encoding: &str, seal: &str, signals: &[Signal], check: impl FnOnce(&Site, Vec<Value>)) {
    let Some(backend) = victoria_logs::start() else { return };
    let words = [("$PORT", backend.port.to_string()), ("$ENCODING", encoding.to_owned()), ("$SEAL", seal.to_owned())];
    let words: Vec<_> = words.iter().map(|(word, text)| (*word, text.as_str())).collect();
    let unsealed = CONFIG.replace("processors:\n  seal: {}\n", "");
    let site = Site::new(if seal.is_empty() { &unsealed } else { CONFIG }, &words);
    let telseal = site.start();
    let mut count = 0;
    for signal in signals {
        let body = fs::read(format!("{}/examples/session/{signal}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let answer = sender::post(site.http, &sender::path(*signal), &[("content-type", sender::JSON)], &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let request = telseal::otlp::json::to_protobuf(*signal, &body).unwrap();
        count += usize::try_from(telseal::otlp::count(*signal, &request).unwrap()).unwrap();
    }
    site.wait_until_delivered();
    let records = victoria_logs::records(&backend, count);
    telseal.terminate();
    check(&site, records);
}

#[test]
fn every_record_of_a_session_is_there_with_its_body_labels_and_metadata() {
    for encoding in ["protobuf", "json"] {
        session(encoding, "", &[Signal::Logs], |_, records| {
            let body = include_str!("../../examples/session/logs.json");
            let sent: Value = serde_json::from_str(body).unwrap();
            let group = &sent["resourceLogs"][0];
            let logs =
                group["scopeLogs"].as_array().unwrap().iter().flat_map(|scope| scope["logRecords"].as_array().unwrap());
            for log in logs {
                let text = log["body"]["stringValue"].as_str().unwrap_or_default();
                let found = records.iter().find(|record| {
                    let same = |attribute: &Value| {
                        let name = attribute["key"].as_str().unwrap().replace(['.', '-'], "_");
                        attribute["value"]["stringValue"]
                            .as_str()
                            .is_none_or(|value| value.is_empty() || record[&name].as_str() == Some(value))
                    };
                    (text.is_empty() || record["_msg"] == text)
                        && log["attributes"].as_array().unwrap().iter().all(same)
                });
                assert!(found.is_some(), "not there: {log}");
            }
            assert!(records.iter().all(|record| record["_stream"].as_str().unwrap().contains("service_name=")));
        });
    }
}

#[test]
fn the_sealed_lines_are_there_byte_for_byte() {
    session("protobuf", "seal", &[Signal::Logs, Signal::Traces], |site, records| {
        let there: BTreeSet<String> =
            records.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect();
        let segments =
            files_below(site.data_dir()).into_iter().filter(|path| path.to_string_lossy().ends_with(".ndjson"));
        let ledger: BTreeSet<String> = segments
            .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.contains("\"audit.seal\":") && line.contains("\"signal\":"))
            .collect();
        assert_eq!(there, ledger);
        assert!(records.iter().all(|record| record["audit_sequence_number"].is_string()), "{:?}", records[0]);
    });
}
