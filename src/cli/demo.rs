//! `telseal demo`: one AI agent session, sent over real OTLP through a collector in this process, and what came of it.
//!
//! Two collectors run here on free loopback ports: the one that is shown, and the next one, to which it delivers. The
//! bundled session goes in over gRPC and HTTP; then everything is drained, the ledgers are verified from their files,
//! and what is printed is read back from those files and from telseal's own metrics. Nothing leaves the machine; the
//! files stay in a folder of their own, `telseal-demo/<number>`.

mod found;
mod paint;
mod report;
mod session;
mod shorten;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::{Exit, complain, say};
use crate::config::{self, Config};
use crate::ledger::{self, Report, VerifyOptions};
use crate::service::Service;
use crate::telemetry;
use found::{Delivered, Records, Redaction};
use paint::Paint;
use session::Sent;

const COLLECTOR: &str = include_str!("../../config/demo.yaml");
const NEXT: &str = include_str!("../../config/demo-next.yaml");

/// Where runs put their files.
const HOME: &str = "telseal-demo";
/// Where the next collector and the file exporter write, below a run's folder.
const NEXT_DIR: &str = "next";
const DELIVERED_DIR: &str = "delivered";

type Failure = Box<dyn Error>;

/// Everything there is to show.
struct Outcome {
    /// The folder of this run, which is also the `data_dir`.
    dir: PathBuf,
    sent: Vec<Sent>,
    redactions: Vec<Redaction>,
    records: Records,
    verified: Report,
    delivered: Vec<Delivered>,
    took: Duration,
}

pub(super) fn demo() -> Exit {
    let paint = Paint::new(io::stdout().is_terminal() && !config::is_in_environment("NO_COLOR"));
    match run() {
        Ok(outcome) => {
            say(report::render(&outcome, paint));
            Exit::Ok
        }
        Err(error) => {
            complain(format!("telseal: demo: {error}\n"));
            Exit::Runtime
        }
    }
}

fn run() -> Result<Outcome, Failure> {
    let began = Instant::now();
    // Only what went wrong is heard: standard output belongs to the report.
    telemetry::start_events("error", false)?;
    let metrics = telemetry::start_metrics()?;
    let dir = fresh_dir(Path::new(HOME))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sent, next) = runtime.block_on(pass_through(&dir))?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    let verified = ledger::verify(&dir, &VerifyOptions::default())?;
    let delivered = vec![
        found::delivered("file", None, &dir.join(DELIVERED_DIR))?,
        found::delivered("otlp_http/next", Some(next), &dir.join(NEXT_DIR))?,
    ];
    complete(&verified, &delivered)?;
    Ok(Outcome {
        sent,
        redactions: found::redactions(&metrics.render()),
        records: found::records(&verified)?,
        verified,
        delivered,
        took: began.elapsed(),
        dir,
    })
}

/// Every sealed line must have arrived everywhere.
fn complete(verified: &Report, delivered: &[Delivered]) -> Result<(), Failure> {
    let sealed: u64 = verified.ledgers.iter().map(|ledger| ledger.records).sum();
    match delivered.iter().find(|delivered| delivered.lines != sealed) {
        Some(short) => Err(format!("{}: {} of {sealed} lines arrived", short.exporter, short.lines).into()),
        None => Ok(()),
    }
}

/// Starts both collectors, sends the session, and drains them in the direction of the data. Gives back what was sent and
/// where the next collector listened.
async fn pass_through(dir: &Path) -> Result<(Vec<Sent>, SocketAddr), Failure> {
    let next = Service::build(configuration(NEXT, dir, 0)?, None)?;
    let next_address = address(&next, "http")?;
    let collector = Service::build(configuration(COLLECTOR, dir, next_address.port())?, None)?;
    let (grpc, http) = (address(&collector, "grpc")?, address(&collector, "http")?);
    let mut sent = None;
    let mut left = 0;
    // A collector runs until the future it is given is done: the next one until the first is drained, the first one
    // until the session has been acknowledged.
    let sending = async { sent = Some(session::send(grpc, http).await) };
    let left_there = next.run(async { left = collector.run(sending).await }).await;
    let sent = sent.ok_or("the collector ended before the session was sent")??;
    match left + left_there {
        0 => Ok((sent, next_address)),
        left => Err(format!("{left} records were not delivered; what was sealed is in {}", dir.display()).into()),
    }
}

/// The embedded configuration, with its variables set to this run's.
fn configuration(text: &str, dir: &Path, next_port: u16) -> Result<Config, Failure> {
    let env = |name: &str| match name {
        "DEMO_DIR" => Some(dir.as_os_str().to_owned()),
        "DEMO_NEXT_PORT" => Some(OsString::from(next_port.to_string())),
        "DEMO_GRPC_PORT" | "DEMO_HTTP_PORT" => Some(OsString::from("0")),
        _ => None,
    };
    let no_file = |_: &str| Err(ErrorKind::NotFound.into());
    config::parse_with(text, &env, &no_file).map_err(|problems| config::render("the demo", &problems).into())
}

fn address(service: &Service, protocol: &str) -> Result<SocketAddr, Failure> {
    let mut addresses = service.addresses().into_iter();
    let found = addresses.find(|(_, name, _)| *name == protocol);
    found
        .and_then(|(_, _, address)| address.inet())
        .ok_or_else(|| format!("nothing listens for OTLP/{protocol}").into())
}

/// A folder that did not exist before. Creating it is the test, so that two demos at once get one each.
fn fresh_dir(home: &Path) -> Result<PathBuf, Failure> {
    let refused = |dir: &Path, error: &io::Error| {
        format!("cannot create {}: {error}; run the demo in a folder that you may write to", dir.display())
    };
    fs::create_dir_all(home).map_err(|error| refused(home, &error))?;
    for number in 1..u32::MAX {
        let dir = home.join(number.to_string());
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(&dir, &error).into()),
        }
    }
    Err(format!("no number is free in {}", home.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_never_takes_the_folder_of_another() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("demo");
        assert_eq!(fresh_dir(&home).unwrap(), home.join("1"));
        fs::create_dir(home.join("2")).unwrap();
        assert_eq!(fresh_dir(&home).unwrap(), home.join("3"));
    }

    #[test]
    fn both_configurations_listen_on_free_ports() {
        for text in [COLLECTOR, NEXT] {
            let config = configuration(text, Path::new("some where/1"), 0).unwrap();
            assert_eq!(config.receivers.len(), 1);
        }
    }
}
