//! VictoriaLogs, and what it holds.

use serde_json::Value;

use crate::backend::{self, Backend};
use crate::process::eventually;
use crate::sender;

pub(crate) fn start() -> Option<Backend> {
    backend::start("victoria-logs", |port, dir| {
        vec![
            format!("-httpListenAddr=127.0.0.1:{port}"),
            format!("-storageDataPath={}", dir.display()),
            // Recorded sessions are old.
            "-retentionPeriod=100y".to_owned(),
            "-futureRetention=100y".to_owned(),
        ]
    })
}

/// The records that it holds, once there are so many, each with its fields; sorted by time.
pub(crate) fn records(backend: &Backend, count: usize) -> Vec<Value> {
    let query = "GET /select/logsql/query?query=*&limit=100000 HTTP/1.0\r\n\r\n";
    let mut records = eventually("VictoriaLogs holds the records", || {
        let text = sender::exchange(backend.port, query.as_bytes())?.text();
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (records.len() >= count).then_some(records)
    });
    assert_eq!(records.len(), count, "some came twice");
    records.sort_by_key(|record| record["_time"].as_str().unwrap().to_owned());
    records
}
