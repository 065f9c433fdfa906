//! What can be done to a ledger, and what a verifier must say to each: the table is `tests/tamper/table.rs`, one line a
//! manipulation. Every row runs against `telseal verify` and against the Python verifier.
//!
//! The ledgers come from a second writer (`tests/support/forge.rs`) that has all keys, as an attacker might. The Python
//! verifier needs `python3` with `cryptography`; without them its half is skipped and says so, unless `TELSEAL_REQUIRE_PYTHON=1`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

#[path = "tamper/copies.rs"]
mod copies;
#[expect(dead_code, reason = "the vectors use the rest")]
#[path = "support/forge.rs"]
mod forge;
#[path = "support/python.rs"]
mod python;
#[path = "tamper/random.rs"]
mod random;
#[path = "tamper/scene.rs"]
mod scene;
#[path = "tamper/table.rs"]
mod table;

use std::path::Path;
use std::process::{Command, Output};

use scene::Scene;
use table::{Row, YOUNGER_THAN_PYTHON, rows};

/// Exit code and everything said.
fn run(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or(-1), text)
}

fn telseal(scene: &Scene, dir: &Path) -> (i32, String) {
    run(Command::new(env!("CARGO_BIN_EXE_telseal")).arg("verify").args(scene.arguments(dir)))
}

fn python_verifier(python: &Path, scene: &Scene, dir: &Path) -> (i32, String) {
    // It counts ages in seconds.
    let arguments =
        scene.arguments(dir).into_iter().map(|argument| if argument == "3600s" { "3600".into() } else { argument });
    run(Command::new(python).arg(python::script()).args(arguments))
}

/// Makes the ledger of a row in a folder of its own.
fn made(row: &Row) -> (tempfile::TempDir, Scene) {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new();
    (row.does)(&mut scene);
    scene.write(dir.path());
    (dir, scene)
}

/// What is wrong with an answer, if anything.
fn judge(row: &Row, (exit, said): &(i32, String), findings: bool) -> Option<String> {
    let fits = row.findings.is_empty() || row.findings.split('|').any(|finding| said.contains(finding));
    if *exit == row.exit && (fits || !findings) {
        return None;
    }
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Some(format!("  {}: expected exit {} {}, got {exit}: {first}", row.name, row.exit, row.findings))
}

fn check_all(verifier: impl Fn(&Scene, &Path) -> (i32, String) + Sync, findings: bool, without: &[&str]) {
    const THREADS: usize = 4;
    let check = |thread: usize| {
        let rows =
            rows().enumerate().filter(|(number, row)| number % THREADS == thread && !without.contains(&row.name));
        let wrong = rows.filter_map(|(_, row)| {
            let (dir, scene) = made(row);
            judge(row, &verifier(&scene, dir.path()), findings)
        });
        wrong.collect::<Vec<String>>()
    };
    let check = &check;
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || check(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows().count(), wrong.join("\n"));
}

#[test]
fn telseal_says_of_each_manipulation_what_the_table_says() {
    check_all(telseal, true, &[]);
}

#[test]
fn the_python_verifier_ends_with_the_same_exit_codes() {
    let Some(python) = python::or_skip() else { return };
    check_all(|scene, dir| python_verifier(&python, scene, dir), false, YOUNGER_THAN_PYTHON);
}

#[test]
fn the_table_has_at_least_forty_manipulations_and_each_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<&str> = rows().map(|row| row.name).collect();
    assert_eq!(names.len(), rows().count());
    assert!(rows().filter(|row| row.exit == 4).count() >= 40);
    assert!(YOUNGER_THAN_PYTHON.iter().all(|name| names.contains(name)));
}

#[test]
fn every_row_changes_something() {
    let (honest_dir, honest) = (tempfile::tempdir().unwrap(), Scene::new());
    honest.write(honest_dir.path());
    let honest_files = scene::files_of(honest_dir.path());
    for row in rows().filter(|row| row.exit != 0) {
        let (dir, scene) = made(row);
        let changed = scene::files_of(dir.path()) != honest_files || scene.has_arguments();
        assert!(changed, "{}", row.name);
    }
}
