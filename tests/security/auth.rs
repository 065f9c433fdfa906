//! Credentials: tokens, passwords, who may write what, limits; right and wrong, over both protocols.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use sha2_of::sha256_hex;
use telseal::otlp::Signal;

use crate::pki::{POST_A_LOG, curl, has_tools};
use crate::process::{Site, eventually};
use crate::sender::{Called, call};
use crate::{accepted, ended, python_sends, written};

/// SHA-256 as everybody has it.
mod sha2_of {
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What `sha256sum` says of these bytes.
    pub(super) fn sha256_hex(text: &str) -> String {
        let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }
}

const TOKENS: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC, auth: {authenticator: bearertokenauth/agents}}
      http: {endpoint: $HTTP, auth: {authenticator: bearertokenauth/agents}}
extensions:
  bearertokenauth/agents: {filename: $DIR/tokens, reload_interval: 50ms}
processors:
  enrich:
    actions:
      - {key: who, from_context: auth.subject, action: upsert}
      - {key: tenant, from_context: auth.tenant, action: upsert}
exporters: {file: {path: $DIR/out.ndjson}, file/ci: {path: $DIR/ci.ndjson}}
service:
  extensions: [bearertokenauth/agents]
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [enrich], exporters: [file], allow: {subjects: ['agent-*']}}
    logs/ci: {receivers: [otlp], processors: [enrich], exporters: [file/ci], allow: {tenants: [build]}}
";
const AGENT: &str = "3fd1a4c0ffee00agent00token";
const CI: &str = "77aa12c0ffee00build00token";
const OTHER: &str = "91bb5ec0ffee00other00token";

fn put(file: &Path, content: &str) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

fn tokens(site: &Site, lines: &[(&str, &str, &str)]) {
    let line = |(name, token, rest): &(&str, &str, &str)| format!("{name} sha256:{}{rest}\n", sha256_hex(token));
    put(&site.dir().join("tokens"), &lines.iter().map(line).collect::<String>());
}

fn site() -> Site {
    let site = Site::new(TOKENS, &[]);
    tokens(&site, &[("agent-7", AGENT, ""), ("ci", CI, " tenant=build"), ("other", OTHER, "")]);
    site
}

/// What `curl` gets for a log record with this `authorization`.
fn post(site: &Site, authorization: &str) -> String {
    let url = format!("http://127.0.0.1:{}/v1/logs", site.http);
    let header = format!("authorization: {authorization}");
    curl(&[&POST_A_LOG[..], &["--header", &header, &url]].concat()).1
}

/// A request with one log record.
const ONE_LOG: &[u8] = b"\x0a\x06\x12\x04\x12\x02\x10\x01";

#[test]
fn tokens_let_their_holders_in_over_http_and_nobody_else() {
    if !has_tools() {
        return;
    }
    let site = site();
    let telseal = site.start();
    assert_eq!(post(&site, &format!("Bearer {AGENT}")), "200 HTTP/1.1");
    assert_eq!(post(&site, &format!("Bearer {CI}")), "200 HTTP/1.1");
    for wrong in ["", "Bearer", &format!("Bearer {AGENT}x"), &format!("Basic {AGENT}"), AGENT] {
        assert_eq!(post(&site, wrong), "401 HTTP/1.1", "{wrong}");
    }
    assert_eq!(post(&site, &format!("Bearer {OTHER}")), "403 HTTP/1.1", "known, but on no list");
    site.wait_until_delivered();
    let (agents, ci) = (written(&site, "out"), written(&site, "ci"));
    assert!(agents.contains(r#""who":"agent-7""#) && !agents.contains(r#""who":"ci""#), "{agents}");
    assert!(ci.contains(r#""tenant":"build""#) && ci.contains(r#""who":"ci""#) && !ci.contains("agent-7"), "{ci}");

    // What a stranger gets to see is the same for every mistake, and says what is wanted.
    let url = format!("http://127.0.0.1:{}/v1/logs", site.http);
    let see = |header: &str| {
        curl(&["--include", POST_A_LOG[0], POST_A_LOG[1], POST_A_LOG[2], "{}", "--header", header, &url]).1
    };
    let seen = see("authorization: Bearer guess-one");
    assert!(seen.contains("www-authenticate: Bearer realm=\"telseal\""), "{seen}");
    let body = |text: &str| text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    assert_eq!(body(&seen), body(&see("authorization: Bearer guess-two-which-is-longer")));
    assert_eq!(body(&seen), r#"{"code":16,"message":"the credentials are not accepted"}"#);
    let said = ended(telseal);
    for token in [AGENT, CI, OTHER, "guess-one"] {
        assert!(!said.contains(token), "{said}");
    }
}

#[test]
fn grpc_senders_get_the_codes_of_grpc() {
    let site = site();
    let _telseal = site.start();
    let ask = |signal, token: &str| {
        let Called { code, metadata } =
            call(site.grpc, signal, &[("authorization", &format!("Bearer {token}"))], ONE_LOG);
        (code, metadata)
    };
    assert_eq!(ask(Signal::Logs, AGENT).0, 0);
    let (code, metadata) = ask(Signal::Logs, "nobody-knows-this");
    assert_eq!(code, 16, "{metadata}");
    assert!(metadata.contains("www-authenticate"), "{metadata}");
    assert_eq!(call(site.grpc, Signal::Logs, &[], ONE_LOG).code, 16);
    assert_eq!(ask(Signal::Logs, OTHER).0, 7);
    assert_eq!(ask(Signal::Traces, AGENT).0, 12, "who is known hears that no pipeline takes traces");
    assert_eq!(ask(Signal::Traces, "nobody-knows-this").0, 16, "who is not, does not");
    accepted(&site, 1.0);
    assert!((site.metric("telseal_auth_failures_total") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn the_python_sdk_presents_its_token_over_both_protocols() {
    let site = site();
    let _telseal = site.start();
    let (grpc, http) = (format!("http://127.0.0.1:{}", site.grpc), format!("http://127.0.0.1:{}", site.http));
    let right = format!("authorization=Bearer {AGENT}");
    let Some(said) = python_sends("grpc", &grpc, &["--header", &right]) else { return };
    assert_eq!(said, "SUCCESS");
    assert_eq!(python_sends("http", &http, &["--header", &right]).unwrap(), "SUCCESS");
    for (protocol, url) in [("grpc", &grpc), ("http", &http)] {
        assert_eq!(python_sends(protocol, url, &["--header", "authorization=Bearer wrong"]).unwrap(), "FAILURE");
        assert_eq!(python_sends(protocol, url, &[]).unwrap(), "FAILURE");
    }
    accepted(&site, 2.0);
}

#[test]
fn a_stranger_is_refused_before_a_byte_of_the_body_is_read() {
    let site = site();
    let _telseal = site.start();
    let mut stream = TcpStream::connect(("127.0.0.1", site.http)).unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
                authorization: Bearer wrong\r\ncontent-length: 10000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 1024];
    let len = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401 "), "no `100 Continue` before it: {answer}");
}

#[test]
fn tokens_are_taken_and_revoked_while_telseal_runs() {
    if !has_tools() {
        return;
    }
    let site = site();
    let telseal = site.start();
    assert_eq!(post(&site, &format!("Bearer {AGENT}")), "200 HTTP/1.1");
    let fresh = "00112233445566778899aabbccddeeff";
    tokens(&site, &[("agent-8", fresh, "")]);
    eventually("the new token works", || (post(&site, &format!("Bearer {fresh}")) == "200 HTTP/1.1").then_some(()));
    assert_eq!(post(&site, &format!("Bearer {AGENT}")), "401 HTTP/1.1", "the old one is revoked");
    put(&site.dir().join("tokens"), fresh);
    eventually("the mistake is said", || {
        telseal.stderr().contains("changed credentials do not work, the old ones stay in force").then_some(())
    });
    assert_eq!(post(&site, &format!("Bearer {fresh}")), "200 HTTP/1.1");
    let said = ended(telseal);
    assert!(said.contains("tokens: line 1: write `NAME sha256:HEX`") && !said.contains(fresh), "{said}");
}

const PASSWORDS: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC, auth: {authenticator: basicauth}}
      http: {endpoint: $HTTP, auth: {authenticator: basicauth}, tenant_limits: {requests_per_second: 1, burst: 3s}}
extensions:
  basicauth: {htpasswd: {file: $DIR/htpasswd}}
exporters: {debug: {}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], exporters: [debug]}}
";

#[test]
fn passwords_let_their_users_in_and_each_has_limits_of_its_own() {
    if !has_tools() {
        return;
    }
    let site = Site::new(PASSWORDS, &[]);
    // `htpasswd -nbB -C 5`, of `open sesame` and `swordfish`.
    let (one, two) = (bcrypt::hash("open sesame", 5).unwrap(), bcrypt::hash("swordfish", 5).unwrap());
    put(&site.dir().join("htpasswd"), &format!("agent:{}\nother:{two}\n", one.replacen("$2b$", "$2y$", 1)));
    let telseal = site.start();
    let url = format!("http://127.0.0.1:{}/v1/logs", site.http);
    let post = |user: &str| curl(&[&POST_A_LOG[..], &["--user", user, &url]].concat()).1;
    assert_eq!(post("agent:open sesame"), "200 HTTP/1.1");
    for wrong in ["agent:open", "agent:", "nobody:open sesame"] {
        assert_eq!(post(wrong), "401 HTTP/1.1", "{wrong}");
    }
    let answers: Vec<String> = (0..6).map(|_| post("agent:open sesame")).collect();
    assert!(answers.contains(&"429 HTTP/1.1".to_owned()), "three at once and one a second: {answers:?}");
    assert_eq!(post("other:swordfish"), "200 HTTP/1.1", "another tenant");
    let seen =
        curl(&["--include", "--user", "agent:open sesame", POST_A_LOG[0], POST_A_LOG[1], POST_A_LOG[2], "{}", &url]).1;
    assert!(!seen.contains(" 429 ") || seen.contains("retry-after: 1"), "{seen}");
    let Some(said) = python_sends(
        "grpc",
        &format!("http://127.0.0.1:{}", site.grpc),
        &["--header", "authorization=Basic YWdlbnQ6b3BlbiBzZXNhbWU="],
    ) else {
        return;
    };
    assert_eq!(said, "SUCCESS");
    let said = ended(telseal);
    assert!(!said.contains("sesame") && !said.contains("YWdlbnQ6"), "{said}");
}

#[test]
fn a_file_of_tokens_in_clear_is_a_start_error_that_does_not_show_them() {
    let site = Site::new(TOKENS, &[]);
    put(&site.dir().join("tokens"), &format!("# ours\n{AGENT}\n"));
    let ended = site.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(
        ended.output.contains("extensions.bearertokenauth/agents: ") && ended.output.contains("tokens: line 2: write")
    );
    assert!(!ended.output.contains(AGENT), "{}", ended.output);
}
