//! OTLP/HTTP: `POST /v1/{logs,traces,metrics}` with protobuf or JSON.
//!
//! Nothing is decoded before it is known to be within its limits. Answers are those of the OTLP specification; every
//! failure that is not a wrong address carries a `google.rpc.Status` in the encoding of the request.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::body::{self, Limits};
use super::door::{Door, Guest};
use super::otlp::{Http, rooted};
use super::status::{Failure, Kind, response_json, response_protobuf};
use crate::http::compression::Encoding;
use crate::otlp::{Signal, json};
use crate::pipeline::{Permit, Receipt};

type Answer = Response<Full<Bytes>>;

/// Answers the requests of one listener.
#[derive(Debug)]
pub(super) struct OtlpHttp {
    door: Arc<Door>,
    paths: [(String, Signal); 3],
    limits: Limits,
}

/// How the request, and so its answer, is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

impl OtlpHttp {
    pub(super) fn new(config: &Http, door: Arc<Door>) -> Self {
        let paths = [
            (rooted(&config.logs_url_path), Signal::Logs),
            (rooted(&config.traces_url_path), Signal::Traces),
            (rooted(&config.metrics_url_path), Signal::Metrics),
        ];
        let limits = Limits { bytes_max: config.max_request_body_size.as_usize(), timeout: config.read_timeout.0 };
        Self { door, paths, limits }
    }

    /// The answer to any request.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        let answer = match self.address(&head) {
            Ok((signal, format)) => match self.take(&head, &mut body, signal, format).await {
                Ok(receipt) => return success(signal, format, &receipt),
                Err(failure) => self.refusal(signal, format, &failure),
            },
            Err(answer) => *answer,
        };
        if answer.status() != StatusCode::REQUEST_TIMEOUT {
            body::linger(&head, &mut body).await;
        }
        answer
    }

    /// What is sent here and how, or why this is no place for it.
    fn address(&self, head: &Parts) -> Result<(Signal, Format), Box<Answer>> {
        let path = head.uri.path();
        let Some((_, signal)) = self.paths.iter().find(|(known, _)| known == path) else {
            return Err(Box::new(self.not_found(&head.headers)));
        };
        if head.method != Method::POST {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent here with POST\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Err(Box::new(answer));
        }
        let format = Format::of(&head.headers).ok_or_else(|| {
            let message = "the content type must be application/x-protobuf or application/json\n";
            Box::new(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        })?;
        Ok((*signal, format))
    }

    fn not_found(&self, headers: &HeaderMap) -> Answer {
        if media_type(headers).starts_with(b"application/grpc") {
            return text(
                StatusCode::NOT_FOUND,
                "this port takes OTLP over HTTP; OTLP over gRPC has its own, usually 4317\n",
            );
        }
        let [(logs, _), (traces, _), (metrics, _)] = &self.paths;
        let message = format!("telseal takes OTLP over HTTP here: POST to {logs}, {traces} or {metrics}\n");
        text(StatusCode::NOT_FOUND, message)
    }

    async fn take(
        &self,
        head: &Parts,
        body: &mut Incoming,
        signal: Signal,
        format: Format,
    ) -> Result<Receipt, Failure> {
        let guest: Guest = self.door.enter(signal, head).await?;
        let encoding = encoding(&head.headers)?;
        let mut permit = guest.permit()?;
        let bytes = body::read_whole(body, self.limits, &mut permit).await?;
        let content = body::content(encoding, bytes, self.limits, &mut permit)?;
        let content = match format {
            Format::Protobuf => content,
            Format::Json => protobuf(signal, &content, &mut permit)?,
        };
        guest.submit(content, permit, head).await
    }

    fn refusal(&self, signal: Signal, format: Format, failure: &Failure) -> Answer {
        self.door.refused(signal, failure);
        let body = match format {
            Format::Protobuf => failure.to_protobuf(),
            Format::Json => failure.to_json(),
        };
        let mut answer = respond(failure.kind.http(), format.media_type(), body);
        if let Some(seconds) = failure.retry_after_seconds() {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = &failure.challenge {
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if failure.kind == Kind::Encoding {
            answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(Encoding::ACCEPTED));
        }
        answer
    }
}

impl Format {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let media_type = media_type(headers);
        if media_type.eq_ignore_ascii_case(b"application/x-protobuf") {
            Some(Self::Protobuf)
        } else if media_type.eq_ignore_ascii_case(b"application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// The same request in protobuf, which is nearly always shorter: what was reserved for the JSON covers it.
fn protobuf(signal: Signal, body: &[u8], permit: &mut Permit) -> Result<Bytes, Failure> {
    // As in protobuf, nothing at all is a request without records.
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let protobuf = json::to_protobuf(signal, body).map_err(|error| Failure::new(Kind::Invalid, error.to_string()))?;
    permit.grow_to(protobuf.len())?;
    Ok(body::fitted(protobuf))
}

/// The content type without its parameters; empty when there is none.
fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value[..end].trim_ascii()
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let Some(name) = headers.get(CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    Encoding::from_header(name.as_bytes()).ok_or_else(|| {
        Failure::new(Kind::Encoding, "the content encoding must be one of gzip, zstd, deflate, snappy, identity")
    })
}

fn success(signal: Signal, format: Format, receipt: &Receipt) -> Answer {
    let body = match format {
        Format::Protobuf => response_protobuf(receipt),
        Format::Json => response_json(signal, receipt),
    };
    respond(StatusCode::OK, format.media_type(), body)
}

fn text(status: StatusCode, message: impl Into<Bytes>) -> Answer {
    respond(status, "text/plain; charset=utf-8", message)
}

fn respond(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
