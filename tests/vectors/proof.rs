//! `proof.json`: that both verifiers say of each proof what stands there.

use std::path::Path;
use std::process::{Command, Output};

type Said = (Option<i32>, String);

fn telseal(file: &Path, key: &str, line: Option<&Path>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telseal"));
    command.arg("verify-proof");
    run(&mut command, file, key, line)
}

fn run(command: &mut Command, file: &Path, key: &str, line: Option<&Path>) -> Said {
    command.arg(file).args(["--key", key]);
    if let Some(line) = line {
        command.arg("--line").arg(line);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn every_proof_is_judged_as_the_vectors_say() {
    judge_all(&telseal);
}

#[test]
fn the_python_verifier_judges_every_proof_the_same() {
    let Some(python) = crate::python::or_skip() else { return };
    judge_all(&|file, key, line| {
        let mut command = Command::new(&python);
        command.arg(crate::python::script());
        run(&mut command, file, key, line)
    });
}

#[expect(clippy::disallowed_methods, reason = "a test writes its files")]
fn judge_all(verify: &dyn Fn(&Path, &str, Option<&Path>) -> Said) {
    let vectors = super::read("proof.json");
    let dir = tempfile::tempdir().unwrap();
    let (file, line) = (dir.path().join("x.tlog-proof"), dir.path().join("line"));
    std::fs::write(&line, vectors["line"].as_str().unwrap()).unwrap();
    for (name, case) in vectors["proofs"].as_object().unwrap() {
        std::fs::write(&file, case["text"].as_str().unwrap()).unwrap();
        for with_line in [None, Some(line.as_path())] {
            let (exit, said) = verify(&file, vectors["root"].as_str().unwrap(), with_line);
            assert_eq!(exit.map(i64::from), case["exit"].as_i64(), "{name}: {said}");
            assert!(said.contains(case["finding"].as_str().unwrap()), "{name}: {said}");
        }
        let (exit, said) = verify(&file, vectors["another_root"].as_str().unwrap(), None);
        assert_eq!(exit, Some(4), "{name}, another root: {said}");
    }
    let text = vectors["proofs"]["signed by the root, without the line"]["text"].as_str().unwrap();
    std::fs::write(&file, text).unwrap();
    std::fs::write(&line, vectors["line"].as_str().unwrap().replacen("1.0", "1", 1)).unwrap();
    let (exit, said) = verify(&file, vectors["root"].as_str().unwrap(), Some(&line));
    assert_eq!(exit, Some(4), "a line with `1` where `1.0` was sealed: {said}");
}
