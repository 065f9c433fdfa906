//! Loki's push API as it is documented, strict: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>. It stores
//! the good lines of a request, says of the others what Loki 3 says, and ignores a line that it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use prost::Message;
use serde_json::Value;
use telseal::stdx::{calendar, clock};

use crate::fake::{Asked, Requests, fake};

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A line with everything about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) time: u64,
    pub(crate) text: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The lines of a request.
pub(crate) fn lines_of(asked: &Asked) -> Vec<Line> {
    assert_eq!(asked.line, "POST /loki/api/v1/push");
    match asked.headers["content-type"].as_str() {
        "application/json" => of_json(&asked.body),
        "application/x-protobuf" => of_protobuf(&asked.body),
        other => panic!("content-type {other}"),
    }
}

fn of_protobuf(body: &[u8]) -> Vec<Line> {
    let mut lines = vec![];
    for stream in PushRequest::decode(body).unwrap().streams {
        for entry in stream.entries {
            let time = entry.timestamp.unwrap();
            let count = entry.metadata.len();
            let metadata: BTreeMap<_, _> = entry.metadata.into_iter().map(|pair| (pair.name, pair.value)).collect();
            assert_eq!(metadata.len(), count, "a name stands twice");
            lines.push(Line {
                labels: labels(&stream.labels),
                time: u64::try_from(time.seconds).unwrap() * 1_000_000_000 + u64::try_from(time.nanos).unwrap(),
                text: entry.line,
                metadata,
            });
        }
    }
    lines
}

/// `{a="b", c="d"}`.
fn labels(text: &str) -> BTreeMap<String, String> {
    let inner = text.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let pairs = inner.split(", ").map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), serde_json::from_str(value).unwrap())).collect()
}

fn of_json(body: &[u8]) -> Vec<Line> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let mut lines = vec![];
    for stream in request["streams"].as_array().unwrap() {
        for entry in stream["values"].as_array().unwrap() {
            lines.push(Line {
                labels: serde_json::from_value(stream["stream"].clone()).unwrap(),
                time: entry[0].as_str().unwrap().parse().unwrap(),
                text: entry[1].as_str().unwrap().to_owned(),
                metadata: serde_json::from_value(entry[2].clone()).unwrap(),
            });
        }
    }
    lines
}

/// The server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server(Arc<Mutex<Vec<Line>>>);

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

impl Server {
    pub(crate) async fn start(self) -> (String, Requests) {
        fake(move |asked| self.take(asked)).await
    }

    /// What is stored, in order of arrival.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|line| line.text.clone()).collect()
    }

    fn take(&self, asked: &Asked) -> (u16, String) {
        let now = clock::unix_nanos();
        let mut complaints = vec![];
        for line in lines_of(asked) {
            let stream = format!(r#"{{service_name="{}"}}"#, line.labels["service_name"]);
            let mut stored = self.0.lock().unwrap();
            let newest = stored.iter().map(|line| line.time).max().unwrap_or_default();
            if line.time < now - 7 * 24 * HOUR {
                let oldest = rfc3339(now - 7 * 24 * HOUR);
                let time = rfc3339(line.time);
                complaints.push(format!("entry for stream '{stream}' has timestamp too old: {time}, oldest acceptable timestamp is: {oldest}"));
            } else if line.time > now + HOUR / 6 {
                complaints.push(format!("entry for stream '{stream}' has timestamp too new: {}", rfc3339(line.time)));
            } else if line.text.len() > 256 << 10 {
                let len = line.text.len();
                complaints.push(format!("Max entry size '262144' bytes exceeded for stream '{stream}' while adding an entry with length '{len}' bytes"));
            } else if line.time + HOUR < newest {
                let (time, oldest) = (rfc3339(line.time), rfc3339(newest - HOUR));
                complaints.push(format!(
                    "entry with timestamp {} ignored, reason: 'entry too far behind, entry timestamp is: {time}, oldest acceptable timestamp is: {oldest}',\nuser 'fake', total ignored: 1 out of 1 for stream: {stream}",
                    go(line.time)
                ));
            } else if !stored.contains(&line) {
                stored.push(line);
            }
        }
        match complaints.as_slice() {
            [] => (204, String::new()),
            // Equal ones are said once, with their number.
            [first, ..] => (400, format!("{} errors like: {first}; {}", complaints.len(), complaints.last().unwrap())),
        }
    }
}

fn rfc3339(nanos: u64) -> String {
    let seconds = nanos / SECOND;
    let ((year, month, day), clock) = (calendar::date(seconds / 86_400), seconds % 86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

/// As Go prints a time: without trailing zeros.
fn go(nanos: u64) -> String {
    let fraction = format!(".{:09}", nanos % SECOND);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction} +0000 UTC", rfc3339(nanos).trim_end_matches('Z').replace('T', " "))
}
