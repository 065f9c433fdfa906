//! Real destinations, from tests/backends: fetched, started on a free port in a folder of their own, and ended with the test.
//!
//! One that cannot be had skips the test and says why; with `REQUIRE_BACKENDS=1`, or with its name in that list, the test fails.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A backend at work. It is gone when this is dropped.
pub(crate) struct Backend {
    child: Child,
    command: Command,
    pub(crate) port: u16,
    dir: TempDir,
}

impl Backend {
    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends it in order.
    pub(crate) fn terminate(&mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with the same port and folder.
    pub(crate) fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder in which a backend is installed.
fn fetch(name: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/fetch");
    let output = Command::new(script).arg(name).output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap().trim_end().into());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let required = std::env::var("REQUIRE_BACKENDS").unwrap_or_default();
    let is_required = required.split_whitespace().any(|word| word == "1" || word == name);
    assert!(!is_required, "the backend {name} cannot be had: {why}");
    eprintln!("skipped: the backend {name} cannot be had: {why}");
    None
}

/// Starts a program and waits until it listens. `arguments` get its port and an empty folder. `None`: skipped.
pub(crate) fn start(name: &str, arguments: impl Fn(u16, &Path) -> Vec<String>) -> Option<Backend> {
    let program = fetch(name)?.join(name);
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let port = crate::process::free_port();
        let mut command = Command::new(&program);
        command.args(arguments(port, dir.path())).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let mut backend = Backend { child, command, port, dir };
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && backend.child.try_wait().unwrap().is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(backend);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    panic!("{name} does not start");
}
