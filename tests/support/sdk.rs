//! The official SDKs, installed on first use into `target/sdk-cache` at the versions pinned under `tests/sdk`. Without Python
//! or a package registry a test is skipped and says so; `TELSEAL_REQUIRE_SDKS=1` makes that a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::said;

/// A path in the repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `target/sdk-cache/<name>`.
pub(crate) fn cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below target").join("sdk-cache").join(name)
}

/// Runs a command to its good end, or says what it said.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = said(&output);
    output.status.success().then_some(()).ok_or_else(|| format!("{command:?}: {}\n{said}", output.status))
}

/// Installs into the folder unless what `pins` says is there already.
pub(crate) fn install(dir: &Path, pins: &Path, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let wanted = fs::read_to_string(pins).unwrap();
    let marker = dir.join("installed");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(dir).unwrap();
    install()?;
    fs::write(marker, wanted).unwrap();
    Ok(())
}

/// Python with the SDK, or why not.
pub(crate) fn python() -> Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let prepare = || {
        let dir = cache("python");
        let python = dir.join("bin/python");
        let pins = root("tests/sdk/python/requirements.txt");
        install(&dir, &pins, || {
            run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
            let pip =
                ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", "--requirement"];
            run(Command::new(&python).args(pip).arg(&pins))
        })?;
        Ok(python)
    };
    PYTHON.get_or_init(prepare).clone()
}

/// What is there, unless it is not and that is allowed.
pub(crate) fn or_skip<T>(prepared: Result<T, String>) -> Option<T> {
    prepared
        .inspect_err(|reason| {
            assert!(std::env::var_os("TELSEAL_REQUIRE_SDKS").is_none_or(|value| value != "1"), "{reason}");
            println!("skipped: {reason}");
        })
        .ok()
}
