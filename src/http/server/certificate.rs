//! The certificate that a client showed: who it says the client is, once the chain was verified.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What a verified client certificate says. It stands among the extensions of every request of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject as RFC 4514 writes it, most specific part first: `CN=agent-7,O=Example`.
    pub subject: String,
    /// The issuer, written likewise.
    pub issuer: String,
    /// Subject alternative names of the kinds DNS, e-mail, URI and IP address, in the order of the certificate.
    pub sans: Vec<String>,
    /// The SPIFFE id, where the certificate is an X.509-SVID: it has exactly one URI, and that has the scheme `spiffe`.
    pub spiffe_id: Option<String>,
    /// SHA-256 of the certificate in lower-case hex.
    pub sha256: String,
    /// The end of its validity in seconds since 1970.
    pub not_after: u64,
}

impl ClientCertificate {
    /// Reads a certificate in DER; nothing when it cannot be read.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = certificate.tbs_certificate();
        let (_, names) = body.get_extension::<SubjectAltName>().ok()?.unwrap_or((false, SubjectAltName(vec![])));
        let uris: Vec<&str> = names.0.iter().filter_map(uri).collect();
        let spiffe_id = match uris[..] {
            [only] if only.starts_with(SPIFFE_SCHEME) => Some(only.to_owned()),
            _ => None,
        };
        Some(Self {
            subject: body.subject().to_string(),
            issuer: body.issuer().to_string(),
            sans: names.0.iter().filter_map(name).collect(),
            spiffe_id,
            sha256: digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_after: body.validity().not_after.to_unix_duration().as_secs(),
        })
    }

    /// One name for whoever holds it: the SPIFFE id, else the first alternative name, else the subject.
    #[must_use]
    pub fn name(&self) -> &str {
        self.spiffe_id.as_ref().or(self.sans.first()).unwrap_or(&self.subject)
    }
}

/// What every SPIFFE id begins with.
pub(super) const SPIFFE_SCHEME: &str = "spiffe://";

fn uri(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
        _ => None,
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        GeneralName::Rfc822Name(name) => Some(name.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        GeneralName::IpAddress(octets) => ip(octets.as_bytes()).map(|address| address.to_string()),
        _ => None,
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))).ok()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_certificate_is_read_and_junk_is_not() {
        let pem = include_bytes!("../../../tests/conformance/certificates/server.pem");
        let der = CertificateDer::from_pem_slice(pem).unwrap();
        let read = ClientCertificate::read(&der).unwrap();
        assert_eq!((read.subject.as_str(), read.issuer.as_str()), ("CN=collector.test", "CN=telseal test authority"));
        assert_eq!((read.sans.as_slice(), read.name()), (["collector.test".to_owned()].as_slice(), "collector.test"));
        assert_eq!((read.spiffe_id, read.sha256.len()), (None, 64));
        assert!(read.not_after > 4_000_000_000);
        assert_eq!(ClientCertificate::read(&der[1..]), None);
        assert_eq!(ClientCertificate::read(b""), None);
    }

    #[test]
    fn addresses_are_four_or_sixteen_octets() {
        assert_eq!(ip(&[10, 0, 0, 7]), Some("10.0.0.7".parse().unwrap()));
        assert_eq!(ip(&[0; 16]), Some("::".parse().unwrap()));
        assert_eq!(ip(&[1; 8]), None);
    }
}
