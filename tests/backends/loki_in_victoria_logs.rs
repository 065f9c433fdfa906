//! `loki` into VictoriaLogs: a recorded agent session, sealed and unsealed.

use std::collections::BTreeSet;

use serde_json::Value;
use telseal::otlp::Signal;

use crate::victoria_logs::{Seal, sealed_lines, session};

fn loki(encoding: &str) -> String {
    format!(
        "loki: {{endpoint: 'http://127.0.0.1:$PORT/insert/loki/api/v1/push?disable_message_parsing=1', encoding: {encoding}}}"
    )
}

#[test]
fn every_record_of_a_session_is_there_with_its_body_labels_and_metadata() {
    for encoding in ["protobuf", "json"] {
        session(&loki(encoding), Seal::No, &[Signal::Logs], |_, records| {
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
    session(&loki("protobuf"), Seal::Yes, &[Signal::Logs, Signal::Traces], |site, records| {
        let there: BTreeSet<String> =
            records.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect();
        assert_eq!(there, sealed_lines(site));
        assert!(records.iter().all(|record| record["audit_sequence_number"].is_string()), "{:?}", records[0]);
    });
}
