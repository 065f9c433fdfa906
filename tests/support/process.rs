//! The real binary, started with a configuration in a folder of its own, on ports of its own, and ended at the latest
//! when the test ends.
//!
//! Ports come from a range below the system's ephemeral ports, so that a port stays the same over restarts and nobody's
//! outgoing connection takes it in between.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::sender::{self, Answer};

/// How long anything may take on a loaded machine before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none for a long time.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(POLL_EVERY);
    }
}

/// A port that nobody listens on now.
///
/// The socket that tries it never listens: a child that another test forks at this moment holds a copy of it until it
/// executes its program, and a copy that listens would keep the port from its user.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(211);
    let candidates = (0..COUNT).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        u16::try_from(FIRST + begin.wrapping_add(next) % COUNT).expect("below 32000")
    });
    candidates.into_iter().find(|port| can_be_bound(*port)).expect("a free port")
}

fn can_be_bound(port: u16) -> bool {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

/// The binary with these arguments, run to its end.
pub(crate) fn telseal<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_telseal")).args(arguments).output().expect("the binary starts")
}

/// A place where telseal runs: its folder, its ports, its configuration. It may run there several times.
pub(crate) struct Site {
    dir: TempDir,
    data_dir: PathBuf,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) admin: u16,
}

impl Site {
    /// A site whose configuration is `template` with `$GRPC`, `$HTTP`, `$ADMIN` (addresses), `$DATA`, `$DIR` (folders)
    /// and what `words` says replaced.
    pub(crate) fn new(template: &str, words: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let data_dir = dir.path().join("data");
        Self::with_data_dir(dir, data_dir, template, words)
    }

    /// Like [`Site::new`], with the data in a folder of somebody else's.
    pub(crate) fn with_data_dir(dir: TempDir, data_dir: PathBuf, template: &str, words: &[(&str, &str)]) -> Self {
        let site = Self { dir, data_dir, grpc: free_port(), http: free_port(), admin: free_port() };
        let mut text = template.to_owned();
        for (word, replacement) in words {
            text = text.replace(word, replacement);
        }
        for (word, port) in [("$GRPC", site.grpc), ("$HTTP", site.http), ("$ADMIN", site.admin)] {
            text = text.replace(word, &format!("127.0.0.1:{port}"));
        }
        text = text.replace("$DATA", &site.data_dir.display().to_string());
        text = text.replace("$DIR", &site.dir.path().display().to_string());
        fs::write(site.config(), text).expect("the configuration is written");
        site
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("telseal.yaml")
    }

    /// The folder of everything the site has.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where ledgers, spools, cursors and dead letters are.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Starts telseal and waits until it is ready.
    pub(crate) fn start(&self) -> Telseal {
        self.start_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Telseal {
        let mut telseal = self.launch_with(arguments);
        eventually("telseal is ready", || {
            if let Some(status) = telseal.ended() {
                panic!("telseal ended at start with {status}:\n{}", telseal.stderr());
            }
            self.get("/readyz").filter(|answer| answer.status == 200)
        });
        telseal
    }

    /// Starts telseal and does not wait.
    pub(crate) fn launch(&self) -> Telseal {
        self.launch_with(&[])
    }

    fn launch_with(&self, arguments: &[&str]) -> Telseal {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telseal"));
        command.arg("run").arg("--config").arg(self.config()).args(arguments).current_dir(self.dir.path());
        Telseal::spawn(command)
    }

    /// What the admin port answers; `None` when nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        sender::get(self.admin, path)
    }

    /// The value of a metric summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").expect("the admin port answers").text();
        let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until every exporter has delivered everything.
    pub(crate) fn wait_until_delivered(&self) {
        eventually("everything is delivered", || (self.metric("telseal_exporter_lag_records") == 0.0).then_some(()));
    }

    /// `telseal verify` over the whole data folder.
    pub(crate) fn verify(&self) -> Output {
        telseal([Path::new("verify"), self.data_dir()])
    }

    /// The files below `folder` of the data folder that end in `ending`, in the order of their names.
    pub(crate) fn files(&self, folder: &str, ending: &str) -> Vec<PathBuf> {
        let mut found = files_below(&self.data_dir.join(folder));
        found.retain(|path| path.to_string_lossy().ends_with(ending));
        found
    }
}

/// All files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Fails the test with what `verify` said unless it found everything in order.
pub(crate) fn assert_verified(site: &Site) {
    let output = site.verify();
    assert_eq!(output.status.code(), Some(0), "verify:\n{}", said(&output));
}

/// Everything a finished command said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A running telseal; it is killed when this is dropped.
pub(crate) struct Telseal {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a telseal ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Everything it wrote to standard output and standard error.
    pub(crate) output: String,
}

impl Telseal {
    fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let output = Arc::new(Mutex::new(vec![]));
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("piped"));
        let err: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("piped"));
        let readers = [out, err].map(|stream| collect(stream, output.clone())).into();
        Self { child, output, readers }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().expect("no panic while locked")).into_owned()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    /// SIGKILL: it gets no chance to do anything.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().expect("our child");
        self.wait()
    }

    /// SIGTERM, and the orderly end that follows.
    pub(crate) fn terminate(mut self) -> Ended {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "telseal was gone before SIGTERM:\n{}", self.stderr());
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Ended {
        let status = eventually("telseal ends", || self.ended());
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader does not panic");
        }
        Ended { status, output: self.stderr() }
    }
}

impl Drop for Telseal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- telseal said:\n{}", String::from_utf8_lossy(&self.output.lock().expect("not poisoned")));
        }
    }
}

fn collect(mut stream: Box<dyn Read + Send>, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let read = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            into.lock().expect("no panic while locked").extend_from_slice(&buffer[..count]);
        }
    };
    telseal::stdx::tasks::thread("telseal output", read).expect("a thread")
}
