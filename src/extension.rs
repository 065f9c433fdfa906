//! Authenticators: who sends a request, proven by what its headers carry. A receiver names one under `auth.authenticator`,
//! in the Collector's shape.
//!
//! They are asked before the body of a request is read. What is presented is never kept in clear, printed or put into a
//! message; a sender that is turned away is not told which part was wrong. Comparison takes the same time whatever is
//! compared. Files of credentials are read again when they change.

pub mod basicauth;
pub mod bearertokenauth;
mod credentials;
pub mod jwt;
pub mod oidc;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use metrics::counter;
use serde::Deserialize;
use thiserror::Error;

pub use basicauth::BasicAuth;
pub use bearertokenauth::BearerTokenAuth;
pub use oidc::Oidc;

/// Who sent a request, proven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// What it is called: the name of a token, a user, the subject of a JWT.
    pub name: String,
    /// Whose limits it shares. Default: its own.
    pub tenant: Option<String>,
    /// What else was proven, by its name after `auth.`: `claims.email`.
    pub facts: Vec<(String, String)>,
}

impl Identity {
    /// What was proven under this name, which is what stands after `auth.`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        match name {
            "subject" | "username" => Some(&self.name),
            "tenant" => Some(self.tenant()),
            _ => self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()),
        }
    }

    /// Whose limits it shares.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or(&self.name)
    }
}

/// Who may write a pipeline. Without any name everybody may who may send at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Names that were proven: of tokens, users, subjects, client certificates. `*` at the end stands for anything.
    pub subjects: Vec<String>,
    /// Tenants. `*` at the end stands for anything.
    pub tenants: Vec<String>,
}

impl Allow {
    /// Whether everybody may.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.subjects.is_empty() && self.tenants.is_empty()
    }

    /// Whether a sender of this name and tenant may; one without a name is nobody in particular.
    #[must_use]
    pub fn lets(&self, name: Option<&str>, tenant: &str) -> bool {
        let Some(name) = name else { return self.is_everybody() };
        self.is_everybody() || fits(&self.subjects, name) || fits(&self.tenants, tenant)
    }
}

fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    })
}

/// Why a sender was not recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It presented nothing, or something that is no credential of this kind.
    Missing,
    /// It presented what is not known, not valid or no longer valid. The reason is for the operator, not for the sender.
    Wrong(&'static str),
    /// Nothing is known about it now; it is to come back.
    Later(Duration),
}

/// An extension could not be set up.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SetupError(pub String);

/// An authenticator of any kind.
#[derive(Debug)]
pub struct Authenticator {
    id: String,
    kind: Kind,
    failures: AtomicU64,
}

/// The kinds of authenticators.
#[derive(Debug)]
pub enum Kind {
    /// `bearertokenauth`.
    Bearer(BearerTokenAuth),
    /// `basicauth`.
    Basic(BasicAuth),
    /// `oidc`.
    Oidc(Box<Oidc>),
}

impl Authenticator {
    /// An authenticator under its id in the configuration.
    #[must_use]
    pub fn new(id: String, kind: Kind) -> Self {
        Self { id, kind, failures: AtomicU64::new(0) }
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// When that is not proven. It is counted, and told in the log less and less often.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Denied> {
        let found = match &self.kind {
            Kind::Bearer(bearer) => bearer.authenticate(headers),
            Kind::Basic(basic) => basic.authenticate(headers).await,
            Kind::Oidc(oidc) => oidc.authenticate(headers),
        };
        found.inspect_err(|denied| self.failed(*denied))
    }

    /// What a sender without credentials is asked for: the value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(&self) -> HeaderValue {
        match &self.kind {
            Kind::Bearer(bearer) => bearer.challenge(),
            Kind::Oidc(_) => Oidc::challenge(),
            Kind::Basic(_) => HeaderValue::from_static("Basic realm=\"telseal\", charset=\"UTF-8\""),
        }
    }

    /// Keeps what it knows up to date, for ever.
    pub async fn stay_fresh(self: Arc<Self>) {
        match &self.kind {
            Kind::Bearer(bearer) => bearer.stay_fresh(&self.id).await,
            Kind::Basic(basic) => basic.stay_fresh(&self.id).await,
            Kind::Oidc(oidc) => oidc.stay_fresh(&self.id).await,
        }
    }

    fn failed(&self, denied: Denied) {
        let reason = match denied {
            Denied::Missing => "missing",
            Denied::Wrong(reason) => reason,
            Denied::Later(_) => "later",
        };
        counter!("telseal_auth_failures_total", "authenticator" => self.id.clone(), "reason" => reason).increment(1);
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures.is_power_of_two() {
            tracing::warn!(authenticator = self.id, reason, failures, "a sender was not recognised");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_lets_in_whom_it_names() {
        let everybody = Allow::default();
        assert!(everybody.lets(None, "") && everybody.lets(Some("a"), "a"));
        let some = Allow { subjects: vec!["ci".into(), "agent-*".into()], tenants: vec!["blue".into()] };
        assert!(some.lets(Some("ci"), "ci") && some.lets(Some("agent-7"), "x") && some.lets(Some("other"), "blue"));
        assert!(!some.lets(Some("ci2"), "ci2") && !some.lets(Some("other"), "blue2") && !some.lets(None, "blue"));
    }

    #[test]
    fn facts_have_the_names_that_enrich_asks_for() {
        let facts = vec![("claims.email".to_owned(), "a@example.com".to_owned())];
        let identity = Identity { name: "a".into(), tenant: None, facts };
        assert_eq!((identity.fact("subject"), identity.fact("tenant")), (Some("a"), Some("a")));
        assert_eq!((identity.fact("claims.email"), identity.fact("claims.sub")), (Some("a@example.com"), None));
    }
}
