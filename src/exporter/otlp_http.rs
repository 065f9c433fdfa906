//! OTLP over HTTP to another collector or a backend: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.
//!
//! One request a payload, its bytes passed through as they are. Tried again: every answer and every failure that is
//! not about the data (`exporter::classify`). A `partial_success` counts as delivered minus what was rejected. A
//! request that timed out may have been taken, and is then sent twice. Redirects are not followed.

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tracing::warn;

use crate::exporter::authorized;
use crate::exporter::outbound::{judge, unreadable};
use crate::exporter::rejections::{PartialSuccess, Rejections};
use crate::exporter::{ExportError, Exporter, Payload};
use crate::http::client::oauth2::{OAuth2, Tokens};
use crate::http::client::{
    Address, Answer, BuildError, Client, Compression, Headers, Options, Route, Tls, check_headers, is_loopback,
};
use crate::otlp::{self, Signal};
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Settings of an `otlp_http` exporter, in the Collector's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Base URL; `/v1/logs`, `/v1/traces` and `/v1/metrics` are added to its path. The scheme decides about TLS.
    /// `http://` to another machine is taken as meant, but what it sends can be read on the way.
    pub endpoint: Address,
    /// URL for logs, used as it stands. Default: `endpoint` + `/v1/logs`.
    pub logs_endpoint: Address,
    /// URL for traces, used as it stands. Default: `endpoint` + `/v1/traces`.
    pub traces_endpoint: Address,
    /// URL for metrics, used as it stands. Default: `endpoint` + `/v1/metrics`.
    pub metrics_endpoint: Address,
    /// `proto` or `json`. Default: `proto`.
    pub encoding: Encoding,
    /// `gzip`, `zstd`, `deflate`, `snappy` or `none`. Default: `gzip`.
    pub compression: Compression,
    /// Headers of every request. Values never appear in messages; take them from `${env:NAME}` or `${file:path}`.
    pub headers: Headers,
    /// How long a request may take, answer included. Default: `30s`.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: Tls,
    /// A token for every request, by OAuth 2.0 client credentials. Default: none.
    pub oauth2: Option<OAuth2>,
    /// `http://` proxy to go through. The environment's `HTTPS_PROXY` is not read; write `${env:HTTPS_PROXY}`.
    pub proxy_url: Address,
}

/// How OTLP is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Protobuf.
    #[default]
    Proto,
    /// JSON, as OTLP maps it.
    Json,
}

impl Encoding {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Proto => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Address::default(),
            logs_endpoint: Address::default(),
            traces_endpoint: Address::default(),
            metrics_endpoint: Address::default(),
            encoding: Encoding::default(),
            compression: Compression::default(),
            headers: Headers::new(),
            timeout: Span::secs(30),
            tls: Tls::default(),
            oauth2: None,
            proxy_url: Address::default(),
        }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let own = Signal::ALL.map(|signal| (format!("{signal}_endpoint"), self.own_endpoint(signal)));
        if self.endpoint.is_empty() && own.iter().all(|(_, address)| address.is_empty()) {
            problems.add_hint(at, "needs an `endpoint`", "for example `endpoint: http://127.0.0.1:4318`");
        }
        for (key, address) in [("endpoint".to_owned(), &self.endpoint)].into_iter().chain(own) {
            if !address.is_empty() {
                address.check(&at.key(key), problems);
            }
        }
        if self.timeout == Span::default() {
            problems.add(&at.key("timeout"), "must be more than 0");
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
        let encrypted = Signal::ALL.iter().filter_map(|signal| self.url(*signal)).any(|url| url.scheme() == "https");
        self.tls.check(encrypted, &at.key("tls"), problems);
    }

    fn own_endpoint(&self, signal: Signal) -> &Address {
        match signal {
            Signal::Logs => &self.logs_endpoint,
            Signal::Metrics => &self.metrics_endpoint,
            Signal::Traces => &self.traces_endpoint,
        }
    }

    /// Where the signal goes, if anywhere.
    fn url(&self, signal: Signal) -> Option<Url> {
        let own = self.own_endpoint(signal);
        if !own.is_empty() {
            return own.url();
        }
        let mut url = self.endpoint.url()?;
        let path = format!("{}/v1/{signal}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Some(url)
    }
}

/// The exporter.
#[derive(Debug)]
pub struct OtlpHttp {
    client: Client,
    /// In the order of [`Signal::ALL`].
    routes: [Option<Route>; 3],
    encoding: Encoding,
    compression: Compression,
    tokens: Option<Tokens>,
    rejections: Rejections,
}

impl OtlpHttp {
    /// An exporter with these settings, named `id` in messages and metrics. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let urls = Signal::ALL.map(|signal| config.url(signal));
        let known = || urls.iter().flatten();
        let url = known().find(|url| url.scheme() == "https").or_else(|| known().next());
        let url = url.ok_or_else(|| BuildError::Address(config.endpoint.clone()))?;
        let client = Client::new(&Options {
            url,
            tls: &config.tls,
            proxy_url: &config.proxy_url,
            timeout: config.timeout.0,
            http2_only: false,
            keepalive: None,
        })?;
        let secret = !config.headers.is_empty() || config.oauth2.is_some();
        if secret && !config.tls.insecure && known().any(|url| !is_encrypted_or_local(url)) {
            warn!(exporter = id, "headers are sent unencrypted: use https://, or set tls.insecure if that is meant");
        }
        let mut routes = [None, None, None];
        for (route, url) in routes.iter_mut().zip(urls) {
            *route = url.map(|url| route_to(url, config)).transpose()?;
        }
        let (encoding, compression) = (config.encoding, config.compression);
        let tokens = config.oauth2.as_ref().map(Tokens::new).transpose()?;
        Ok(Self { client, routes, encoding, compression, tokens, rejections: Rejections::new(id) })
    }

    fn route(&self, signal: Signal) -> Result<&Route, ExportError> {
        let index = Signal::ALL.iter().position(|known| *known == signal);
        let route = index.and_then(|index| self.routes[index].as_ref());
        route.ok_or_else(|| ExportError::Pause { cause: format!("no `endpoint` or `{signal}_endpoint` is configured") })
    }

    fn encode(&self, payload: &Payload) -> Result<Bytes, ExportError> {
        let mut body = payload.otlp().map_err(|error| unreadable(&error))?;
        if self.encoding == Encoding::Json {
            let mut json = Vec::with_capacity(body.len() * 2);
            otlp::json::from_protobuf(payload.signal(), &body, &mut json).map_err(|error| unreadable(&error))?;
            body = json.into();
        }
        if self.compression == Compression::None {
            return Ok(body);
        }
        let mut out = Vec::with_capacity(body.len() / 4);
        self.compression.compress(&body, &mut out).map_err(|error| unreadable(&error))?;
        Ok(out.into())
    }
}

fn is_encrypted_or_local(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

fn route_to(url: Url, config: &Config) -> Result<Route, BuildError> {
    let mut fixed = vec![("content-type", config.encoding.content_type())];
    fixed.extend(config.compression.name().map(|name| ("content-encoding", name)));
    Route::new(url, &config.tls, &fixed, &config.headers)
}

impl Exporter for OtlpHttp {
    fn wants_otlp(&self) -> bool {
        true
    }

    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let route = self.route(payload.signal())?;
        let body = self.encode(payload)?;
        let send = || body.clone().into();
        let is_refused = |answer: &Answer| answer.status == 401;
        let answer = authorized::post(&self.client, self.tokens.as_ref(), route, send, is_refused).await?;
        judge(&answer, route.name())?;
        self.rejections.note(payload.signal(), payload.records(), &partial_success(&answer));
        Ok(())
    }

    fn rejected_records(&self) -> u64 {
        self.rejections.total()
    }
}

fn partial_success(answer: &Answer) -> PartialSuccess {
    let is_json = answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json { PartialSuccess::from_json(&answer.body) } else { PartialSuccess::from_protobuf(&answer.body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn urls_are_joined_or_taken_as_they_stand() {
        let config = config(r#"{"endpoint": "http://host/otlp/", "metrics_endpoint": "https://other/exact/"}"#);
        let urls = Signal::ALL.map(|signal| config.url(signal).unwrap().to_string());
        assert_eq!(urls, ["http://host/otlp/v1/logs", "https://other/exact/", "http://host/otlp/v1/traces"]);
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#"{"endpoint": "http://127.0.0.1:9400", "compression": "none"}"#, ""),
            (r#"{"logs_endpoint": "https://host/x", "headers": {"api-key": "x"}, "tls": {"min_version": "1.3"}}"#, ""),
            ("{}", "x"),
            (r#"{"endpoint": "host:4318", "traces_endpoint": "/v1/traces"}"#, "x.endpoint x.traces_endpoint"),
            (r#"{"endpoint": "http://host", "timeout": "0"}"#, "x.timeout"),
            (r#"{"endpoint": "http://host", "headers": {"a b": "x", "c": "x\ny"}}"#, "x.headers.a b x.headers.c"),
            (r#"{"endpoint": "http://host", "proxy_url": "proxy:3128"}"#, "x.proxy_url"),
        ] {
            let mut problems = Problems::default();
            config(json).check(&At::new("x"), &mut problems);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths.join(" "), wanted, "{json}");
        }
    }
}
