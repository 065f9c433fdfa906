//! Bodies that rest encrypted, with the real binary: nothing in clear on the disk, everything delivered, a change of the key
//! while it runs, a kill, and what each command says with the key and without.

use std::path::{Path, PathBuf};
use std::process::Output;

use telseal::otlp::Signal;

use crate::destination::Destination;
use crate::process::{Site, files_below, said, telseal};
use crate::sender::send;
use crate::telemetry::{numbered, numbers};

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors:
  seal: {segment_bytes_max: 64KiB, encryption: {key_file: $DIR/body.key}}
exporters:
  otlp_http/next: {endpoint: $NEXT, compression: none}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

fn key_file(site: &Site) -> PathBuf {
    site.dir().join("body.key")
}

fn with_key(site: &Site, arguments: &[&str]) -> Output {
    let key = key_file(site);
    telseal(arguments.iter().map(Path::new).chain([Path::new("--encryption-key"), &key]))
}

fn assert_exit(output: &Output, code: i32, words: &str) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{words} is not in {text}");
}

fn send_all(site: &Site, range: std::ops::Range<u64>) {
    for n in range {
        assert_eq!(send(site.http, Signal::Logs, &numbered([n])).expect("an answer").status, 200);
    }
}

#[test]
fn encrypted_bodies_are_delivered_and_handed_out_and_the_key_is_changed_while_it_runs() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    assert_exit(&telseal([Path::new("keys"), Path::new("encryption"), &key_file(&site)]), 0, "is the first one of");
    let data = site.data_dir().display().to_string();
    let running = site.start();
    send_all(&site, 0..150);
    assert_exit(&telseal(["verify", &data]), 6, "bodies are encrypted under the key");
    assert_exit(&with_key(&site, &["verify", &data]), 0, "verified");
    // Another key, while it runs; the old one goes.
    assert_exit(&telseal([Path::new("keys"), Path::new("encryption"), &key_file(&site)]), 0, "is the first one of");
    assert_exit(&with_key(&site, &["keys", "rewrap", &data]), 0, "are wrapped under the key");
    let text = std::fs::read_to_string(key_file(&site)).unwrap();
    std::fs::write(key_file(&site), text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert_exit(&with_key(&site, &["keys", "rewrap", &data]), 0, "0 keys of segments are wrapped under the key");
    send_all(&site, 150..200);
    running.kill();
    let running = site.start();
    send_all(&site, 200..210);
    site.wait_until_delivered();
    assert_eq!(running.terminate().status.code(), Some(0));
    let delivered: std::collections::BTreeSet<u64> = next.got().iter().flat_map(|got| numbers(&got.body)).collect();
    assert_eq!(delivered, (0..210).collect());
    assert_exit(&with_key(&site, &["verify", &data]), 0, "210 records");
    handed_out(&site, &data);
    let at_rest: String = files_below(&site.data_dir().join("logs/ledger")).iter().map(|path| text_of(path)).collect();
    assert!(at_rest.matches("audit.locked").count() >= 209 && !at_rest.contains("\"signal\":\"log\""));
}

/// What a file says, unpacked; nothing, if it is no text.
fn text_of(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let is_packed = path.extension().is_some_and(|end| end == "zst");
    let bytes = if is_packed { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
    String::from_utf8(bytes).unwrap_or_default()
}

/// What commands that read bodies say with the key, and without.
fn handed_out(site: &Site, data: &str) {
    assert_exit(&telseal(["bytes", "--seq", "4", data]), 6, "is encrypted under the key");
    assert_exit(&with_key(site, &["bytes", "--seq", "4", "--line", data]), 0, "\"signal\":\"log\"");
    let out = site.dir().join("records.ndjson").display().to_string();
    assert_exit(&telseal(["export", "--format", "ndjson", "--out", &out, data]), 6, "were not opened");
    assert!(!Path::new(&out).exists());
    assert_exit(&with_key(site, &["export", "--format", "ndjson", "--out", &out, data]), 0, "records     210");
    assert_exit(&with_key(site, &["reconcile", "--copy", &out, data]), 0, "");
    assert_exit(&telseal(["watch", "--once", data]), 6, "only their entries are watched");
    assert_exit(&with_key(site, &["watch", "--once", data]), 0, "entries, head");
    let erase = ["erase", "--seq", "4", "--request", "r", "--basis", "b", data];
    assert_exit(&telseal(erase), 6, "were not opened");
    assert_exit(&with_key(site, &erase), 0, "erased 1 records");
    assert_exit(&with_key(site, &["verify", data]), 0, "1 records lack their body");
}

#[test]
fn telseal_does_not_start_on_encrypted_bodies_without_their_key() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let mut without = site.launch();
    assert!(without.wait().output.contains("body.key"), "it needs its file of keys");
    let add = || telseal([Path::new("keys"), Path::new("encryption"), &key_file(&site)]);
    assert_exit(&add(), 0, "");
    let running = site.start();
    send_all(&site, 0..3);
    running.terminate();
    std::fs::remove_file(key_file(&site)).unwrap();
    assert_exit(&add(), 0, "");
    let ended = site.launch().wait();
    assert!(ended.output.contains("bodies are encrypted under the key"), "{}", ended.output);
    assert_ne!(ended.status.code(), Some(0));
}
