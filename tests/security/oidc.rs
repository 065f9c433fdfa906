//! Tokens of an issuer, right and wrong, in the real binary; and tokens that exporters fetch for their destination.

use std::fs;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::issuer::{Issuer, Signer, claims};
use crate::process::{Site, eventually, files_below};
use crate::sender::{self, Answer, JSON, call};

const SITE: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC, auth: {authenticator: oidc}}
      http: {endpoint: $HTTP, auth: {authenticator: oidc}}
extensions:
  oidc: {$KEYS, audience: telseal, groups_claim: groups, tenant_claim: team, refetch_interval: 100ms, leeway: 0s, reload_interval: 50ms}
processors:
  enrich:
    actions:
      - {key: who, from_context: auth.subject, action: upsert}
      - {key: tenant, from_context: auth.tenant, action: upsert}
      - {key: mail, from_context: auth.claims.email, action: upsert}
      - {key: groups, from_context: auth.membership, action: upsert}
exporters: {file: {path: $DIR/out/logs.ndjson}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], processors: [enrich], exporters: [file], allow: {subjects: ['agent-*']}}}
";
const LOG: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}"#;

fn post(site: &Site, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    sender::post(site.http, "/v1/logs", &[("content-type", JSON), ("authorization", &bearer)], LOG.as_bytes()).unwrap()
}

fn accepted(site: &Site, token: &str) {
    eventually("the token is accepted", || (post(site, token).status == 200).then_some(()));
}

#[test]
fn tokens_of_the_issuer_are_recognised_and_others_are_not() {
    let (issuer, key, stranger) = (Issuer::start(), Signer::new("one"), Signer::new("one"));
    issuer.has(&[&key]);
    let site = Site::new(SITE, &[("$KEYS", &format!("issuer_url: '{}'", issuer.url))]);
    let telseal = site.start();
    let good = key.sign(&claims(&issuer.url, "telseal", 3600));
    accepted(&site, &good);
    let called = |token: &str| {
        let bearer = format!("Bearer {token}");
        call(site.grpc, Signal::Logs, &[("authorization", &bearer)], &crate::telemetry::request(Signal::Logs)).code
    };
    assert_eq!(called(&good), 0);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let body = claims(&issuer.url, "telseal", 3600);
    let confused = format!("{}.{}", part(r#"{"alg":"HS256","kid":"one"}"#), part(&body));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.jwk().as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, confused.as_bytes()));
    for (what, token) in [
        ("expired", key.sign(&claims(&issuer.url, "telseal", -10))),
        ("for another service", key.sign(&claims(&issuer.url, "other", 3600))),
        ("of another issuer", key.sign(&claims("https://login.example.com", "telseal", 3600))),
        ("signed by a stranger", stranger.sign(&body)),
        ("not signed", format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&body))),
        ("signed with the public key as a secret", format!("{confused}.{mac}")),
        ("no token", "abc".to_owned()),
    ] {
        let answer = post(&site, &token);
        assert_eq!((answer.status, called(&token)), (401, 16), "{what}");
        assert!(
            answer.text().contains("the credentials are not accepted") && answer.text().len() < 200,
            "{}",
            answer.text()
        );
    }
    let other = key.sign(&body.replace("agent-7", "visitor"));
    assert_eq!((post(&site, &other).status, called(&other)), (403, 7), "known, but may not write");
    let page = site.get("/metrics").unwrap().text();
    for reason in ["expired", "audience", "issuer", "signature", "algorithm", "malformed"] {
        let metric = format!("telseal_auth_failures_total{{authenticator=\"oidc\",reason=\"{reason}\"}}");
        assert!(page.contains(&metric), "{reason}");
    }
    let ended = telseal.terminate();
    assert!(!ended.output.contains(&good[..40]), "{}", ended.output);
    let text: String =
        files_below(&site.dir().join("out")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for value in [r#""agent-7""#, r#""blue""#, r#""a@example.com""#, r#""dev,ops""#] {
        assert!(text.contains(value), "{value}: {text}");
    }
}

#[test]
fn a_new_key_is_fetched_when_it_is_met_and_a_flood_of_unknown_ones_is_not_followed() {
    let (issuer, first, second) = (Issuer::start(), Signer::new("one"), Signer::new("two"));
    let site = Site::new(SITE, &[("$KEYS", &format!("issuer_url: '{}'", issuer.url))]);
    let _telseal = site.start();
    let token = first.sign(&claims(&issuer.url, "telseal", 3600));
    let answer = post(&site, &token);
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "no keys are known yet");
    issuer.has(&[&first]);
    accepted(&site, &token);
    issuer.has(&[&first, &second]);
    accepted(&site, &second.sign(&claims(&issuer.url, "telseal", 3600)));
    issuer.has(&[&second]);
    let unknown = Signer::new("three").sign(&claims(&issuer.url, "telseal", 3600));
    eventually("the key that was taken back is no longer good", || {
        post(&site, &unknown);
        (post(&site, &token).status != 200).then_some(())
    });
    let before = issuer.asked();
    let began = std::time::Instant::now();
    (0..200).for_each(|_| drop(post(&site, &unknown)));
    let most = began.elapsed().as_millis() / 100 + 2;
    assert!((issuer.asked() - before) as u128 <= most, "{} in {:?}", issuer.asked() - before, began.elapsed());
}

#[test]
fn keys_in_a_file_need_no_issuer_and_are_followed() {
    let (first, second) = (Signer::new("one"), Signer::new("two"));
    let site = Site::new(SITE, &[("$KEYS", "issuer_url: 'https://login.example.com', jwks_file: $DIR/keys.json")]);
    let put = |key: &Signer| {
        fs::write(site.dir().join("keys.new"), format!(r#"{{"keys":[{}]}}"#, key.jwk())).unwrap();
        fs::rename(site.dir().join("keys.new"), site.dir().join("keys.json")).unwrap();
    };
    put(&first);
    let _telseal = site.start();
    let token = |key: &Signer| key.sign(&claims("https://login.example.com", "telseal", 3600));
    assert_eq!((post(&site, &token(&first)).status, post(&site, &token(&second)).status), (200, 401));
    put(&second);
    accepted(&site, &token(&second));
    assert_eq!(post(&site, &token(&first)).status, 401);
}

const SENDS: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
exporters:
  $KIND:
    endpoint: '$URL'
    compression: none
    tls: {insecure: true}
    retry_on_failure: {initial_interval: 10ms, max_interval: 50ms}
    oauth2: {token_url: '$ISSUER/token', client_id: telseal, client_secret: hunter2-secret, scopes: [write]}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], exporters: [$KIND]}}
";

#[test]
fn exporters_fetch_a_token_keep_it_and_replace_it_when_it_is_refused() {
    for kind in ["otlp_http", "otlp_grpc"] {
        let (issuer, destination) = (Issuer::start(), Destination::start());
        // The first answer is an outage; one token follows another.
        let token = |text: &str| format!(r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":3600}}"#);
        issuer.gives(&[(503, ""), (200, &token("secret-token-1")), (200, &token("secret-token-2"))]);
        let words = [("$KIND", kind), ("$URL", &destination.url()), ("$ISSUER", &issuer.url)];
        let site = Site::new(SENDS, &words);
        let telseal = site.start();
        let send = || sender::post(site.http, "/v1/logs", &[("content-type", JSON)], LOG.as_bytes()).unwrap();
        for count in 1..=3 {
            assert_eq!(send().status, 200);
            destination.wait_for("it arrives", |got| got.len() == count);
        }
        let bearer = |index: usize| destination.got()[index].headers["authorization"].to_str().unwrap().to_owned();
        assert_eq!([bearer(0), bearer(1), bearer(2)], ["Bearer secret-token-1"; 3], "{kind}");
        let credentials = format!("Basic {}", STANDARD.encode("telseal:hunter2-secret"));
        let wanted = format!("{credentials} grant_type=client_credentials&scope=write");
        assert_eq!(issuer.token_requests(), [wanted.clone(), wanted], "{kind}: kept, not asked for each time");
        destination.answer_next([401]);
        assert_eq!(send().status, 200);
        destination.wait_for("it arrives with another token", |got| got.len() == 4);
        assert_eq!(bearer(3), "Bearer secret-token-2", "{kind}");
        assert_eq!(site.metric("telseal_exporter_paused"), 0.0);
        let said = telseal.terminate().output;
        assert!(!said.contains("secret-token") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn an_issuer_that_refuses_pauses_the_exporter() {
    let (issuer, destination) = (Issuer::start(), Destination::start());
    issuer.gives(&[(401, r#"{"error":"invalid_client"}"#)]);
    let words = [("$KIND", "otlp_http"), ("$URL", &*destination.url()), ("$ISSUER", &*issuer.url)];
    let site = Site::new(SENDS, &words);
    let telseal = site.start();
    assert_eq!(sender::post(site.http, "/v1/logs", &[("content-type", JSON)], LOG.as_bytes()).unwrap().status, 200);
    eventually("it pauses", || (site.metric("telseal_exporter_paused") == 1.0).then_some(()));
    assert!(destination.got().is_empty());
    assert!(
        telseal.stderr().contains("`client_id`, `client_secret` or `scopes` are not accepted"),
        "{}",
        telseal.stderr()
    );
}
