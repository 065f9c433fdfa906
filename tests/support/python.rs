//! The second verifier, `tools/verify_seal.py`, and a Python that can run it: one with `cryptography`, installed on first
//! use into `target/seal-python` at the version of `tools/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the verifier is.
pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/verify_seal.py")
}

fn works(python: &Path) -> bool {
    Command::new(python).args(["-c", "import cryptography"]).output().is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or_else(|| format!("{command:?}: {}\n{said}", output.status))
}

fn prepare() -> Result<PathBuf, String> {
    if !script().is_file() {
        return Err("there is no tools/verify_seal.py".into());
    }
    let system = PathBuf::from("python3");
    if works(&system) {
        return Ok(system);
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("seal-python");
    let python = dir.join("bin/python");
    if !works(&python) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", "cryptography>=42"];
        run(Command::new(&python).args(pip))?;
    }
    Ok(python)
}

/// A Python that can run the verifier, unless there is none and that is allowed.
pub(crate) fn or_skip() -> Option<PathBuf> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON
        .get_or_init(prepare)
        .clone()
        .inspect_err(|reason| {
            assert!(std::env::var_os("TELSEAL_REQUIRE_PYTHON").is_none_or(|value| value != "1"), "{reason}");
            println!("skipped: {reason}");
        })
        .ok()
}
