//! TLS of a listener: its settings in the Collector's words (`configtls`), and rustls' configuration made from them.
//!
//! rustls with aws-lc-rs: TLS 1.2 with forward secrecy and authenticated ciphers only, and TLS 1.3. With `client_ca_file` a
//! client without a certificate of those authorities gets no further than the handshake, and every connection is verified
//! anew: sessions are not resumed, so that what was revoked or has run out is not let in by memory.

mod clients;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use clients::{Allowed, Verifier};

use super::certificate::{ClientCertificate, SPIFFE_SCHEME};
use crate::http::client;
use crate::stdx::durable;
use crate::stdx::duration::Span;
use crate::stdx::live::Version;
use crate::stdx::problem::{At, Problems};

/// The largest file of certificates or keys.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// TLS settings of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the listener's certificate, followed by those of the authorities between it and the root. Required.
    pub cert_file: PathBuf,
    /// PEM file with the private key of `cert_file`: PKCS #8, PKCS #1 or SEC 1, without a password. Required.
    pub key_file: PathBuf,
    /// PEM file with the authorities whose certificates clients must show (mTLS). Default: clients need none.
    pub client_ca_file: Option<PathBuf>,
    /// PEM file with certificate revocation lists of these authorities. A certificate whose authority has no list in it
    /// is taken as not revoked. Default: nothing is looked up.
    pub client_crl_file: Option<PathBuf>,
    /// Subjects of clients that are let in, as RFC 4514 writes them, exactly: `CN=agent-7,O=Example`. With any of the three
    /// lists a client must be on one of them. Default: whoever the authorities vouch for is let in.
    pub client_allowed_subjects: Vec<String>,
    /// Subject alternative names (DNS, e-mail, URI, IP address) of clients that are let in, exactly.
    pub client_allowed_sans: Vec<String>,
    /// SPIFFE ids of clients that are let in: `spiffe://example.org/ns/prod/sa/agent`, or everything below with `/*` at the
    /// end.
    pub client_allowed_spiffe_ids: Vec<String>,
    /// The oldest TLS version spoken: `1.2` or `1.3`. Default: `1.2`.
    pub min_version: client::Version,
    /// How often the files are looked at for changes; new connections get what they hold, open ones stay. `0`: never.
    /// Default: `10s`.
    pub reload_interval: Span,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            client_ca_file: None,
            client_crl_file: None,
            client_allowed_subjects: vec![],
            client_allowed_sans: vec![],
            client_allowed_spiffe_ids: vec![],
            min_version: client::Version::default(),
            reload_interval: Span::secs(10),
        }
    }
}

impl Tls {
    /// Notes what is missing or contradicts itself. Reads no file.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let files = [
            ("cert_file", "the listener's certificate", &self.cert_file),
            ("key_file", "its private key", &self.key_file),
        ];
        for (key, what, path) in files {
            if path.as_os_str().is_empty() {
                let hint = "without TLS, leave `tls` out";
                problems.add_hint(at, format!("needs `{key}`, the PEM file with {what}"), hint);
            }
        }
        if self.client_ca_file.is_none() {
            self.check_unused(at, problems);
        }
        for (index, id) in self.client_allowed_spiffe_ids.iter().enumerate() {
            if !id.starts_with(SPIFFE_SCHEME) || id.trim_end_matches("/*").contains('*') {
                let hint = "write `spiffe://trust-domain/path`, or `spiffe://trust-domain/path/*` for all below";
                let at = at.key("client_allowed_spiffe_ids").item(index);
                problems.add_hint(&at, format!("`{id}` is no SPIFFE id"), hint);
            }
        }
    }

    fn check_unused(&self, at: &At, problems: &mut Problems) {
        let set = [
            ("client_crl_file", self.client_crl_file.is_some()),
            ("client_allowed_subjects", !self.client_allowed_subjects.is_empty()),
            ("client_allowed_sans", !self.client_allowed_sans.is_empty()),
            ("client_allowed_spiffe_ids", !self.client_allowed_spiffe_ids.is_empty()),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            let hint = "name the PEM file with the authorities of clients in `client_ca_file`";
            problems.add_hint(
                &at.key(key),
                "has no effect without `client_ca_file`: clients show no certificate",
                hint,
            );
        }
    }

    /// The files as they are now.
    pub(super) fn read(&self) -> Result<Material, TlsError> {
        let optional = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        Ok(Material {
            certificate: read(&self.cert_file)?,
            key: Zeroizing::new(read(&self.key_file)?),
            authorities: optional(&self.client_ca_file)?,
            revoked: optional(&self.client_crl_file)?,
        })
    }

    /// rustls' configuration from these files, and what the listener's own certificate says.
    pub(super) fn build(&self, material: &Material) -> Result<(ServerConfig, Option<ClientCertificate>), TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[&SupportedProtocolVersion] = match self.min_version {
            client::Version::V12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
            client::Version::V13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let builder = builder.map_err(|error| TlsError::refused(&self.cert_file, &error))?;
        let chain = certificates(&self.cert_file, &material.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&material.key)
            .map_err(|_| TlsError::content(&self.key_file, "a PEM private key without a password"))?;
        let own = chain.first().and_then(|certificate| ClientCertificate::read(certificate));
        let with_key = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(Arc::new(self.verifier(path, material, provider)?)),
        };
        let mut config = with_key.with_single_cert(chain, key).map_err(|error| self.mismatch(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.client_ca_file.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok((config, own))
    }

    fn verifier(
        &self,
        path: &Path,
        material: &Material,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Verifier, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(path, material.authorities.as_deref().unwrap_or_default())? {
            roots.add(authority).map_err(|error| TlsError::refused(path, &error))?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let (Some(path), Some(revoked)) = (&self.client_crl_file, &material.revoked) {
            builder = builder.with_crls(revocations(path, revoked)?).allow_unknown_revocation_status();
        }
        let inner = builder.build().map_err(|error| TlsError::refused(path, &error))?;
        Ok(Verifier { inner, allowed: Allowed::new(self) })
    }

    fn mismatch(&self, error: &rustls::Error) -> TlsError {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            let key = self.key_file.display();
            return TlsError::Content { path: self.cert_file.clone(), wanted: format!("the certificate of {key}") };
        }
        TlsError::refused(&self.cert_file, error)
    }
}

/// What the files of a listener hold.
pub(super) struct Material {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
}

impl Material {
    /// What tells one version of the files from another.
    pub(super) fn version(&self) -> Version {
        let mut context = Context::new(&SHA256);
        let optional = |part: &'_ Option<Vec<u8>>| part.clone().unwrap_or_default();
        for part in [&self.certificate, &*self.key, &optional(&self.authorities), &optional(&self.revoked)] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        context.finish().as_ref().try_into().ok()
    }
}

/// Why a listener cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// A file is not what it should be.
    #[error("{} is not {wanted}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: String,
    },
    /// The TLS library refuses what a file holds.
    #[error("{} is refused: {cause}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl TlsError {
    fn content(path: &Path, wanted: &str) -> Self {
        Self::Content { path: path.to_owned(), wanted: wanted.to_owned() }
    }

    fn refused(path: &Path, cause: &dyn std::fmt::Display) -> Self {
        Self::Refused { path: path.to_owned(), cause: cause.to_string() }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fail = |cause: String| TlsError::Read { path: path.to_owned(), cause };
    match durable::read(path, FILE_BYTES_MAX) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(fail("there is no such file".to_owned())),
        Err(error) => Err(fail(error.to_string())),
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = read.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| TlsError::content(path, "a PEM file of certificates"))
}

fn revocations(path: &Path, pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    read.map_err(|_| TlsError::content(path, "a PEM file of certificate revocation lists"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let tls: Tls = serde_saphyr::from_str(yaml).expect("settings");
        let mut problems = Problems::default();
        tls.check(&At::new("tls"), &mut problems);
        problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    fn certificate(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/certificates").join(name)
    }

    #[test]
    fn what_is_missing_or_useless_is_said() {
        assert_eq!(problems("{cert_file: a, key_file: b}"), Vec::<String>::new());
        assert_eq!(problems("{cert_file: a}"), ["tls: needs `key_file`, the PEM file with its private key"]);
        assert_eq!(
            problems("{cert_file: a, key_file: b, client_allowed_sans: [x]}"),
            ["tls.client_allowed_sans: has no effect without `client_ca_file`: clients show no certificate"]
        );
        assert_eq!(
            problems(
                "{cert_file: a, key_file: b, client_ca_file: c, client_allowed_spiffe_ids: ['spiffe://a/*', 'spiffe://*/b', b]}"
            ),
            [
                "tls.client_allowed_spiffe_ids[1]: `spiffe://*/b` is no SPIFFE id",
                "tls.client_allowed_spiffe_ids[2]: `b` is no SPIFFE id"
            ]
        );
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let tls =
            |cert: &str, key: &str| Tls { cert_file: certificate(cert), key_file: certificate(key), ..Tls::default() };
        let build =
            |tls: &Tls| tls.read().and_then(|material| tls.build(&material).map(|_| ())).map_err(|e| e.to_string());
        assert_eq!(build(&tls("server.pem", "server.key")), Ok(()));
        let error = build(&tls("server.pem", "client.key")).unwrap_err();
        assert!(error.contains("server.pem is not the certificate of") && error.contains("client.key"), "{error}");
        let error = build(&tls("server.pem", "server.pem")).unwrap_err();
        assert!(error.ends_with("server.pem is not a PEM private key without a password"), "{error}");
        let error = build(&tls("server.key", "server.key")).unwrap_err();
        assert!(error.ends_with("server.key is not a PEM file of certificates"), "{error}");
        let error = build(&tls("gone.pem", "server.key")).unwrap_err();
        assert!(error.ends_with("gone.pem: there is no such file"), "{error}");
    }
}
