//! VictoriaLogs, and what it holds.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use telseal::otlp::Signal;

use crate::backend::{self, Backend};
use crate::process::{Site, eventually, files_below};
use crate::sender;

const CONFIG: &str = "
receivers:
  otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}
$PROCESSORS
exporters:
  $EXPORTER
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [$SEAL], exporters: [$NAME], storage: disk}
    traces: {receivers: [otlp], processors: [$SEAL], exporters: [$NAME], storage: disk}
";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    Yes,
    No,
}

/// Sends a recorded agent session through telseal by this exporter, a line of YAML in which `$PORT` is VictoriaLogs'; then
/// gives what VictoriaLogs holds.
pub(crate) fn session(exporter: &str, seal: Seal, signals: &[Signal], check: impl FnOnce(&Site, Vec<Value>)) {
    let Some(backend) = start() else { return };
    let (name, _) = exporter.split_once(':').unwrap();
    let (processors, seal) = if seal == Seal::Yes { ("processors: {seal: {}}", "seal") } else { ("", "") };
    let port = backend.port.to_string();
    let words =
        [("$PROCESSORS", processors), ("$EXPORTER", exporter), ("$NAME", name), ("$SEAL", seal), ("$PORT", &port)];
    let site = Site::new(CONFIG, &words);
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
    let records = records(&backend, count);
    telseal.terminate();
    check(&site, records);
}

/// The record lines of a site's ledgers.
pub(crate) fn sealed_lines(site: &Site) -> BTreeSet<String> {
    let segments = files_below(site.data_dir()).into_iter().filter(|path| path.to_string_lossy().ends_with(".ndjson"));
    segments
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("\"audit.seal\":") && line.contains("\"signal\":"))
        .collect()
}

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
