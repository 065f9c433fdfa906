//! Who is at the door: asked before the body of a request is read. Then whether they may enter, and whether it is their turn.

use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use super::quota::{Limits, Quota};
use super::status::{Failure, Kind};
use crate::extension::{Authenticator, Denied, Identity};
use crate::http::server::ClientCertificate;

/// What is known of whoever sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    /// Proven by credentials.
    identity: Option<Arc<Identity>>,
    /// Proven by the connection.
    client: Option<Arc<ClientCertificate>>,
}

impl Who {
    /// The name that was proven: that of the credentials, else that of the certificate.
    pub(super) fn name(&self) -> Option<&str> {
        let client = || self.client.as_ref().map(|client| client.name());
        self.identity.as_ref().map(|identity| identity.name.as_str()).or_else(client)
    }

    /// Whose limits are used up. Senders without a name share theirs.
    pub(super) fn tenant(&self) -> &str {
        self.identity.as_ref().map(|identity| identity.tenant()).or_else(|| self.name()).unwrap_or_default()
    }

    /// What was proven under a name of `from_context`.
    pub(super) fn fact(&self, name: &str) -> Option<String> {
        if let Some(name) = name.strip_prefix("auth.") {
            return match &self.identity {
                Some(identity) => identity.fact(name).map(str::to_owned),
                None if matches!(name, "subject" | "tenant") => self.name().map(str::to_owned),
                None => None,
            };
        }
        let client = self.client.as_ref()?;
        match name {
            "tls.client.subject" => Some(client.subject.clone()),
            "tls.client.issuer" => Some(client.issuer.clone()),
            "tls.client.hash.sha256" => Some(client.sha256.clone()),
            "tls.client.spiffe_id" => client.spiffe_id.clone(),
            "tls.client.san" => (!client.sans.is_empty()).then(|| client.sans.join(",")),
            _ => None,
        }
    }
}

/// What a protocol asks of its senders.
#[derive(Debug)]
pub(super) struct Guard {
    authenticator: Option<String>,
    quota: Option<Quota>,
}

impl Guard {
    pub(super) fn new(authenticator: Option<String>, limits: &Limits) -> Self {
        Self { authenticator, quota: Quota::new(limits) }
    }

    /// Who sends a request with this head.
    pub(super) async fn recognise(
        &self,
        head: &Parts,
        find: impl Fn(&str) -> Option<Arc<Authenticator>>,
    ) -> Result<Who, Failure> {
        let client = head.extensions.get::<Arc<ClientCertificate>>().cloned();
        let Some(name) = &self.authenticator else { return Ok(Who { identity: None, client }) };
        // Configurations are checked for it; should it be missing all the same, nobody comes in.
        let authenticator = find(name).ok_or_else(|| Failure::new(Kind::NotReady, NOT_READY))?;
        let identity =
            authenticator.authenticate(&head.headers).await.map_err(|denied| failure(denied, &authenticator))?;
        Ok(Who { identity: Some(identity), client })
    }

    /// Whether it is this sender's turn.
    pub(super) fn admit(&self, who: &Who) -> Result<(), Failure> {
        let Some(quota) = &self.quota else { return Ok(()) };
        quota.admit(who.tenant()).map_err(|after| {
            let message = "the limits of this tenant are used up for now";
            Failure { retry_after: Some(after), ..Failure::new(Kind::Limited, message) }
        })
    }

    /// Counts the bytes of a request against the sender's limits.
    pub(super) fn charge(&self, who: &Who, bytes: usize) {
        if let Some(quota) = &self.quota {
            quota.charge(who.tenant(), bytes);
        }
    }
}

const NOT_READY: &str = "credentials cannot be checked now";

/// What a sender is told: nothing of what was wrong.
fn failure(denied: Denied, authenticator: &Authenticator) -> Failure {
    let challenge: Option<HeaderValue> = Some(authenticator.challenge());
    match denied {
        Denied::Missing => Failure { challenge, ..Failure::new(Kind::Unauthenticated, "credentials are required") },
        Denied::Wrong(_) => {
            Failure { challenge, ..Failure::new(Kind::Unauthenticated, "the credentials are not accepted") }
        }
        Denied::Later(after) => Failure { retry_after: Some(after), ..Failure::new(Kind::NotReady, NOT_READY) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Arc<ClientCertificate> {
        Arc::new(ClientCertificate {
            subject: "CN=agent,O=Example".into(),
            issuer: "CN=ca".into(),
            sans: vec!["a.example.com".into(), "spiffe://example.org/a".into()],
            spiffe_id: Some("spiffe://example.org/a".into()),
            sha256: "ab".into(),
            not_after: 0,
        })
    }

    #[test]
    fn credentials_outweigh_the_certificate_and_both_can_be_asked_for() {
        let identity = Identity {
            name: "ci".into(),
            tenant: Some("blue".into()),
            facts: vec![("claims.email".into(), "ci@example.com".into())],
        };
        let both = Who { identity: Some(Arc::new(identity)), client: Some(client()) };
        let fact = |who: &Who, name: &str| who.fact(name).unwrap_or_default();
        assert_eq!((both.name(), both.tenant()), (Some("ci"), "blue"));
        assert_eq!(
            (fact(&both, "auth.subject"), fact(&both, "auth.claims.email")),
            ("ci".into(), "ci@example.com".into())
        );
        assert_eq!(fact(&both, "tls.client.san"), "a.example.com,spiffe://example.org/a");
        let only = Who { identity: None, client: Some(client()) };
        assert_eq!((only.name(), only.tenant()), (Some("spiffe://example.org/a"), "spiffe://example.org/a"));
        assert_eq!(
            (fact(&only, "auth.subject"), only.fact("auth.claims.email")),
            ("spiffe://example.org/a".into(), None)
        );
        assert_eq!(fact(&only, "tls.client.subject"), "CN=agent,O=Example");
        let nobody = Who::default();
        assert_eq!((nobody.name(), nobody.tenant(), nobody.fact("auth.subject")), (None, "", None));
    }
}
