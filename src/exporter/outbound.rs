//! What exporters over HTTP have in common: endpoints that stand in for each other, credentials, TLS, compression, and what
//! an answer means for the data.
//!
//! Several endpoints are one destination: requests go to the first that works, and stay with it until it fails. A request
//! that no endpoint took is tried again by the delivery loop. Messages name host and path, never a header, body or query.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::StatusCode;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tracing::warn;

use crate::exporter::ExportError;
use crate::exporter::classify::{self, Verdict};
use crate::http::client::{
    Address, Answer, BuildError, Client, Compression, Headers, Options, Route, Tls, check_headers, is_loopback,
};
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// How many endpoints may stand in for each other.
const ENDPOINTS_MAX: usize = 16;

/// One URL, or a list of URLs of which any will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints(Vec<Address>);

/// The settings that every exporter over HTTP has, borrowed from its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'c> {
    /// Where requests go.
    pub endpoints: &'c Endpoints,
    /// The vendor's path, for endpoints that have none.
    pub path: &'static str,
    /// Headers of every request.
    pub headers: &'c Headers,
    /// How long a request may take, answer included.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: &'c Tls,
    /// The proxy to go through.
    pub proxy_url: &'c Address,
    /// How bodies are compressed.
    pub compression: Compression,
    /// Headers that the protocol wants, `content-type` among them. One that is configured too is sent as configured.
    pub fixed: &'c [(&'static str, &'c str)],
    /// Credentials that are no headers in the configuration (tokens, keys) are sent too: warn where they would go in clear.
    pub has_credentials: bool,
}

/// A destination over HTTP.
#[derive(Debug)]
pub struct Outbound {
    client: Client,
    routes: Vec<Route>,
    /// Which of the routes worked last.
    current: Arc<AtomicUsize>,
    compression: Compression,
}

/// One request: all of it that does not depend on the endpoint.
#[derive(Debug, Clone)]
pub struct Call<'c> {
    /// The method.
    pub method: Method,
    /// The query; empty for the one in the configuration.
    pub query: &'c str,
    /// The body, compressed already.
    pub body: Bytes,
}

impl Endpoints {
    /// A single endpoint.
    #[must_use]
    pub fn one(text: impl Into<String>) -> Self {
        Self(vec![Address::new(text)])
    }

    /// The endpoints, in the order of preference.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.0
    }

    /// These, or one by default.
    #[must_use]
    pub fn or(&self, default: impl FnOnce() -> String) -> Self {
        if self.0.iter().all(Address::is_empty) && self.0.len() < 2 { Self::one(default()) } else { self.clone() }
    }

    /// The same with `path` behind the path of each. What is no URL stays as it is, to be found by the check.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let join = |address: &Address| match address.url() {
            Some(mut url) => {
                let joined = format!("{}{path}", url.path().trim_end_matches('/'));
                url.set_path(&joined);
                Address::new(url)
            }
            None => address.clone(),
        };
        Self(self.0.iter().map(join).collect())
    }

    /// The URLs, with `path` where one has none.
    fn urls(&self, path: &str) -> Vec<Url> {
        self.0.iter().filter_map(|address| with_path(address.url()?, path)).collect()
    }
}

/// `http://host` gets the path, `http://host/anything` is taken as it stands.
fn with_path(mut url: Url, path: &str) -> Option<Url> {
    if url.path().is_empty() || url.path() == "/" {
        url.set_path(path);
    }
    Some(url)
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Endpoints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL or a list of URLs")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Endpoints, E> {
                Ok(Endpoints::one(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Endpoints, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = items.next_element()? {
                    addresses.push(address);
                }
                Ok(Endpoints(addresses))
            }
        }
        input.deserialize_any(OneOrMany)
    }
}

impl Settings<'_> {
    /// Notes everything that is wrong with the shared settings. `example` is a URL for the hint.
    pub fn check(&self, at: &At, example: &str, problems: &mut Problems) {
        self.check_endpoints(&at.key("endpoint"), at, example, problems);
        if self.timeout == Span::default() {
            problems.add(&at.key("timeout"), "must be more than 0");
        }
        if !self.proxy_url.is_empty() {
            self.proxy_url.check(&at.key("proxy_url"), problems);
            if self.tls.server_name_override.is_some() {
                problems.add(&at.key("tls").key("server_name_override"), "cannot be used together with `proxy_url`");
            }
        }
        check_headers(self.headers, &at.key("headers"), problems);
        let encrypted = self.endpoints.urls(self.path).iter().any(|url| url.scheme() == "https");
        self.tls.check(encrypted, &at.key("tls"), problems);
    }

    fn check_endpoints(&self, at: &At, component: &At, example: &str, problems: &mut Problems) {
        match self.endpoints.addresses() {
            [] => problems.add_hint(component, "needs an `endpoint`", format!("for example `endpoint: {example}`")),
            [one] if one.is_empty() => {
                problems.add_hint(component, "needs an `endpoint`", format!("for example `endpoint: {example}`"));
            }
            [one] => one.check(at, problems),
            many => {
                if many.len() > ENDPOINTS_MAX {
                    problems.add(at, format!("has {} endpoints, {ENDPOINTS_MAX} are allowed", many.len()));
                }
                for (index, address) in many.iter().enumerate() {
                    address.check(&at.item(index), problems);
                }
            }
        }
    }

    /// The destination. Reads certificate files, opens no connection. `id` names the exporter in warnings.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn build(&self, id: &str) -> Result<Outbound, BuildError> {
        let urls = self.endpoints.urls(self.path);
        let url = urls.iter().find(|url| url.scheme() == "https").or_else(|| urls.first());
        let url =
            url.ok_or_else(|| BuildError::Address(self.endpoints.addresses().first().cloned().unwrap_or_default()))?;
        let client = Client::new(&Options {
            url,
            tls: self.tls,
            proxy_url: self.proxy_url,
            timeout: self.timeout.0,
            http2_only: false,
            keepalive: None,
        })?;
        let secret = self.has_credentials || !self.headers.is_empty();
        if secret && !self.tls.insecure && urls.iter().any(|url| url.scheme() != "https" && !is_loopback(url)) {
            warn!(
                exporter = id,
                "credentials are sent unencrypted: use https://, or set tls.insecure if that is meant"
            );
        }
        let mut fixed = self.fixed.to_vec();
        fixed.extend(self.compression.name().map(|name| ("content-encoding", name)));
        let route = |url: Url| Route::new(url, self.tls, &fixed, self.headers);
        let routes = urls.into_iter().map(route).collect::<Result<_, _>>()?;
        Ok(Outbound { client, routes, current: Arc::default(), compression: self.compression })
    }
}

impl Outbound {
    /// Compresses `body` as configured.
    ///
    /// # Errors
    /// `Permanent`, should a compressor fail.
    pub fn compressed(&self, body: Vec<u8>) -> Result<Bytes, ExportError> {
        if self.compression == Compression::None {
            return Ok(body.into());
        }
        let mut out = Vec::with_capacity(body.len() / 4);
        self.compression.compress(&body, &mut out).map_err(|error| unreadable(&error))?;
        Ok(out.into())
    }

    /// Sends a body that is compressed already, to the endpoint that worked last and, where that is down or asks to be spared,
    /// to the others in turn. `extra` headers go with this request only; mark secret ones as sensitive.
    ///
    /// # Errors
    /// `Retry` when no endpoint gave a whole answer.
    pub async fn send(&self, body: Bytes, extra: &HeaderMap) -> Result<(Answer, &str), ExportError> {
        let call = Call { method: Method::POST, query: "", body };
        let (answer, at) = self.call(&call, |_| extra.clone()).await?;
        Ok((answer, self.name_of(at)))
    }

    /// The same for any method and query, with headers that depend on the endpoint, which the answer comes with.
    ///
    /// # Errors
    /// `Retry` when no endpoint gave a whole answer.
    pub async fn call(
        &self,
        call: &Call<'_>,
        extra: impl Fn(usize) -> HeaderMap,
    ) -> Result<(Answer, usize), ExportError> {
        let first = self.current.load(Relaxed);
        let mut last = None;
        for turn in 0..self.routes.len() {
            let at = (first + turn) % self.routes.len();
            let sent = self.call_at(at, call, &extra(at)).await;
            let unwell = sent.as_ref().map_or(true, |answer| matches!(verdict(answer), Verdict::Retry(_)));
            last = Some(sent.map(|answer| (answer, at)));
            if !unwell {
                self.current.store(at, Relaxed);
                break;
            }
        }
        last.unwrap_or_else(|| Err(ExportError::Pause { cause: "no `endpoint` is configured".to_owned() }))
    }

    /// The same at one endpoint only, for what is known there and nowhere else.
    ///
    /// # Errors
    /// `Retry` when it gave no whole answer.
    pub async fn call_at(&self, at: usize, call: &Call<'_>, extra: &HeaderMap) -> Result<Answer, ExportError> {
        let Some(route) = self.routes.get(at) else {
            return Err(ExportError::Pause { cause: "no `endpoint` is configured".to_owned() });
        };
        let Call { method, query, body } = call;
        let route = if query.is_empty() { Cow::Borrowed(route) } else { Cow::Owned(route.with_query(query)) };
        Ok(self.client.send_with(method.clone(), &route, extra, body.clone()).await?)
    }

    /// The same endpoints with other paths; which of them works best is known to both.
    #[must_use]
    pub fn beside(&self, path: impl Fn(&str) -> String) -> Self {
        let routes = self.routes.iter().map(|route| route.with_path(&path(route.path()))).collect();
        Self { client: self.client.clone(), routes, current: self.current.clone(), compression: self.compression }
    }

    /// The same for bodies that are not worth compressing.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        let routes = self.routes.into_iter().map(|route| route.without(&CONTENT_ENCODING)).collect();
        Self { routes, compression: Compression::None, ..self }
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.routes.len()
    }

    /// An endpoint: host, port and path.
    #[must_use]
    pub fn name_of(&self, at: usize) -> &str {
        self.routes.get(at).map_or("", Route::name)
    }

    /// Compresses, sends and judges by the status alone; the answer is there for those who look further.
    ///
    /// # Errors
    /// What the status or the failure means for the data.
    pub async fn post(&self, body: Vec<u8>, extra: &HeaderMap) -> Result<Answer, ExportError> {
        let (answer, name) = self.send(self.compressed(body)?, extra).await?;
        judge(&answer, name)?;
        Ok(answer)
    }

    /// The endpoint in use: host, port and path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name_of(self.current.load(Relaxed))
    }
}

/// What the status of an answer means for the data.
#[must_use]
pub fn verdict(answer: &Answer) -> Verdict {
    classify::http(answer.status, retry_after(answer))
}

fn retry_after(answer: &Answer) -> Option<&str> {
    answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok())
}

/// The error that the status of an answer means, or `Ok`.
///
/// # Errors
/// Unless the answer is a success.
pub fn judge(answer: &Answer, name: &str) -> Result<(), ExportError> {
    verdict(answer).result(|| described(name, answer.status))
}

/// A payload that cannot be turned into a request: nobody else will be able to, either.
pub fn unreadable(error: &dyn std::error::Error) -> ExportError {
    ExportError::Permanent { cause: format!("cannot encode the stored payload: {error}") }
}

/// The host and the status; what the server wrote about it may repeat the data.
#[must_use]
pub fn described(name: &str, status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    format!("{name} answered {status} {reason}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(json: &str) -> Endpoints {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_endpoint_without_a_path_gets_the_vendors() {
        let urls = endpoints(r#"["http://a:1", "http://b/", "https://c/own?x=1"]"#).urls("/v");
        let urls: Vec<_> = urls.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["http://a:1/v", "http://b/v", "https://c/own?x=1"]);
        assert_eq!(endpoints(r#""http://a:1""#), Endpoints::one("http://a:1"));
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#""http://a""#, ""),
            ("[]", "x"),
            (r#""""#, "x"),
            (r#"["http://a", "b:1"]"#, "x.endpoint[1]"),
            (r#""b:1""#, "x.endpoint"),
        ] {
            let (endpoints, headers, tls, proxy) =
                (endpoints(json), Headers::new(), Tls::default(), Address::default());
            let settings = Settings {
                endpoints: &endpoints,
                path: "/",
                headers: &headers,
                timeout: Span::secs(1),
                tls: &tls,
                proxy_url: &proxy,
                compression: Compression::None,
                fixed: &[],
                has_credentials: false,
            };
            let mut problems = Problems::default();
            settings.check(&At::new("x"), "http://127.0.0.1:1", &mut problems);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths.join(" "), wanted, "{json}");
        }
    }
}
