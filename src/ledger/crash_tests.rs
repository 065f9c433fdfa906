//! A process killed at every effect on the disk: of commits, rotations, orders, closing, and the end of a run. What is left
//! goes on, verifies, and holds every acknowledged record.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::bodies::tests::{check_keys, encrypted, encryption};
use super::entry::Kind;
use super::verify::{VerifyOptions, verify};
use super::{Drafts, Ledger, LedgerError, Options, close};
use crate::stdx::durable;
use crate::stdx::durable::faults::{kill_at, revive, tore};
use crate::stdx::segments::Position;

fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn options() -> Options {
    Options { segment_bytes_max: 3500, epoch_entries: 9, encryption: encryption(), ..Options::new("logs") }
}

fn group(names: &[usize]) -> Drafts {
    let mut drafts = Drafts::with_capacity(names.len(), 100);
    for name in names {
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {name}"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
    }
    drafts
}

/// Closes what can be closed, on this thread.
fn close_all(ledger: &mut Ledger) -> Result<(), LedgerError> {
    while let Some(packing) = ledger.segments.to_pack(ledger.end()) {
        close::close(&packing.path(), packing.first(), &AtomicBool::new(false))?;
        packing.finish()?;
    }
    Ok(())
}

/// One run of a process, up to its end or its death; what it acknowledged is noted.
fn live(dir: &Path, run: usize, acknowledged: &mut Vec<usize>) -> Result<(), LedgerError> {
    let (mut ledger, ..) = Ledger::open(dir, &options())?;
    let first = run * 100;
    for n in (first..first + 8).step_by(2) {
        ledger.append(&[group(&[n]), group(&[n + 1])])?;
        acknowledged.extend([n, n + 1]);
    }
    ledger.rotate()?;
    ledger.append_order(Kind::Hold, br#"{"actor":"x","first":1,"hold":"h","last":9,"reason":"r"}"#)?;
    close_all(&mut ledger)?;
    ledger.append(&[group(&[first + 8])])?;
    acknowledged.push(first + 8);
    ledger.finish()
}

fn bodies(dir: &Path) -> Vec<usize> {
    let (_, mut reader, _) = Ledger::open(dir, &options()).unwrap();
    let (mut at, mut found) = (Position::default(), Vec::new());
    while let Some(chunk) = reader.read(at, 1000).unwrap() {
        let text = std::str::from_utf8(&chunk.lines).unwrap();
        let name = |line: &str| line.strip_prefix("{\"body\":\"record ")?.split('"').next()?.parse().ok();
        found.extend(text.lines().map(|line| -> usize { name(line).unwrap() }));
        at = chunk.next;
    }
    found
}

fn check(dir: &Path, acknowledged: &[usize], what: &str) {
    let found = bodies(dir);
    let mut missing = acknowledged.iter().filter(|name| !found.contains(name));
    assert_eq!(missing.next(), None, "{what}: lost; found {found:?}");
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {found:?}");
    let verdict = verify(dir, &VerifyOptions { keyring: encryption(), ..VerifyOptions::default() });
    assert!(verdict.is_ok(), "{what}: {}", verdict.unwrap_err());
    let left = durable::list(dir).unwrap();
    let is_left = |path: &&std::path::PathBuf| {
        [".zst.tmp", ".keys.tmp"].iter().any(|end| path.to_string_lossy().ends_with(end))
            || path.ends_with("epoch.next")
    };
    assert_eq!(left.iter().find(is_left), None, "{what}");
    check_keys(dir);
}

/// Runs twice without a kill, then with a kill at each effect of the second run (of the first one, when `first`).
fn killed_everywhere(first: bool) {
    let rehearsal = fast_dir();
    let mut acknowledged = Vec::new();
    kill_at(u64::MAX, false);
    live(rehearsal.path(), 0, &mut acknowledged).unwrap();
    let (mut effects, mut records) = (revive(), acknowledged.len());
    if !first {
        kill_at(u64::MAX, false);
        live(rehearsal.path(), 1, &mut acknowledged).unwrap();
        (effects, records) = (revive(), acknowledged.len());
    }
    assert!(effects > 60, "{effects}");
    let is_key = |path: std::path::PathBuf| path.extension().is_some_and(|end| end == "keys");
    assert_eq!(durable::list(rehearsal.path()).unwrap().into_iter().any(is_key), !encryption().is_empty());
    check(rehearsal.path(), &acknowledged, "without a kill");
    for at in 1..=effects {
        // What is no write cannot be done by half.
        if killed(at, true, first, (effects, records)) {
            killed(at, false, first, (effects, records));
        }
    }
}

/// One death, and two lives after it. True when a write was torn.
fn killed(at: u64, torn: bool, first: bool, (effects, records): (u64, usize)) -> bool {
    let what = format!("killed at effect {at} of {effects}, torn: {torn}");
    let (dir, mut acknowledged) = (fast_dir(), Vec::new());
    if !first {
        live(dir.path(), 0, &mut acknowledged).unwrap();
    }
    kill_at(at, torn);
    let outcome = live(dir.path(), 1, &mut acknowledged);
    let tore = tore();
    revive();
    // What comes last only makes names durable or cleans up.
    assert!(outcome.is_err() || acknowledged.len() == records, "{what}");
    check(dir.path(), &acknowledged, &what);
    live(dir.path(), 2, &mut acknowledged).unwrap();
    check(dir.path(), &acknowledged, &what);
    tore
}

#[test]
fn a_kill_at_any_effect_of_the_first_run_loses_nothing_acknowledged() {
    killed_everywhere(true);
}

#[test]
fn a_kill_at_any_effect_of_a_later_run_loses_nothing_acknowledged() {
    killed_everywhere(false);
}

#[test]
fn a_kill_at_any_effect_of_the_first_run_with_encrypted_bodies_loses_nothing_acknowledged() {
    encrypted(|| killed_everywhere(true));
}

#[test]
fn a_kill_at_any_effect_of_a_later_run_with_encrypted_bodies_loses_nothing_acknowledged() {
    encrypted(|| killed_everywhere(false));
}
