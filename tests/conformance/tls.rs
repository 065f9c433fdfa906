//! TLS towards a destination: whose certificate is taken, whose is not, and with which name. Certificates are made by
//! `certificates/make.sh`; a relay in front of the scripted servers speaks TLS for them.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use telseal::exporter::Exporter;
use telseal::exporter::otlp_grpc::{self, OtlpGrpc};
use telseal::exporter::otlp_http::{self, OtlpHttp};
use telseal::http::client::{Address, Compression, Tls, Version};
use telseal::stdx::duration::Span;
use telseal::stdx::problem::{At, Problems};
use telseal::stdx::tasks;

use crate::{Outcome, check};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/certificates").join(name)
}

/// How the server differs from the usual one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Usual,
    AsksForACertificate,
    Old,
}

pub(crate) fn server_config(server: Server, alpn: &[u8]) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = if server == Server::Old { vec![&TLS12] } else { vec![&TLS12, &TLS13] };
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).unwrap();
    let builder = if server == Server::AsksForACertificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    config.into()
}

/// A port that speaks TLS for the plain port behind it, and offers the protocol that is spoken there.
fn relay(plain: u16, server: Server, alpn: &[u8]) -> u16 {
    let config = server_config(server, alpn);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks::thread("relay", move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let behind = TcpStream::connect(("127.0.0.1", plain)).unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            tasks::thread("relayed", move || pump(StreamOwned::new(connection, stream), behind).unwrap_or(())).unwrap();
        }
    })
    .unwrap();
    port
}

fn pump(mut front: StreamOwned<ServerConnection, TcpStream>, mut behind: TcpStream) -> std::io::Result<()> {
    for stream in [&front.sock, &behind] {
        stream.set_read_timeout(Some(Duration::from_millis(5)))?;
    }
    let mut buffer = [0; 16_384];
    let is_wait = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    loop {
        match front.read(&mut buffer) {
            // The end travels on, and the end of the answer travels back.
            Ok(0) => behind.shutdown(Shutdown::Write).unwrap_or(()),
            Ok(len) => behind.write_all(&buffer[..len])?,
            Err(error) if is_wait(error.kind()) => {}
            Err(error) => return Err(error),
        }
        match behind.read(&mut buffer) {
            Ok(0) => {
                front.conn.send_close_notify();
                return front.flush();
            }
            Ok(len) => front.write_all(&buffer[..len])?,
            Err(error) if is_wait(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn trusting() -> Tls {
    Tls {
        ca_file: Some(file("authority.pem")),
        server_name_override: Some("collector.test".to_owned()),
        ..Tls::default()
    }
}

fn with_certificate(tls: Tls) -> Tls {
    Tls { cert_file: Some(file("client.pem")), key_file: Some(file("client.key")), ..tls }
}

fn cases() -> Vec<(&'static str, Server, Tls, Outcome)> {
    let delivered = Outcome::Delivered { rejected: 0 };
    let skipping = Tls { insecure_skip_verify: true, ..Tls::default() };
    let wrong_name = Tls { server_name_override: None, ..trusting() };
    let wrong_authority = Tls { ca_file: Some(file("client.pem")), ..trusting() };
    let newest = Tls { min_version: Version::V13, ..trusting() };
    vec![
        ("trusted", Server::Usual, trusting(), delivered),
        ("another name", Server::Usual, wrong_name, Outcome::Retry(None)),
        ("another authority", Server::Usual, wrong_authority, Outcome::Retry(None)),
        ("not verified", Server::Usual, skipping, delivered),
        ("no certificate", Server::AsksForACertificate, trusting(), Outcome::Retry(None)),
        ("a certificate", Server::AsksForACertificate, with_certificate(trusting()), delivered),
        ("an old server", Server::Old, trusting(), delivered),
        ("a server too old", Server::Old, newest.clone(), Outcome::Retry(None)),
        ("a new server", Server::Usual, newest, delivered),
    ]
}

fn http_config(endpoint: &str, tls: Tls) -> otlp_http::Config {
    let (endpoint, compression, timeout) = (Address::new(endpoint), Compression::None, Span::secs(3));
    otlp_http::Config { endpoint, tls, compression, timeout, ..otlp_http::Config::default() }
}

fn grpc_config(endpoint: &str, tls: Tls) -> otlp_grpc::Config {
    let (endpoint, compression, timeout) = (Address::new(endpoint), Compression::None, Span::secs(3));
    otlp_grpc::Config { endpoint, tls, compression, timeout, ..otlp_grpc::Config::default() }
}

pub(crate) async fn holds<E: Exporter + Debug>(plain: u16, alpn: &[u8], make: impl Fn(u16, Tls) -> E) {
    for (case, server, tls, wanted) in cases() {
        check(case, &make(relay(plain, server, alpn), tls), wanted).await;
    }
}

#[tokio::test]
async fn otlp_http_trusts_whom_it_is_told_to_trust() {
    let (plain, _requests) = crate::http::serve(crate::http::answer("200 OK", b"")).await;
    let make = |port, tls| OtlpHttp::new("otlp_http", &http_config(&format!("https://127.0.0.1:{port}"), tls)).unwrap();
    holds(plain, b"http/1.1", make).await;
}

#[tokio::test]
async fn otlp_grpc_trusts_whom_it_is_told_to_trust() {
    let (plain, _requests) = crate::grpc::serve(crate::grpc::ok()).await;
    let make = |port, tls| OtlpGrpc::new("otlp_grpc", &grpc_config(&format!("127.0.0.1:{port}"), tls)).unwrap();
    holds(plain, b"h2", make).await;
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_named() {
    for (tls, wanted) in [
        (Tls { ca_file: Some("missing.pem".into()), ..Tls::default() }, "cannot read missing.pem: No such file"),
        (Tls { ca_file: Some(file("make.sh")), ..Tls::default() }, "make.sh is not a PEM file of certificates"),
        (Tls { cert_file: Some(file("make.sh")), ..with_certificate(trusting()) }, "make.sh is not a PEM certificate"),
    ] {
        let error = OtlpHttp::new("otlp_http", &http_config("https://127.0.0.1:1", tls)).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn contradictions_are_found_before_anything_starts() {
    let problems_of = |endpoint: &str, tls: Tls| {
        let mut problems = Problems::default();
        http_config(endpoint, tls).check(&At::new("x"), &mut problems);
        problems.0.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(problems_of("https://host", with_certificate(trusting())), [""; 0]);
    assert_eq!(problems_of("http://host", trusting()), ["x.tls.ca_file", "x.tls.server_name_override"]);
    let half = Tls { key_file: Some("key.pem".into()), ..Tls::default() };
    assert_eq!(problems_of("https://host", half), ["x.tls.key_file"]);
    let mut problems = Problems::default();
    grpc_config("host:4317", Tls { insecure: true, ..trusting() }).check(&At::new("x"), &mut problems);
    assert_eq!(problems.0.len(), 2);
}
