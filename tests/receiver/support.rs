//! A receiver on free ports, a pipeline that answers by script, and a client that sends exactly what it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use telseal::otlp::Signal;
use telseal::pipeline::{Budget, Intake, Receipt, Refused, Request, Submit, Submitting};
use telseal::receiver::otlp::{Addresses, Config, Otlp, Surroundings};
use telseal::receiver::{Route, Routes};
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::tasks::detached;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// No test may hang; nothing is measured with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A pipeline that does as it is told, and remembers.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Result<Receipt, Refused>>>,
    seen: Mutex<Vec<Seen>>,
    /// While set, requests wait before they are answered.
    gate: Mutex<Option<Arc<Notify>>>,
    pub(crate) arrived: Notify,
    pub(crate) finished: Notify,
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) signal: Signal,
    pub(crate) body: Bytes,
    pub(crate) permit: usize,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<Receipt, Refused>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn gated(self: &Arc<Self>) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

struct Behind(Arc<Script>);

impl Submit for Behind {
    fn submit(&self, request: Request) -> Submitting<'_> {
        Box::pin(async move {
            let gate = self.0.gate.lock().unwrap().clone();
            self.0.arrived.notify_one();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let Request { signal, body, permit, .. } = request;
            self.0.seen.lock().unwrap().push(Seen { signal, body, permit: permit.bytes() });
            let answer = self.0.answers.lock().unwrap().pop_front();
            self.0.finished.notify_one();
            answer.unwrap_or_else(|| Ok(Receipt::default()))
        })
    }
}

pub(crate) fn intake(script: &Arc<Script>) -> Route {
    Intake::new(Behind(Arc::clone(script))).into()
}

/// A receiver that runs.
pub(crate) struct Running {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) budget: Budget,
    pub(crate) routes: watch::Sender<Arc<Routes>>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) served: JoinHandle<()>,
}

/// A receiver with both protocols; `http` and `grpc` are YAML flow members, each ended by a comma.
pub(crate) fn start(id: &str, http: &str, grpc: &str, script: &Arc<Script>) -> Running {
    let all = || vec![intake(script)];
    start_with(
        id,
        http,
        grpc,
        ByteSize::mib(64),
        Routes { logs: all(), metrics: all(), traces: all(), ..Routes::default() },
    )
}

pub(crate) fn start_with(id: &str, http: &str, grpc: &str, budget: ByteSize, routes: Routes) -> Running {
    telemetry();
    let yaml =
        format!("protocols: {{http: {{{http} endpoint: 'localhost:0'}}, grpc: {{{grpc} endpoint: '127.0.0.1:0'}}}}");
    let config: Config = serde_saphyr::from_str(&yaml).expect("a configuration");
    let bound = Otlp::bind(id, &config).expect("free ports");
    let Addresses { grpc: Some(grpc), http: Some(http) } = bound.addresses() else { panic!("both are on") };
    let (grpc, http) = (grpc.inet().expect("TCP"), http.inet().expect("TCP"));
    let (budget, (routes, to_routes), (stop, to_stop)) =
        (Budget::new(budget), watch::channel(Arc::new(routes)), watch::channel(false));
    let around = Surroundings { routes: to_routes, budget: budget.clone(), stop: to_stop, drain: PATIENCE };
    let served = detached(bound.serve(around));
    Running { http, grpc, budget, routes, stop, served }
}

/// The metrics of all tests of this process; each test has its own receiver id.
pub(crate) fn telemetry() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("the only one");
        handle
    })
}

/// The value of the counter `name` whose labels contain all of `labels`.
pub(crate) fn counter(name: &str, labels: &[&str]) -> u64 {
    let text = telemetry().render();
    let line = text.lines().find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().expect("a number"))
}

pub(crate) fn logs(count: usize) -> Vec<u8> {
    let record = |index: usize| LogRecord {
        time_unix_nano: index as u64,
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(format!("record {index} of a request that says little"))),
        }),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: (0..count).map(record).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

pub(crate) fn spans(count: usize) -> Vec<u8> {
    let spans = vec![Span { name: "a span".to_owned(), ..Span::default() }; count];
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

pub(crate) fn points(count: usize) -> Vec<u8> {
    let point = NumberDataPoint { value: Some(number_data_point::Value::AsInt(5)), ..NumberDataPoint::default() };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point; count] }));
    let metrics = vec![Metric { name: "a.metric".to_owned(), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

/// An HTTP/1.1 request, byte for byte.
pub(crate) struct Sent {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A POST with a length, and `headers` of which each ends with `\r\n`.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> Sent {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Sent { head, body: body.to_vec() }
}

pub(crate) const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
pub(crate) const JSON: &str = "content-type: application/json\r\n";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Code and message of a `google.rpc.Status`, in either encoding.
    pub(crate) fn rpc_status(&self) -> (i32, String) {
        if self.header("content-type") == Some("application/json") {
            let value: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
            let code = value["code"].as_i64().expect("a code");
            return (i32::try_from(code).expect("small"), value["message"].as_str().expect("a message").to_owned());
        }
        assert_eq!(self.header("content-type"), Some("application/x-protobuf"));
        let status = RpcStatus::decode(self.body.as_slice()).expect("a status");
        (status.code, status.message)
    }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<RpcAny>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RpcAny {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// Sends requests one after the other on one connection and reads the answer to each.
pub(crate) async fn exchange(address: SocketAddr, requests: &[Sent]) -> Vec<Answered> {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let mut answers = vec![];
    for request in requests {
        stream.write_all(request.head.as_bytes()).await.expect("head sent");
        stream.write_all(&request.body).await.expect("body sent");
        answers.push(read_answer(&mut stream).await.expect("an answer"));
    }
    answers
}

pub(crate) async fn send(address: SocketAddr, request: Sent) -> Answered {
    exchange(address, &[request]).await.remove(0)
}

/// The next answer; `None` when the connection is closed instead.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> Option<Answered> {
    tokio::time::timeout(PATIENCE, read(stream)).await.expect("an answer or an end in time")
}

async fn read(stream: &mut TcpStream) -> Option<Answered> {
    let mut bytes = vec![];
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
        }
    };
    let mut body = bytes.split_off(head_len);
    let head = String::from_utf8(bytes).expect("a head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let mut answered = Answered { status, head, body: vec![] };
    let len: usize = answered.header("content-length").expect("a length").parse().expect("a number");
    let have = body.len();
    body.resize(len, 0);
    stream.read_exact(&mut body[have..]).await.expect("the body");
    answered.body = body;
    Some(answered)
}

/// A receiver id that no other contains.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("otlp/{}_{name}", NEXT.fetch_add(1, Ordering::Relaxed))
}
