//! VictoriaMetrics, and what it holds.

use serde_json::Value;

use crate::backend::{self, Backend};
use crate::process::eventually;
use crate::sender;

pub(crate) fn start() -> Option<Backend> {
    backend::start("victoria-metrics", |port, dir| {
        vec![
            format!("-httpListenAddr=127.0.0.1:{port}"),
            format!("-storageDataPath={}", dir.display()),
            "-retentionPeriod=100y".to_owned(),
            "-search.latencyOffset=0s".to_owned(),
        ]
    })
}

/// The series that it holds, once there are so many: the labels, `__name__` among them, and the values.
pub(crate) fn series(backend: &Backend, count: usize) -> Vec<(Value, Vec<f64>)> {
    let query = "GET /api/v1/export?match[]=%7B__name__!=%22%22%7D&start=0 HTTP/1.0\r\n\r\n";
    eventually("VictoriaMetrics holds the series", || {
        sender::get(backend.port, "/internal/force_flush")?;
        let text = sender::exchange(backend.port, query.as_bytes())?.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<_> = lines
            .map(|line| {
                let values = line["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
                (line["metric"].clone(), values.collect())
            })
            .collect();
        (found.len() >= count).then_some(found)
    })
}
