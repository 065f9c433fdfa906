//! `bodies.json`: the ledger of the vectors with its bodies encrypted. Both verifiers open it, and so does what reads lines.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use telseal::ledger::Keyring;
use telseal::ledger::walk::{Item, SegmentReader};

use crate::forge::locked::{body_key, key_id, locked_line};
use crate::forge::{b64, hex};

fn made() -> Value {
    let mut forge = super::seal::ledger();
    let clear: Vec<String> = forge.segments.iter().flat_map(|segment| segment.lines.clone()).collect();
    let records = clear.iter().filter(|line| !line.starts_with("{\"audit."));
    let opened: Vec<Value> = records.map(|line| json!({"line": locked_line(line), "sealed": line})).collect();
    let key = body_key("vectors");
    (0..forge.segments.len()).for_each(|segment| forge.lock(segment, &key));
    let data_keys = (0..forge.segments.len()).map(|segment| {
        let key = forge.data_key(segment);
        json!({"segment": forge.segments[segment].first, "id": key_id(&key), "key": hex(&key)})
    });
    let segments = forge.segments.iter().map(|segment| (segment.name(), json!(segment.lines)));
    let keys = forge.beside.iter().map(|(name, text)| {
        let text = std::str::from_utf8(text).unwrap();
        (name.clone(), json!(text.lines().collect::<Vec<_>>()))
    });
    json!({
        "root": forge.root.vkey(),
        "body_key": {"id": key_id(&key), "key": hex(&key), "line_of_the_file": b64(&key)},
        "data_keys": data_keys.collect::<Vec<_>>(),
        "files": Value::Object(segments.chain(keys).collect()),
        "opened": opened,
        "verify": {"with_the_key": {"exit": 0}, "without": {"exit": 6}},
    })
}

/// The files of the vectors, and the file with the key.
#[expect(clippy::disallowed_methods, reason = "a test writes its files")]
fn written(dir: &Path) -> (Value, PathBuf) {
    let vectors = super::read("bodies.json");
    let ledger = dir.join("ledger");
    std::fs::create_dir(&ledger).unwrap();
    for (name, lines) in vectors["files"].as_object().unwrap() {
        let lines: String =
            lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned() + "\n").collect();
        std::fs::write(ledger.join(name), lines).unwrap();
    }
    let key = dir.join("body.key");
    std::fs::write(&key, vectors["body_key"]["line_of_the_file"].as_str().unwrap()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    (vectors, key)
}

#[test]
fn encrypted_bodies_are_made_of_these_bytes() {
    super::compare("bodies.json", &made());
}

#[test]
fn both_verifiers_say_of_encrypted_bodies_what_the_vectors_say() {
    let dir = tempfile::tempdir().unwrap();
    let (vectors, key) = written(dir.path());
    let mut telseal = Command::new(env!("CARGO_BIN_EXE_telseal"));
    telseal.arg("verify");
    let python = crate::python::or_skip().map(|python| {
        let mut command = Command::new(python);
        command.arg(crate::python::script());
        command
    });
    for mut command in std::iter::once(telseal).chain(python) {
        command.arg(dir.path().join("ledger")).args(["--key", vectors["root"].as_str().unwrap()]);
        for case in ["without", "with_the_key"] {
            if case == "with_the_key" {
                command.arg("--encryption-key").arg(&key);
            }
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code().map(i64::from), vectors["verify"][case]["exit"].as_i64(), "{case}: {said}");
        }
    }
}

#[test]
fn every_locked_line_opens_to_the_line_that_was_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (vectors, key) = written(dir.path());
    let keyring = Keyring::read(&key).unwrap();
    assert_eq!(keyring.in_use().unwrap().to_string(), vectors["body_key"]["id"].as_str().unwrap());
    let mut found = vec![];
    for name in vectors["files"].as_object().unwrap().keys().filter(|name| name.ends_with(".ndjson")) {
        let mut reader = SegmentReader::open(&dir.path().join("ledger").join(name), &keyring).unwrap();
        while let Some(item) = reader.next_item().unwrap() {
            if let Item::Sealed(sealed) = item
                && !sealed.line.starts_with(b"{\"audit.")
            {
                assert!(sealed.is_genuine());
                found.push(String::from_utf8(sealed.line.to_vec()).unwrap());
            }
        }
    }
    let expected: Vec<&str> =
        vectors["opened"].as_array().unwrap().iter().map(|one| one["sealed"].as_str().unwrap()).collect();
    assert_eq!(found, expected);
}
