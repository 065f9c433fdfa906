//! `telseal demo` as a newcomer runs it: it shows everything, and nothing that was secret is anywhere afterwards.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SECTIONS: [&str; 8] =
    ["came in", "redacted", "tagged", "sealed", "verified", "one line", "delivered", "try next"];

/// Secrets of the session, whole or as the part that gives them away.
const PLANTED: [&str; 9] = [
    "maya.okafor",
    "tomas.lindqvist",
    "4539 1488 0343 6467",
    "AKIAQX7TELSEALDEMO42",
    "dEm0Qw7xLr2Vt9Kp4Zs6Nh3Yb8Mc1Jf5Gd0TeLsE",
    "ghp_TelsealDemo4kR7mX2qW9zB5nV8cJ3hL6pD1",
    "demo-9f3KxT7vQm2Zr8Lw5Yp1Hs6Nd4Bc0Ge",
    "Tr0ub4dor-demo",
    "eyJzdWIiOiJkcm9pZC1kZW1v",
];

fn demo(home: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_telseal")).arg("demo").current_dir(home).output().unwrap()
}

fn shown(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut dirs) = (vec![], vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn everything_is_shown_on_one_screen_also_while_the_usual_ports_are_taken() {
    let home = tempfile::tempdir().unwrap();
    // Whether these succeed does not matter: then somebody else has them.
    let _taken: Vec<_> = [4317, 4318, 8888].map(|port| TcpListener::bind(("127.0.0.1", port))).into();
    let output = demo(home.path());
    let text = shown(&output);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{text}");
    for section in SECTIONS {
        assert!(text.lines().any(|line| line.starts_with(&format!("{section} "))), "no `{section}` in\n{text}");
    }
    for (number, line) in text.lines().enumerate() {
        let is_command = line.contains(" verify ") || line.contains(" run --config") || line.contains("jq ");
        assert!(line.chars().count() <= 100 || is_command, "line {} is too wide: {line}", number + 1);
    }
    assert!(text.lines().count() <= 48, "{} lines", text.lines().count());
    assert!(text.contains("critical") && text.contains("AG-"), "{text}");
    assert!(!text.contains('\x1b'), "colour is for terminals");
}

#[test]
fn no_planted_secret_is_shown_or_written() {
    let home = tempfile::tempdir().unwrap();
    let session: Vec<u8> = ["logs", "traces", "metrics"]
        .iter()
        .flat_map(|name| fs::read(format!("{}/examples/session/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .collect();
    let output = demo(home.path());
    assert_eq!(output.status.code(), Some(0));
    let files = files_below(home.path());
    assert!(files.len() > 10, "{files:?}");
    for planted in PLANTED {
        assert!(has(&session, planted), "{planted} is not in the session");
        assert!(!has(&output.stdout, planted) && !has(&output.stderr, planted), "{planted} is shown");
        for file in &files {
            assert!(!has(&fs::read(file).unwrap(), planted), "{planted} is in {}", file.display());
        }
    }
}

#[test]
fn a_second_run_has_a_folder_of_its_own_and_what_is_left_can_be_verified() {
    let home = tempfile::tempdir().unwrap();
    for run in ["telseal-demo/1", "telseal-demo/2"] {
        let output = demo(home.path());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(shown(&output).contains(&format!(" verify {run}\n")), "{}", shown(&output));
    }
    for run in ["1", "2"] {
        let verify = Command::new(env!("CARGO_BIN_EXE_telseal"))
            .arg("verify")
            .arg(home.path().join("telseal-demo").join(run))
            .output()
            .unwrap();
        assert_eq!(verify.status.code(), Some(0), "{}", String::from_utf8_lossy(&verify.stderr));
        assert_eq!(shown(&verify).matches("verified ").count(), 3);
    }
}

#[test]
fn the_jq_command_that_it_names_finds_the_critical_records() {
    if Command::new("jq").arg("--version").output().is_err() {
        eprintln!("skipped: jq is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path());
    let command = shown(&output).lines().find_map(|line| line.trim_start().strip_prefix("jq ")).unwrap();
    let found = Command::new("sh").arg("-c").arg(format!("jq {command}")).current_dir(home.path()).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    assert!(shown(&found).contains("\"risk.level\": \"critical\""), "{}", shown(&found));
}

#[test]
fn a_folder_that_cannot_be_made_is_one_message_and_exit_code_1() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("telseal-demo");
    #[expect(clippy::disallowed_methods, reason = "a file in the way")]
    fs::write(&path, "").unwrap();
    let output = demo(home.path());
    assert_eq!((output.status.code(), shown(&output)), (Some(1), ""));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("telseal: demo: cannot create telseal-demo: "), "{error}");
}
