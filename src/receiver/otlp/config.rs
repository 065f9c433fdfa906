//! Options of the `otlp` receiver, in the words of the OpenTelemetry Collector.
//!
//! Where the defaults differ from the Collector's, they differ for one of two reasons: its 4 MiB limit for gRPC
//! messages makes senders drop data, and it sets no time-outs at all, so that one slow sender can hold it open for ever.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::http::server::{Tls, UNIX_PATH_BYTES_MAX, UNIX_SCHEME, unix_path};
use crate::receiver::Limits;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Receives logs, metrics and traces as OTLP. At least one protocol must be present.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The protocols to listen for. A protocol that is present without a value (`grpc:`) listens with its defaults;
    /// one that is absent does not listen.
    pub protocols: Protocols,
}

/// The protocols of the receiver.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Protocols {
    /// OTLP/gRPC.
    #[serde(deserialize_with = "present")]
    pub grpc: Option<Grpc>,
    /// OTLP/HTTP, protobuf and JSON.
    #[serde(deserialize_with = "present")]
    pub http: Option<Http>,
}

/// How a protocol is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP; the endpoint is `host:port`.
    #[default]
    Tcp,
    /// A unix domain socket; the endpoint is its path.
    Unix,
}

/// Who may send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The id of the extension that recognises senders. Required.
    pub authenticator: String,
}

/// OTLP over gRPC (HTTP/2).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpc {
    /// Where to listen, `host:port`. Default `127.0.0.1:4317`. `0.0.0.0:4317` listens on every interface,
    /// `unix:///run/telseal/otlp.sock` on a unix domain socket.
    pub endpoint: String,
    /// `tcp` (default), or `unix`: then `endpoint` is the path of a socket.
    pub transport: Transport,
    /// TLS and client certificates. Default: plain text.
    #[serde(deserialize_with = "present")]
    pub tls: Option<Tls>,
    /// Who may send. Default: whoever can connect.
    pub auth: Option<Auth>,
    /// What each tenant may send. Default: no limits.
    pub tenant_limits: Limits,
    /// The largest message in MiB, both as it arrives and after decompression. A larger one is refused with
    /// `INVALID_ARGUMENT`. Default 20, the same as for HTTP.
    pub max_recv_msg_size_mib: u64,
    /// Requests under way on one connection; the sender waits beyond that. Default 1024.
    pub max_concurrent_streams: u32,
    /// Requests under way on all connections; beyond that they are refused with `RESOURCE_EXHAUSTED` and a time to
    /// come back. Default 4096.
    pub max_concurrent_requests: usize,
    /// Open connections; further ones wait to be accepted. Default 1024.
    pub max_connections: usize,
    /// How long a new connection may take to its first whole request header. Default 30s.
    pub read_header_timeout: Span,
    /// How long the body of a request may take. Default 1m.
    pub read_timeout: Span,
    /// Life time and liveness of connections.
    pub keepalive: Keepalive,
}

/// Life time and liveness of gRPC connections.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// What the receiver does of itself.
    pub server_parameters: KeepaliveServer,
}

/// Life time and liveness of gRPC connections, as in grpc-go.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveServer {
    /// A connection without a request for this long is closed. Default 0: never.
    pub max_connection_idle: Span,
    /// A connection this old is asked to go away, so that senders spread again over the machines behind a load
    /// balancer. Default 0: never.
    pub max_connection_age: Span,
    /// How long requests may still take after that before the connection is cut. Default 0: as long as they need.
    pub max_connection_age_grace: Span,
    /// A connection without traffic is pinged this often. Default 1m.
    pub time: Span,
    /// A connection that does not answer the ping within this time is closed. Default 20s.
    pub timeout: Span,
}

/// OTLP over HTTP/1.1 or HTTP/2.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where to listen, `host:port`. Default `127.0.0.1:4318`. `0.0.0.0:4318` listens on every interface,
    /// `unix:///run/telseal/otlp.sock` on a unix domain socket.
    pub endpoint: String,
    /// `tcp` (default), or `unix`: then `endpoint` is the path of a socket.
    pub transport: Transport,
    /// TLS and client certificates. Default: plain text.
    #[serde(deserialize_with = "present")]
    pub tls: Option<Tls>,
    /// Who may send. Default: whoever can connect.
    pub auth: Option<Auth>,
    /// What each tenant may send. Default: no limits.
    pub tenant_limits: Limits,
    /// The path for traces. Default `/v1/traces`.
    pub traces_url_path: String,
    /// The path for metrics. Default `/v1/metrics`.
    pub metrics_url_path: String,
    /// The path for logs. Default `/v1/logs`.
    pub logs_url_path: String,
    /// The largest body, both as it arrives and after decompression. A larger one is answered with 413.
    /// Default 20 MiB.
    pub max_request_body_size: ByteSize,
    /// Requests under way on all connections; beyond that they are answered with 429. Default 4096.
    pub max_concurrent_requests: usize,
    /// Open connections; further ones wait to be accepted. Default 1024.
    pub max_connections: usize,
    /// How long the header of a request may take. Default 30s.
    pub read_header_timeout: Span,
    /// How long the body of a request may take; a slower one is answered with 408. Default 1m.
    pub read_timeout: Span,
    /// A connection without a request for this long is closed. 0: never. Default 3m, longer than the minute between
    /// two exports of metrics.
    pub idle_timeout: Span,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".to_owned(),
            transport: Transport::Tcp,
            tls: None,
            auth: None,
            tenant_limits: Limits::default(),
            max_recv_msg_size_mib: 20,
            max_concurrent_streams: 1024,
            max_concurrent_requests: 4096,
            max_connections: 1024,
            read_header_timeout: Span::secs(30),
            read_timeout: Span::secs(60),
            keepalive: Keepalive::default(),
        }
    }
}

impl Default for KeepaliveServer {
    fn default() -> Self {
        Self {
            max_connection_idle: Span::default(),
            max_connection_age: Span::default(),
            max_connection_age_grace: Span::default(),
            time: Span::secs(60),
            timeout: Span::secs(20),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4318".to_owned(),
            transport: Transport::Tcp,
            tls: None,
            auth: None,
            tenant_limits: Limits::default(),
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
            max_request_body_size: ByteSize::mib(20),
            max_concurrent_requests: 4096,
            max_connections: 1024,
            read_header_timeout: Span::secs(30),
            read_timeout: Span::secs(60),
            idle_timeout: Span::secs(180),
        }
    }
}

/// No message is larger: the in-flight budget counts in 32 bits.
const MESSAGE_MAX: ByteSize = ByteSize::mib(4095);

impl Config {
    /// Everything wrong with the options.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let at = at.key("protocols");
        if self.protocols.grpc.is_none() && self.protocols.http.is_none() {
            problems.add_hint(&at, "no protocol is enabled", "write `protocols: {grpc: , http: }` or one of the two");
        }
        if let Some(grpc) = &self.protocols.grpc {
            grpc.check(&at.key("grpc"), problems);
        }
        if let Some(http) = &self.protocols.http {
            http.check(&at.key("http"), problems);
        }
        if let (Some(grpc), Some(http)) = (&self.protocols.grpc, &self.protocols.http)
            && grpc.address() == http.address()
            && !grpc.endpoint.ends_with(":0")
        {
            let message = format!("gRPC and HTTP cannot both listen on `{}`", http.endpoint);
            problems.add_hint(&at.key("http").key("endpoint"), message, "the usual ports are 4317 and 4318");
        }
    }
}

impl Grpc {
    fn check(&self, at: &At, problems: &mut Problems) {
        check_endpoint(&self.address(), 4317, &at.key("endpoint"), problems);
        if let Some(tls) = &self.tls {
            tls.check(&at.key("tls"), problems);
        }
        self.tenant_limits.check(&at.key("tenant_limits"), problems);
        let max = MESSAGE_MAX.0 >> 20;
        if !(1..=max).contains(&self.max_recv_msg_size_mib) {
            problems.add(&at.key("max_recv_msg_size_mib"), format!("must be between 1 and {max}"));
        }
        check_counts(
            &[
                ("max_concurrent_streams", self.max_concurrent_streams as usize),
                ("max_concurrent_requests", self.max_concurrent_requests),
                ("max_connections", self.max_connections),
            ],
            at,
            problems,
        );
        check_spans(
            &[("read_header_timeout", self.read_header_timeout), ("read_timeout", self.read_timeout)],
            at,
            problems,
        );
        let keepalive = &self.keepalive.server_parameters;
        check_spans(
            &[("time", keepalive.time), ("timeout", keepalive.timeout)],
            &at.key("keepalive").key("server_parameters"),
            problems,
        );
    }

    /// Whether senders prove who they are.
    #[must_use]
    pub fn identifies(&self) -> bool {
        self.auth.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some())
    }

    /// The address to listen on, with the scheme of a unix socket.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.transport, &self.endpoint)
    }

    /// The largest message in bytes.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        ByteSize::mib(self.max_recv_msg_size_mib.min(MESSAGE_MAX.0 >> 20)).as_usize()
    }
}

impl Http {
    fn check(&self, at: &At, problems: &mut Problems) {
        check_endpoint(&self.address(), 4318, &at.key("endpoint"), problems);
        if let Some(tls) = &self.tls {
            tls.check(&at.key("tls"), problems);
        }
        self.tenant_limits.check(&at.key("tenant_limits"), problems);
        if self.max_request_body_size == ByteSize(0) || self.max_request_body_size > MESSAGE_MAX {
            problems.add(&at.key("max_request_body_size"), format!("must be between 1 B and {MESSAGE_MAX}"));
        }
        check_counts(
            &[("max_concurrent_requests", self.max_concurrent_requests), ("max_connections", self.max_connections)],
            at,
            problems,
        );
        check_spans(
            &[("read_header_timeout", self.read_header_timeout), ("read_timeout", self.read_timeout)],
            at,
            problems,
        );
        self.check_paths(at, problems);
    }

    /// Whether senders prove who they are.
    #[must_use]
    pub fn identifies(&self) -> bool {
        self.auth.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some())
    }

    /// The address to listen on, with the scheme of a unix socket.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.transport, &self.endpoint)
    }

    fn check_paths(&self, at: &At, problems: &mut Problems) {
        let paths = [
            ("traces_url_path", &self.traces_url_path),
            ("metrics_url_path", &self.metrics_url_path),
            ("logs_url_path", &self.logs_url_path),
        ];
        for (index, (key, path)) in paths.iter().enumerate() {
            if path.contains(['?', '#']) || path.contains(char::is_whitespace) {
                problems.add(&at.key(key), format!("`{path}` is no URL path"));
            } else if let Some((other, _)) = paths[..index].iter().find(|(_, other)| rooted(other) == rooted(path)) {
                problems.add(&at.key(key), format!("`{path}` is also the value of {other}"));
            }
        }
    }
}

/// The path with its leading slash, which may be left out in the configuration.
pub(in crate::receiver) fn rooted(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

/// A key that is there enables the protocol, with or without a value.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(input: D) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(input).map(|value| Some(value.unwrap_or_default()))
}

fn address(transport: Transport, endpoint: &str) -> String {
    match transport {
        Transport::Unix if unix_path(endpoint).is_none() => format!("{UNIX_SCHEME}{endpoint}"),
        _ => endpoint.to_owned(),
    }
}

fn check_endpoint(endpoint: &str, usual_port: u16, at: &At, problems: &mut Problems) {
    let example = format!("write `127.0.0.1:{usual_port}`, or `0.0.0.0:{usual_port}` for every interface");
    if let Some(path) = unix_path(endpoint) {
        let len = path.as_os_str().len();
        if !(1..=UNIX_PATH_BYTES_MAX).contains(&len) {
            problems.add(at, format!("the path of a socket has 1 to {UNIX_PATH_BYTES_MAX} bytes, this one {len}"));
        }
        return;
    }
    if let Some((scheme, _)) = endpoint.split_once("://") {
        problems.add_hint(at, format!("`{scheme}://` does not belong into an address to listen on"), example);
        return;
    }
    match endpoint.rsplit_once(':') {
        None => problems.add_hint(at, format!("`{endpoint}` has no port"), example),
        Some((_, port)) if port.parse::<u16>().is_err() => {
            problems.add_hint(at, format!("`{port}` is no port number"), example);
        }
        Some(("", _)) => problems.add_hint(at, format!("`{endpoint}` has no host"), example),
        Some((host, _)) if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) => {
            problems.add_hint(at, "an IPv6 address needs brackets", format!("write `[::1]:{usual_port}`"));
        }
        Some(_) => {}
    }
}

fn check_counts(counts: &[(&str, usize)], at: &At, problems: &mut Problems) {
    for (key, count) in counts {
        if *count == 0 {
            problems.add(&at.key(key), "must be at least 1");
        }
    }
}

fn check_spans(spans: &[(&str, Span)], at: &At, problems: &mut Problems) {
    for (key, span) in spans {
        if span.0 == Duration::ZERO {
            problems.add_hint(
                &at.key(key),
                "must be longer than 0",
                "a sender that stalls would be waited for for ever",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Config {
        serde_saphyr::from_str(yaml).expect("a configuration")
    }

    fn problems(yaml: &str) -> Vec<String> {
        let mut problems = Problems::default();
        read(yaml).check(&At::new("receivers.otlp"), &mut problems);
        problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn a_protocol_without_a_value_is_on_and_an_absent_one_is_off() {
        let config = read("protocols:\n  http:\n");
        assert_eq!(config.protocols.http, Some(Http::default()));
        assert_eq!(config.protocols.grpc, None);
        let config = read("protocols: {grpc: {}, http: {endpoint: 'localhost:9999', max_request_body_size: 1048576}}");
        assert_eq!(config.protocols.grpc, Some(Grpc::default()));
        let http = config.protocols.http.expect("on");
        assert_eq!((http.endpoint.as_str(), http.max_request_body_size), ("localhost:9999", ByteSize::mib(1)));
        assert!(serde_saphyr::from_str::<Config>("protocols: {gprc: }").is_err());
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        assert_eq!(problems("protocols: {grpc: , http: {endpoint: 'localhost:4318'}}"), Vec::<String>::new());
        assert_eq!(problems("{}"), ["receivers.otlp.protocols: no protocol is enabled"]);
        let bad = "protocols:
  grpc: {endpoint: 'http://127.0.0.1:4317', max_recv_msg_size_mib: 0, keepalive: {server_parameters: {time: 0}}}
  http: {endpoint: '127.0.0.1', read_timeout: 0, max_connections: 0, logs_url_path: v1/traces}";
        assert_eq!(
            problems(bad),
            [
                "receivers.otlp.protocols.grpc.endpoint: `http://` does not belong into an address to listen on",
                "receivers.otlp.protocols.grpc.max_recv_msg_size_mib: must be between 1 and 4095",
                "receivers.otlp.protocols.grpc.keepalive.server_parameters.time: must be longer than 0",
                "receivers.otlp.protocols.http.endpoint: `127.0.0.1` has no port",
                "receivers.otlp.protocols.http.max_connections: must be at least 1",
                "receivers.otlp.protocols.http.read_timeout: must be longer than 0",
                "receivers.otlp.protocols.http.logs_url_path: `v1/traces` is also the value of traces_url_path",
            ]
        );
        let same = "protocols: {grpc: {endpoint: '[::1]:99'}, http: {endpoint: '[::1]:99'}}";
        assert_eq!(
            problems(same),
            ["receivers.otlp.protocols.http.endpoint: gRPC and HTTP cannot both listen on `[::1]:99`"]
        );
    }
}
