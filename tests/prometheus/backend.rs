//! A Prometheus of our own: installed, started, asked, stopped.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running Prometheus; it ends when this is dropped.
pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: String,
    _dir: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's programs, or why there are none.
fn folder() -> Result<PathBuf, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let prepare = || {
        let path = std::env::var("PATH").unwrap_or_default();
        let has = |dir: &PathBuf| dir.join("prometheus").is_file() && dir.join("promtool").is_file();
        if let Some(dir) = std::env::split_paths(&path).find(has) {
            return Ok(dir);
        }
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("sdk-cache/prometheus");
        let programs = cache.join("usr/bin");
        if has(&programs) {
            return Ok(programs);
        }
        fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
        let run = |command: &mut Command| {
            let output = command.current_dir(&cache).output().map_err(|error| format!("{command:?}: {error}"))?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(()).ok_or(format!("{command:?}: {said}"))
        };
        run(Command::new("sh").args(["-c", "apt-get download prometheus && dpkg -x prometheus_*.deb ."]))?;
        if has(&programs) { Ok(programs) } else { Err("the package has no prometheus and promtool".to_owned()) }
    };
    FOLDER.get_or_init(prepare).clone()
}

/// A program of Prometheus; `None`, with a word why, where there is none and none is required.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    match folder() {
        Ok(folder) => Some(folder.join(name)),
        Err(why) if std::env::var("REQUIRE_BACKENDS").is_ok_and(|it| it == "1") => panic!("no Prometheus: {why}"),
        Err(why) => {
            println!("skipped, no Prometheus: {why}");
            None
        }
    }
}

/// Starts one. `scrape` is what stands under `scrape_configs`.
pub(crate) async fn start(scrape: &str) -> Option<Prometheus> {
    let program = program("prometheus")?;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nstorage: {{tsdb: {{out_of_order_time_window: 0s}}}}\nscrape_configs: [{scrape}]\n"
    );
    fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let child = Command::new(program)
        .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .args(["--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage,native-histograms"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let prometheus = Prometheus { child, address, _dir: dir };
    let began = Instant::now();
    while prometheus.get("/-/ready").await.is_none_or(|(status, _)| status != 200) {
        assert!(began.elapsed() < Duration::from_secs(60), "Prometheus is not ready after a minute");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(prometheus)
}

impl Prometheus {
    async fn get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        get(&self.address, path, "").await
    }

    async fn ask(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// The values that a query yields, with their labels.
    pub(crate) async fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(query))).await;
        let results = answer["data"]["result"].as_array().unwrap().clone();
        results
            .into_iter()
            .map(|it| (it["metric"].clone(), it["value"][1].as_str().unwrap().parse().unwrap()))
            .collect()
    }

    /// The exemplars of a series.
    pub(crate) async fn exemplars(&self, query: &str) -> Value {
        let answer =
            self.ask(&format!("/api/v1/query_exemplars?query={}&start=0&end=9999999999", encoded(query))).await;
        answer["data"].clone()
    }
}

/// A GET over a connection of its own.
pub(crate) async fn get(address: &str, path: &str, headers: &str) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.ok()?.ok()?;
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..at]).to_lowercase();
    let body = if head.contains("transfer-encoding: chunked") {
        unchunked(&answer[at + 4..])?
    } else {
        answer[at + 4..].to_vec()
    };
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let at = bytes.windows(2).position(|two| two == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).ok()?, 16).ok()?;
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(at + 2..at + 2 + len)?);
        bytes = bytes.get(at + 4 + len..)?;
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
