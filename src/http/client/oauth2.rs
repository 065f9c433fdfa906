//! OAuth 2.0 client credentials (RFC 6749, section 4.4): a token for requests to a destination.
//!
//! It is fetched when the first request needs it, kept in memory, and fetched anew shortly before it ends or when the destination no
//! longer takes it. However many requests wait, one asks. Neither secret nor token is ever part of a message.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Address, BuildError, Client, Failure, Headers, Options, Route, Tls, is_loopback};
use crate::stdx::duration::Span;
use crate::stdx::json::{Error as JsonError, Reader, Value};
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// How long a token is used whose end nobody tells.
const UNTOLD_LIFE: Duration = Duration::from_secs(300);

/// Where a token comes from, in the words of the Collector's `oauth2client`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth2 {
    /// Where tokens are given out.
    pub token_url: Address,
    /// Who asks.
    pub client_id: String,
    /// Its secret; take it from `${file:path}`.
    pub client_secret: Secret,
    /// What the token is to be good for. Default: what the issuer thinks fit.
    pub scopes: Vec<String>,
    /// More parameters of the request, as `audience`. Default: none.
    pub endpoint_params: BTreeMap<String, Secret>,
    /// `true`: `client_id` and `client_secret` stand in the body of the request, for issuers that do not read them as HTTP's basic
    /// authentication. Default: `false`.
    pub credentials_in_body: bool,
    /// A token is fetched anew this long before it ends. Default: `30s`.
    pub expiry_buffer: Span,
    /// How long a request for a token may take. Default: `10s`.
    pub timeout: Span,
    /// TLS towards the issuer.
    pub tls: Tls,
}

impl Default for OAuth2 {
    fn default() -> Self {
        Self {
            token_url: Address::default(),
            client_id: String::new(),
            client_secret: Secret::default(),
            scopes: Vec::new(),
            endpoint_params: BTreeMap::new(),
            credentials_in_body: false,
            expiry_buffer: Span::secs(30),
            timeout: Span::secs(10),
            tls: Tls::default(),
        }
    }
}

impl OAuth2 {
    /// Notes everything that is wrong. `headers` are those of the requests that the token is for.
    pub fn check(&self, headers: &Headers, at: &At, problems: &mut Problems) {
        if self.token_url.is_empty() {
            problems.add_hint(
                at,
                "needs a `token_url`",
                "for example `token_url: https://login.example.com/oauth2/token`",
            );
        } else {
            self.token_url.check(&at.key("token_url"), problems);
        }
        for (key, is_empty) in
            [("client_id", self.client_id.is_empty()), ("client_secret", self.client_secret.reveal().is_empty())]
        {
            if is_empty {
                problems.add(at, format!("needs a `{key}`"));
            }
        }
        if self.timeout == Span::default() {
            problems.add(&at.key("timeout"), "must be more than 0");
        }
        if headers.keys().any(|key| key.eq_ignore_ascii_case("authorization")) {
            problems.add(at, "stands beside a header `authorization`: keep one of them");
        }
        if let Some(url) = self.token_url.url() {
            if url.scheme() != "https" && !is_loopback(&url) {
                problems.add_hint(&at.key("token_url"), "would send the secret in clear", "use https://");
            }
            self.tls.check(url.scheme() == "https", &at.key("tls"), problems);
        }
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// No whole answer came.
    #[error("no token: {0}")]
    NoAnswer(#[from] Failure),
    /// The issuer does not give one to this client. Somebody has to look.
    #[error("no token: {name} answered {status}: `client_id`, `client_secret` or `scopes` are not accepted")]
    Refused {
        /// Host and path.
        name: String,
        /// The HTTP status.
        status: u16,
    },
    /// The issuer is not well.
    #[error("no token: {name} answered {status}")]
    Failed {
        /// Host and path.
        name: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer has no token that can be sent.
    #[error("no token: the answer of {name} has none, or one of another type than `Bearer`")]
    Unreadable {
        /// Host and path.
        name: String,
    },
}

/// Gets tokens, and keeps the newest.
#[derive(Debug)]
pub struct Tokens {
    client: Client,
    route: Route,
    form: Secret,
    buffer: Duration,
    kept: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    /// `Bearer ..`, marked as secret.
    header: HeaderValue,
    ends_at: Instant,
}

impl Tokens {
    /// Opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(config: &OAuth2) -> Result<Self, BuildError> {
        let url = config.token_url.url().ok_or_else(|| BuildError::Address(config.token_url.clone()))?;
        let client = Client::new(&Options {
            url: &url,
            tls: &config.tls,
            proxy_url: &Address::default(),
            timeout: config.timeout.0,
            http2_only: false,
            keepalive: None,
        })?;
        let fixed = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let mut headers = Headers::new();
        if !config.credentials_in_body {
            headers.insert("authorization".to_owned(), basic(config));
        }
        let route = Route::new(url, &config.tls, &fixed, &headers)?;
        let (form, buffer) = (form(config), config.expiry_buffer.0);
        Ok(Self { client, route, form, buffer, kept: Mutex::default() })
    }

    /// The header that a request needs.
    ///
    /// # Errors
    /// When no token can be had now.
    pub async fn header(&self) -> Result<HeaderMap, TokenError> {
        let mut kept = self.kept.lock().await;
        let header = match kept.as_ref().filter(|token| Instant::now() < token.ends_at) {
            Some(token) => token.header.clone(),
            None => {
                let token = self.fetch().await?;
                kept.insert(token).header.clone()
            }
        };
        Ok(HeaderMap::from_iter([(AUTHORIZATION, header)]))
    }

    /// The destination did not take it: the next request has a new one.
    pub async fn forget(&self, refused: &HeaderMap) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|token| refused.get(AUTHORIZATION) == Some(&token.header)) {
            *kept = None;
        }
    }

    async fn fetch(&self) -> Result<Token, TokenError> {
        let name = || self.route.name().to_owned();
        let answer = self.client.post(&self.route, self.form.reveal().to_owned()).await?;
        match answer.status {
            200 | 201 => {}
            status @ (408 | 429 | 500..) => return Err(TokenError::Failed { name: name(), status }),
            status => return Err(TokenError::Refused { name: name(), status }),
        }
        let (token, life) = read(&answer.body).ok().flatten().ok_or_else(|| TokenError::Unreadable { name: name() })?;
        let header = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
        let mut header = header.map_err(|_| TokenError::Unreadable { name: name() })?;
        header.set_sensitive(true);
        // One that ends at once is good for this request.
        let life = life.unwrap_or(UNTOLD_LIFE).saturating_sub(self.buffer);
        Ok(Token { header, ends_at: Instant::now() + life })
    }
}

/// The token and how long it is good; nothing where it is no bearer token.
fn read(body: &[u8]) -> Result<Option<(Secret, Option<Duration>)>, JsonError> {
    let mut reader = Reader::new(body)?;
    let (mut token, mut life, mut is_bearer) = (None, None, true);
    let Value::Object = reader.value()? else { return Ok(None) };
    while let Some(key) = reader.next_member()? {
        let key = key.raw();
        let before = reader.clone();
        match (key, reader.value()?) {
            ("access_token", Value::Str(text)) => token = Some(Secret::new(text.read(&mut String::new()))),
            ("token_type", Value::Str(text)) => is_bearer = text.raw().eq_ignore_ascii_case("bearer"),
            // A number; some write it in quotes.
            ("expires_in", Value::Number(text)) => life = text.parse().ok(),
            ("expires_in", Value::Str(text)) => life = text.raw().parse().ok(),
            (_, Value::Object | Value::Array) => {
                reader = before;
                reader.skip_value(16)?;
            }
            _ => {}
        }
    }
    reader.end()?;
    let life = life.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    Ok(token.filter(|token: &Secret| is_bearer && !token.reveal().is_empty()).map(|token| (token, life)))
}

/// The body of a request for a token.
fn form(config: &OAuth2) -> Secret {
    let scopes = config.scopes.join(" ");
    let mut pairs = vec![("grant_type", "client_credentials")];
    if !scopes.is_empty() {
        pairs.push(("scope", &scopes));
    }
    if config.credentials_in_body {
        pairs.extend([("client_id", config.client_id.as_str()), ("client_secret", config.client_secret.reveal())]);
    }
    pairs.extend(config.endpoint_params.iter().map(|(key, value)| (key.as_str(), value.reveal())));
    encoded(&pairs)
}

fn basic(config: &OAuth2) -> Secret {
    let encode = |text: &str| encoded(&[("", text)]).reveal().trim_start_matches('=').to_owned();
    let pair = format!("{}:{}", encode(&config.client_id), encode(config.client_secret.reveal()));
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// `a=b&c=d`, as forms are sent.
fn encoded(pairs: &[(&str, &str)]) -> Secret {
    let Ok(mut url) = Url::parse("x:/") else { return Secret::default() };
    url.query_pairs_mut().extend_pairs(pairs);
    Secret::new(url.query().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> OAuth2 {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn the_request_is_a_form_and_its_credentials_are_encoded() {
        let own = "token_url: 'https://a/t', client_id: 'a b', client_secret: 's:=%'";
        let plain = config(&format!("{{{own}, scopes: [x, 'y:z'], endpoint_params: {{audience: 'https://b'}}}}"));
        let wanted = "grant_type=client_credentials&scope=x+y%3Az&audience=https%3A%2F%2Fb";
        assert_eq!(form(&plain).reveal(), wanted);
        let header = basic(&plain);
        let pair = BASE64_STANDARD.decode(header.reveal().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a+b:s%3A%3D%25");
        let body = config(&format!("{{{own}, credentials_in_body: true}}"));
        assert_eq!(form(&body).reveal(), "grant_type=client_credentials&client_id=a+b&client_secret=s%3A%3D%25");
        assert!(!format!("{plain:?}{:?}", Tokens::new(&plain).unwrap()).contains("s:=%"));
    }

    #[test]
    fn answers_are_read_and_other_types_of_tokens_are_not_taken() {
        let read = |text: &str| {
            read(text.as_bytes())
                .ok()
                .flatten()
                .map(|(token, life)| (token.reveal().to_owned(), life.map(|l| l.as_secs())))
        };
        let token = |life| Some(("abc".to_owned(), life));
        assert_eq!(
            read(r#"{"access_token":"abc","token_type":"bearer","expires_in":60,"x":{"y":[]}}"#),
            token(Some(60))
        );
        assert_eq!(read(r#"{"expires_in":"3600","access_token":"abc"}"#), token(Some(3600)));
        assert_eq!(read(r#"{"access_token":"abc","expires_in":-1}"#), token(None));
        for text in [r#"{"access_token":"abc","token_type":"mac"}"#, "{}", "[]", "x", r#"{"access_token":""}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        let problems = |yaml: &str, headers: &[&str]| {
            let mut problems = Problems::default();
            let headers = headers.iter().map(|name| ((*name).to_owned(), Secret::new("x"))).collect();
            config(yaml).check(&headers, &At::new("x"), &mut problems);
            problems.0.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
        };
        let good = "{token_url: 'https://a/t', client_id: b, client_secret: c}";
        assert_eq!(problems(good, &["x"]), "");
        assert_eq!(problems(good, &["Authorization"]), "stands beside a header `authorization`: keep one of them");
        assert_eq!(problems("{}", &[]), "needs a `token_url`; needs a `client_id`; needs a `client_secret`");
        assert_eq!(
            problems("{token_url: 'http://a/t', client_id: b, client_secret: c}", &[]),
            "would send the secret in clear"
        );
    }
}
