//! The bytes of remote write 1.0 and 2.0, read by prost, and what is made of a receiver's answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message;
use serde_json::json;
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::prometheusremotewrite::{Config, PrometheusRemoteWrite, Queue, Version};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use telseal::stdx::tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{KINDS, ago, every_kind, payload};

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    family: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct First {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct SecondExemplar {
    #[prost(uint32, repeated, tag = "1")]
    refs: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct About {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SecondSeries {
    #[prost(uint32, repeated, tag = "1")]
    refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<SecondExemplar>,
    #[prost(message, optional, tag = "5")]
    about: Option<About>,
    #[prost(int64, tag = "6")]
    created: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Second {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SecondSeries>,
}

/// Heads and bodies of the requests that came.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Answers each request with what `answer` makes of its number and body.
async fn receiver(answer: impl Fn(usize, &[u8]) -> String + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap().to_string(), Seen::default());
    let kept = Arc::clone(&seen);
    drop(tasks::detached(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![];
            let head = loop {
                if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
            };
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let len: usize =
                text.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
            while bytes.len() < head + len {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
            }
            let body = snap::raw::Decoder::new().decompress_vec(&bytes[head..]).unwrap();
            let number = kept.lock().unwrap().len();
            let answer = answer(number, &body);
            kept.lock().unwrap().push((text, body));
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }));
    (address, seen)
}

fn exporter(address: &str, more: impl FnOnce(&mut Config)) -> PrometheusRemoteWrite {
    let mut config = Config { endpoint: Endpoints::one(format!("http://{address}")), ..Config::default() };
    more(&mut config);
    PrometheusRemoteWrite::new("prometheusremotewrite", &config).unwrap()
}

fn name(series: &Series) -> String {
    series.labels.iter().find(|label| label.name == "__name__").unwrap().value.clone()
}

#[tokio::test]
async fn the_first_version_has_sorted_labels_once_each_and_metadata_once_a_request() {
    let (address, seen) = receiver(|_, _| "204 No Content".to_owned()).await;
    let exporter = exporter(&address, |config| {
        (config.send_metadata, config.remote_write_queue) = (true, Queue { num_consumers: 1 })
    });
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    let seen = seen.lock().unwrap();
    let (head, body) = &seen[0];
    assert!(head.starts_with("post /api/v1/write http/1.1"), "{head}");
    for header in [
        "content-type: application/x-protobuf\r\n",
        "content-encoding: snappy",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(head.contains(header), "{head}");
    }
    let request = First::decode(&**body).unwrap();
    for series in &request.series {
        let names: Vec<_> = series.labels.iter().map(|label| &label.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
    let gauge = Metadata { kind: 2, family: "gauge_int_bytes".into(), help: "a gauge".into(), unit: "By".into() };
    assert!(request.metadata.contains(&gauge), "{:?}", request.metadata);
    let families: BTreeSet<_> = request.metadata.iter().map(|it| &it.family).collect();
    assert_eq!(families.len(), request.metadata.len());
}

#[tokio::test]
async fn the_second_version_has_symbols_metadata_created_timestamps_and_exemplars() {
    let written = |_: usize, body: &[u8]| {
        let request = Second::decode(body).unwrap();
        let (samples, histograms): (Vec<_>, Vec<_>) =
            request.series.iter().map(|it| (it.samples.len(), it.histograms.len())).unzip();
        format!(
            "204 No Content\r\nx-prometheus-remote-write-samples-written: {}\r\nx-prometheus-remote-write-histograms-written: {}",
            samples.iter().sum::<usize>(),
            histograms.iter().sum::<usize>()
        )
    };
    let (address, seen) = receiver(written).await;
    let exporter = exporter(&address, |config| {
        (config.protobuf_message, config.remote_write_queue) = (Version::Two, Queue { num_consumers: 1 });
    });
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    assert_eq!(exporter.rejected_records(), 0);
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].0.contains("content-type: application/x-protobuf;proto=io.prometheus.write.v2.request"),
        "{}",
        seen[0].0
    );
    let request = Second::decode(&*seen[0].1).unwrap();
    assert_eq!(request.symbols[0], "");
    assert_eq!(request.symbols.iter().collect::<BTreeSet<_>>().len(), request.symbols.len());
    let text = |number: u32| request.symbols[number as usize].as_str();
    let labels = |refs: &[u32]| {
        refs.chunks(2).map(|two| (text(two[0]).to_owned(), text(two[1]).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let named = |name: &str| request.series.iter().find(|series| labels(&series.refs)["__name__"] == name).unwrap();
    let sum = named("sum_up_total");
    assert_eq!((sum.about.as_ref().unwrap().kind, sum.samples[0].value), (1, 2.5));
    assert!(sum.created > 0 && sum.created < sum.samples[0].timestamp);
    assert_eq!(labels(&sum.exemplars[0].refs)["trace_id"], "0102030405060708090a0b0c0d0e0f10");
    let gauge = named("gauge_int_bytes").about.clone().unwrap();
    assert_eq!((gauge.kind, text(gauge.help), text(gauge.unit)), (2, "a gauge", "By"));
    let exp = &named("exp").histograms[0];
    assert_eq!((exp.count, exp.schema, exp.positive_deltas.as_slice()), (6, 1, [2, 1].as_slice()));
}

#[tokio::test]
async fn a_receiver_that_does_not_say_what_it_wrote_pauses_and_one_that_wrote_less_is_believed() {
    let two = |config: &mut Config| (config.protobuf_message, config.target_info.enabled) = (Version::Two, false);
    let (address, _) = receiver(|_, _| "204 No Content".to_owned()).await;
    let error = exporter(&address, two).export(&gauges(1)).await.unwrap_err();
    assert!(matches!(&error, ExportError::Pause { cause } if cause.contains("protobuf_message")), "{error}");
    let (address, _) =
        receiver(|_, _| "204 No Content\r\nx-prometheus-remote-write-samples-written: 0".to_owned()).await;
    let exporter = exporter(&address, two);
    exporter.export(&gauges(1)).await.unwrap();
    assert_eq!(exporter.rejected_records(), 1);
}

fn gauges(count: u64) -> Payload {
    let point = |index: u64| json!({"timeUnixNano": ago(5), "asInt": index.to_string(), "attributes": [{"key": "i", "value": {"intValue": index.to_string()}}]});
    payload(&json!([{"name": "g", "gauge": {"dataPoints": (0..count).map(point).collect::<Vec<_>>()}}]), count)
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again_and_deltas_count_once() {
    let (address, seen) =
        receiver(|number, _| if number == 1 { "429 Too Many Requests\r\nretry-after: 7" } else { "200 OK" }.to_owned())
            .await;
    let exporter = exporter(&address, |config| config.target_info.enabled = false);
    let delta = |start: u64, end: u64| {
        let points: Vec<_> = (0..50)
            .map(|index: u64| json!({"startTimeUnixNano": ago(start), "timeUnixNano": ago(end), "asInt": "1", "attributes": [{"key": "i", "value": {"intValue": index.to_string()}}]}))
            .collect();
        payload(
            &json!([{"name": "d", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": points}}]),
            50,
        )
    };
    let first = delta(30, 20);
    let error = exporter.export(&first).await.unwrap_err();
    assert!(
        matches!(error, ExportError::Retry { after: Some(after), .. } if after == Duration::from_secs(7)),
        "{error}"
    );
    exporter.export(&first).await.unwrap();
    exporter.export(&delta(20, 10)).await.unwrap();
    let mut taken: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (number, (_, body)) in seen.lock().unwrap().iter().enumerate().filter(|(number, _)| *number != 1) {
        for series in First::decode(&**body).unwrap().series {
            assert_eq!(name(&series), "d_total", "{number}");
            let index = series.labels.iter().find(|label| label.name == "i").unwrap().value.clone();
            taken.entry(index).or_default().push(series.samples[0].value);
        }
    }
    assert_eq!(taken.len(), 50);
    assert!(taken.values().all(|values| values == &[1.0, 2.0]), "{taken:?}");
}

#[tokio::test]
async fn only_refused_series_are_put_aside_however_they_are_spread() {
    let bad = |_: usize, body: &[u8]| {
        let request = First::decode(body).unwrap();
        let is_bad = request.series.iter().any(|it| matches!(it.samples[0].value, 3.0 | 77.0));
        if is_bad { "400 Bad Request" } else { "200 OK" }.to_owned()
    };
    let (address, seen) = receiver(bad).await;
    let error = exporter(&address, |_| {}).export(&gauges(100)).await.unwrap_err();
    let ExportError::Partial { refused } = error else { panic!("{error}") };
    assert_eq!(refused.iter().flat_map(|it| it.records.clone()).collect::<Vec<_>>(), [3, 77]);
    assert!(seen.lock().unwrap().len() < 60);
}

#[tokio::test]
async fn a_sealed_line_of_many_points_is_sent_whole_and_put_aside_whole() {
    let refuses = Arc::new(AtomicBool::new(false));
    let answer = {
        let refuses = Arc::clone(&refuses);
        move |_: usize, body: &[u8]| {
            let is_third = |series: &Series| series.samples[0].value.to_bits() == 3.0_f64.to_bits();
            let is_bad = refuses.load(Relaxed) && First::decode(body).unwrap().series.iter().any(is_third);
            if is_bad { "400 Bad Request" } else { "200 OK" }.to_owned()
        }
    };
    let (address, seen) = receiver(answer).await;
    let exporter = exporter(&address, |config| config.target_info.enabled = false);
    let line = || Payload::from_lines(Signal::Metrics, gauges(20).to_lines().unwrap(), 1);
    exporter.export(&line()).await.unwrap();
    let taken: usize = seen.lock().unwrap().iter().map(|(_, body)| First::decode(&**body).unwrap().series.len()).sum();
    assert_eq!(taken, 20);
    refuses.store(true, Relaxed);
    let error = exporter.export(&line()).await.unwrap_err();
    assert!(matches!(error, ExportError::Permanent { .. }), "{error}");
}
