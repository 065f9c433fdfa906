//! OTLP/gRPC: the three unary `Export` methods, straight on HTTP/2.
//!
//! A unary method is one prefixed message in and one out, so there is no gRPC library between: the length in the prefix
//! is known before the message is read, which is when memory must be reserved, and the message is never copied.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::body::{self, Limits};
use super::door::Door;
use super::otlp::Grpc;
use super::status::{Failure, Kind, response_protobuf};
use crate::http::compression::Encoding;
use crate::otlp::Signal;
use crate::pipeline::Receipt;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const MEDIA_TYPE: &str = "application/grpc";
const UNIMPLEMENTED: u32 = 12;

/// Answers the requests of one listener.
#[derive(Debug)]
pub(super) struct OtlpGrpc {
    door: Arc<Door>,
    limits: Limits,
}

impl OtlpGrpc {
    pub(super) fn new(config: &Grpc, door: Arc<Door>) -> Self {
        let limits = Limits { bytes_max: config.message_bytes_max(), timeout: config.read_timeout.0 };
        Self { door, limits }
    }

    /// The answer to any request.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let (head, mut body) = request.into_parts();
        if let Some(answer) = no_grpc(&head) {
            body::linger(&head, &mut body).await;
            return answer;
        }
        let Some(signal) = method(head.uri.path()) else { return ended(UNIMPLEMENTED, "unknown service or method") };
        match self.take(&head, &mut body, signal).await {
            Ok(receipt) => success(&receipt),
            Err(failure) => self.refusal(signal, &failure),
        }
    }

    async fn take(&self, head: &Parts, body: &mut Incoming, signal: Signal) -> Result<Receipt, Failure> {
        let guest = self.door.enter(signal, head).await?;
        let encoding = encoding(&head.headers)?;
        let mut permit = guest.permit()?;
        let (compressed, message) = body::read_message(body, self.limits, &mut permit).await?;
        let encoding = match (compressed, encoding) {
            (false, _) => Encoding::Identity,
            (true, Encoding::Identity) => {
                return Err(Failure::new(Kind::Framing, "a compressed message needs a grpc-encoding"));
            }
            (true, encoding) => encoding,
        };
        let content = body::content(encoding, message, self.limits, &mut permit)?;
        guest.submit(content, permit, head).await
    }

    fn refusal(&self, signal: Signal, failure: &Failure) -> Response<Reply> {
        self.door.refused(signal, failure);
        let mut answer = ended(failure.kind.grpc(), &failure.message);
        if let Some(details) = failure.to_detailed_protobuf().and_then(|details| base64(&details)) {
            answer.headers_mut().insert(GRPC_DETAILS, details);
        }
        if let Some(challenge) = &failure.challenge {
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if failure.kind == Kind::Encoding {
            answer.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(Encoding::ACCEPTED));
        }
        answer
    }
}

/// The signal that a method exports.
fn method(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        _ => None,
    }
}

/// The answer to what is not gRPC at all: most often OTLP/HTTP sent to the wrong port.
fn no_grpc(head: &Parts) -> Option<Response<Reply>> {
    let content_type = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc = content_type
        .strip_prefix(MEDIA_TYPE.as_bytes())
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    if is_grpc && head.method == Method::POST {
        return None;
    }
    let message = "this port takes OTLP over gRPC; OTLP over HTTP has its own, usually 4318\n";
    let mut answer = Response::new(Reply { data: Some(Bytes::from_static(message.as_bytes())), trailers: None });
    *answer.status_mut() = if is_grpc { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::UNSUPPORTED_MEDIA_TYPE };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if is_grpc {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    Some(answer)
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let Some(name) = headers.get(GRPC_ENCODING) else { return Ok(Encoding::Identity) };
    Encoding::from_header(name.as_bytes()).ok_or_else(|| {
        Failure::new(Kind::Encoding, "the grpc-encoding must be one of gzip, zstd, deflate, snappy, identity")
    })
}

fn success(receipt: &Receipt) -> Response<Reply> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let mut answer = Response::new(Reply { data: Some(framed(&response_protobuf(receipt))), trailers: Some(trailers) });
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    answer
}

/// A message with its prefix, not compressed: nearly always it is empty.
fn framed(message: &[u8]) -> Bytes {
    if message.is_empty() {
        return Bytes::from_static(&[0; 5]);
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message].concat().into()
}

/// An answer that is only a status: what would be trailers are the headers.
fn ended(code: u32, message: &str) -> Response<Reply> {
    let mut answer = Response::new(Reply { data: None, trailers: None });
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(GRPC_STATUS, HeaderValue::from(code));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(message)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    answer
}

fn base64(bytes: &[u8]) -> Option<HeaderValue> {
    HeaderValue::try_from(STANDARD_NO_PAD.encode(bytes)).ok()
}

/// Text as gRPC puts it into a header.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// The body of an answer: at most one piece, and trailers.
#[derive(Debug)]
pub(super) struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, &self.trailers) {
            (Some(text), None) => SizeHint::with_exact(text.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
