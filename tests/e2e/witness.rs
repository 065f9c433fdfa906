//! A witness as an anchor of a running ledger: what it cosigned is kept, what it remembers keeps a ledger that was set back
//! from starting, and that it is away stops nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use telseal::otlp::Signal;

use crate::anchors::{copy, run_and_send};
use crate::destination::Destination;
use crate::process::{Site, eventually, free_port, said, telseal};
use crate::sender::send;
use crate::telemetry::numbered;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors:
  seal:
    origin: acme.example/seal/test
    keys: {root: {file: $ROOT}}
    anchors: [{witness: $WITNESS, vkey: $VKEY}]
    anchor_interval: 1ms
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

/// A witness with keys, and a ledger's root key that it knows.
struct Peer {
    dir: tempfile::TempDir,
    port: u16,
    root: String,
    vkey: String,
    running: Option<Child>,
}

impl Peer {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str, arguments: &[&str]| {
            let file = dir.path().join(name).display().to_string();
            let made = telseal(["keys", "init", &file, "--origin"].iter().chain(arguments));
            let out = said(&made);
            out.lines().next().unwrap().split_whitespace().last().unwrap().to_owned()
        };
        let root = key("root.key", &["acme.example/seal/test"]);
        let vkey = key("w.key", &["w.example", "--witness"]);
        Self { dir, port: free_port(), root, vkey, running: None }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn start(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let child = Command::new(env!("CARGO_BIN_EXE_telseal"))
            .args(["witness", "--listen", &address, "--key", &self.path("w.key"), "--name", "w.example"])
            .args(["--log", &self.root, "--state", &self.path("state")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.running = Some(child);
        eventually("the witness listens", || std::net::TcpStream::connect(&address).ok());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn site(&self, next: &Destination) -> Site {
        let witness = format!("http://127.0.0.1:{}", self.port);
        let words = [
            ("$NEXT", next.url()),
            ("$ROOT", self.path("root.key")),
            ("$WITNESS", witness),
            ("$VKEY", self.vkey.clone()),
        ];
        Site::new(TEMPLATE, &words.each_ref().map(|(word, text)| (*word, text.as_str())))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One record, answered.
fn send_one(site: &Site, number: u64) {
    assert_eq!(send(site.http, Signal::Logs, &numbered([number])).expect("an answer").status, 200);
}

#[test]
fn a_ledger_that_a_witness_remembers_longer_does_not_start_unless_the_reason_is_given() {
    let (next, mut peer) = (Destination::start(), Peer::new());
    peer.start();
    let site = peer.site(&next);
    run_and_send(&site, 0..3);
    let kept = site.files("logs/ledger/anchors", ".checkpoints").remove(0);
    let notes = fs::read_to_string(&kept).unwrap();
    assert!(notes.starts_with("\nacme.example/seal/test\n") && notes.contains("\n— w.example "), "{notes}");
    let anchored = [Path::new("verify"), site.data_dir(), Path::new("--anchor"), &kept];
    assert_eq!(telseal(anchored).status.code(), Some(0));

    let backup = tempfile::tempdir().unwrap();
    copy(site.data_dir(), backup.path());
    run_and_send(&site, 3..6);
    fs::remove_dir_all(site.data_dir()).unwrap();
    copy(backup.path(), site.data_dir());
    let config = site.config();
    let refused = telseal(["run".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let port = format!("http://127.0.0.1:{}", peer.port);
    assert!(said(&refused).contains("was cut off") && said(&refused).contains(&port), "{}", said(&refused));

    let telseal = site.start_with(&["--accept-rollback", "restored from the backup of Sunday"]);
    eventually("the contradiction is shown", || {
        send_one(&site, 9);
        (site.metric("telseal_ledger_witness_contradicts") > 0.0).then_some(())
    });
    let ended = telseal.terminate();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.output.contains("remembers another ledger"), "{}", ended.output);
}

#[test]
fn a_witness_that_is_away_stops_nothing_and_is_asked_again() {
    let (next, mut peer) = (Destination::start(), Peer::new());
    let site = peer.site(&next);
    let telseal = site.start();
    eventually("a failure is counted", || {
        send_one(&site, 1);
        (site.metric("telseal_ledger_anchor_failures_total") > 1.0).then_some(())
    });
    peer.start();
    eventually("the witness cosigned", || {
        send_one(&site, 2);
        (site.metric("telseal_ledger_anchored_entries") > 0.0).then_some(())
    });
    let ended = telseal.terminate();
    assert_eq!(ended.output.matches("checkpoints are not cosigned").count(), 1, "{}", ended.output);
    peer.stop();
    let again = site.start();
    send_one(&site, 3);
    let ended = again.terminate();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.output.contains("cannot ask the witness"), "{}", ended.output);
}
