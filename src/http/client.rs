//! The one place that speaks HTTP to the outside: every exporter that uses the network holds a [`Client`] from here.
//!
//! rustls with aws-lc-rs, the system's certificate authorities or a configured file. Redirects are not followed
//! (credentials and telemetry go where the configuration says), proxies come from the configuration and never from
//! the environment, answers are read up to a limit. A failure names host and path; headers, bodies, user names and
//! query strings never appear in it.

mod address;
mod compression;
pub mod oauth2;
mod tls;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Proxy, Url, redirect};
use thiserror::Error;
use tracing::warn;

use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

pub use address::{Address, is_loopback, name};
pub use compression::Compression;
pub use tls::{Tls, Version};

/// How much of an answer is read. OTLP answers are a few bytes; an error page may be long, and nobody reads it.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The longest wait for a connection, also when a whole request may take longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that acknowledges no packet for this long is gone: without it, a connection that a router has forgotten
/// would be tried for a quarter of an hour.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// What a client is built from.
#[derive(Debug)]
pub struct Options<'a> {
    /// One of the addresses it will talk to: its scheme says whether TLS is needed, its host is what
    /// `server_name_override` stands for.
    pub url: &'a Url,
    /// TLS settings.
    pub tls: &'a Tls,
    /// The proxy to go through.
    pub proxy_url: &'a Address,
    /// The time a request may take, answer included.
    pub timeout: Duration,
    /// HTTP/2 from the first byte, as gRPC needs it.
    pub http2_only: bool,
    /// HTTP/2 pings.
    pub keepalive: Option<Keepalive>,
}

/// HTTP/2 pings, to keep a quiet connection from being forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How often to ping.
    pub time: Duration,
    /// How long to wait for the answer before the connection is given up.
    pub timeout: Duration,
    /// Also while no request is under way.
    pub while_idle: bool,
}

/// A client could not be built from its settings.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not {wanted}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// A header's name or value holds characters that HTTP does not allow.
    #[error("header `{0}` has a name or value that HTTP does not allow")]
    Header(String),
    /// An address is no URL.
    #[error("`{0}` is not an http:// or https:// URL")]
    Address(Address),
    /// The TLS library refuses the settings.
    #[error("cannot set up the client for {name}: {cause}")]
    Client {
        /// Where it would connect to.
        name: String,
        /// Why not.
        cause: String,
    },
}

/// No whole answer came. All of these may work later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}: {cause}")]
pub struct Failure {
    /// Host, port and path.
    pub name: String,
    /// What happened.
    pub cause: String,
}

/// Where requests go, with the headers they carry. Configured values are marked as secret, so that they print as such.
#[derive(Clone)]
pub struct Route {
    url: Url,
    /// As configured: with the host that is connected to, not the one in the certificate.
    address: Url,
    name: String,
    headers: HeaderMap,
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Trailers, if any came.
    pub trailers: HeaderMap,
    /// The body, up to [`ANSWER_BYTES_MAX`].
    pub body: Bytes,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("name", &self.name).field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// A pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    timeout: Duration,
}

/// Headers as configured. The values may be credentials.
pub type Headers = BTreeMap<String, Secret>;

/// Notes headers that HTTP does not allow.
pub fn check_headers(headers: &Headers, at: &At, problems: &mut Problems) {
    for (key, value) in headers {
        if header(key, value).is_none() {
            problems.add(&at.key(key), "has a name or value that HTTP does not allow");
        }
    }
}

fn header(key: &str, value: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value.reveal()).ok()?;
    value.set_sensitive(true);
    Some((key.parse().ok()?, value))
}

impl Route {
    /// A route to `url`. Of a header that is both configured and `fixed`, the configured one is sent.
    ///
    /// # Errors
    /// When a configured header is not allowed; the message has its name only.
    pub fn new(url: Url, tls: &Tls, fixed: &[(&'static str, &str)], configured: &Headers) -> Result<Self, BuildError> {
        let mut headers = HeaderMap::new();
        for (key, value) in fixed {
            let value = HeaderValue::from_str(value).map_err(|_| BuildError::Header((*key).to_owned()))?;
            headers.insert(HeaderName::from_static(key), value);
        }
        for (key, value) in configured {
            let (key, value) = header(key, value).ok_or_else(|| BuildError::Header(key.clone()))?;
            headers.insert(key, value);
        }
        Ok(Self { name: name(&url), url: tls.target(url.clone()), address: url, headers })
    }

    /// The path as configured.
    #[must_use]
    pub fn path(&self) -> &str {
        self.address.path()
    }

    /// The same with another path, without a query.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut route = self.clone();
        for url in [&mut route.url, &mut route.address] {
            url.set_path(path);
            url.set_query(None);
        }
        Self { name: name(&route.address), ..route }
    }

    /// The same with another query, unless it is empty.
    #[must_use]
    pub fn with_query(&self, query: &str) -> Self {
        let mut route = self.clone();
        if !query.is_empty() {
            route.url.set_query(Some(query));
        }
        route
    }

    /// The same without a header.
    #[must_use]
    pub fn without(mut self, header: &HeaderName) -> Self {
        self.headers.remove(header);
        self
    }

    /// The same under another name, for protocols whose paths say nothing.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Host, port and path: how messages name it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Client {
    /// A client with these settings. Reads certificate files; opens no connection.
    ///
    /// # Errors
    /// When a file cannot be read or a setting is refused.
    pub fn new(options: &Options<'_>) -> Result<Self, BuildError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("telseal/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(options.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
        if !options.proxy_url.is_empty() {
            let proxy = Proxy::all(options.proxy_url.reveal());
            builder = builder.proxy(proxy.map_err(|_| BuildError::Address(options.proxy_url.clone()))?);
        }
        if options.http2_only {
            builder = builder.http2_prior_knowledge();
        }
        if let Some(keepalive) = options.keepalive {
            builder = builder
                .http2_keep_alive_interval(keepalive.time)
                .http2_keep_alive_timeout(keepalive.timeout)
                .http2_keep_alive_while_idle(keepalive.while_idle);
        }
        let inner = secured(builder, options)?.build().map_err(|error| refused(options.url, &error))?;
        Ok(Self { inner, timeout: options.timeout })
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// When no whole answer came: refused, timed out, cut, or not HTTP.
    pub async fn post(&self, route: &Route, body: impl Into<Body>) -> Result<Answer, Failure> {
        self.send(Method::POST, route, body).await
    }

    /// The same with more headers, which stand in for those of the route.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn post_with(&self, route: &Route, extra: &HeaderMap, body: impl Into<Body>) -> Result<Answer, Failure> {
        self.send_with(Method::POST, route, extra, body).await
    }

    /// The same with any method.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send_with(
        &self,
        method: Method,
        route: &Route,
        extra: &HeaderMap,
        body: impl Into<Body>,
    ) -> Result<Answer, Failure> {
        let mut headers = route.headers.clone();
        headers.extend(extra.clone());
        self.request(method, route, headers, body).await
    }

    /// The same with any method.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send(&self, method: Method, route: &Route, body: impl Into<Body>) -> Result<Answer, Failure> {
        self.request(method, route, route.headers.clone(), body).await
    }

    async fn request(
        &self,
        method: Method,
        route: &Route,
        headers: HeaderMap,
        body: impl Into<Body>,
    ) -> Result<Answer, Failure> {
        let request = self.inner.request(method, route.url.clone()).headers(headers).body(body);
        let answer = async { collect(request.send().await?).await };
        answer.await.map_err(|error| Failure { name: route.name.clone(), cause: self.cause(&error) })
    }

    /// The end of the chain of causes says it best ("connection refused"); what lies above repeats the URL.
    fn cause(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {:?}", self.timeout);
        }
        let what = if error.is_connect() { "cannot connect" } else { "the connection failed" };
        format!("{what}: {}", innermost(error))
    }
}

fn secured(builder: reqwest::ClientBuilder, options: &Options<'_>) -> Result<reqwest::ClientBuilder, BuildError> {
    let proxy_is_encrypted = options.proxy_url.url().is_some_and(|url| url.scheme() == "https");
    if options.url.scheme() == "http" && !proxy_is_encrypted {
        // Nothing to verify, so the system's certificates need not be there, nor take up memory.
        return Ok(builder.tls_certs_only([]));
    }
    if options.tls.insecure_skip_verify {
        warn!(endpoint = name(options.url), "tls.insecure_skip_verify: any certificate is accepted");
    }
    options.tls.apply(options.url, builder)
}

fn refused(url: &Url, error: &reqwest::Error) -> BuildError {
    BuildError::Client { name: name(url), cause: innermost(error) }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut last: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = last.and_then(Error::source) {
        last = Some(cause);
    }
    last.map_or_else(|| "the request is not valid".to_owned(), ToString::to_string)
}

async fn collect(answer: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let (parts, mut rest) = http::Response::<Body>::from(answer).into_parts();
    let mut body = BytesMut::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = rest.frame().await.transpose()? {
        match frame.into_data() {
            Ok(data) if body.len() + data.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&data),
            Ok(_) => break,
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, trailers, body: body.freeze() })
}
