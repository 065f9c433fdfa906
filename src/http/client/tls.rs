//! What TLS towards a destination looks like in the configuration, in the Collector's words (`configtls`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, ClientBuilder, Identity, Url, tls};
use serde::Deserialize;

use crate::http::client::BuildError;
use crate::stdx::problem::{At, Problems};

/// TLS settings of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// `true`: speak without TLS. Where the endpoint has a scheme, the scheme decides, so `https://` stays encrypted.
    /// Default: `false`.
    pub insecure: bool,
    /// `true`: encrypt, but accept any certificate. Anyone on the path can then read and change the telemetry; a
    /// warning is written at every start. Default: `false`.
    pub insecure_skip_verify: bool,
    /// PEM file with the certificate authorities to trust, instead of the system's. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// `true`: trust the system's authorities beside those of `ca_file`. Default: `false`.
    pub include_system_ca_certs_pool: bool,
    /// PEM file with this client's certificate and chain, for servers that ask for one. Needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The name the server's certificate must have, where it differs from the endpoint's host. Requests carry it as
    /// their host name too. Not together with `proxy_url`.
    pub server_name_override: Option<String>,
    /// The oldest TLS version spoken: `1.2` or `1.3`. Default: `1.2`.
    pub min_version: Version,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

impl Tls {
    /// Notes settings that contradict each other, or that nothing would read because the endpoint is plain text.
    pub fn check(&self, encrypted: bool, at: &At, problems: &mut Problems) {
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => problems.add(&at.key("cert_file"), "needs `key_file` beside it"),
            (None, Some(_)) => problems.add(&at.key("key_file"), "needs `cert_file` beside it"),
            _ => {}
        }
        if self.include_system_ca_certs_pool && self.ca_file.is_none() {
            problems.add(&at.key("include_system_ca_certs_pool"), "has no effect without `ca_file`");
        }
        if self.server_name_override.as_ref().is_some_and(|name| Url::parse(&format!("https://{name}/")).is_err()) {
            problems.add(&at.key("server_name_override"), "is not a host name");
        }
        if !encrypted {
            self.check_unused(at, problems);
        }
    }

    fn check_unused(&self, at: &At, problems: &mut Problems) {
        let set = [
            ("insecure_skip_verify", self.insecure_skip_verify),
            ("ca_file", self.ca_file.is_some()),
            ("cert_file", self.cert_file.is_some()),
            ("server_name_override", self.server_name_override.is_some()),
            ("min_version", self.min_version != Version::V12),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            problems.add_hint(
                &at.key(key),
                "has no effect: the endpoint is not encrypted",
                "use an `https://` endpoint",
            );
        }
    }

    /// The URL with the host that the certificate must name.
    pub(super) fn target(&self, mut url: Url) -> Url {
        if let (Some(name), "https") = (&self.server_name_override, url.scheme()) {
            // Refused only for hosts that `check` has refused before.
            let _ = url.set_host(Some(name));
        }
        url
    }

    /// Puts the settings into a client for `url` that is to be built. Reads the files.
    pub(super) fn apply(&self, url: &Url, mut builder: ClientBuilder) -> Result<ClientBuilder, BuildError> {
        if let (Some(name), Some(host)) = (&self.server_name_override, url.host_str()) {
            builder = builder.dns_resolver(Alias { name: name.clone(), host: host.trim_matches(['[', ']']).into() });
        }
        if let Some(path) = &self.ca_file {
            let bundle = read(path)?;
            let certificates = Certificate::from_pem_bundle(&bundle)
                .ok()
                .filter(|found| !found.is_empty())
                .ok_or_else(|| BuildError::Pem { path: path.clone(), wanted: "a PEM file of certificates" })?;
            builder = if self.include_system_ca_certs_pool {
                builder.tls_certs_merge(certificates)
            } else {
                builder.tls_certs_only(certificates)
            };
        }
        if let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) {
            builder = builder.identity(identity(cert, key)?);
        }
        Ok(builder.tls_version_min(self.min_version.into()).tls_danger_accept_invalid_certs(self.insecure_skip_verify))
    }
}

/// Sends connections for the name in the certificate to the host in the endpoint.
struct Alias {
    name: String,
    host: Arc<str>,
}

impl Resolve for Alias {
    fn resolve(&self, name: Name) -> Resolving {
        let host = if name.as_str() == self.name { self.host.clone() } else { name.as_str().into() };
        Box::pin(async move {
            // The port is put in by whoever connects.
            let found: Addrs = Box::new(tokio::net::lookup_host((&*host, 0)).await?.collect::<Vec<_>>().into_iter());
            Ok(found)
        })
    }
}

impl From<Version> for tls::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::V12 => Self::TLS_1_2,
            Version::V13 => Self::TLS_1_3,
        }
    }
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, BuildError> {
    let mut pem = zeroize::Zeroizing::new(read(cert)?);
    pem.push(b'\n');
    pem.extend_from_slice(&zeroize::Zeroizing::new(read(key)?));
    let wanted = "a PEM certificate with the PEM private key of `key_file`";
    Identity::from_pem(&pem).map_err(|_| BuildError::Pem { path: cert.to_owned(), wanted })
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|cause| BuildError::Read { path: path.to_owned(), cause })
}
