//! `awss3` into servers that speak S3, each with its own ideas: kills at any moment, and the bucket has every record once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use telseal::otlp::Signal;

use crate::backend::{self, Backend};
use crate::process::{self, Site, eventually, said};
use crate::sender;

const CONFIG: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {origin: acme.example/seal/test}}
exporters:
  awss3:
    s3uploader:
      s3_bucket: evidence
      s3_prefix: agents
      endpoint: http://127.0.0.1:$PORT
      s3_force_path_style: true
      compression: $COMPRESSION
      object_lock: {$LOCK}
    auth: {access_key_id: test, secret_access_key: test}
    rotation: {max_megabytes: 12, max_age: 1s}
    retry_on_failure: {initial_interval: 50ms, max_interval: 200ms}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [awss3], storage: disk}
";

fn servers() -> Vec<Backend> {
    let start =
        |name| backend::start(name, |port, _| ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).into());
    let servers: Vec<_> = ["moto", "ministack"].into_iter().filter_map(start).collect();
    for server in &servers {
        eventually("the server answers", || sender::get(server.port, "/").filter(|answer| answer.status == 200));
        let head = "PUT /evidence HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nx-amz-bucket-object-lock-enabled: true\r\ncontent-length: 0\r\n\r\n";
        let made = sender::exchange(server.port, head.as_bytes()).unwrap();
        assert_eq!(made.status, 200, "{}", made.text());
    }
    servers
}

fn site(server: &Backend, compression: &str, lock: &str) -> Site {
    Site::new(CONFIG, &[("$PORT", &server.port.to_string()), ("$COMPRESSION", compression), ("$LOCK", lock)])
}

/// Sends one record until it is taken, whatever happens to telseal meanwhile. False when nobody answered.
fn send(site: &Site, number: usize, bytes: usize) -> bool {
    let padding: String =
        (0..bytes).map(|at| char::from(b'a' + u8::try_from((at * at + number) % 26).unwrap())).collect();
    let record =
        format!(r#"{{"timeUnixNano":"1700000000000000000","body":{{"stringValue":"r{number:06}- {padding}"}}}}"#);
    let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    let answer =
        sender::post(site.http, &sender::path(Signal::Logs), &[("content-type", sender::JSON)], body.as_bytes());
    answer.is_some_and(|answer| answer.status == 200)
}

/// Names and contents of everything in the bucket.
fn bucket(server: &Backend) -> BTreeMap<String, Vec<u8>> {
    let listing = sender::get(server.port, "/evidence?list-type=2").unwrap().text();
    let keys = listing.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned());
    let get = |key: String| {
        // One that names a credential; nobody checks it.
        let credential =
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!(
            "GET /evidence/{key} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {credential}\r\nconnection: close\r\n\r\n"
        );
        let found = sender::exchange(server.port, head.as_bytes()).unwrap();
        assert_eq!(found.status, 200, "{key}: {}", found.text());
        let hash: String = digest(&found.body);
        assert_eq!(found.header("x-amz-meta-telseal-sha256"), Some(&*hash), "{key}");
        assert!(key.contains(&hash[..16]), "the name says what is in it: {key}");
        (key, found.body)
    };
    keys.map(get).collect()
}

fn digest(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(objects: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let data = objects.iter().filter(|(key, _)| key.contains(".ndjson"));
    let text = |(key, body): (&String, &Vec<u8>)| {
        let body = if key.ends_with(".zst") { zstd::stream::decode_all(&**body).unwrap() } else { body.clone() };
        String::from_utf8(body).unwrap()
    };
    data.flat_map(|object| text(object).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn numbers(lines: &[String]) -> Vec<usize> {
    let number = |line: &String| line.split("\"r").nth(1).unwrap().split('-').next().unwrap().parse().unwrap();
    let mut numbers: Vec<usize> = lines.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn killed_at_any_moment_the_bucket_has_every_sealed_line_once() {
    for server in servers() {
        let site = site(&server, "none", "");
        let mut sent = 0;
        // 1.2 MB a record: objects of more than one part, and kills before, between and behind them.
        for pause in [300, 700, 1_100, 1_300, 1_700] {
            let telseal = site.start();
            for _ in 0..14 {
                assert!(send(&site, sent, 1_200_000));
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(pause));
            telseal.kill();
        }
        let telseal = site.start();
        site.wait_until_delivered();
        assert_eq!(telseal.terminate().status.code(), Some(0));
        let objects = bucket(&server);
        let lines = lines(&objects);
        assert_eq!(numbers(&lines), (0..sent).collect::<Vec<_>>());
        assert!(objects.values().any(|body| body.len() > 8 << 20), "no object went in parts");
        let copy = site.dir().join("copy.ndjson");
        std::fs::write(&copy, lines.join("\n") + "\n").unwrap();
        let reconciled =
            process::telseal([Path::new("reconcile"), Path::new("--copy"), &copy, &site.data_dir().join("logs")]);
        assert_eq!(reconciled.status.code(), Some(0), "{}", said(&reconciled));
        assert!(said(&reconciled).contains(&format!("A exact     {sent}:")), "{}", said(&reconciled));
    }
}

#[test]
fn objects_are_locked_and_a_manifest_and_a_checkpoint_lie_beside_them() {
    for server in servers() {
        let site = site(&server, "zstd", "mode: COMPLIANCE, retain_for: 1d");
        let telseal = site.start();
        for number in 0..5 {
            assert!(send(&site, number, 100));
        }
        site.wait_until_delivered();
        telseal.terminate();
        let objects = bucket(&server);
        assert_eq!(numbers(&lines(&objects)), [0, 1, 2, 3, 4]);
        let manifests = objects.iter().filter(|(key, _)| key.starts_with("agents/_manifests/"));
        for (_, manifest) in manifests {
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            for object in manifest["objects"].as_array().unwrap() {
                assert_eq!(object["sha256"], digest(&objects[object["key"].as_str().unwrap()]));
            }
            let note = manifest["checkpoint"].as_str().unwrap();
            assert!(note.starts_with("acme.example/seal/test\n"), "{note}");
            assert!(objects.values().any(|body| body == note.as_bytes()), "the checkpoint is an object of its own");
        }
        for key in objects.keys() {
            let versions = sender::get(server.port, &format!("/evidence?versions&prefix={key}")).unwrap().text();
            let version = versions.split("<VersionId>").nth(1).unwrap().split('<').next().unwrap();
            let head = format!(
                "DELETE /evidence/{key}?versionId={version} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
            );
            let deleted = sender::exchange(server.port, head.as_bytes()).unwrap();
            assert_eq!(deleted.status, 403, "{key} could be deleted");
        }
    }
}

#[test]
fn a_bucket_that_comes_later_gets_everything() {
    for server in servers() {
        let site = Site::new(
            &CONFIG.replace("s3_bucket: evidence", "s3_bucket: later"),
            &[("$PORT", &server.port.to_string()), ("$COMPRESSION", "gzip"), ("$LOCK", "")],
        );
        let telseal = site.start();
        assert!(send(&site, 0, 100));
        eventually("the exporter pauses", || (site.metric("telseal_exporter_paused") == 1.0).then_some(()));
        eventually("it is said", || telseal.stderr().contains("answered 404 NoSuchBucket").then_some(()));
        assert_eq!(site.metric("telseal_exporter_lag_records"), 1.0);
        let head = "PUT /later HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(sender::exchange(server.port, head.as_bytes()).unwrap().status, 200);
        site.wait_until_delivered();
        telseal.terminate();
    }
}
