//! `oidc`: senders with a JSON Web Token of an OpenID Connect issuer.
//!
//! Talks to: the issuer, for its public keys, unless they are in a file (`jwks_file`, for sites without a way out). Keys are
//! fetched at the start, every `refresh_interval`, and when a token names one that is not known, at most once in
//! `refetch_interval`. While none are known, senders are asked to come back; those that are known stay in force while the
//! issuer does not answer. A token is looked at anew with every request: one that has expired is refused at once.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use serde::{Deserialize, Deserializer};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::credentials::{File, presented, reloaded};
use super::jwt::{Algorithm, Claims, Keys, Wrong};
use super::{Denied, Identity, SetupError};
use crate::http::client::{Address, Client, Options, Route, Tls, is_loopback};
use crate::stdx::backoff::Backoff;
use crate::stdx::clock;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Where an issuer says where its keys are.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How long a request to the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// When a sender is to come back whose token cannot be checked now.
const COME_BACK: Duration = Duration::from_secs(2);
/// Longer claims are not put on records.
const FACT_BYTES_MAX: usize = 4096;

/// Senders with a token of an issuer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The issuer, exactly as its tokens have it under `iss`. Its keys are found below `/.well-known/openid-configuration`,
    /// unless there is a `jwks_file`.
    pub issuer_url: String,
    /// Who tokens must be meant for (`aud`): one name, or a list of which any will do.
    #[serde(deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// A file with the issuer's keys as a JWK set; nothing is fetched then. Default: none.
    pub jwks_file: Option<PathBuf>,
    /// How tokens may be signed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`.
    /// Default: `RS256` and `ES256`.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the sender. Default: `sub`.
    pub username_claim: String,
    /// The claim with the sender's groups, for `auth.membership`. Default: none.
    pub groups_claim: String,
    /// The claim that says whose limits the sender shares. Default: none, the sender's own.
    pub tenant_claim: String,
    /// How far the clocks of issuer and telseal may differ. Default: `60s`.
    pub leeway: Span,
    /// The header with the token, behind `Bearer`. Default: `authorization`.
    pub attribute: String,
    /// How often the keys are fetched again. Default: `1h`.
    pub refresh_interval: Span,
    /// How often they are fetched at most because of a token with an unknown key. Default: `30s`.
    pub refetch_interval: Span,
    /// How often `jwks_file` is looked at for changes. `0`: never. Default: `10s`.
    pub reload_interval: Span,
    /// TLS towards the issuer.
    pub tls: Tls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer_url: String::new(),
            audience: Vec::new(),
            jwks_file: None,
            algorithms: vec![Algorithm::RS256, Algorithm::ES256],
            username_claim: "sub".to_owned(),
            groups_claim: String::new(),
            tenant_claim: String::new(),
            leeway: Span::secs(60),
            attribute: "authorization".to_owned(),
            refresh_interval: Span::secs(3600),
            refetch_interval: Span::secs(30),
            reload_interval: Span::secs(10),
            tls: Tls::default(),
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(input)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

impl Config {
    /// Notes what is wrong. Reads no file, asks nobody.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let url = Address::new(self.issuer_url.as_str()).url();
        match (&url, self.issuer_url.is_empty()) {
            (_, true) => problems.add_hint(
                at,
                "needs an `issuer_url`",
                "the `iss` of its tokens, as `https://login.example.com`",
            ),
            (None, _) => problems.add(&at.key("issuer_url"), "is no http:// or https:// URL"),
            (Some(url), _) if self.jwks_file.is_none() && url.scheme() != "https" && !is_loopback(url) => {
                let hint = "use https://, or put the keys into `jwks_file`";
                problems.add_hint(&at.key("issuer_url"), "anybody on the way could give other keys", hint);
            }
            _ => {}
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            let hint = "without it, tokens that were made for other services would be let in";
            problems.add_hint(at, "needs an `audience`", hint);
        }
        if self.algorithms.is_empty() {
            problems.add(&at.key("algorithms"), "lets nobody in: list at least one");
        }
        if self.username_claim.is_empty() {
            problems.add(&at.key("username_claim"), "must name a claim");
        }
        for (key, span) in [("refresh_interval", self.refresh_interval), ("refetch_interval", self.refetch_interval)] {
            if span == Span::default() {
                problems.add(&at.key(key), "must be more than 0");
            }
        }
        if self.attribute.parse::<HeaderName>().is_err() {
            problems.add(&at.key("attribute"), format!("`{}` is no name of a header", self.attribute));
        }
        if let Some(url) = url.filter(|_| self.jwks_file.is_none()) {
            self.tls.check(url.scheme() == "https", &at.key("tls"), problems);
        }
    }
}

/// The authenticator.
#[derive(Debug)]
pub struct Oidc {
    config: Config,
    header: HeaderName,
    keys: Source,
}

#[derive(Debug)]
enum Source {
    File(File<Keys>),
    Issuer(Box<Issuer>),
}

impl Oidc {
    /// Reads the file, if there is one; asks nobody yet.
    ///
    /// # Errors
    /// When the file cannot be used, or a setting of TLS.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let header =
            config.attribute.parse().map_err(|_| SetupError(format!("`{}` is no header", config.attribute)))?;
        let keys = match &config.jwks_file {
            Some(path) => Source::File(File::open(path, config.reload_interval, Keys::parse)?),
            None => Source::Issuer(Box::new(Issuer::new(config)?)),
        };
        Ok(Self { config: config.clone(), header, keys })
    }

    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Denied> {
        let token = presented(headers, &self.header, "Bearer")?;
        let keys = match &self.keys {
            Source::File(file) => file.current(),
            Source::Issuer(issuer) => issuer.keys().ok_or(Denied::Later(COME_BACK))?,
        };
        let claims = keys.open(token, &self.config.algorithms).map_err(|wrong| self.wrong(wrong))?;
        judge(&self.config, &claims, clock::unix_nanos() / 1_000_000_000).map_err(Denied::Wrong)?;
        identity(&self.config, &claims).map(Arc::new).ok_or(Denied::Wrong("subject"))
    }

    /// A key that is not known may be a new one.
    fn wrong(&self, wrong: Wrong) -> Denied {
        match (wrong, &self.keys) {
            (Wrong::UnknownKey, Source::Issuer(issuer)) if issuer.may_have_others() => Denied::Later(COME_BACK),
            (Wrong::UnknownKey, _) => Denied::Wrong("unknown_key"),
            (Wrong::Malformed, _) => Denied::Wrong("malformed"),
            (Wrong::Algorithm, _) => Denied::Wrong("algorithm"),
            (Wrong::Signature, _) => Denied::Wrong("signature"),
        }
    }

    pub(super) fn challenge() -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"telseal\"")
    }

    pub(super) async fn stay_fresh(&self, id: &str) {
        match &self.keys {
            Source::File(file) => file.stay_fresh(id).await,
            Source::Issuer(issuer) => issuer.stay_fresh(id).await,
        }
    }
}

/// Whether a token whose signature is good is good here and now, `now` in seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn judge(config: &Config, claims: &Claims, now: u64) -> Result<(), &'static str> {
    let (now, leeway) = (now as f64, config.leeway.0.as_secs_f64());
    if claims.text("iss") != Some(&config.issuer_url) {
        return Err("issuer");
    }
    if !claims.list("aud").iter().any(|for_whom| config.audience.iter().any(|own| own == for_whom)) {
        return Err("audience");
    }
    // A token without an end would be good for ever.
    let ends = claims.number("exp").ok_or("expired")?;
    if now >= ends + leeway {
        return Err("expired");
    }
    let is_early = |name: &str| claims.number(name).is_some_and(|from| from > now + leeway);
    if is_early("nbf") || is_early("iat") { Err("not_yet_valid") } else { Ok(()) }
}

/// Who the token says it is; nothing where it does not say it.
fn identity(config: &Config, claims: &Claims) -> Option<Identity> {
    let name = claims.text(&config.username_claim).filter(|name| !name.is_empty())?.to_owned();
    let tenant = claims.text(&config.tenant_claim).filter(|tenant| !tenant.is_empty()).map(str::to_owned);
    let fact = |(name, claim): (&str, &super::jwt::Claim)| (format!("claims.{name}"), claim.joined());
    let mut facts: Vec<_> = claims.iter().map(fact).filter(|(_, value)| value.len() <= FACT_BYTES_MAX).collect();
    let groups = claims.list(&config.groups_claim).join(",");
    if !groups.is_empty() && groups.len() <= FACT_BYTES_MAX {
        facts.push(("membership".to_owned(), groups));
    }
    Some(Identity { name, tenant, facts })
}

/// The way to an issuer, and its keys.
#[derive(Debug)]
struct Issuer {
    url: String,
    client: Client,
    discovery: Route,
    tls: Tls,
    refresh: Duration,
    refetch: Duration,
    keys: RwLock<Option<Arc<Keys>>>,
    asked_at: RwLock<Option<Instant>>,
    wanted: Notify,
}

impl Issuer {
    fn new(config: &Config) -> Result<Self, SetupError> {
        let failed = |error: &dyn std::fmt::Display| SetupError(error.to_string());
        let text = format!("{}{DISCOVERY}", config.issuer_url.trim_end_matches('/'));
        let url = Address::new(text).url().ok_or_else(|| failed(&"`issuer_url` is no URL"))?;
        let (tls, direct) = (config.tls.clone(), Address::default());
        let options =
            Options { url: &url, tls: &tls, proxy_url: &direct, timeout: TIMEOUT, http2_only: false, keepalive: None };
        let client = Client::new(&options).map_err(|error| failed(&error))?;
        let discovery = Route::new(url, &tls, &[], &Default::default()).map_err(|error| failed(&error))?;
        let (refresh, refetch) = (config.refresh_interval.0, config.refetch_interval.0);
        let (keys, asked_at, wanted) = (RwLock::default(), RwLock::default(), Notify::new());
        let url = config.issuer_url.clone();
        Ok(Self { url, client, discovery, tls, refresh, refetch, keys, asked_at, wanted })
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True when the keys are old enough to be fetched again, which is done then.
    fn may_have_others(&self) -> bool {
        let asked_at = *self.asked_at.read().unwrap_or_else(PoisonError::into_inner);
        let may = asked_at.is_none_or(|at| at.elapsed() >= self.refetch);
        if may {
            self.wanted.notify_one();
        }
        may
    }

    async fn stay_fresh(&self, id: &str) {
        let again = || Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 2.0, clock::unix_nanos());
        let (mut backoff, mut failing) = (again(), false);
        loop {
            let fetched = self.fetch().await;
            *self.asked_at.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            let wait = match fetched {
                Ok(keys) => {
                    self.take(id, keys);
                    (backoff, failing) = (again(), false);
                    self.refresh
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            authenticator = id,
                            error,
                            "cannot fetch the issuer's keys; those that are known stay in force"
                        );
                    }
                    reloaded(id, "failed");
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wanted.notified(), if !failing => {}
            }
        }
    }

    fn take(&self, id: &str, keys: Keys) {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(&keys) {
            tracing::info!(authenticator = id, issuer = self.url, "keys of the issuer taken");
            reloaded(id, "ok");
            *known = Some(Arc::new(keys));
        }
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let document = Claims::parse(&self.get(&self.discovery).await?);
        let document = document.map_err(|error| format!("{}: {error}", self.discovery.name()))?;
        if document.text("issuer") != Some(&self.url) {
            return Err(format!("{} is of another `issuer` than `issuer_url`", self.discovery.name()));
        }
        let address = document.text("jwks_uri").and_then(|text| Address::new(text).url());
        let address = address
            .filter(|url| self.may_ask(url))
            .ok_or_else(|| format!("{} has no `jwks_uri` that is as safe as `issuer_url`", self.discovery.name()))?;
        let route = Route::new(address, &self.tls, &[], &Default::default()).map_err(|error| error.to_string())?;
        let body = self.get(&route).await?;
        let text = std::str::from_utf8(&body).map_err(|_| format!("{}: it is not UTF-8", route.name()))?;
        Keys::parse(text).map_err(|error| format!("{}: {error}", route.name()))
    }

    /// As safe as the way to the issuer itself.
    fn may_ask(&self, url: &Url) -> bool {
        url.scheme() == "https" && self.url.starts_with("https") || url.scheme() == "http" && is_loopback(url)
    }

    async fn get(&self, route: &Route) -> Result<bytes::Bytes, String> {
        let answer = self.client.send(reqwest::Method::GET, route, "").await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{} answered {}", route.name(), answer.status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn config() -> Config {
        let (issuer_url, groups_claim) = ("https://login.example.com".to_owned(), "groups".to_owned());
        Config { issuer_url, groups_claim, audience: vec!["telseal".into(), "other".into()], ..Config::default() }
    }

    fn claims(text: &str) -> Claims {
        let standard = r#"{"iss":"https://login.example.com","aud":"telseal","exp":1800000100,"sub":"ci""#;
        Claims::parse(format!("{standard}{text}}}").as_bytes()).unwrap()
    }

    fn judged(from: &str, to: &str) -> Result<(), &'static str> {
        let text = r#"{"iss":"https://login.example.com","aud":["x","telseal"],"exp":1800000100,"nbf":1799999990,"iat":1799999990}"#;
        assert!(text.contains(from));
        judge(&config(), &Claims::parse(text.replacen(from, to, 1).as_bytes()).unwrap(), NOW)
    }

    #[test]
    fn a_token_is_good_for_its_audience_and_in_its_time() {
        assert_eq!(judged("", ""), Ok(()));
        for (from, to, wanted) in [
            ("login.example.com", "login.example.org", Err("issuer")),
            ("example.com\"", "example.com/\"", Err("issuer")),
            ("\"telseal\"", "\"telseal2\"", Err("audience")),
            ("\"aud\"", "\"for\"", Err("audience")),
            ("1800000100", "1799999941", Ok(())),
            ("1800000100", "1799999940", Err("expired")),
            ("1800000100", "\"1800000100\"", Err("expired")),
            ("1800000100", "-1", Err("expired")),
            ("\"exp\"", "\"ends\"", Err("expired")),
            ("\"nbf\":1799999990", "\"nbf\":1800000060", Ok(())),
            ("\"nbf\":1799999990", "\"nbf\":1800000061", Err("not_yet_valid")),
            ("\"iat\":1799999990", "\"iat\":1800000061", Err("not_yet_valid")),
        ] {
            assert_eq!(judged(from, to), wanted, "{to}");
        }
    }

    #[test]
    fn claims_become_facts() {
        let text = r#","groups":["dev","ops"],"email":"a@example.com","email_verified":true,"org":{"id":7}"#;
        let found = identity(&config(), &claims(text)).unwrap();
        assert_eq!((found.name.as_str(), found.tenant()), ("ci", "ci"));
        for (name, value) in [
            ("membership", "dev,ops"),
            ("claims.email", "a@example.com"),
            ("claims.email_verified", "true"),
            ("claims.org.id", "7"),
            ("subject", "ci"),
        ] {
            assert_eq!(found.fact(name), Some(value), "{name}");
        }
        let other = Config { username_claim: "email".into(), tenant_claim: "org.name".into(), ..config() };
        assert_eq!(identity(&other, &claims("")), None);
        let found = identity(&other, &claims(r#","email":"e","org":{"name":"blue"}"#)).unwrap();
        assert_eq!((found.name.as_str(), found.tenant()), ("e", "blue"));
        let long = format!(r#","note":"{}""#, "x".repeat(FACT_BYTES_MAX + 1));
        assert_eq!(identity(&config(), &claims(&long)).unwrap().fact("claims.note"), None);
    }

    #[test]
    fn settings_that_let_strangers_in_are_refused() {
        let problems = |yaml: &str| {
            let config: Config = serde_saphyr::from_str(yaml).unwrap();
            let mut problems = Problems::default();
            config.check(&At::new("x"), &mut problems);
            problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect::<Vec<_>>()
        };
        assert_eq!(problems("{issuer_url: 'https://a', audience: b}"), Vec::<String>::new());
        assert_eq!(problems("{issuer_url: 'http://a', audience: [b], jwks_file: c}"), Vec::<String>::new());
        assert_eq!(problems("{}"), ["x: needs an `issuer_url`", "x: needs an `audience`"]);
        assert_eq!(
            problems("{issuer_url: 'http://a', audience: '', algorithms: []}"),
            [
                "x.issuer_url: anybody on the way could give other keys",
                "x: needs an `audience`",
                "x.algorithms: lets nobody in: list at least one"
            ]
        );
        assert!(serde_saphyr::from_str::<Config>("{algorithms: [none]}").is_err());
        assert!(serde_saphyr::from_str::<Config>("{algorithms: [HS256]}").is_err());
    }
}
