//! `telseal retain`, `hold` and `erase` as they are called: what they refuse, what they print, and that a verifier agrees after
//! each step.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::path::Path;
use std::process::Command;

use telseal::ledger::{Drafts, Ledger, Options};

fn telseal(data: &Path, arguments: &[&str]) -> (i32, String) {
    let command = arguments[0];
    let run =
        Command::new(env!("CARGO_BIN_EXE_telseal")).arg(command).arg(data).args(&arguments[1..]).output().unwrap();
    let text = [run.stdout, run.stderr].concat();
    (run.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

/// Twenty records in small segments.
fn site() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("logs/ledger");
    let options = Options { segment_bytes_max: 4000, ..Options::new("logs") };
    let (mut ledger, ..) = Ledger::open(&dir, &options).unwrap();
    for n in 1..=20 {
        let mut drafts = Drafts::with_capacity(1, 100);
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}","signal":"log"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
        ledger.append(&[drafts]).unwrap();
    }
    ledger.finish().unwrap();
    data
}

fn verified(data: &Path) -> serde_json::Value {
    let (code, text) = telseal(data, &["verify", "--json"]);
    assert_eq!(code, 0, "{text}");
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["ledgers"][0].clone()
}

#[test]
fn bodies_are_held_erased_and_retained_and_every_state_verifies() {
    let data = site();
    let data = data.path();
    let size = verified(data)["size"].as_u64().unwrap();
    let (code, text) = telseal(data, &["retain", "--older-than", "1d"]);
    assert_eq!((code, text.contains("none is due"), verified(data)["size"].as_u64()), (0, true, Some(size)), "{text}");

    let (code, text) = telseal(data, &["hold", "--first", "2", "--last", "3", "--reason", "case 7", "--id", "h"]);
    assert_eq!(code, 0, "{text}");
    let size = verified(data)["size"].as_u64().unwrap();
    let erase = ["erase", "--seq", "3", "--request", "r-1", "--basis", "law"];
    let (code, text) = telseal(data, &erase);
    assert_eq!((code, text.contains("must stay"), verified(data)["size"].as_u64()), (2, true, Some(size)), "{text}");
    assert_eq!(telseal(data, &["hold", "--release", "other"]).0, 2);
    assert_eq!(telseal(data, &["hold", "--release", "h"]).0, 0);
    assert_eq!(telseal(data, &["hold"]), (0, "no hold is in force\n".to_owned()));
    let (code, text) = telseal(data, &erase);
    assert_eq!((code, text.contains("erased 1 records")), (0, true), "{text}");
    assert_eq!(verified(data)["bodies_gone"], 1);
    assert_eq!(telseal(data, &erase).0, 2, "it is gone already");

    let (code, text) = telseal(data, &["retain", "--older-than", "0", "--dry-run"]);
    assert_eq!((code, text.contains("would lose"), &verified(data)["bodies_gone"]), (0, true, &1.into()), "{text}");
    let (code, text) = telseal(data, &["retain", "--older-than", "0", "--json", "--policy", "7 years"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        code == 0 && plan["records"].as_u64().unwrap() > 8 && plan["freed_bytes"].as_u64().unwrap() > 4000,
        "{text}"
    );
    assert!(verified(data)["bodies_gone"].as_u64().unwrap() > 8);
    assert_eq!(telseal(data, &["erase", "--seq", "1", "--request", "r", "--basis", "b\"c"]).0, 2);
}

#[test]
fn a_ledger_that_was_changed_or_is_in_use_is_not_touched() {
    let data = site();
    let dir = data.path().join("logs/ledger");
    let lock = telseal::stdx::durable::lock_dir(data.path()).unwrap();
    let (code, text) = telseal(data.path(), &["retain", "--older-than", "0"]);
    assert_eq!((code, text.contains("stop it first")), (1, true), "{text}");
    drop(lock);
    let first = dir.join("00000000000000000000.ndjson");
    let text = std::fs::read_to_string(&first).unwrap().replacen("record 2\"", "record 3\"", 1);
    telseal::stdx::durable::write_atomic(&first, text.as_bytes(), telseal::stdx::durable::Mode::Shared).unwrap();
    let files = std::fs::read_dir(&dir).unwrap().count();
    let (code, text) = telseal(data.path(), &["retain", "--older-than", "0"]);
    assert_eq!((code, text.contains("modified")), (4, true), "{text}");
    let left = std::fs::read_dir(&dir).unwrap().filter(|file| file.as_ref().unwrap().file_name() != "lock").count();
    assert_eq!(left, files);
}
