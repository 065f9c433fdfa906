//! What goes wrong with a request, and what that is called in HTTP and in gRPC.
//!
//! Senders throw data away on most answers: over HTTP they come back only on 429, 502, 503 and 504, over gRPC on
//! `UNAVAILABLE`, `DEADLINE_EXCEEDED` and the like, and on `RESOURCE_EXHAUSTED` only with a `RetryInfo` beside it. So
//! whatever is not the fault of the data is answered with one of those.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::otlp::Signal;
use crate::otlp::wire::{put_bytes, put_tag, put_varint};
use crate::pipeline::{Receipt, Refused};
use crate::stdx::json::{write_str, write_u64};

/// When a sender is to come back to a process that is going away.
const RETRY_AFTER_CLOSED: Duration = Duration::from_secs(5);

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: Cow<'static, str>,
    pub(super) retry_after: Option<Duration>,
    /// What a sender without credentials is asked for.
    pub(super) challenge: Option<HeaderValue>,
}

/// The kinds of failure; what they are called where is a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No pipeline takes this signal.
    NoPipeline,
    /// The body's content encoding is not known.
    Encoding,
    /// The body is larger than the limit, on the wire or decompressed.
    TooLarge,
    /// The body is not what it claims to be.
    Invalid,
    /// gRPC's framing is broken.
    Framing,
    /// The body did not come in time.
    Timeout,
    /// The peer went away before the end of the body.
    Cut,
    /// The sender did not prove who it is.
    Unauthenticated,
    /// The sender may not write this.
    Forbidden,
    /// The sender's tenant has used up its limits.
    Limited,
    /// Who the sender is cannot be found out now.
    NotReady,
    /// There is no room now.
    Full,
    /// The pipeline is shutting down.
    Closed,
}

/// The names of a kind: HTTP status, gRPC code, metric label.
const fn names(kind: Kind) -> (StatusCode, u32, &'static str) {
    match kind {
        Kind::NoPipeline => (StatusCode::NOT_FOUND, 12, "no_pipeline"),
        Kind::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 12, "encoding"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "too_large"),
        Kind::Invalid => (StatusCode::BAD_REQUEST, 3, "invalid"),
        Kind::Framing => (StatusCode::BAD_REQUEST, 13, "invalid"),
        Kind::Timeout => (StatusCode::REQUEST_TIMEOUT, 4, "timeout"),
        Kind::Cut => (StatusCode::BAD_REQUEST, 1, "cut"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, 16, "unauthenticated"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, 7, "forbidden"),
        Kind::Limited => (StatusCode::TOO_MANY_REQUESTS, 8, "limited"),
        Kind::NotReady => (StatusCode::SERVICE_UNAVAILABLE, 14, "not_ready"),
        Kind::Full => (StatusCode::TOO_MANY_REQUESTS, 8, "full"),
        Kind::Closed => (StatusCode::SERVICE_UNAVAILABLE, 14, "closed"),
    }
}

impl Kind {
    /// The HTTP status.
    pub(super) const fn http(self) -> StatusCode {
        names(self).0
    }

    /// The gRPC code, which is also the code of a `google.rpc.Status`.
    pub(super) const fn grpc(self) -> u32 {
        names(self).1
    }

    /// The word in metrics.
    pub(super) const fn label(self) -> &'static str {
        names(self).2
    }
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), retry_after: None, challenge: None }
    }

    pub(super) fn full(reason: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Kind::Full, reason) }
    }

    /// The failure of a body larger than `max` bytes.
    pub(super) fn too_large(max: usize) -> Self {
        Self::new(Kind::TooLarge, format!("the request is larger than {max} bytes"))
    }

    /// Whole seconds to wait, at least one: `Retry-After` knows no smaller.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some((after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// A `google.rpc.Status` in protobuf, without details.
    pub(super) fn to_protobuf(&self) -> Vec<u8> {
        let mut out = vec![];
        put_tag(&mut out, 1, 0);
        put_varint(&mut out, u64::from(self.kind.grpc()));
        put_bytes(&mut out, 2, self.message.as_bytes());
        out
    }

    /// A `google.rpc.Status` in protobuf with the `RetryInfo` that senders look for.
    pub(super) fn to_detailed_protobuf(&self) -> Option<Vec<u8>> {
        let after = self.retry_after?;
        let (mut delay, mut info, mut any) = (vec![], vec![], vec![]);
        put_number(&mut delay, 1, after.as_secs());
        put_number(&mut delay, 2, u64::from(after.subsec_nanos()));
        put_bytes(&mut info, 1, &delay);
        put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
        put_bytes(&mut any, 2, &info);
        let mut out = self.to_protobuf();
        put_bytes(&mut out, 3, &any);
        Some(out)
    }

    /// A `google.rpc.Status` in JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut out = b"{\"code\":".to_vec();
        write_u64(&mut out, u64::from(self.kind.grpc()));
        out.extend_from_slice(b",\"message\":");
        write_str(&mut out, &self.message);
        out.push(b'}');
        out
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full { retry_after, reason } => Self::full(reason, retry_after),
            Refused::Invalid { reason } => Self::new(Kind::Invalid, reason),
            Refused::Closed => {
                Self { retry_after: Some(RETRY_AFTER_CLOSED), ..Self::new(Kind::Closed, "shutting down") }
            }
        }
    }
}

/// An `Export*ServiceResponse` in protobuf: empty unless records were rejected.
pub(super) fn response_protobuf(receipt: &Receipt) -> Vec<u8> {
    let mut out = vec![];
    if receipt.rejected > 0 {
        let mut partial = vec![];
        put_number(&mut partial, 1, receipt.rejected);
        put_bytes(&mut partial, 2, receipt.reason.as_deref().unwrap_or_default().as_bytes());
        put_bytes(&mut out, 1, &partial);
    }
    out
}

/// An `Export*ServiceResponse` in JSON.
pub(super) fn response_json(signal: Signal, receipt: &Receipt) -> Vec<u8> {
    if receipt.rejected == 0 {
        return b"{}".to_vec();
    }
    let name = match signal {
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Traces => "rejectedSpans",
    };
    // 64-bit integers are strings in protobuf's JSON.
    let mut out = format!("{{\"partialSuccess\":{{\"{name}\":\"{}\",\"errorMessage\":", receipt.rejected).into_bytes();
    write_str(&mut out, receipt.reason.as_deref().unwrap_or_default());
    out.extend_from_slice(b"}}");
    out
}

fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_tag(out, number, 0);
        put_varint(out, value);
    }
}
