//! A gRPC server by hand: HTTP/2 from hyper, everything above it scripted.

use std::convert::Infallible;
use std::fmt::Debug;
use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use telseal::exporter::otlp_grpc::{self, OtlpGrpc};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::http::client::{Address, Compression, Tls};
use telseal::otlp::Signal;
use telseal::otlp::wire::{put_bytes, put_tag, put_varint};
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;
use telseal::stdx::tasks;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::{ANSWER, CREDENTIAL, Outcome, check, closed_port, payload};

type Reply = Response<BoxBody<Bytes, Infallible>>;

pub(crate) struct Seen {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
pub(crate) enum Script {
    /// A message, then the status in the trailers.
    Message { message: Vec<u8>, code: i32 },
    /// The status alone, in the headers.
    Status { code: i32, message: &'static str, details: Option<String> },
    /// Plain HTTP, as proxies answer.
    Http(u16),
    /// A message and no trailers.
    NoStatus,
    /// No answer.
    Hang,
    /// The connection ends instead of an answer.
    Cut,
    /// The stream ends instead of an answer, the connection lives on.
    Reset,
    /// Not HTTP/2.
    Garbage,
    /// A status without reading the message.
    Early(i32),
}

pub(crate) fn ok() -> Script {
    Script::Message { message: vec![], code: 0 }
}

fn status(code: i32) -> Script {
    Script::Status { code, message: ANSWER, details: None }
}

/// A `google.rpc.Status` with a `RetryInfo` of seven seconds.
fn retry_info() -> Vec<u8> {
    let (mut delay, mut info, mut any, mut status) = (vec![], vec![], vec![], vec![]);
    put_tag(&mut delay, 1, 0);
    put_varint(&mut delay, 7);
    put_bytes(&mut info, 1, &delay);
    put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    put_bytes(&mut any, 2, &info);
    put_bytes(&mut status, 2, ANSWER.as_bytes());
    put_bytes(&mut status, 3, &any);
    status
}

fn exhausted(details: Option<String>) -> Script {
    Script::Status { code: 8, message: ANSWER, details }
}

fn partial_success() -> Vec<u8> {
    let error_message = ANSWER.to_owned();
    let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: 3, error_message });
    ExportLogsServiceResponse { partial_success }.encode_to_vec()
}

fn cases() -> Vec<(&'static str, Script, Outcome)> {
    let too_large = "grpc: received message larger than max (5000000 vs. 4194304)";
    vec![
        ("OK", ok(), Outcome::Delivered { rejected: 0 }),
        (
            "OK and partial success",
            Script::Message { message: partial_success(), code: 0 },
            Outcome::Delivered { rejected: 3 },
        ),
        ("a message but an error after it", Script::Message { message: vec![], code: 14 }, Outcome::Retry(None)),
        ("INVALID_ARGUMENT", status(3), Outcome::Permanent),
        ("DEADLINE_EXCEEDED", status(4), Outcome::Retry(None)),
        ("NOT_FOUND", status(5), Outcome::Pause),
        ("PERMISSION_DENIED", status(7), Outcome::Pause),
        ("RESOURCE_EXHAUSTED", exhausted(None), Outcome::Retry(None)),
        ("RetryInfo", exhausted(Some(BASE64_STANDARD.encode(retry_info()))), Outcome::Retry(Some(7))),
        ("RetryInfo unpadded", exhausted(Some(BASE64_STANDARD_NO_PAD.encode(retry_info()))), Outcome::Retry(Some(7))),
        ("details that are none", exhausted(Some("?".to_owned())), Outcome::Retry(None)),
        ("too large", Script::Status { code: 8, message: too_large, details: None }, Outcome::Permanent),
        ("UNIMPLEMENTED", status(12), Outcome::Pause),
        ("INTERNAL", status(13), Outcome::Retry(None)),
        ("UNAVAILABLE", status(14), Outcome::Retry(None)),
        ("UNAUTHENTICATED", status(16), Outcome::Pause),
        ("a proxy's 401", Script::Http(401), Outcome::Pause),
        ("a proxy's 413", Script::Http(413), Outcome::Permanent),
        ("a proxy's 503", Script::Http(503), Outcome::Retry(None)),
        ("a portal's 200", Script::Http(200), Outcome::Retry(None)),
        ("no status", Script::NoStatus, Outcome::Retry(None)),
        ("hang", Script::Hang, Outcome::Retry(None)),
        ("cut", Script::Cut, Outcome::Retry(None)),
        ("reset", Script::Reset, Outcome::Retry(None)),
        ("garbage", Script::Garbage, Outcome::Retry(None)),
    ]
}

fn framed(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &len[..], message].concat().into()
}

fn reply(script: &Script) -> Reply {
    let grpc = || Response::builder().header("content-type", "application/grpc");
    let empty = || Empty::new().boxed();
    match script {
        Script::Message { message, code } => {
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(*code))]);
            let body = Full::new(framed(message)).with_trailers(async move { Some(Ok(trailers)) });
            grpc().body(body.boxed()).unwrap()
        }
        Script::Status { code, message, details } => {
            let answer = grpc().header("grpc-status", *code).header("grpc-message", *message);
            let details = details.as_deref().map(|details| HeaderValue::from_str(details).unwrap());
            let mut answer = answer.body(empty()).unwrap();
            if let Some(details) = details {
                answer.headers_mut().insert("grpc-status-details-bin", details);
            }
            answer
        }
        Script::NoStatus => grpc().body(Full::new(framed(&[])).boxed()).unwrap(),
        Script::Http(status) => Response::builder()
            .status(*status)
            .header("content-type", "text/html")
            .body(Full::new(Bytes::from(ANSWER)).boxed())
            .unwrap(),
        Script::Hang | Script::Cut | Script::Reset | Script::Garbage | Script::Early(_) => {
            grpc().body(empty()).unwrap()
        }
    }
}

pub(crate) async fn serve(script: Script) -> (u16, mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    tasks::detached(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if matches!(script, Script::Garbage) {
                stream.write_all(b"SSH-2.0-answer-hunter2\r\n\r\n\0\0\0\0\0\0\0\0\0\0").await.ok();
                continue;
            }
            let life = Duration::from_millis(if matches!(script, Script::Cut) { 300 } else { 60_000 });
            let (script, sender) = (script.clone(), sender.clone());
            let service = service_fn(move |request| handle(request, script.clone(), sender.clone()));
            tasks::detached(async move {
                let connection =
                    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                tokio::time::timeout(life, connection).await.ok();
            });
        }
    });
    (port, receiver)
}

async fn handle(request: Request<Incoming>, script: Script, seen: mpsc::Sender<Seen>) -> Result<Reply, &'static str> {
    if let Script::Early(code) = script {
        return Ok(reply(&status(code)));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    seen.send(Seen { path: parts.uri.path().to_owned(), headers: parts.headers, body }).ok();
    match script {
        Script::Hang | Script::Cut => std::future::pending().await,
        // An error of the service makes hyper reset the stream.
        Script::Reset => Err("reset"),
        script => Ok(reply(&script)),
    }
}

fn config(port: u16, compression: Compression) -> otlp_grpc::Config {
    otlp_grpc::Config {
        endpoint: Address::new(format!("127.0.0.1:{port}")),
        tls: Tls { insecure: true, ..Tls::default() },
        compression,
        headers: [("authorization".to_owned(), Secret::new(format!("Bearer {CREDENTIAL}")))].into(),
        timeout: Span::secs(1),
        ..otlp_grpc::Config::default()
    }
}

fn message_of(seen: &Seen) -> Vec<u8> {
    let (prefix, message) = seen.body.split_at(5);
    assert_eq!(prefix[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
    let encoding = seen.headers.get("grpc-encoding").map(|value| value.to_str().unwrap());
    assert_eq!(prefix[0], u8::from(encoding.is_some()));
    let mut out = vec![];
    match encoding {
        None => out = message.to_vec(),
        Some("gzip") => drop(flate2::read::GzDecoder::new(message).read_to_end(&mut out)),
        Some("zstd") => out = zstd::stream::decode_all(message).unwrap(),
        Some(other) => panic!("grpc-encoding {other}"),
    }
    out
}

async fn conforms<E: Exporter + Debug>(make: impl Fn(u16) -> E) {
    for (case, script, wanted) in cases() {
        let garbage = matches!(script, Script::Garbage);
        let (port, requests) = serve(script).await;
        check(case, &make(port), wanted).await;
        if !garbage {
            let seen = requests.try_recv().expect(case);
            assert_eq!(message_of(&seen), payload().1, "{case}: the payload arrived changed");
            assert_eq!(seen.headers["authorization"], format!("Bearer {CREDENTIAL}"), "{case}");
            assert!(requests.try_recv().is_err(), "{case}: sent more than once");
        }
    }
    check("connection refused", &make(closed_port()), Outcome::Retry(None)).await;
}

#[tokio::test]
async fn otlp_grpc_keeps_the_contract() {
    conforms(|port| OtlpGrpc::new("otlp_grpc/next", &config(port, Compression::None)).unwrap()).await;
}

#[tokio::test]
async fn otlp_grpc_compresses_as_told_and_not_at_all_when_told_so() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let (port, requests) = serve(ok()).await;
        let exporter = OtlpGrpc::new("otlp_grpc", &config(port, compression)).unwrap();
        check(compression.name().unwrap_or("none"), &exporter, Outcome::Delivered { rejected: 0 }).await;
        let seen = requests.try_recv().unwrap();
        assert_eq!(message_of(&seen), payload().1);
        assert_eq!(seen.body[5..] == payload().1, compression == Compression::None);
        assert_eq!(seen.path, "/opentelemetry.proto.collector.logs.v1.LogsService/Export");
        assert_eq!(seen.headers["content-type"], "application/grpc");
        assert_eq!(seen.headers["te"], "trailers");
        assert_eq!(seen.headers["grpc-timeout"], "1000m");
    }
}

#[tokio::test]
async fn otlp_grpc_comes_back_when_the_server_does() {
    let (port, requests) = serve(ok()).await;
    let exporter = OtlpGrpc::new("otlp_grpc", &config(port, Compression::None)).unwrap();
    for _ in 0..3 {
        check("again", &exporter, Outcome::Delivered { rejected: 0 }).await;
        assert_eq!(message_of(&requests.recv_timeout(Duration::from_secs(1)).unwrap()), payload().1);
    }
}

#[tokio::test]
async fn a_status_that_comes_before_the_message_was_read_counts() {
    let (port, _requests) = serve(Script::Early(3)).await;
    let large = Payload::from_otlp(Signal::Logs, vec![vec![0; 32 << 20].into()], 1);
    let exporter = OtlpGrpc::new("otlp_grpc", &config(port, Compression::None)).unwrap();
    let error = exporter.export(&large).await.unwrap_err();
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
}
