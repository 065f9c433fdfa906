//! The test vectors of `docs/seal-format.md`, in `tests/vectors`: that the code agrees with each of them.
//!
//! `UPDATE=1 cargo test --test vectors` writes what follows from their inputs anew; read the difference before you commit it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests write what they expect, and say why they skip"
)]

#[path = "vectors/bodies.rs"]
mod bodies;
#[path = "vectors/example.rs"]
mod example;
#[expect(dead_code, reason = "the tamper suite uses the rest")]
#[path = "support/forge.rs"]
mod forge;
#[path = "vectors/lines.rs"]
mod lines;
#[path = "vectors/own.rs"]
mod own;
#[path = "vectors/proof.rs"]
mod proof;
#[path = "support/python.rs"]
mod python;
#[path = "vectors/seal.rs"]
mod seal;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// Compares what was made with the file, or writes the file.
fn compare(name: &str, made: &Value) {
    let text = format!("{}\n", serde_json::to_string_pretty(made).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(name), &text).unwrap();
    }
    let expected = fs::read_to_string(path(name)).unwrap();
    for (number, (made, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(made, expected, "{name}:{}", number + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "{name}");
}
