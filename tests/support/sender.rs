//! A sender that can also send what no well-behaved one would: HTTP/1.1 written by hand, gRPC with raw messages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http_body_util::BodyExt;
use telseal::otlp::Signal;

/// The media type of OTLP in protobuf.
pub(crate) const PROTOBUF: &str = "application/x-protobuf";
/// The media type of OTLP/JSON.
pub(crate) const JSON: &str = "application/json";

/// What came back over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The path of a signal over HTTP.
pub(crate) fn path(signal: Signal) -> String {
    format!("/v1/{}", signal.name())
}

/// Posts a body once. `None` when nobody answered: refused, or cut.
pub(crate) fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    exchange(port, &[head.as_bytes(), body].concat())
}

/// Posts a request of a signal in protobuf once.
pub(crate) fn send(port: u16, signal: Signal, body: &[u8]) -> Option<Answer> {
    post(port, &path(signal), &[("content-type", PROTOBUF)], body)
}

/// Gets a path. `None` when nobody answered.
pub(crate) fn get(port: u16, path: &str) -> Option<Answer> {
    exchange(port, format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").as_bytes())
}

/// Writes these bytes and reads an answer to its end.
pub(crate) fn exchange(port: u16, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    // A refusal may come, and the connection close, before everything is written.
    let _ = stream.write_all(bytes);
    let mut got = vec![];
    let _ = stream.read_to_end(&mut got);
    let end = got.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&got[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = got[end + 4..].to_vec();
    let answer = Answer { status, head, body };
    // A body that was cut is no answer: the sender would send again.
    let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    length.is_none_or(|length| length == answer.body.len()).then_some(answer)
}

/// How a gRPC call ended.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// The `grpc-status`.
    pub(crate) code: u16,
    /// The headers and trailers, as text.
    pub(crate) metadata: String,
}

/// Calls the export method of a signal over gRPC with a raw message.
pub(crate) fn call(port: u16, signal: Signal, metadata: &[(&str, &str)], message: &[u8]) -> Called {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let length = u32::try_from(message.len()).expect("a small message").to_be_bytes();
    let framed = [&[0], &length[..], message].concat();
    runtime.block_on(async {
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client");
        let mut request = client.post(format!("http://127.0.0.1:{port}{}", method(signal)));
        for (key, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(metadata) {
            request = request.header(*key, *value);
        }
        let response: http::Response<reqwest::Body> = request.body(framed).send().await.expect("an answer").into();
        let (head, body) = response.into_parts();
        let trailers = body.collect().await.expect("a whole answer").trailers().cloned().unwrap_or_default();
        let code = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status")).expect("a status");
        let code = code.to_str().ok().and_then(|code| code.parse().ok()).expect("a number");
        Called { code, metadata: format!("{:?}{trailers:?}", head.headers) }
    })
}

fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}
