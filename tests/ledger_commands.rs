//! The offline commands over a ledger as they are called: what they print where, and with which exit code they end.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use telseal::ledger::entry::Kind;
use telseal::ledger::{Control, Drafts, Ledger, Options};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn telseal(arguments: &[&str]) -> Ran {
    let run = Command::new(env!("CARGO_BIN_EXE_telseal")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: run.status.code().unwrap(), out: text(run.stdout), err: text(run.stderr) }
}

/// A data directory with one pipeline and records that say their number.
struct Site {
    data: tempfile::TempDir,
}

impl Site {
    fn new(records: u64) -> Self {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("logs/ledger");
        fs::create_dir_all(&dir).unwrap();
        let (mut ledger, ..) = Ledger::open(&dir, &Options::new("logs")).unwrap();
        for n in 1..=records {
            let mut drafts = Drafts::with_capacity(1, 100);
            let line = format!(r#"{{"attributes":{{"session.id":"s{}"}},"body":"record {n}","signal":"log"}}"#, n % 2);
            drafts.buffer().extend_from_slice(line.as_bytes());
            drafts.finish_line(1, 0, 0).unwrap();
            ledger.append(&[drafts]).unwrap();
        }
        Self { data }
    }

    /// Ends the run as an orderly stop does.
    fn end(&self) {
        let (mut ledger, ..) = Ledger::open(&self.data.path().join("logs/ledger"), &Options::new("logs")).unwrap();
        ledger.append_control(Control::new(Kind::End)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.data.path().join(name).display().to_string()
    }

    fn root(&self) -> String {
        self.data.path().display().to_string()
    }

    fn segment(&self) -> PathBuf {
        self.data.path().join("logs/ledger/00000000000000000000.ndjson")
    }

    fn key(&self) -> String {
        self.path("logs/ledger/key.pub")
    }

    /// The number of the entry whose line has this text, and that line.
    fn find(&self, text: &str) -> (String, String) {
        let lines = fs::read_to_string(self.segment()).unwrap();
        let line = lines.lines().find(|line| line.contains(text)).unwrap();
        let number = line.split("\"n\":").nth(1).unwrap().split(',').next().unwrap();
        (number.to_owned(), line.to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test writes what a person would")]
fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap();
}

fn tamper(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    write(path.to_str().unwrap(), &text.replacen(from, to, 1));
}

#[test]
fn a_record_is_handed_over_with_a_proof_below_2_kilobytes() {
    let site = Site::new(5);
    let (seq, line) = site.find("record 3");
    let proof = site.path("3.tlog-proof");
    let made = telseal(&["prove", "--seq", &seq, "--out", &proof, &site.root()]);
    assert_eq!((made.code, made.out.as_str()), (0, ""), "{}", made.err);
    assert!(fs::metadata(&proof).unwrap().len() < 2048);
    write(&site.path("line"), &line);
    let key = site.key();
    let checked = telseal(&["verify-proof", &proof, "--key", &key, "--line", &site.path("line")]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""));
    assert!(checked.out.contains("proven      the line is the one that was sealed"), "{}", checked.out);
    let without = telseal(&["verify-proof", &proof, "--key", &key]);
    assert!(without.code == 0 && without.out.contains("not proven  what the record says"), "{}", without.out);
    // Another record, a changed proof, no key, another key.
    write(&site.path("line"), &site.find("record 4").1);
    assert_eq!(telseal(&["verify-proof", &proof, "--key", &key, "--line", &site.path("line")]).code, 4);
    assert_eq!(telseal(&["verify-proof", &proof]).code, 6);
    assert_eq!(telseal(&["verify-proof", &proof, "--key", &Site::new(1).key()]).code, 4);
    tamper(Path::new(&proof), "index ", "index 1");
    let changed = telseal(&["verify-proof", &proof, "--key", &key]);
    assert!(changed.code == 4 && changed.err.contains("modified"), "{}", changed.err);
}

#[test]
fn a_proof_can_carry_its_line_and_a_policy_can_ask_for_witnesses() {
    let site = Site::new(2);
    let (seq, _) = site.find("record 1");
    let proof = telseal(&["prove", "--seq", &seq, "--with-line", &site.root()]).out;
    write(&site.path("p"), &proof);
    let key = fs::read_to_string(site.key()).unwrap();
    write(&site.path("policy"), &format!("log {}\nquorum none\n", key.trim()));
    let checked = telseal(&["verify-proof", &site.path("p"), "--policy", &site.path("policy"), "--json"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let said: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!((&said["line"], &said["vkey"]), (&true.into(), &key.trim().into()));
    let witness = "w.example/1+";
    write(&site.path("policy"), &format!("log {}\nwitness w {witness}\nquorum w\n", key.trim()));
    assert_eq!(telseal(&["verify-proof", &site.path("p"), "--policy", &site.path("policy")]).code, 2);
}

#[test]
fn the_bytes_are_those_that_sha256sum_would_hash() {
    let site = Site::new(2);
    let (seq, _) = site.find("record 2");
    let line = telseal(&["bytes", "--seq", &seq, "--line", &site.root()]);
    assert_eq!(line.out, r#"{"attributes":{"session.id":"s0"},"body":"record 2","signal":"log"}"#);
    let hashed = telseal(&["bytes", "--seq", &seq, &site.root()]);
    assert!(hashed.out.starts_with("CR/1\0") && hashed.out.ends_with(&line.out), "{}", hashed.out);
    assert!(hashed.err.contains("sha256      "), "{}", hashed.err);
    let facts = telseal(&["bytes", "--seq", &seq, "--json", &site.root()]);
    let facts: serde_json::Value = serde_json::from_str(&facts.out).unwrap();
    assert!(hashed.err.contains(facts["commit_sha256"].as_str().unwrap()));
    assert_eq!(facts["line"], line.out);
    let absent = telseal(&["bytes", "--seq", "999", &site.root()]);
    assert!(absent.code == 6 && absent.err.contains("entry 999"), "{}", absent.err);
}

#[test]
fn an_export_is_whole_or_not_there() {
    let site = Site::new(6);
    let out = site.path("out.csv");
    let arguments = ["export", "--format", "csv", "--out", &out, "--where", "session.id=s1", &site.root()];
    let done = telseal(&arguments);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert!(done.err.contains("records     3"), "{}", done.err);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 4);
    assert!(Path::new(&format!("{out}.proof.json")).is_file());
    let streamed = telseal(&["export", "--format", "ndjson", &site.root()]);
    assert_eq!((streamed.code, streamed.out.lines().count()), (0, 6));
    let other = site.path("other.csv");
    tamper(&site.segment(), "record 3", "record 9");
    let refused = telseal(&["export", "--format", "csv", "--out", &other, &site.root()]);
    assert_eq!((refused.code, refused.out.as_str()), (4, ""), "{}", refused.err);
    assert!(["", ".tmp", ".proof.json"].iter().all(|end| !Path::new(&format!("{other}{end}")).exists()));
    assert_eq!(telseal(&["export", "--format", "ndjson", &site.root()]).out, "");
}

#[test]
fn a_copy_that_lacks_records_ends_with_4_and_their_numbers() {
    let site = Site::new(4);
    let whole = telseal(&["export", "--format", "ndjson", &site.root()]).out;
    write(&site.path("copy"), &whole);
    let same = telseal(&["reconcile", "--copy", &site.path("copy"), &site.root()]);
    assert!(same.code == 0 && same.out.contains("A exact     4"), "{}{}", same.out, same.err);
    let gone = site.find("record 2").0;
    write(&site.path("copy"), &whole.lines().filter(|line| !line.contains("record 2")).collect::<Vec<_>>().join("\n"));
    let less = telseal(&["reconcile", "--copy", &site.path("copy"), &site.root()]);
    assert!(
        less.code == 4
            && less
                .out
                .contains(&format!("UNEXPLAINED 1: not in the copy, and there is no reason why not: entries {gone}")),
        "{}",
        less.out
    );
    let json = telseal(&["reconcile", "--json", "--copy", &site.path("copy"), &site.root()]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["exact"], &json["unexplained"]["count"]), (&3.into(), &1.into()));
}

#[test]
fn an_export_is_noted_in_a_ledger_that_ended_in_order() {
    let site = Site::new(3);
    let export = || telseal(&["export", "--format", "ndjson", &site.root()]);
    let refused = export();
    assert!(
        refused.code == 0 && refused.err.contains("not noted   in the ledger: the last run did not end"),
        "{}",
        refused.err
    );
    site.end();
    let noted = export();
    assert!(noted.code == 0 && noted.err.contains("noted       in the ledger"), "{}", noted.err);
    let ledger = fs::read_to_string(site.segment()).unwrap();
    assert!(ledger.contains(r#"{"audit.control":"export","actor":"uid "#) && ledger.contains(r#""count":3,"first":"#));
    let verified = telseal(&["verify", &site.root()]);
    assert_eq!(verified.code, 0, "{}", verified.err);
}

#[test]
fn keys_are_made_shown_and_changed() {
    let site = Site::new(2);
    let shown = telseal(&["keys", "export", &site.root()]);
    let key = fs::read_to_string(site.key()).unwrap();
    assert!(shown.out.contains(&format!("vkey        {key}")) && shown.out.contains(&format!("policy.txt  log {key}")));
    let json = telseal(&["keys", "export", "--json", &site.segment().display().to_string()]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["vkey"], key.trim());
    // A new epoch: only after an orderly end, and the ledger still verifies.
    assert_eq!(telseal(&["keys", "rotate", &site.root()]).code, 1);
    site.end();
    let rotated = telseal(&["keys", "rotate", &site.root()]);
    assert!(rotated.code == 0 && rotated.err.contains("signs from now on"), "{}", rotated.err);
    assert_eq!(telseal(&["verify", &site.root()]).code, 0);
    // A key for a ceremony.
    let file = site.path("root.key");
    let made = telseal(&["keys", "init", &file, "--origin", "acme.example/audit"]);
    assert!(made.code == 0 && made.out.starts_with("vkey        acme.example/audit+"), "{}{}", made.out, made.err);
    assert_eq!(telseal(&["keys", "init", &file, "--origin", "acme.example/audit"]).code, 1);
    assert_eq!(telseal(&["keys", "init", &site.path("x"), "--origin", "not a name"]).code, 2);
    let witness = telseal(&["keys", "init", &site.path("w.key"), "--origin", "w.example", "--witness"]);
    assert!(witness.out.contains("policy.txt  witness w.example w.example+"), "{}", witness.out);
}

#[test]
fn tiles_are_written_once_and_then_only_what_is_new() {
    let site = Site::new(3);
    let out = site.path("tiles");
    let first = telseal(&["tiles", &site.root(), "--out", &out]);
    assert!(first.code == 0 && first.err.contains("tiles for 4 entries"), "{}", first.err);
    assert!(telseal(&["tiles", &site.root(), "--out", &out]).err.contains(", 0 of them new"));
    assert_eq!(fs::metadata(site.path("tiles/tile/0/000.p/4")).unwrap().len(), 128);
    let other = telseal(&["tiles", &Site::new(9).root(), "--out", &out]);
    assert!(other.code == 4 && other.err.contains("different roots"), "{}", other.err);
}

/// A running witness, ended when it goes.
struct Witness {
    process: Child,
    address: String,
}

impl Witness {
    fn start(site: &Site, key_file: &str) -> Self {
        let (log, state) = (site.key(), site.path("witness"));
        let mut process = Command::new(env!("CARGO_BIN_EXE_telseal"))
            .args(["witness", "--listen", "127.0.0.1:0", "--key", key_file, "--name", "w.example"])
            .args(["--log", &log, "--state", &state])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = format!("http://{}", line.trim_end().rsplit(' ').next().unwrap());
        Self { process, address }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_witness_cosigns_a_ledger_that_grows_and_finds_one_that_was_cut() {
    let site = Site::new(3);
    let made = telseal(&["keys", "init", &site.path("w.key"), "--origin", "w.example", "--witness"]);
    let vkey = made.out.lines().next().unwrap().split_whitespace().last().unwrap().to_owned();
    let witness = Witness::start(&site, &site.path("w.key"));
    let anchor =
        |site: &Site| telseal(&["anchor", &site.root(), "--witness", &witness.address, "--witness-key", &vkey]);
    let first = anchor(&site);
    assert!(first.code == 0 && first.err.contains("cosigned "), "{}", first.err);
    let before = fs::read(site.segment()).unwrap();
    let keys: Vec<(String, Vec<u8>)> = ["epoch.key", "root.key"]
        .iter()
        .map(|name| site.path(&format!("logs/ledger/{name}")))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    site.end();
    let second = anchor(&site);
    assert!(second.code == 0, "{}", second.err);
    let kept = site.path("logs/ledger/anchors/w.example.checkpoint");
    let verified = telseal(&["verify", &site.root(), "--anchor", &kept]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    // A policy that wants this witness is met by a proof with that checkpoint only.
    write(
        &site.path("policy"),
        &format!("log {}\nwitness w {vkey}\nquorum w\n", fs::read_to_string(site.key()).unwrap().trim()),
    );
    write(&site.path("p"), &telseal(&["prove", "--seq", "2", &site.root()]).out);
    let unmet = telseal(&["verify-proof", &site.path("p"), "--policy", &site.path("policy")]);
    assert!(unmet.code == 6 && unmet.err.contains("quorum"), "{}", unmet.err);
    write(&site.path("p"), &telseal(&["prove", "--seq", "2", "--anchor", &kept, &site.root()]).out);
    let met = telseal(&["verify-proof", &site.path("p"), "--policy", &site.path("policy")]);
    assert!(met.code == 0 && met.out.contains("witnesses   w\n"), "{}{}", met.out, met.err);
    // The disk of yesterday.
    write_bytes(site.segment().to_str().unwrap(), &before);
    keys.iter().for_each(|(path, bytes)| write_bytes(path, bytes));
    let cut = anchor(&site);
    assert!(cut.code == 4 && cut.err.contains("truncated"), "{}", cut.err);
    assert_eq!(telseal(&["verify", &site.root(), "--anchor", &kept]).code, 4);
    // It goes on as if nothing had been.
    site.end();
    site.end();
    let forked = anchor(&site);
    assert!(forked.code == 4 && forked.err.contains("forked"), "{}", forked.err);
    assert_eq!(anchor(&Site::new(1)).code, 6);
}

#[expect(clippy::disallowed_methods, reason = "a test puts back an old disk")]
fn write_bytes(path: &str, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
