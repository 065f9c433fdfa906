//! Which clients a listener lets in: those whose certificate its authorities signed, and of these, where there are lists,
//! those on a list. Said in the handshake, so that a client hears why as an alert.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::Tls;
use crate::http::server::certificate::ClientCertificate;

/// The lists of who is let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    subjects: Vec<String>,
    sans: Vec<String>,
    spiffe_ids: Vec<String>,
}

impl Allowed {
    pub(super) fn new(tls: &Tls) -> Self {
        Self {
            subjects: tls.client_allowed_subjects.clone(),
            sans: tls.client_allowed_sans.clone(),
            spiffe_ids: tls.client_allowed_spiffe_ids.clone(),
        }
    }

    /// Without any list everybody, otherwise who is on one of them.
    fn lets(&self, client: &ClientCertificate) -> bool {
        if self.subjects.is_empty() && self.sans.is_empty() && self.spiffe_ids.is_empty() {
            return true;
        }
        let has_id = |id: &String| self.spiffe_ids.iter().any(|allowed| fits(allowed, id));
        self.subjects.contains(&client.subject)
            || client.sans.iter().any(|san| self.sans.iter().any(|allowed| allowed.eq_ignore_ascii_case(san)))
            || client.spiffe_id.as_ref().is_some_and(has_id)
    }
}

/// `.../*` stands for everything below.
fn fits(allowed: &str, id: &str) -> bool {
    match allowed.strip_suffix('*') {
        Some(above) if above.ends_with('/') => id.strip_prefix(above).is_some_and(|rest| !rest.is_empty()),
        _ => allowed == id,
    }
}

/// rustls' own verifier, and then the lists.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) allowed: Allowed,
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let client = ClientCertificate::read(end_entity).ok_or(CertificateError::BadEncoding)?;
        if self.allowed.lets(&client) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(subject: &str, sans: &[&str], spiffe_id: Option<&str>) -> ClientCertificate {
        ClientCertificate {
            subject: subject.into(),
            issuer: "CN=ca".into(),
            sans: sans.iter().map(|san| (*san).to_owned()).collect(),
            spiffe_id: spiffe_id.map(str::to_owned),
            sha256: String::new(),
            not_after: 0,
        }
    }

    #[test]
    fn without_lists_everybody_is_let_in_and_with_them_who_is_on_one() {
        let agent = client("CN=agent,O=Example", &["agent.example.com"], None);
        assert!(Allowed::default().lets(&agent));
        let subjects = Allowed { subjects: vec!["CN=agent,O=Example".into()], ..Allowed::default() };
        assert!(subjects.lets(&agent));
        assert!(!subjects.lets(&client("CN=agent,O=Example,C=XX", &[], None)), "subjects are compared whole");
        let sans = Allowed { sans: vec!["Agent.example.com".into()], ..Allowed::default() };
        assert!(sans.lets(&agent) && !sans.lets(&client("CN=agent,O=Example", &["b.example.com"], None)));
    }

    #[test]
    fn spiffe_ids_match_whole_or_below_a_path() {
        let allowed =
            Allowed { spiffe_ids: vec!["spiffe://a/ns/prod/*".into(), "spiffe://a/one".into()], ..Allowed::default() };
        let lets = |id: &str| allowed.lets(&client("", &[id], Some(id)));
        assert!(lets("spiffe://a/ns/prod/sa/x") && lets("spiffe://a/one"));
        for id in ["spiffe://a/ns/production", "spiffe://a/ns/prod/", "spiffe://a/one/two", "spiffe://b/ns/prod/sa/x"] {
            assert!(!lets(id), "{id}");
        }
        assert!(!allowed.lets(&client("", &["spiffe://a/one"], None)), "a URI beside others is no SPIFFE id");
    }
}
