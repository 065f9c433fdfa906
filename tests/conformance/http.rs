//! A server that speaks HTTP/1.1 byte by byte, so that it can also stop speaking it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use telseal::exporter::otlp_http::{self, OtlpHttp};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::http::client::{Address, Compression};
use telseal::otlp::Signal;
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;
use telseal::stdx::tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{ANSWER, CREDENTIAL, Outcome, check, closed_port, payload};

/// One request as it came over the wire.
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What the server does once it has the whole request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Writes these bytes and closes.
    Say(Vec<u8>),
    /// Nothing, for longer than anybody waits.
    Hang,
    /// Writes these bytes as soon as it has seen the head, and reads no more of the body.
    SayEarly(Vec<u8>),
}

pub(crate) fn answer(head: &str, body: &[u8]) -> Script {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    Script::Say([head.as_bytes(), body].concat())
}

fn partial_success(rejected_log_records: i64) -> Vec<u8> {
    let error_message = ANSWER.to_owned();
    let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
    ExportLogsServiceResponse { partial_success }.encode_to_vec()
}

/// The table: what the server does, and what must come of it.
pub(crate) fn cases() -> Vec<(&'static str, Script, Outcome)> {
    let delivered = Outcome::Delivered { rejected: 0 };
    let protobuf = "200 OK\r\ncontent-type: application/x-protobuf";
    let say = |text: &str| Script::Say(text.as_bytes().to_vec());
    let page = ANSWER.as_bytes();
    vec![
        ("200", answer(protobuf, b""), delivered),
        ("200 and partial success", answer(protobuf, &partial_success(3)), Outcome::Delivered { rejected: 3 }),
        ("200 and a warning", answer(protobuf, &partial_success(0)), delivered),
        ("200 and a page", answer("200 OK\r\ncontent-type: text/html", page), delivered),
        ("202", answer("202 Accepted", b""), delivered),
        ("204", say("HTTP/1.1 204 No Content\r\n\r\n"), delivered),
        ("200 and a very long page", answer("200 OK", &page.repeat(50_000)), delivered),
        ("307", answer("307 Temporary Redirect\r\nlocation: /elsewhere", page), Outcome::Pause),
        ("400", answer("400 Bad Request", page), Outcome::Permanent),
        ("401", answer("401 Unauthorized", page), Outcome::Pause),
        ("403", answer("403 Forbidden", page), Outcome::Pause),
        ("404", answer("404 Not Found", page), Outcome::Pause),
        ("413", answer("413 Payload Too Large", page), Outcome::Permanent),
        ("415", answer("415 Unsupported Media Type", page), Outcome::Pause),
        ("429", answer("429 Too Many Requests\r\nretry-after: 7", page), Outcome::Retry(Some(7))),
        ("429 without a time", answer("429 Too Many Requests", page), Outcome::Retry(None)),
        ("500", answer("500 Internal Server Error", page), Outcome::Retry(None)),
        ("502", answer("502 Bad Gateway", page), Outcome::Retry(None)),
        ("503", answer("503 Service Unavailable\r\nretry-after: 7", page), Outcome::Retry(Some(7))),
        ("504", answer("504 Gateway Timeout", page), Outcome::Retry(None)),
        ("hang", Script::Hang, Outcome::Retry(None)),
        ("cut before the answer", say(""), Outcome::Retry(None)),
        ("cut in the head", say("HTTP/1.1 200 OK\r\ncontent-"), Outcome::Retry(None)),
        ("cut in the body", say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123"), Outcome::Retry(None)),
        ("garbage", Script::Say([ANSWER.as_bytes(), &[0, 159, 146, 150], b"\r\n\r\n"].concat()), Outcome::Retry(None)),
    ]
}

/// Serves one script to every connection, and hands out what it got.
pub(crate) async fn serve(script: Script) -> (u16, mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    tasks::detached(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Script::SayEarly(bytes) = &script {
                let mut head = [0; 100];
                stream.read_exact(&mut head).await.unwrap();
                stream.write_all(bytes).await.unwrap();
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            let Some(seen) = read_request(&mut stream).await else { continue };
            sender.send(seen).ok();
            match &script {
                Script::Say(bytes) => stream.write_all(bytes).await.unwrap_or(()),
                _ => tokio::time::sleep(Duration::from_secs(60)).await,
            }
        }
    });
    (port, receiver)
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = vec![];
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_len].to_vec()).ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    let headers: BTreeMap<String, String> = rest
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let len: usize = headers.get("content-length").map_or(Some(0), |len| len.parse().ok())?;
    while bytes.len() < head_len + len {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some(Seen { line: line.to_owned(), headers, body: bytes[head_len..].to_vec() })
}

/// Runs the table. `make` builds the exporter for a base URL with a time-out of a second and the credential in its
/// headers; `received` turns a request back into the bytes of the payload.
pub(crate) async fn conforms<E: Exporter + Debug>(make: impl Fn(&str) -> E, received: impl Fn(&Seen) -> Vec<u8>) {
    conforms_with(make, received, &payload().1, cases()).await;
}

/// The same for a format of its own: `sent` is what `received` must find in a request. OTLP's partial success is none there.
pub(crate) async fn conforms_in_its_own_format<E: Exporter + Debug>(
    make: impl Fn(&str) -> E,
    received: impl Fn(&Seen) -> Vec<u8>,
    sent: &[u8],
) {
    let mut cases = cases();
    for (case, _, wanted) in &mut cases {
        if *case == "200 and partial success" {
            *wanted = Outcome::Delivered { rejected: 0 };
        }
    }
    conforms_with(make, received, sent, cases).await;
}

async fn conforms_with<E: Exporter + Debug>(
    make: impl Fn(&str) -> E,
    received: impl Fn(&Seen) -> Vec<u8>,
    sent: &[u8],
    cases: Vec<(&'static str, Script, Outcome)>,
) {
    for (case, script, wanted) in cases {
        let (port, requests) = serve(script).await;
        check(case, &make(&format!("http://127.0.0.1:{port}")), wanted).await;
        let seen = requests.try_recv().expect(case);
        assert_eq!(received(&seen), sent, "{case}: the payload arrived changed");
        assert!(seen.headers.values().any(|value| value.contains(CREDENTIAL)), "{case}: the header is missing");
        assert!(requests.try_recv().is_err(), "{case}: sent more than once");
    }
    let port = closed_port();
    check("connection refused", &make(&format!("http://127.0.0.1:{port}")), Outcome::Retry(None)).await;
}

fn config(url: &str, compression: Compression) -> otlp_http::Config {
    otlp_http::Config {
        endpoint: Address::new(url),
        compression,
        headers: [("authorization".to_owned(), Secret::new(format!("Bearer {CREDENTIAL}")))].into(),
        timeout: Span::secs(1),
        ..otlp_http::Config::default()
    }
}

pub(crate) fn decompressed(seen: &Seen) -> Vec<u8> {
    let mut body = vec![];
    match seen.headers.get("content-encoding").map(String::as_str) {
        None => body.clone_from(&seen.body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(&*seen.body).read_to_end(&mut body)),
        Some("deflate") => drop(flate2::read::ZlibDecoder::new(&*seen.body).read_to_end(&mut body)),
        Some("zstd") => body = zstd::stream::decode_all(&*seen.body).unwrap(),
        Some("snappy") => body = snap::raw::Decoder::new().decompress_vec(&seen.body).unwrap(),
        Some(other) => panic!("content-encoding {other}"),
    }
    body
}

#[tokio::test]
async fn otlp_http_keeps_the_contract() {
    conforms(|url| OtlpHttp::new("otlp_http/next", &config(url, Compression::None)).unwrap(), decompressed).await;
}

#[tokio::test]
async fn otlp_http_compresses_as_told_and_not_at_all_when_told_so() {
    for compression in
        [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Deflate, Compression::Snappy]
    {
        let (port, requests) = serve(answer("200 OK", b"")).await;
        let config = config(&format!("http://127.0.0.1:{port}"), compression);
        check(
            compression.name().unwrap_or("none"),
            &OtlpHttp::new("otlp_http", &config).unwrap(),
            Outcome::Delivered { rejected: 0 },
        )
        .await;
        let seen = requests.try_recv().unwrap();
        assert_eq!(seen.headers.get("content-encoding").map(String::as_str), compression.name());
        assert_eq!(decompressed(&seen), payload().1);
        assert_eq!(seen.body == payload().1, compression == Compression::None);
        assert_eq!(seen.headers["content-type"], "application/x-protobuf");
        assert_eq!(seen.line, "POST /v1/logs HTTP/1.1");
    }
}

#[tokio::test]
async fn otlp_http_uses_the_configured_addresses_and_shows_no_secret_in_them() {
    let (port, requests) = serve(answer("400 Bad Request", b"")).await;
    let base = format!("http://{CREDENTIAL}:{CREDENTIAL}@127.0.0.1:{port}/base/?key={CREDENTIAL}");
    let metrics_endpoint = Address::new(format!("http://127.0.0.1:{port}/exact?key={CREDENTIAL}"));
    let config = otlp_http::Config { metrics_endpoint, ..config(&base, Compression::None) };
    let exporter = OtlpHttp::new("otlp_http", &config).unwrap();
    for (signal, line) in [
        (Signal::Logs, format!("POST /base/v1/logs?key={CREDENTIAL} HTTP/1.1")),
        (Signal::Traces, format!("POST /base/v1/traces?key={CREDENTIAL} HTTP/1.1")),
        (Signal::Metrics, format!("POST /exact?key={CREDENTIAL} HTTP/1.1")),
    ] {
        let error = exporter.export(&Payload::from_otlp(signal, vec![vec![].into()], 0)).await.unwrap_err();
        assert_eq!(requests.try_recv().unwrap().line, line);
        for said in [error.to_string(), format!("{error:?} {exporter:?} {config:?}")] {
            assert!(!said.contains(CREDENTIAL), "{said}");
        }
    }
}

#[tokio::test]
async fn a_signal_without_an_address_is_kept_and_not_dropped() {
    let config =
        otlp_http::Config { logs_endpoint: Address::new("http://127.0.0.1:1"), ..otlp_http::Config::default() };
    let exporter = OtlpHttp::new("otlp_http", &config).unwrap();
    let error = exporter.export(&Payload::from_otlp(Signal::Traces, vec![vec![].into()], 0)).await.unwrap_err();
    let cause = "no `endpoint` or `traces_endpoint` is configured".to_owned();
    assert_eq!(error, ExportError::Pause { cause });
}

#[tokio::test]
async fn otlp_http_speaks_json_and_reads_the_answer_in_json() {
    let rejected = r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"answer-hunter2"}}"#;
    let script = answer("200 OK\r\ncontent-type: application/json; charset=utf-8", rejected.as_bytes());
    let (port, requests) = serve(script).await;
    let config = config(&format!("http://127.0.0.1:{port}"), Compression::Gzip);
    let config = otlp_http::Config { encoding: otlp_http::Encoding::Json, ..config };
    check("json", &OtlpHttp::new("otlp_http", &config).unwrap(), Outcome::Delivered { rejected: 3 }).await;
    let seen = requests.try_recv().unwrap();
    assert_eq!(seen.headers["content-type"], "application/json");
    let back = telseal::otlp::json::to_protobuf(Signal::Logs, &decompressed(&seen)).unwrap();
    assert_eq!(ExportLogsServiceRequest::decode(&*back), ExportLogsServiceRequest::decode(&*payload().1));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_counts() {
    let Script::Say(bytes) = answer("413 Payload Too Large", ANSWER.as_bytes()) else { unreachable!() };
    let (port, _requests) = serve(Script::SayEarly(bytes)).await;
    let config = config(&format!("http://127.0.0.1:{port}"), Compression::None);
    let large = Payload::from_otlp(Signal::Logs, vec![vec![0; 32 << 20].into()], 1);
    let error = OtlpHttp::new("otlp_http", &config).unwrap().export(&large).await.unwrap_err();
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
}
