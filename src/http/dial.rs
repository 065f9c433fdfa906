//! Outbound connections that carry no HTTP: TCP and, with the settings that every client has, TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio_rustls::TlsConnector;
use tracing::warn;

use crate::http::client::{BuildError, Tls, Version};

/// A connection, encrypted or not.
pub type Stream = Box<dyn Duplex>;

/// What can be read from and written to.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Duplex for T {}

/// Opens connections to one host and port.
#[derive(Clone)]
pub struct Dialer {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("name", &self.name()).field("tls", &self.tls.is_some()).finish()
    }
}

impl Dialer {
    /// Connections in clear.
    #[must_use]
    pub fn plain(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, tls: None }
    }

    /// Encrypted connections. Reads certificate files; opens no connection.
    ///
    /// # Errors
    /// When a file cannot be read or a setting is refused.
    pub fn encrypted(host: &str, port: u16, tls: &Tls) -> Result<Self, BuildError> {
        let plain = Self::plain(host, port);
        if tls.insecure_skip_verify {
            warn!(endpoint = plain.name(), "tls.insecure_skip_verify: any certificate is accepted");
        }
        let name = tls.server_name_override.as_deref().unwrap_or(host).to_owned();
        let refused = |cause: String| BuildError::Client { name: plain.name(), cause };
        let name = ServerName::try_from(name).map_err(|error| refused(error.to_string()))?;
        let config = config(tls, refused)?;
        Ok(Self { tls: Some((TlsConnector::from(Arc::new(config)), name)), ..plain })
    }

    /// Host and port: how messages name it.
    #[must_use]
    pub fn name(&self) -> String {
        let bracket = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{}{}{}:{}", bracket.0, self.host, bracket.1, self.port)
    }

    /// Host and port, for the resolver.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// A new connection, past its handshake.
    ///
    /// # Errors
    /// When nobody answers, or not as the settings demand.
    pub async fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address()).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
            None => Ok(Box::new(stream)),
        }
    }

    /// A socket for datagrams to there.
    ///
    /// # Errors
    /// When the host has no address.
    pub async fn datagrams(&self) -> io::Result<UdpSocket> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in lookup_host(self.address()).await? {
            let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any).await?;
            match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn config(tls: &Tls, refused: impl Fn(String) -> BuildError) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&SupportedProtocolVersion] = match tls.min_version {
        Version::V12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
        Version::V13 => &[&rustls::version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
    let builder = builder.map_err(|error| refused(error.to_string()))?.dangerous();
    let builder = builder.with_custom_certificate_verifier(verifier(tls, provider, &refused)?);
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let wanted = "a PEM file with a private key";
            let read = PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(key)?));
            let private = read.map_err(|_| BuildError::Pem { path: key.clone(), wanted })?;
            let wanted = "a PEM certificate that goes with the private key of `key_file`";
            let identified = builder.with_client_auth_cert(certificates(cert)?, private);
            identified.map_err(|_| BuildError::Pem { path: cert.clone(), wanted })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Who may be on the other side.
fn verifier(
    tls: &Tls,
    provider: Arc<CryptoProvider>,
    refused: &impl Fn(String) -> BuildError,
) -> Result<Arc<dyn ServerCertVerifier>, BuildError> {
    if tls.insecure_skip_verify {
        return Ok(Arc::new(Anybody(provider)));
    }
    let extra = tls.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let failed = |error: rustls::Error| refused(error.to_string());
    if extra.is_empty() || tls.include_system_ca_certs_pool {
        return Ok(Arc::new(Verifier::new_with_extra_roots(extra, provider).map_err(failed)?));
    }
    let mut roots = RootCertStore::empty();
    for certificate in extra {
        roots.add(certificate).map_err(failed)?;
    }
    let built = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
    Ok(built.map_err(|error| refused(error.to_string()))?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let pem = read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() {
        return Err(BuildError::Pem { path: path.to_owned(), wanted: "a PEM file of certificates" });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|cause| BuildError::Read { path: PathBuf::from(path), cause })
}

/// Takes any certificate, as `insecure_skip_verify` says; the other side must still own it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
