//! `splunk_hec` into VictoriaLogs' HEC endpoint: a recorded agent session, sealed and unsealed.
//!
//! It has no indexer acknowledgement; `tests/splunk_hec.rs` has that, on a fake.

use std::collections::BTreeSet;

use serde_json::Value;
use telseal::otlp::Signal;

use crate::victoria_logs::{Seal, sealed_lines, session};

const HEC: &str =
    "splunk_hec: {endpoint: 'http://127.0.0.1:$PORT/insert/splunk/services/collector/event', token: not-checked-here}";

#[test]
fn every_log_record_of_a_session_is_there_with_its_body_and_attributes() {
    session(HEC, Seal::No, &[Signal::Logs], |_, records| {
        let sent: Value = serde_json::from_str(include_str!("../../examples/session/logs.json")).unwrap();
        let group = &sent["resourceLogs"][0];
        let logs =
            group["scopeLogs"].as_array().unwrap().iter().flat_map(|scope| scope["logRecords"].as_array().unwrap());
        for log in logs {
            let body = log["body"]["stringValue"].as_str().unwrap_or_default();
            let found = records.iter().find(|record| {
                let same = |attribute: &Value| {
                    let field = &record[format!("fields.{}", attribute["key"].as_str().unwrap())];
                    attribute["value"]["stringValue"].as_str().is_none_or(|value| value.is_empty() || field == value)
                };
                (body.is_empty() || record["_msg"] == body) && log["attributes"].as_array().unwrap().iter().all(same)
            });
            assert!(found.is_some(), "not there: {log}\n{:?}", records[0]);
        }
    });
}

#[test]
fn the_sealed_lines_are_there_byte_for_byte() {
    session(HEC, Seal::Yes, &[Signal::Logs, Signal::Traces], |site, records| {
        let there: BTreeSet<String> =
            records.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect();
        assert_eq!(there, sealed_lines(site));
    });
}
