//! `awss3` against a server that is no S3: what each answer means, and what an object is.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use telseal::exporter::Exporter;
use telseal::exporter::awss3::{
    Auth, AwsS3, Compression, Config, Encryption, LockMode, Marshaler, ObjectLock, Uploader,
};
use telseal::otlp::{self, Signal};
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;

use crate::http::{Script, Seen, answer, serve};
use crate::{ANSWER, CREDENTIAL, Outcome, TELEMETRY, closed_port, outcome_of, payload};

fn config(port: u16) -> Config {
    Config {
        s3uploader: Uploader {
            s3_bucket: "evidence".to_owned(),
            s3_prefix: "a/b".to_owned(),
            endpoint: format!("http://127.0.0.1:{port}"),
            s3_force_path_style: true,
            ..Uploader::default()
        },
        auth: Auth {
            access_key_id: Secret::new("AKIDEXAMPLE"),
            secret_access_key: Secret::new(CREDENTIAL),
            ..Auth::default()
        },
        manifest: false,
        timeout: Span::secs(1),
        ..Config::default()
    }
}

fn error(head: &str, code: &str) -> Script {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{ANSWER}</Message></Error>");
    answer(&format!("{head}\r\ncontent-type: application/xml"), body.as_bytes())
}

fn cases() -> Vec<(&'static str, Script, Outcome)> {
    let say = |text: &str| Script::Say(text.as_bytes().to_vec());
    vec![
        ("200", answer("200 OK\r\netag: \"x\"", b""), Outcome::Delivered { rejected: 0 }),
        ("301", error("301 Moved Permanently", "PermanentRedirect"), Outcome::Pause),
        ("400 settings", error("400 Bad Request", "InvalidRequest"), Outcome::Pause),
        ("400 transfer", error("400 Bad Request", "BadDigest"), Outcome::Retry(None)),
        ("400 slow", error("400 Bad Request", "RequestTimeout"), Outcome::Retry(None)),
        ("403 rights", error("403 Forbidden", "AccessDenied"), Outcome::Pause),
        ("403 key", error("403 Forbidden", "SignatureDoesNotMatch"), Outcome::Pause),
        ("404 bucket", error("404 Not Found", "NoSuchBucket"), Outcome::Pause),
        ("409", error("409 Conflict", "ConditionalRequestConflict"), Outcome::Retry(None)),
        ("429", answer("429 Too Many Requests\r\nretry-after: 7", ANSWER.as_bytes()), Outcome::Retry(Some(7))),
        ("500", error("500 Internal Server Error", "InternalError"), Outcome::Retry(None)),
        ("501", error("501 Not Implemented", "NotImplemented"), Outcome::Pause),
        ("503", error("503 Slow Down", "SlowDown"), Outcome::Retry(None)),
        ("503 page", answer("503 Service Unavailable", ANSWER.as_bytes()), Outcome::Retry(None)),
        ("hang", Script::Hang, Outcome::Retry(None)),
        ("cut before the answer", say(""), Outcome::Retry(None)),
        ("cut in the head", say("HTTP/1.1 200 OK\r\ncontent-"), Outcome::Retry(None)),
        ("garbage", Script::Say([ANSWER.as_bytes(), &[0, 159, 146, 150], b"\r\n\r\n"].concat()), Outcome::Retry(None)),
    ]
}

/// Exports once and checks what comes of it, and that nothing is said that must not be.
async fn check(case: &str, config: &Config, wanted: Outcome) {
    let exporter = AwsS3::new(config).unwrap();
    let result = tokio::time::timeout(Duration::from_secs(20), exporter.export(&payload().0)).await.expect(case);
    assert_eq!(outcome_of(&result, 0), wanted, "{case}: {result:?}");
    let said = format!("{exporter:?} {config:?} {result:?}");
    for secret in [CREDENTIAL, TELEMETRY, ANSWER] {
        assert!(!said.contains(secret), "{case}: `{secret}` is in {said}");
    }
    if let Err(error) = result {
        assert!(error.to_string().starts_with("s3://evidence at 127.0.0.1:"), "{case}: no address in `{error}`");
    }
}

fn key_of(seen: &Seen) -> String {
    seen.line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn awss3_keeps_the_contract() {
    for (case, script, wanted) in cases() {
        let (port, requests) = serve(script).await;
        check(case, &config(port), wanted).await;
        let seen = requests.try_recv().expect(case);
        let lines = zstd::stream::decode_all(&*seen.body).unwrap();
        assert_eq!(lines, payload().0.to_lines().unwrap(), "{case}: the payload arrived changed");
        assert!(requests.try_recv().is_err(), "{case}: sent more than once");
    }
    check("connection refused", &config(closed_port()), Outcome::Retry(None)).await;
}

#[tokio::test]
async fn awss3_says_what_an_object_is() {
    let mut config = config(0);
    config.s3uploader.compression = Compression::None;
    config.s3uploader.storage_class = "STANDARD_IA".to_owned();
    config.s3uploader.server_side_encryption = Encryption::Kms;
    config.s3uploader.ssekms_key_id = "key-1".to_owned();
    config.s3uploader.tags = [("team".to_owned(), "a b".to_owned())].into();
    config.s3uploader.object_lock =
        ObjectLock { mode: LockMode::Compliance, retain_for: Span::secs(86_400), legal_hold: true };
    let (port, requests) = serve(answer("200 OK", b"")).await;
    config.s3uploader.endpoint = format!("http://127.0.0.1:{port}");
    check("all settings", &config, Outcome::Delivered { rejected: 0 }).await;
    let seen = requests.try_recv().unwrap();
    for (name, value) in [
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key-1"),
        ("x-amz-tagging", "team=a+b"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-meta-telseal-records", "10"),
        ("content-type", "application/x-ndjson"),
        ("if-none-match", "*"),
    ] {
        assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}: {:?}", seen.headers);
    }
    assert!(seen.headers["x-amz-object-lock-retain-until-date"].starts_with("20"));
    assert!(seen.headers["authorization"].contains("x-amz-checksum-sha256"), "the checksum is signed");
    assert!(!seen.headers.contains_key("x-amz-trailer"), "no trailer: many services cannot read them");
    let key = key_of(&seen);
    // The records of the payload are of 1970; the name says so, and what is in the object.
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &seen.body);
    let hash: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let first = "00000000000000000000-00000000000000000009";
    let wanted = format!("/evidence/a/b/year%3D1970/month%3D01/day%3D01/hour%3D00/replayed-logs_{first}_{hash}.ndjson");
    assert_eq!(key.replace('=', "%3D"), wanted);
}

#[tokio::test]
async fn awss3_writes_each_format() {
    for (marshaler, extension) in [(Marshaler::OtlpProto, ".binpb.gz"), (Marshaler::OtlpJson, ".json.gz")] {
        let (port, requests) = serve(answer("200 OK", b"")).await;
        let mut config = Config { marshaler, ..config(port) };
        config.s3uploader.compression = Compression::Gzip;
        check(extension, &config, Outcome::Delivered { rejected: 0 }).await;
        let seen = requests.try_recv().unwrap();
        assert!(key_of(&seen).ends_with(extension));
        let mut body = vec![];
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*seen.body), &mut body).unwrap();
        let request =
            if marshaler == Marshaler::OtlpJson { otlp::json::to_protobuf(Signal::Logs, &body).unwrap() } else { body };
        let decoded = |bytes: &[u8]| ExportLogsServiceRequest::decode(bytes).unwrap();
        assert_eq!(decoded(&request), decoded(&payload().1));
    }
}

#[tokio::test]
async fn awss3_without_credentials_waits_for_somebody() {
    let (port, requests) = serve(answer("200 OK", b"")).await;
    let mut config = config(port);
    config.auth = Auth { profile: "telseal-test-has-no-such-profile".to_owned(), ..Auth::default() };
    check("no credentials", &config, Outcome::Pause).await;
    assert!(requests.try_recv().is_err());
}
