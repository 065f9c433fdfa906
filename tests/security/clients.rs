//! Clients that must show a certificate (mTLS), and lists of those that may come in.

use crate::pki::{POST_A_LOG, Pki, curl, has_tools, s_client};
use crate::process::Site;
use crate::{accepted, ended, python_sends, written};

const MUTUAL: &str = "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: $GRPC
        tls: {cert_file: $DIR/authority/server.pem, key_file: $DIR/authority/server.key, client_ca_file: $DIR/authority/ca.pem}
      http:
        endpoint: $HTTP
        tls:
          cert_file: $DIR/authority/server.pem
          key_file: $DIR/authority/server.key
          client_ca_file: $DIR/authority/ca.pem
          client_crl_file: $DIR/authority/crl.pem
          client_allowed_subjects: ['CN=by-subject,O=Example']
          client_allowed_sans: [by-name.example.com]
          client_allowed_spiffe_ids: ['spiffe://example.org/ns/prod/*']
processors:
  enrich:
    actions:
      - {key: who, from_context: auth.subject, action: upsert}
      - {key: subject, from_context: tls.client.subject, action: upsert}
      - {key: issuer, from_context: tls.client.issuer, action: upsert}
      - {key: san, from_context: tls.client.san, action: upsert}
exporters: {file: {path: $DIR/out.ndjson}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], processors: [enrich], exporters: [file]}}
";

fn site() -> (Site, Pki) {
    let site = Site::new(MUTUAL, &[]);
    let pki = Pki::new(site.dir(), "authority");
    pki.sign("server", "/CN=server", "DNS:localhost,IP:127.0.0.1");
    pki.sign("by-subject", "/O=Example/CN=by-subject", "");
    pki.sign("by-name", "/CN=agent", "DNS:by-name.example.com");
    pki.sign("by-id", "/CN=agent", "URI:spiffe://example.org/ns/prod/sa/agent");
    pki.sign("nobody", "/CN=nobody", "DNS:nobody.example.com,URI:spiffe://example.org/ns/test/sa/agent");
    pki.sign("revoked", "/CN=agent", "URI:spiffe://example.org/ns/prod/sa/revoked");
    revoke(&pki, "revoked.pem");
    (site, pki)
}

/// Writes `crl.pem`, which lists this certificate.
fn revoke(pki: &Pki, name: &str) {
    std::fs::write(pki.path("index.txt"), "").unwrap();
    std::fs::write(pki.path("crlnumber"), "01\n").unwrap();
    let config = "[ca]\ndefault_ca = ours\n[ours]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\ndefault_crl_days = 30\n";
    std::fs::write(pki.path("ca.conf"), config).unwrap();
    let ca = ["-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key"];
    pki.openssl(&[&["ca"], &ca[..], &["-revoke", name]].concat());
    pki.openssl(&[&["ca"], &ca[..], &["-gencrl", "-out", "crl.pem"]].concat());
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_that_is_on_a_list_get_in() {
    if !has_tools() {
        return;
    }
    let (site, pki) = site();
    let telseal = site.start();
    let ca = pki.path("ca.pem");
    let url = format!("https://localhost:{}/v1/logs", site.http);
    let send = |cert: &str, key: &str| {
        curl(&[&POST_A_LOG[..], &["--cacert", &ca, "--cert", cert, "--key", key, &url]].concat())
    };
    let with = |name: &str| send(&pki.path(&format!("{name}.pem")), &pki.path(&format!("{name}.key")));
    for name in ["by-subject", "by-name", "by-id"] {
        assert_eq!(with(name), (Some(0), "200 HTTP/2".to_owned()), "{name}");
    }
    let stranger = Pki::new(site.dir(), "stranger");
    stranger.sign("by-name", "/CN=agent", "DNS:by-name.example.com");
    let shake = |pki: &Pki, name: &str| {
        let (cert, key) = (pki.path(&format!("{name}.pem")), pki.path(&format!("{name}.key")));
        s_client(site.http, &["-cert", &cert, "-key", &key]).1
    };
    let refused = [
        (&pki, "nobody", "alert access denied"),
        (&pki, "revoked", "alert certificate revoked"),
        (&stranger, "by-name", "alert unknown ca"),
    ];
    for (pki, name, alert) in refused {
        let (_, said) = send(&pki.path(&format!("{name}.pem")), &pki.path(&format!("{name}.key")));
        assert!(said.contains("000 HTTP/0"), "{name}: {said}");
        let said = shake(pki, name);
        assert!(said.contains(alert), "{name}: {said}");
    }
    let (_, said) = curl(&[&POST_A_LOG[..], &["--cacert", &ca, &url]].concat());
    assert!(said.contains("000 HTTP/0"), "none at all: {said}");
    let (_, said) = s_client(site.http, &[]);
    assert!(said.contains("alert certificate required"), "{said}");
    accepted(&site, 3.0);
    site.wait_until_delivered();
    let written = written(&site, "out");
    for known in [
        r#""who":"CN=by-subject,O=Example""#,
        r#""who":"by-name.example.com""#,
        r#""who":"spiffe://example.org/ns/prod/sa/agent""#,
        r#""san":"spiffe://example.org/ns/prod/sa/agent""#,
        r#""subject":"CN=by-subject,O=Example""#,
        r#""issuer":"CN=authority""#,
    ] {
        assert!(written.contains(known), "{known}: {written}");
    }
    let failures = site.metric("telseal_tls_handshake_failures_total");
    assert!((failures - 8.0).abs() < f64::EPSILON, "{failures}");
    ended(telseal);
}

#[test]
fn s_client_sees_whose_certificates_are_wanted_and_sessions_are_never_resumed() {
    if !has_tools() {
        return;
    }
    let (site, pki) = site();
    let _telseal = site.start();
    let (cert, key) = (pki.path("by-id.pem"), pki.path("by-id.key"));
    let ca = pki.path("ca.pem");
    let session = pki.path("session");
    for version in ["-tls1_2", "-tls1_3"] {
        let own = ["-CAfile", &ca, "-cert", &cert, "-key", &key, version];
        let (ok, said) = s_client(site.http, &[&own[..], &["-sess_out", &session]].concat());
        assert!(ok && said.contains("Acceptable client certificate CA names"), "{said}");
        assert!(said.contains("CN = authority") || said.contains("CN=authority"), "{said}");
        let again = if std::path::Path::new(&session).exists() { vec!["-sess_in", &session] } else { vec![] };
        let (ok, said) = s_client(site.http, &[&own[..], &again].concat());
        assert!(ok && !said.contains("Reused,"), "{said}");
    }
}

#[test]
fn the_python_sdk_shows_its_certificate_over_both_protocols() {
    if !has_tools() {
        return;
    }
    let (site, pki) = site();
    let _telseal = site.start();
    let ca = pki.path("ca.pem");
    let (cert, key) = (pki.path("by-id.pem"), pki.path("by-id.key"));
    let own = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let (grpc, http) = (format!("https://localhost:{}", site.grpc), format!("https://localhost:{}", site.http));
    let Some(said) = python_sends("grpc", &grpc, &own) else { return };
    assert_eq!(said, "SUCCESS");
    assert_eq!(python_sends("http", &http, &own).unwrap(), "SUCCESS");
    assert_eq!(python_sends("grpc", &grpc, &["--ca", &ca]).unwrap(), "FAILURE", "without a certificate");
    accepted(&site, 2.0);
}
