//! `docs/verify-with-openssl.md`: its commands, as they stand there, accept what was sealed and refuse what was changed.
//!
//! Without bash, openssl 3, jq, xxd, sha256sum or base64 the test is skipped and says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/forge.rs"]
mod forge;

use std::fs;
use std::path::Path;
use std::process::Command;

use forge::Forge;

/// Every `sh` block of the document, as one script.
fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-with-openssl.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 8, "the document has {} blocks", blocks.len());
    format!("set -euo pipefail\n{}", blocks.concat())
}

/// Why the commands cannot run here.
fn missing() -> Option<String> {
    for tool in ["bash", "openssl", "jq", "xxd", "sha256sum", "base64"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("there is no {tool}"));
        }
    }
    let version = Command::new("openssl").arg("version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    (!version.starts_with("OpenSSL 3") && !version.starts_with("OpenSSL 4")).then_some(version)
}

/// The commands, over a line of a segment: whether they ended well, and what they printed.
fn run(segment: &Path, root: &str, line: usize) -> (bool, String) {
    let output = Command::new("bash")
        .args(["-c", &script()])
        .env("segment", segment)
        .env("root", root)
        .env("line", line.to_string())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn ledger() -> Forge {
    let mut forge = Forge::new("example.org/seal/runbook");
    forge.checkpoint(true);
    for n in 0..5 {
        forge.record(&format!(r#"{{"body":"record {n} with \" and ☃","signal":"log"}}"#));
    }
    forge.checkpoint(false);
    forge.rotate(true);
    forge.roll();
    for n in 0..6 {
        forge.record(&format!(r#"{{"body":{n},"signal":"log"}}"#));
        if n % 3 == 2 {
            forge.checkpoint(false);
        }
    }
    forge.stub(9);
    forge
}

const OK: [&str; 5] = [
    "ok: the record is what was sealed",
    "entries, the record among them",
    "ok: the root key certified this epoch's key",
    "ok: the epoch's key signed the checkpoint",
    "ok: the epoch's key signed the segment's header",
];

#[test]
fn the_commands_accept_what_was_sealed() {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let forge = ledger();
    forge.write(dir.path());
    for (segment, line) in [(0, 4), (0, 8), (1, 2), (1, 6)] {
        let path = dir.path().join(forge.segments[segment].name());
        let (ok, said) = run(&path, &forge.root.vkey(), line);
        assert!(ok, "segment {segment}, line {line}: {said}");
        for words in OK {
            assert!(said.contains(words), "segment {segment}, line {line}: {words} is not in {said}");
        }
    }
}

/// Damage to a text, and how many of the checks still pass.
type Damage = (fn(&str) -> String, usize);

const DAMAGES: [Damage; 5] = [
    (|text| text.replacen("record 1", "record 7", 1), 0),
    // Of another record in the same group, the time.
    (|text| with_entry_changed(text, 6), 1),
    (|text| text.replacen("\\n6\\n", "\\n7\\n", 1), 1),
    (|text| text.replacen("telseal epoch/v1\\n", "telseal epoch/v2\\n", 1), 2),
    (|text| text.replacen("\"records\":0", "\"records\":1", 1), 4),
];

fn with_entry_changed(text: &str, line: usize) -> String {
    let honest = forge::entry_of(text.lines().nth(line).unwrap());
    let mut changed = honest;
    changed[39] ^= 1;
    text.replacen(&forge::b64(&honest), &forge::b64(&changed), 1)
}

#[test]
fn the_commands_refuse_what_was_changed() {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let forge = ledger();
    forge.write(dir.path());
    let path = dir.path().join(forge.segments[0].name());
    let (ok, said) = run(&path, &forge.keys[0].vkey(), 5);
    assert!(!ok, "another root key: {said}");
    for (number, (damage, passing)) in DAMAGES.iter().enumerate() {
        let honest = forge.segments[0].text();
        let changed = damage(&honest);
        assert_ne!(honest, changed, "damage {number}");
        write(&path, &changed);
        let (ok, said) = run(&path, &forge.root.vkey(), 5);
        let passed = OK.iter().take_while(|words| said.contains(**words)).count();
        assert_eq!((ok, passed), (false, *passing), "damage {number}: {said}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test damages a file")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
