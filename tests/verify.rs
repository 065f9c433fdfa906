//! `telseal verify` as it is called: what it prints where, and with which exit code it ends.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use telseal::ledger::{Drafts, Ledger, Options};

fn verify(arguments: &[&Path]) -> (Option<i32>, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_telseal")).arg("verify").args(arguments).output();
    let Output { status, stdout, stderr } = run.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A data directory with one pipeline and three sealed records; and its only segment.
fn sealed() -> (tempfile::TempDir, PathBuf) {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("logs").join("ledger");
    fs::create_dir_all(&dir).unwrap();
    let (mut ledger, ..) = Ledger::open(&dir, &Options::new("logs")).unwrap();
    for n in 1..=3 {
        let mut drafts = Drafts::with_capacity(1, 100);
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
        ledger.append(&[drafts]).unwrap();
    }
    (data, dir.join("00000000000000000000.ndjson"))
}

#[expect(clippy::disallowed_methods, reason = "a test damages a file")]
fn tamper(path: &Path, from: &str, to: &str) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let at = text.find(from).unwrap();
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    text[..at].matches('\n').count() + 1
}

#[test]
fn a_whole_ledger_is_verified_by_its_own_key_and_by_one_from_elsewhere() {
    let (data, segment) = sealed();
    let key_file = segment.with_file_name("key.pub");
    let key = fs::read_to_string(&key_file).unwrap();
    for arguments in [
        vec![data.path()],
        vec![segment.as_path()],
        vec![data.path(), Path::new("--key"), Path::new(key.trim())],
        vec![data.path(), Path::new("--key"), &key_file],
    ] {
        let (code, out, err) = verify(&arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(out.starts_with("verified ") && out.contains("3 records"), "{out}");
        let is_given = arguments.len() > 1;
        assert_eq!(out.contains("that the key is the right one"), !is_given, "{out}");
    }
}

#[test]
fn a_changed_record_ends_with_4_and_its_file_and_line() {
    let (data, segment) = sealed();
    let line = tamper(&segment, "record 2", "record 9");
    let (code, out, err) = verify(&[data.path()]);
    assert_eq!((code, out.as_str()), (Some(4), ""), "{err}");
    assert!(err.starts_with(&format!("telseal: {}:{line}: modified: entry ", segment.display())), "{err}");
}

#[test]
fn a_foreign_key_ends_with_4() {
    let (data, _) = sealed();
    let (_other, segment) = sealed();
    let (code, _, err) = verify(&[data.path(), Path::new("--key"), &segment.with_file_name("key.pub")]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains(": wrong-key"), "{err}");
}

#[test]
fn nothing_to_check_ends_with_6_and_no_such_folder_with_1() {
    let empty = tempfile::tempdir().unwrap();
    let (code, out, err) = verify(&[empty.path()]);
    assert_eq!((code, out.as_str()), (Some(6), ""));
    assert!(err.starts_with("telseal: cannot conclude: no ledger in "), "{err}");
    let missing = empty.path().join("missing");
    let (code, _, err) = verify(&[&missing]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&missing.display().to_string()), "{err}");
}

#[test]
fn what_is_no_key_ends_with_2() {
    let (data, segment) = sealed();
    for no_key in [Path::new("no-such-file"), &segment.with_file_name("lock"), &segment] {
        let (code, out, err) = verify(&[data.path(), Path::new("--key"), no_key]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{}: {err}", no_key.display());
        assert!(err.contains("--key"), "{err}");
    }
}

#[test]
fn machines_get_one_json_object_of_success_and_of_failure() {
    let (data, segment) = sealed();
    let json = Path::new("--json");
    let (code, out, _) = verify(&[data.path(), json]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["result"], &report["ledgers"][0]["records"]), (Some(0), &"verified".into(), &3.into()));
    let line = tamper(&segment, "record 2", "record 9");
    let (code, out, _) = verify(&[data.path(), json]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["finding"], &report["line"]), (Some(4), &"modified".into(), &line.into()));
}

#[test]
fn what_was_cut_off_ends_with_4_beside_a_checkpoint_kept_elsewhere_and_what_is_old_with_6() {
    let (data, segment) = sealed();
    let text = fs::read_to_string(&segment).unwrap();
    let note = text.lines().last().unwrap().split('"').nth(3).unwrap().replace("\\n", "\n");
    let anchor = data.path().join("anchor");
    write(&anchor, &note);
    let with_anchor = [data.path(), Path::new("--anchor"), anchor.as_path()];
    assert_eq!(verify(&with_anchor).0, Some(0));
    let cut: String = text.split_inclusive('\n').take(text.lines().count() - 2).collect();
    write(&segment, &cut);
    let (code, _, err) = verify(&with_anchor);
    assert!(code == Some(4) && err.contains(": truncated: "), "{err}");
    let (code, _, err) = verify(&[data.path(), Path::new("--expect-size"), Path::new("999")]);
    assert!(code == Some(4) && err.contains(": truncated: "), "{err}");
    assert_eq!(verify(&[data.path(), Path::new("--max-age"), Path::new("1h")]).0, Some(0));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (code, _, err) = verify(&[data.path(), Path::new("--max-age"), Path::new("0")]);
    assert!(code == Some(6) && err.contains(": stale: "), "{err}");
    assert_eq!(verify(&[data.path(), Path::new("--max-age"), Path::new("soon")]).0, Some(2));
    assert_eq!(verify(&[data.path(), Path::new("--anchor"), &segment]).0, Some(2));
}

#[expect(clippy::disallowed_methods, reason = "a test writes files")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
