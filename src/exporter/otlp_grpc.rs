//! OTLP over gRPC to another collector or a backend: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>.
//!
//! A unary call is one HTTP/2 request, so this uses the one outbound client like every other exporter: five bytes of
//! framing before the payload's own bytes, the status in the trailers. Connects with the first payload, then keeps the
//! connection. What is tried again and what is not: `exporter::classify`. A `partial_success` counts as delivered
//! minus what was rejected. A call that timed out may have been taken, and is then sent twice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes};
use http_body::Frame;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Body, Url};
use serde::Deserialize;
use tracing::warn;

use crate::exporter::authorized;
use crate::exporter::outbound::unreadable;
use crate::exporter::rejections::{PartialSuccess, Rejections};
use crate::exporter::{ExportError, Exporter, Payload, classify};
use crate::http::client::oauth2::{OAuth2, Tokens};
use crate::http::client::{
    self, Address, Answer, BuildError, Client, Compression, Headers, Options, Route, Tls, check_headers, is_loopback,
};
use crate::otlp::Signal;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Settings of an `otlp_grpc` exporter, in the Collector's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host:port`, encrypted unless `tls.insecure` is set; or `https://host:port`; or `http://host:port`, in clear.
    pub endpoint: Address,
    /// `gzip`, `zstd` or `none`. Default: `gzip`.
    pub compression: Compression,
    /// Metadata of every call. Values never appear in messages; take them from `${env:NAME}` or `${file:path}`.
    pub headers: Headers,
    /// How long a call may take. Default: `10s`, as in OpenTelemetry's SDKs; the Collector's `5s` sends twice what a
    /// busy backend takes that long to store.
    pub timeout: Span,
    /// TLS.
    pub tls: Tls,
    /// HTTP/2 pings. Default: none, because servers close connections of clients that ping more often than they like.
    pub keepalive: Option<Keepalive>,
    /// A token for every call, by OAuth 2.0 client credentials. Default: none.
    pub oauth2: Option<OAuth2>,
    /// `http://` proxy to go through. The environment's `HTTPS_PROXY` is not read; write `${env:HTTPS_PROXY}`.
    pub proxy_url: Address,
}

/// HTTP/2 pings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// How often to ping. Default: `30s`.
    pub time: Span,
    /// How long to wait for the answer before the connection is given up. Default: `10s`.
    pub timeout: Span,
    /// Ping also while no call is under way. Default: `false`.
    pub permit_without_stream: bool,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { time: Span::secs(30), timeout: Span::secs(10), permit_without_stream: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Address::default(),
            compression: Compression::default(),
            headers: Headers::new(),
            timeout: Span::secs(10),
            tls: Tls::default(),
            keepalive: None,
            oauth2: None,
            proxy_url: Address::default(),
        }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        self.check_endpoint(at, problems);
        if matches!(self.compression, Compression::Deflate | Compression::Snappy) {
            problems.add_hint(&at.key("compression"), "is not used with gRPC", "use `gzip`, `zstd` or `none`");
        }
        let keepalive = self.keepalive.clone().unwrap_or_default();
        for (place, span) in [
            (at.key("timeout"), self.timeout),
            (at.key("keepalive").key("time"), keepalive.time),
            (at.key("keepalive").key("timeout"), keepalive.timeout),
        ] {
            if span == Span::default() {
                problems.add(&place, "must be more than 0");
            }
        }
        if !self.proxy_url.is_empty() {
            self.proxy_url.check(&at.key("proxy_url"), problems);
            if self.tls.server_name_override.is_some() {
                problems.add(&at.key("tls").key("server_name_override"), "cannot be used together with `proxy_url`");
            }
        }
        check_headers(&self.headers, &at.key("headers"), problems);
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check(&self.headers, &at.key("oauth2"), problems);
        }
        if let Some(url) = self.url() {
            self.tls.check(url.scheme() == "https", &at.key("tls"), problems);
        }
    }

    fn check_endpoint(&self, at: &At, problems: &mut Problems) {
        let example = "for example `endpoint: collector:4317`";
        if self.endpoint.is_empty() {
            return problems.add_hint(at, "needs an `endpoint`", example);
        }
        let at = &at.key("endpoint");
        match self.url() {
            None => problems.add_hint(at, format!("`{}` is no `host:port` and no URL", self.endpoint), example),
            Some(url) if url.path() != "/" => {
                problems.add_hint(at, "has a path, which gRPC does not use", "leave it out, or use `otlp_http`");
            }
            Some(_) => {}
        }
    }

    /// The endpoint with the scheme that it has or that the TLS settings give it.
    fn url(&self) -> Option<Url> {
        let text = self.endpoint.reveal();
        let text = text.strip_prefix("dns:///").or_else(|| text.strip_prefix("passthrough:///")).unwrap_or(text);
        if text.contains("://") {
            return Address::new(text).url();
        }
        let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let scheme = if self.tls.insecure { "http" } else { "https" };
        has_port.then(|| Address::new(format!("{scheme}://{text}")).url())?
    }
}

/// The exporter.
#[derive(Debug)]
pub struct OtlpGrpc {
    client: Client,
    /// In the order of [`Signal::ALL`].
    routes: [Route; 3],
    compression: Compression,
    tokens: Option<Tokens>,
    rejections: Rejections,
}

impl OtlpGrpc {
    /// An exporter with these settings, named `id` in messages and metrics. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let url = config.url().ok_or_else(|| BuildError::Address(config.endpoint.clone()))?;
        let secret = !config.headers.is_empty() || config.oauth2.is_some();
        if secret && !config.tls.insecure && url.scheme() == "http" && !is_loopback(&url) {
            warn!(exporter = id, "headers are sent unencrypted: use https://, or set tls.insecure if that is meant");
        }
        let client = Client::new(&Options {
            url: &url,
            tls: &config.tls,
            proxy_url: &config.proxy_url,
            timeout: config.timeout.0,
            http2_only: true,
            keepalive: config.keepalive.as_ref().map(|keepalive| client::Keepalive {
                time: keepalive.time.0,
                timeout: keepalive.timeout.0,
                while_idle: keepalive.permit_without_stream,
            }),
        })?;
        let [logs, metrics, traces] = Signal::ALL.map(|signal| route_to(&url, signal, config));
        Ok(Self {
            client,
            routes: [logs?, metrics?, traces?],
            compression: config.compression,
            tokens: config.oauth2.as_ref().map(Tokens::new).transpose()?,
            rejections: Rejections::new(id),
        })
    }

    fn route(&self, signal: Signal) -> &Route {
        let [logs, metrics, traces] = &self.routes;
        match signal {
            Signal::Logs => logs,
            Signal::Metrics => metrics,
            Signal::Traces => traces,
        }
    }

    fn encode(&self, payload: &Payload) -> Result<Message, ExportError> {
        let body = payload.otlp().map_err(|error| unreadable(&error))?;
        if self.compression == Compression::None {
            return Ok(Message([prefix(false, body.len())?, body].into()));
        }
        let mut out = Vec::with_capacity(body.len() / 4);
        self.compression.compress(&body, &mut out).map_err(|error| unreadable(&error))?;
        Ok(Message([prefix(true, out.len())?, out.into()].into()))
    }
}

fn route_to(url: &Url, signal: Signal, config: &Config) -> Result<Route, BuildError> {
    let mut url = url.clone();
    let name = client::name(&url);
    url.set_path(match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    });
    let timeout = grpc_timeout(config.timeout.0);
    let mut fixed = vec![
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-accept-encoding", "identity"),
        ("grpc-timeout", &timeout),
    ];
    fixed.extend(config.compression.name().map(|name| ("grpc-encoding", name)));
    Ok(Route::new(url, &config.tls, &fixed, &config.headers)?.named(name))
}

/// The header has room for eight digits.
fn grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis() {
        millis @ ..100_000_000 => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

/// What stands before a message: whether it is compressed, and its length.
fn prefix(compressed: bool, len: usize) -> Result<Bytes, ExportError> {
    let len = u32::try_from(len).map_err(|error| unreadable(&error))?;
    let mut prefix = Vec::with_capacity(5);
    prefix.put_u8(compressed.into());
    prefix.put_u32(len);
    Ok(prefix.into())
}

/// A request body in pieces, so that the payload is not copied behind its prefix.
#[derive(Clone)]
struct Message(VecDeque<Bytes>);

impl http_body::Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

impl Exporter for OtlpGrpc {
    fn wants_otlp(&self) -> bool {
        true
    }

    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let route = self.route(payload.signal());
        let message = self.encode(payload)?;
        let send = || Body::wrap(message.clone());
        let is_refused = |answer: &Answer| status_of(answer).is_some_and(|(_, code)| code == UNAUTHENTICATED);
        let answer = authorized::post(&self.client, self.tokens.as_ref(), route, send, is_refused).await?;
        settle(&answer, route)?;
        let partial = PartialSuccess::from_protobuf(answer.body.get(5..).unwrap_or_default());
        self.rejections.note(payload.signal(), payload.records(), &partial);
        Ok(())
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }
}

/// The code of a call without a good token.
const UNAUTHENTICATED: i32 = 16;

/// The status of a call. Of what the server wrote about it only the code is repeated: the rest may hold the data.
fn settle(answer: &Answer, route: &Route) -> Result<(), ExportError> {
    let Some((status, code)) = status_of(answer) else {
        let verdict = match classify::http(answer.status, None) {
            classify::Verdict::Taken => classify::Verdict::Retry(None),
            other => other,
        };
        return verdict.result(|| format!("{} answered HTTP {} and no gRPC status", route.name(), answer.status));
    };
    let message = status.get("grpc-message").map(|text| String::from_utf8_lossy(text.as_bytes())).unwrap_or_default();
    let retry_after =
        status.get("grpc-status-details-bin").and_then(|text| classify::retry_info(&decode(text.as_bytes())?));
    classify::grpc(code, &message, retry_after)
        .result(|| format!("{} answered {}", route.name(), classify::grpc_name(code)))
}

/// The headers with the status in them, which are the trailers unless there was nothing else to say; and the code.
fn status_of(answer: &Answer) -> Option<(&HeaderMap, i32)> {
    let is_grpc = answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let status = [&answer.trailers, &answer.headers].into_iter().find(|headers| headers.contains_key("grpc-status"));
    let status = status.filter(|_| is_grpc)?;
    // A code that is no number is what gRPC calls unknown.
    Some((status, status.get("grpc-status")?.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2)))
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, padding).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_scheme_decides_about_tls_and_the_settings_where_there_is_none() {
        for (json, wanted) in [
            (r#"{"endpoint": "host:4317"}"#, "https://host:4317/"),
            (r#"{"endpoint": "host:4317", "tls": {"insecure": true}}"#, "http://host:4317/"),
            (r#"{"endpoint": "http://host:4317"}"#, "http://host:4317/"),
            (r#"{"endpoint": "https://host:4317", "tls": {"insecure": true}}"#, "https://host:4317/"),
            (r#"{"endpoint": "dns:///host:4317"}"#, "https://host:4317/"),
            (r#"{"endpoint": "[::1]:4317"}"#, "https://[::1]:4317/"),
        ] {
            assert_eq!(config(json).url().unwrap().to_string(), wanted, "{json}");
        }
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#"{"endpoint": "http://127.0.0.1:9400", "compression": "none", "tls": {"insecure": true}}"#, ""),
            ("{}", "x"),
            (r#"{"endpoint": "host"}"#, "x.endpoint"),
            (r#"{"endpoint": "unix:///run/otel.sock"}"#, "x.endpoint"),
            (r#"{"endpoint": "http://host:4318/v1/logs"}"#, "x.endpoint"),
            (r#"{"endpoint": "host:4317", "compression": "snappy"}"#, "x.compression"),
            (r#"{"endpoint": "host:4317", "keepalive": {"time": "0"}}"#, "x.keepalive.time"),
        ] {
            let mut problems = Problems::default();
            config(json).check(&At::new("x"), &mut problems);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths.join(" "), wanted, "{json}");
        }
    }

    #[test]
    fn time_outs_fit_into_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_millis(1500)), "1500m");
        assert_eq!(grpc_timeout(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(grpc_timeout(Duration::MAX), "99999999S");
    }
}
