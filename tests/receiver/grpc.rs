//! OTLP/gRPC, through a real client and byte by byte.

use std::time::Duration;

use base64::Engine;
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use telseal::otlp::Signal;
use telseal::pipeline::{Receipt, Refused};
use telseal::receiver::Routes;
use telseal::stdx::bytesize::ByteSize;
use tokio::net::TcpStream;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::*;

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Messages as bytes.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

async fn connect(receiver: &Running) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", receiver.grpc)).expect("an address");
    endpoint.timeout(PATIENCE).connect().await.expect("connected")
}

async fn call(
    channel: &Channel,
    compression: Option<CompressionEncoding>,
    path: &'static str,
    body: Vec<u8>,
) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    if let Some(compression) = compression {
        client = client.send_compressed(compression);
    }
    client.ready().await.expect("ready");
    client.unary(Request::new(body), PathAndQuery::from_static(path), Raw).await.map(tonic::Response::into_inner)
}

/// A request as it stands on the wire, and the headers of its answer. Errors are all in the headers.
async fn raw(receiver: &Running, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> reqwest::Response {
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client");
    let mut request = client.post(format!("http://{}{path}", receiver.grpc)).timeout(PATIENCE).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("answered")
}

fn grpc_status(answer: &reqwest::Response) -> (u16, &str, &str) {
    let header = |name| answer.headers().get(name).map_or("", |value| value.to_str().expect("text"));
    (answer.status().as_u16(), header("grpc-status"), header("grpc-message"))
}

fn prefixed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[flag], length.to_be_bytes().as_slice(), message].concat()
}

const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

#[tokio::test]
async fn each_method_takes_its_signal_plain_and_compressed() {
    let (id, script) = (unique("grpc"), Script::new([]));
    let receiver = start(&id, "", "", &script);
    let channel = connect(&receiver).await;
    let sent =
        [(Signal::Logs, LOGS, logs(3)), (Signal::Traces, TRACES, spans(4)), (Signal::Metrics, METRICS, points(5))];
    for compression in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        for (_, path, body) in &sent {
            let answer = call(&channel, compression, path, body.clone()).await.expect("taken");
            assert!(answer.is_empty());
        }
    }
    let seen = script.seen();
    assert_eq!(seen.len(), 9);
    for ((signal, _, body), seen) in sent.iter().cycle().zip(&seen) {
        assert_eq!((seen.signal, seen.body.as_ref()), (*signal, body.as_slice()));
        assert!(seen.permit >= body.len());
    }
    assert_eq!(receiver.budget.in_flight(), 0);
    for (signal, records) in [("logs", 9), ("traces", 12), ("metrics", 15)] {
        let labels = [id.as_str(), "transport=\"grpc\"", signal];
        assert_eq!(counter("telseal_receiver_accepted_records_total", &labels), records);
        assert_eq!(counter("telseal_receiver_requests_total", &labels), 3);
    }
}

#[tokio::test]
async fn a_message_of_many_frames_arrives_whole() {
    let script = Script::new([]);
    let receiver = start(&unique("frames"), "", "", &script);
    let channel = connect(&receiver).await;
    let body = logs(150_000);
    assert!(body.len() > 8 << 20, "more than the windows of the connection");
    call(&channel, None, LOGS, body.clone()).await.expect("taken");
    let seen = script.seen();
    assert_eq!((seen[0].body.len(), seen[0].permit), (body.len(), body.len()));
    assert!(seen[0].body == body);
}

#[tokio::test]
async fn zero_records_are_a_success_that_no_pipeline_sees() {
    let script = Script::new([]);
    let receiver = start(&unique("zero"), "", "", &script);
    let channel = connect(&receiver).await;
    for body in [vec![], logs(0)] {
        assert!(call(&channel, None, LOGS, body).await.expect("taken").is_empty());
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn records_rejected_one_by_one_are_a_partial_success() {
    let script = Script::new([Ok(Receipt { rejected: 2, reason: Some("too deep".to_owned()) })]);
    let receiver = start(&unique("partial"), "", "", &script);
    let answer = call(&connect(&receiver).await, None, TRACES, spans(5)).await.expect("taken");
    let partial = ExportTraceServiceResponse::decode(answer).expect("a response").partial_success.expect("partial");
    assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (2, "too deep"));
}

/// Seconds and nanoseconds of the `RetryInfo` beside a status.
fn retry_info(status: &Status) -> Option<(u64, u64)> {
    let details = RpcStatus::decode(status.details()).expect("details");
    let info = details.details.first()?;
    assert_eq!((details.code, details.message.as_str()), (status.code() as i32, status.message()));
    assert_eq!(info.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    let delay = RetryInfo::decode(info.value.as_slice()).expect("an info").retry_delay.expect("a delay");
    Some((delay.seconds, delay.nanos))
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(uint64, tag = "1")]
    seconds: u64,
    #[prost(uint64, tag = "2")]
    nanos: u64,
}

#[tokio::test]
async fn what_pipelines_refuse_tells_the_sender_whether_to_come_back() {
    let full = Refused::Full {
        retry_after: Duration::from_millis(2_500),
        reason: "100 % in use: größer geht nicht".to_owned(),
    };
    let script =
        Script::new([Err(full), Err(Refused::Closed), Err(Refused::Invalid { reason: "not UTF-8".to_owned() })]);
    let id = unique("refused");
    let receiver = start(&id, "", "", &script);
    let channel = connect(&receiver).await;
    let status = call(&channel, None, LOGS, logs(2)).await.expect_err("full");
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "100 % in use: größer geht nicht"));
    assert_eq!(retry_info(&status), Some((2, 500_000_000)));
    let status = call(&channel, None, LOGS, logs(2)).await.expect_err("closed");
    assert_eq!((status.code(), retry_info(&status)), (Code::Unavailable, Some((5, 0))));
    let status = call(&channel, None, LOGS, logs(2)).await.expect_err("invalid");
    assert_eq!((status.code(), status.message(), status.details()), (Code::InvalidArgument, "not UTF-8", &b""[..]));
    for reason in ["full", "closed", "invalid"] {
        let labels = [id.as_str(), "transport=\"grpc\"", &format!("reason=\"{reason}\"")];
        assert_eq!(counter("telseal_receiver_refused_records_total", &labels), 2, "{reason}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_the_senders_fault_not_a_full_receiver() {
    let script = Script::new([]);
    let receiver = start(&unique("large"), "", "max_recv_msg_size_mib: 1,", &script);
    let channel = connect(&receiver).await;
    let zeros = vec![0; 5 << 20];
    for compression in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let status = call(&channel, compression, LOGS, zeros.clone()).await.expect_err("too large");
        assert_eq!(status.code(), Code::InvalidArgument, "{compression:?} {status:?}");
        assert_eq!(status.message(), "the request is larger than 1048576 bytes");
    }
    call(&channel, None, LOGS, logs(1)).await.expect("the connection goes on");
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_resource_exhausted_with_a_time_to_come_back() {
    let script = Script::new([]);
    let routes = Routes { logs: vec![intake(&script)], ..Routes::default() };
    let receiver = start_with(&unique("budget"), "", "", ByteSize(100), routes);
    let channel = connect(&receiver).await;
    let status = call(&channel, None, LOGS, logs(100)).await.expect_err("no room");
    assert_eq!((status.code(), retry_info(&status)), (Code::ResourceExhausted, Some((1, 0))));
    call(&channel, None, LOGS, logs(1)).await.expect("room for a small one");
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn unknown_methods_and_signals_without_a_pipeline_are_unimplemented() {
    let script = Script::new([]);
    let routes = Routes { logs: vec![intake(&script)], ..Routes::default() };
    let receiver = start_with(&unique("unimplemented"), "", "", ByteSize::mib(1), routes);
    let channel = connect(&receiver).await;
    for path in
        [TRACES, METRICS, "/opentelemetry.proto.collector.logs.v1.LogsService/Import", "/grpc.health.v1.Health/Check"]
    {
        let status = call(&channel, None, path, vec![]).await.expect_err("unknown");
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
    call(&channel, None, LOGS, logs(1)).await.expect("taken");
}

/// What is broken, the headers, the body, the code.
type Case = (&'static str, &'static [(&'static str, &'static str)], Vec<u8>, &'static str);

#[tokio::test]
async fn broken_framing_is_refused_with_the_code_grpc_has_for_it() {
    let script = Script::new([]);
    let receiver = start(&unique("framing"), "", "", &script);
    let body = logs(2);
    let two = [prefixed(0, &body), prefixed(0, &body)].concat();
    let cases: [Case; 8] = [
        ("nothing", &[GRPC], vec![], "13"),
        ("half a prefix", &[GRPC], vec![0, 0, 0], "13"),
        ("half a message", &[GRPC], prefixed(0, &body)[..20].to_vec(), "13"),
        ("two messages", &[GRPC], two, "13"),
        ("an unknown flag", &[GRPC], prefixed(7, &body), "13"),
        ("compressed, but how", &[GRPC], prefixed(1, &body), "13"),
        ("an unknown encoding", &[GRPC, ("grpc-encoding", "br")], prefixed(1, &body), "12"),
        ("not what it says", &[GRPC, ("grpc-encoding", "gzip")], prefixed(1, &body), "3"),
    ];
    for (name, headers, body, code) in cases {
        let answer = raw(&receiver, LOGS, headers, body).await;
        let (http, grpc, message) = grpc_status(&answer);
        assert_eq!((http, grpc), (200, code), "{name}: {message}");
        assert!(!message.is_empty(), "{name}");
        assert_eq!(answer.headers().contains_key("grpc-accept-encoding"), code == "12", "{name}");
    }
    let answer = raw(&receiver, LOGS, &[GRPC], prefixed(0, b"\x0a\xff\xff\xff\x0f")).await;
    assert_eq!(grpc_status(&answer).1, "3", "not OTLP");
    assert!(script.seen().is_empty());
    assert_eq!(receiver.budget.in_flight(), 0);
    for encoding in ["deflate", "snappy"] {
        let packed = match encoding {
            "snappy" => snap::raw::Encoder::new().compress_vec(&body).expect("compressed"),
            _ => {
                let mut out = flate2::read::ZlibEncoder::new(body.as_slice(), flate2::Compression::fast());
                let mut packed = vec![];
                std::io::Read::read_to_end(&mut out, &mut packed).expect("compressed");
                packed
            }
        };
        let answer = raw(&receiver, LOGS, &[GRPC, ("grpc-encoding", encoding)], prefixed(1, &packed)).await;
        assert_eq!(answer.bytes().await.expect("an answer").as_ref(), [0; 5], "{encoding}");
    }
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn what_is_not_grpc_is_told_where_it_is() {
    let receiver = start(&unique("nogrpc"), "", "", &Script::new([]));
    let answer = raw(&receiver, "/v1/logs", &[("content-type", "application/x-protobuf")], logs(1)).await;
    assert_eq!(answer.status().as_u16(), 415);
    let http1 = send(receiver.grpc, post("/v1/logs", PROTOBUF, &logs(1))).await;
    assert_eq!(http1.status, 415);
    assert!(http1.text().contains("usually 4318"), "{}", http1.text());
}

#[tokio::test]
async fn a_message_that_does_not_come_is_deadline_exceeded() {
    let receiver = start(&unique("slow"), "", "read_timeout: 100ms,", &Script::new([]));
    let channel = connect(&receiver).await;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("ready");
    let never = Request::new(Never);
    let answer = client.client_streaming(never, PathAndQuery::from_static(LOGS), Raw).await;
    let status = answer.map(|_| ()).expect_err("too slow");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

/// Messages that never come.
struct Never;

impl tonic::codegen::tokio_stream::Stream for Never {
    type Item = Vec<u8>;

    fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<Vec<u8>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn an_old_connection_is_asked_to_go_and_no_request_is_lost_by_it() {
    let script = Script::new([]);
    let grpc = "keepalive: {server_parameters: {max_connection_age: 50ms}},";
    let receiver = start(&unique("age"), "", grpc, &script);
    let mut old = TcpStream::connect(receiver.grpc).await.expect("connected");
    let channel = connect(&receiver).await;
    for _ in 0..20 {
        // The client may find the connection closed under a request that it had not sent yet, and says so.
        while let Err(status) = call(&channel, None, LOGS, logs(1)).await {
            assert!(matches!(status.code(), Code::Cancelled | Code::Unavailable), "{status:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(script.seen().len(), 20);
    assert!(read_answer(&mut old).await.is_none(), "closed, long before any other limit of it");
}

#[tokio::test]
async fn details_are_base64_without_padding() {
    let script = Script::new([Err(Refused::Full { retry_after: Duration::from_secs(3), reason: "full".to_owned() })]);
    let receiver = start(&unique("details"), "", "", &script);
    let answer = raw(&receiver, LOGS, &[GRPC], prefixed(0, &logs(1))).await;
    assert_eq!(grpc_status(&answer), (200, "8", "full"));
    let details = answer.headers()["grpc-status-details-bin"].to_str().expect("text");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(details).expect("no padding");
    assert_eq!(RpcStatus::decode(bytes.as_slice()).expect("a status").code, 8);
}
