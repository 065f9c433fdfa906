//! `telseal reconcile`: is the copy that a SIEM, a bucket or a disk holds what was sealed, and where is the rest?
//!
//! The ledger is verified first. Then each record of it is looked for in the copy, and each of the copy in the ledger. What
//! the copy lacks must have a reason: it was not asked for, the destination refused it, it was not sent yet. Anything else
//! is unexplained. Memory: 40 bytes a record of the copy.

mod books;
mod copy;
mod report;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::select::SelectArgs;
use crate::cli::{Exit, failed, say};
use crate::config;
use crate::ledger::note::Checkpoint;
use crate::ledger::replay::replay;
use crate::ledger::walk::Folder;
use crate::ledger::{LINE_BYTES_MAX, VerifyOptions, verify};
use crate::pipeline::lens::Lens;
use crate::service;
use crate::stdx::durable;
use crate::stdx::segments::{Cursor, CursorFile};
use books::{Books, Reasons};

/// The options of `telseal reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    /// The copy: NDJSON with the sealed lines as they are, inside other objects, or as strings inside them (what Splunk, Loki
    /// and others export), or OTLP/JSON. Can be given several times
    #[arg(long, value_name = "FILE", required = true)]
    copy: Vec<PathBuf>,
    /// Dead letters: what a destination refused, `<data_dir>/<pipeline>/rejected/<exporter>.ndjson`
    #[arg(long, value_name = "FILE")]
    rejected: Vec<PathBuf>,
    /// The exporter that made the copy: its dead letters, and its cursor, behind which everything is still to be sent
    #[arg(long, value_name = "ID")]
    exporter: Option<String>,
    /// The configuration of that exporter: what its `min_risk` and `filter` pass over is no finding
    #[arg(long, value_name = "FILE", requires = "exporter")]
    config: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    /// Trust only this key: the verifier key text, as in `key.pub`, or a file that holds it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    #[command(flatten)]
    bodies: BodyKeys,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn reconcile(args: &ReconcileArgs) -> Exit {
    failed::end(run(args).map(|books| {
        say(if args.json { report::json(&books) } else { report::text(&books) });
        books.exit()
    }))
}

fn run(args: &ReconcileArgs) -> Result<Books> {
    let select = args.select.select()?;
    let keyring = args.bodies.read()?;
    let folder = Folder::find(&args.path)?.with_keys(keyring.clone());
    let target = if folder.is_one_file { &args.path } else { &folder.dir };
    let key = args.key.as_deref().map(read_key).transpose()?;
    let report = verify(target, &VerifyOptions { key, keyring, ..VerifyOptions::default() })?;
    let ledger = report.ledgers.into_iter().next().ok_or_else(|| Failed::inconclusive("no ledger"))?;
    let lens = args.config.as_ref().map(|path| lens(path, args.exporter.as_deref().unwrap_or_default())).transpose()?;
    let mut reasons = Reasons { select, lens: lens.unwrap_or_default(), delivered: None, refused: Vec::new() };
    let pipeline = folder.dir.parent().unwrap_or(&folder.dir);
    let dead_letters = args.exporter.as_ref().map(|id| add_cursor(pipeline, id, &mut reasons)).transpose()?.flatten();
    for path in args.rejected.iter().chain(&dead_letters) {
        each_line(path, |line| reasons.refused.extend(copy::refused(line, &ledger.stream)))?;
    }
    let mut books = Books::new(&ledger.stream, ledger.key.origin(), reasons);
    for path in &args.copy {
        each_line(path, |line| books.read(line))?;
    }
    books.close();
    let verified = Checkpoint { size: ledger.size, root: ledger.root };
    replay(&folder, &verified, |seen| -> Result<()> { books.compare(seen) })?;
    books.finish(ledger.size);
    Ok(books)
}

/// What an exporter gets to see.
fn lens(path: &Path, exporter: &str) -> Result<Lens> {
    let shown = path.display();
    let config = config::load(path)
        .map_err(|problems| Failed::new(Exit::Config, config::render(&shown.to_string(), &problems)))?;
    let named = config.exporters.iter().find(|(id, _)| id.to_string() == exporter);
    let (_, (_, delivery)) = named.ok_or_else(|| Failed::usage(format!("{shown} has no exporter `{exporter}`")))?;
    service::lens(delivery).map_err(|error| Failed::new(Exit::Config, error.to_string()))
}

/// Takes an exporter's cursor into account; returns its dead letters, if it has any.
fn add_cursor(pipeline: &Path, exporter: &str, reasons: &mut Reasons) -> Result<Option<PathBuf>> {
    let name = exporter.replace('/', "-");
    if name.contains('\\') || name == ".." || name.is_empty() {
        return Err(Failed::usage(format!("--exporter `{exporter}` is no id of an exporter")));
    }
    let file = CursorFile::new(pipeline.join("cursors").join(&name));
    match file.load()? {
        Cursor::At(position) => reasons.delivered = Some(position.record),
        Cursor::Missing | Cursor::Damaged => {
            let path = file.path().display();
            return Err(Failed::inconclusive(format!("{path} is not there or damaged: nobody knows what was sent")));
        }
    }
    Ok(Some(pipeline.join("rejected").join(format!("{name}.ndjson"))).filter(|path| path.exists()))
}

/// Hands over every line that is not empty, the last one even without its end.
fn each_line(path: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
    let open = File::open(path).map_err(|error| durable::Error::new("open", path, error))?;
    let mut lines = BufReader::with_capacity(1 << 18, open);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        if read.map_err(|error| durable::Error::new("read", path, error))? == 0 {
            return Ok(());
        }
        let trimmed = line.trim_ascii();
        if !trimmed.is_empty() {
            take(trimmed);
        }
    }
}

#[cfg(test)]
mod tests;
