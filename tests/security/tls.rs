//! Encrypted listeners: versions, protocols, reload, unix sockets, and the warning where there is no encryption.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::pki::{POST_A_LOG, Pki, curl, has_tools, s_client, shown_serial};
use crate::process::{Site, eventually};
use crate::{accepted, ended, python_sends};

const ENCRYPTED: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC, tls: {cert_file: $DIR/live/tls.crt, key_file: $DIR/live/tls.key, min_version: '1.3', reload_interval: 50ms}}
      http: {endpoint: $HTTP, tls: {cert_file: $DIR/live/tls.crt, key_file: $DIR/live/tls.key, reload_interval: 50ms}}
exporters: {debug: {}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], exporters: [debug]}}
";
pub(crate) const SERVER_NAMES: &str = "DNS:localhost,IP:127.0.0.1";

/// The certificate `name` of `pki` as the files of a Kubernetes secret: each a link through `..data`, which is replaced.
pub(crate) fn publish(site: &Site, pki: &Pki, name: &str) {
    let live = site.dir().join("live");
    let version = site.dir().join(format!("version-{name}"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir_all(&version).unwrap();
    fs::copy(pki.path(&format!("{name}.pem")), version.join("tls.crt")).unwrap();
    fs::copy(pki.path(&format!("{name}.key")), version.join("tls.key")).unwrap();
    let new = live.join("..data_tmp");
    symlink(&version, &new).unwrap();
    fs::rename(&new, live.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        if fs::symlink_metadata(live.join(file)).is_err() {
            symlink(Path::new("..data").join(file), live.join(file)).unwrap();
        }
    }
}

fn encrypted_site() -> (Site, Pki) {
    let site = Site::new(ENCRYPTED, &[]);
    let pki = Pki::new(site.dir(), "authority");
    pki.sign("first", "/CN=first", SERVER_NAMES);
    publish(&site, &pki, "first");
    (site, pki)
}

#[test]
fn curl_speaks_both_versions_of_http_and_checks_the_certificate() {
    if !has_tools() {
        return;
    }
    let (site, pki) = encrypted_site();
    let telseal = site.start();
    let url = format!("https://localhost:{}/v1/logs", site.http);
    let ca = pki.path("ca.pem");
    let send = |more: &[&str]| curl(&[&POST_A_LOG[..], more, &[&url]].concat());
    assert_eq!(send(&["--cacert", &ca, "--http1.1"]), (Some(0), "200 HTTP/1.1".to_owned()));
    assert_eq!(send(&["--cacert", &ca, "--http2"]), (Some(0), "200 HTTP/2".to_owned()));
    let stranger = Pki::new(site.dir(), "stranger");
    let (code, said) = send(&["--cacert", &stranger.path("ca.pem")]);
    assert_eq!(code, Some(60), "curl does not trust the certificate: {said}");
    let (code, said) = curl(&[&POST_A_LOG[..], &[&format!("http://localhost:{}/v1/logs", site.http)]].concat());
    assert_ne!(code, Some(0), "plain text is not answered: {said}");
    accepted(&site, 2.0);
    let failures = site.metric("telseal_tls_handshake_failures_total");
    assert!((failures - 2.0).abs() < f64::EPSILON, "{failures}");
    let expiry = site.metric("telseal_tls_certificate_expiry_timestamp_seconds");
    assert!(expiry > 2.0 * 1_700_000_000.0, "both listeners say when their certificate ends: {expiry}");
    assert!(!ended(telseal).contains("plain text"), "nothing here is exposed");
}

#[test]
fn s_client_gets_the_versions_and_protocols_that_are_configured() {
    if !has_tools() {
        return;
    }
    let (site, pki) = encrypted_site();
    let _telseal = site.start();
    let ca = pki.path("ca.pem");
    let verify = ["-CAfile", &ca, "-verify_return_error", "-verify_hostname", "localhost"];
    let shake = |port, more: &[&str]| s_client(port, &[&verify[..], more].concat());
    for (port, version, works) in [
        (site.grpc, "-tls1_3", true),
        (site.grpc, "-tls1_2", false),
        (site.http, "-tls1_3", true),
        (site.http, "-tls1_2", true),
        (site.http, "-tls1_1", false),
    ] {
        let (ok, said) = shake(port, &[version]);
        assert_eq!(ok, works, "{version} on {port}: {said}");
    }
    let (_, said) = shake(site.grpc, &["-alpn", "h2"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    let (ok, said) = shake(site.http, &["-tls1_2", "-cipher", "AES128-SHA"]);
    assert!(!ok, "no cipher without forward secrecy: {said}");
}

#[test]
fn the_python_sdk_sends_over_tls_and_over_a_unix_socket() {
    if !has_tools() {
        return;
    }
    let (site, pki) = encrypted_site();
    let _telseal = site.start();
    let ca = pki.path("ca.pem");
    let (grpc, http) = (format!("https://localhost:{}", site.grpc), format!("https://localhost:{}", site.http));
    let Some(said) = python_sends("grpc", &grpc, &["--ca", &ca]) else { return };
    assert_eq!(said, "SUCCESS");
    assert_eq!(python_sends("http", &http, &["--ca", &ca]).unwrap(), "SUCCESS");
    let stranger = Pki::new(site.dir(), "stranger").path("ca.pem");
    assert_eq!(python_sends("http", &http, &["--ca", &stranger]).unwrap(), "FAILURE");
    accepted(&site, 2.0);
}

/// An encrypted connection that stays open, and can send a request whenever it likes.
pub(crate) struct Open(StreamOwned<ClientConnection, TcpStream>);

impl Open {
    pub(crate) fn new(port: u16, ca: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Self(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp))
    }

    fn send(&mut self) -> String {
        self.post(POST_A_LOG[3])
    }

    pub(crate) fn post(&mut self, body: &str) -> String {
        let head = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.0.write_all(head.as_bytes()).unwrap();
        self.0.write_all(body.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let len = self.0.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..len]).lines().next().unwrap_or_default().to_owned()
    }
}

#[test]
fn a_changed_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    if !has_tools() {
        return;
    }
    let (site, pki) = encrypted_site();
    let telseal = site.start();
    assert_eq!(shown_serial(site.http), pki.serial("first.pem"));
    let mut open = Open::new(site.http, &pki.path("ca.pem"));
    assert_eq!(open.send(), "HTTP/1.1 200 OK");
    pki.sign("second", "/CN=second", SERVER_NAMES);
    publish(&site, &pki, "second");
    let second = pki.serial("second.pem");
    eventually("both listeners show the new certificate", || {
        (shown_serial(site.http) == second && shown_serial(site.grpc) == second).then_some(())
    });
    assert_eq!(open.send(), "HTTP/1.1 200 OK", "on the connection from before");

    // A certificate with the key of another one works for nobody: the last good pair stays.
    fs::copy(pki.path("first.key"), site.dir().join("version-second/tls.key")).unwrap();
    eventually("the mistake is said", || {
        telseal.stderr().contains("changed certificates do not work, the old ones stay in force").then_some(())
    });
    assert_eq!(shown_serial(site.http), second);
    fs::copy(pki.path("second.key"), site.dir().join("version-second/tls.key")).unwrap();
    pki.sign("third", "/CN=third", SERVER_NAMES);
    publish(&site, &pki, "third");
    let third = pki.serial("third.pem");
    eventually("it goes on from there", || (shown_serial(site.http) == third).then_some(()));
    assert_eq!(open.send(), "HTTP/1.1 200 OK");
    assert!(site.metric("telseal_tls_reloads_total") >= 5.0, "two of both listeners worked, one did not");
    drop(open);
    let said = ended(telseal);
    assert!(said.contains("tls.crt is not the certificate of"), "{said}");
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}

#[test]
fn certificates_that_cannot_be_used_are_a_start_error_with_their_key_and_file() {
    let site = Site::new(ENCRYPTED, &[]);
    let ended = site.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    let expected =
        format!("receivers.otlp.protocols.grpc.tls: {}/live/tls.crt: there is no such file", site.dir().display());
    assert!(ended.output.contains(&expected), "{}", ended.output);
}

const ELSEWHERE: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 'unix://$DIR/otlp.sock'}
      http: {endpoint: $DIR/http.sock, transport: unix}
  otlp/open: {protocols: {http: {endpoint: '0.0.0.0:0'}}}
exporters: {debug: {}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN, tls: {cert_file: $DIR/authority/admin.pem, key_file: $DIR/authority/admin.key}}}
  pipelines: {logs: {receivers: [otlp, otlp/open], exporters: [debug]}}
";

#[test]
fn unix_sockets_the_encrypted_admin_port_and_the_warning_about_plain_text() {
    if !has_tools() {
        return;
    }
    let site = Site::new(ELSEWHERE, &[]);
    let pki = Pki::new(site.dir(), "authority");
    pki.sign("admin", "/CN=admin", SERVER_NAMES);
    let telseal = site.launch();
    let ca = pki.path("ca.pem");
    let ready = format!("https://localhost:{}/readyz", site.admin);
    eventually("the admin port answers", || (curl(&["--cacert", &ca, &ready]).1 == "ready\n").then_some(()));
    let socket = site.dir().join("http.sock");
    let over_socket = ["--unix-socket", socket.to_str().unwrap(), "http://x/v1/logs"];
    assert_eq!(curl(&[&POST_A_LOG[..], &over_socket].concat()), (Some(0), "200 HTTP/1.1".to_owned()));
    let endpoint = format!("unix://{}", site.dir().join("otlp.sock").display());
    if let Some(said) = python_sends("grpc", &endpoint, &[]) {
        assert_eq!(said, "SUCCESS");
    }
    let said = ended(telseal);
    let warned: Vec<&str> = said.lines().filter(|line| line.contains("plain text on an address")).collect();
    assert_eq!(warned.len(), 1, "{said}");
    assert!(warned[0].contains("receivers.otlp/open.protocols.http"), "{said}");
    assert!(!socket.exists(), "sockets go with the process");
}
