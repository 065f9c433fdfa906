//! `proof.json`: that `telseal verify-proof` says of each proof what stands there.

use std::path::Path;
use std::process::{Command, Output};

fn verify(file: &Path, key: &str, line: Option<&Path>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telseal"));
    command.arg("verify-proof").arg(file).args(["--key", key]);
    if let Some(line) = line {
        command.arg("--line").arg(line);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test writes its files")]
fn every_proof_is_judged_as_the_vectors_say() {
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
