//! What metrics for Prometheus cost: `cargo bench --bench prometheus`. CPU time of this process, in milliseconds: of a scrape of
//! 100,000 series in each format, and of a million points by remote write to a receiver in the same process that reads and forgets.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it measured, or why it cannot")]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Held};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::prometheus::{self, Prometheus};
use telseal::exporter::prometheusremotewrite::{self, PrometheusRemoteWrite, Version};
use telseal::exporter::{Exporter, Payload};
use telseal::otlp::Signal;
use telseal::stdx::tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SERIES: u64 = 100_000;
/// As the delivery loop joins them: about 2 MiB.
const POINTS_A_PAYLOAD: u64 = 10_000;

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Held::StringValue(value)) }),
        ..KeyValue::default()
    }
}

fn point(index: u64, time: u64) -> NumberDataPoint {
    let attributes = vec![
        attribute("http.route", format!("/api/v1/items/{}", index % 100)),
        attribute("http.request.method", "GET".to_owned()),
        attribute("http.response.status_code", (200 + index % 5).to_string()),
        attribute("server.address", format!("host-{index}.example.com")),
    ];
    let value = Some(Value::AsDouble(0.5 + f64::from(u32::try_from(index).unwrap())));
    NumberDataPoint { attributes, time_unix_nano: time, value, ..NumberDataPoint::default() }
}

/// All series once, at that second.
fn payloads(second: u64) -> Vec<Payload> {
    let payload = |first: u64| {
        let points = (first..first + POINTS_A_PAYLOAD).map(|index| point(index, second * 1_000_000_000)).collect();
        let data = Some(Data::Gauge(Gauge { data_points: points }));
        let metrics =
            vec![Metric { name: "http.server.active".to_owned(), unit: "s".to_owned(), data, ..Metric::default() }];
        let resource = Resource {
            attributes: vec![
                attribute("service.name", "shop".to_owned()),
                attribute("service.instance.id", "i-1".to_owned()),
            ],
            ..Resource::default()
        };
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics =
            vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
        let bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        Payload::from_otlp(Signal::Metrics, vec![bytes.into()], POINTS_A_PAYLOAD)
    };
    (0..SERIES / POINTS_A_PAYLOAD).map(|index| payload(index * POINTS_A_PAYLOAD)).collect()
}

/// CPU time of this process in milliseconds: `/proc/self/stat` counts hundredths of a second.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// The most memory this process had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn scrape(address: &str, accept: &str) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return total,
            read => total += read,
        }
    }
}

async fn scrapes() {
    let config = prometheus::Config { endpoint: "127.0.0.1:0".to_owned(), ..prometheus::Config::default() };
    let exporter = Prometheus::new("prometheus", &config).unwrap();
    for payload in payloads(1_700_000_000) {
        exporter.export(&payload).await.unwrap();
    }
    let before = peak();
    for (name, accept) in [
        ("text", "text/plain"),
        ("OpenMetrics", "application/openmetrics-text"),
        ("protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
    ] {
        let (start, mut bytes) = (cpu(), 0);
        for _ in 0..10 {
            bytes = scrape(exporter.address(), accept).await;
        }
        println!("scrape of {SERIES} series, {name}: {} ms CPU, {bytes} bytes", (cpu() - start) / 10);
    }
    println!("peak memory grew by {} KiB while scraping", peak() - before);
}

/// Takes requests and forgets them.
async fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(tasks::detached(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            drop(tasks::detached(take(stream)));
        }
    }));
    address
}

async fn take(mut stream: TcpStream) {
    let mut bytes = Vec::with_capacity(4 << 20);
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let len: usize =
                text.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
            while bytes.len() < head + len {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            bytes.clear();
            let written = "x-prometheus-remote-write-samples-written: 1000000\r\nx-prometheus-remote-write-histograms-written: 0\r\n";
            let answer = format!("HTTP/1.1 204 No Content\r\n{written}\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        } else if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

async fn remote_write(protobuf_message: Version) {
    let endpoint = Endpoints::one(format!("http://{}", sink().await));
    let config =
        prometheusremotewrite::Config { endpoint, protobuf_message, ..prometheusremotewrite::Config::default() };
    let exporter = PrometheusRemoteWrite::new("prometheusremotewrite", &config).unwrap();
    let (mut spent, rounds) = (0, 10);
    for round in 0..rounds {
        let payloads = payloads(1_700_000_000 + round);
        let start = cpu();
        for payload in &payloads {
            exporter.export(payload).await.unwrap();
        }
        spent += cpu() - start;
    }
    println!("remote write {protobuf_message:?}, {} points: {spent} ms CPU", rounds * SERIES);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        scrapes().await;
        remote_write(Version::One).await;
        remote_write(Version::Two).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
}
