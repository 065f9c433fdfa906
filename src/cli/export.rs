//! `telseal export`: records for people and tools, and not one byte of them when anything is wrong.
//!
//! First everything is verified. Then the records are read again, each is hashed again before it is written, and the root
//! over all of them must be the one that was verified. They go into a temporary file, which gets its name only after that.
//! Beside it stands `F.proof.json`: what the file is, its SHA-256, and the checkpoint that covers its records.

mod csv;
mod format;
mod ndjson;
mod ocsf;
mod otlp;
mod proof;

use std::borrow::Cow;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::select::{Select, SelectArgs};
use crate::cli::{Exit, complain, failed, offline};
use crate::ledger::entry::Kind;
use crate::ledger::note::Checkpoint;
use crate::ledger::replay::{Seen, replay};
use crate::ledger::request::Request;
use crate::ledger::verify::LedgerReport;
use crate::ledger::walk::Folder;
use crate::ledger::{Control, RootKey, VerifyOptions, verify};
use crate::otlp::line::reveal;
use crate::otlp::record::Record;
use crate::stdx::durable::{self, Mode, NewFile};
use format::{Exported, Format, FormatName};
use proof::Digest;

/// Written to the file when so many bytes have come together.
const WRITE_BYTES: usize = 1 << 18;

/// The options of `telseal export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A sealed pipeline's folder, or a data directory with one, or one segment file
    path: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: FormatName,
    /// The file to write; without it, standard output, which gets the records while they are looked at the second time
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    /// Where the ledger's root key is, if it is at hand and not in the ledger's folder: for the entry about this export
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Trust only this key: the verifier key text, as in `key.pub`, or a file that holds it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    #[command(flatten)]
    bodies: BodyKeys,
}

pub(super) fn export(args: &ExportArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &ExportArgs) -> Result<Exit> {
    let select = args.select.select()?;
    let keyring = args.bodies.read()?;
    let folder = Folder::find(&args.path)?.with_keys(keyring.clone());
    let target = if folder.is_one_file { &args.path } else { &folder.dir };
    let key = args.key.as_deref().map(read_key).transpose()?;
    let report = verify(target, &VerifyOptions { key, keyring, ..VerifyOptions::default() })?;
    let ledger = report.ledgers.into_iter().next().ok_or_else(|| Failed::inconclusive("no ledger"))?;
    let mut export = Export::new(args.format, select, &ledger);
    match &args.out {
        Some(path) => {
            let mut file = NewFile::create(path, Mode::Private)?;
            let note = export.run(&folder, &mut |bytes| Ok(file.write(bytes)?))?;
            let beside = proof_path(path);
            durable::write_atomic(&beside, &export.proof(&note, &ledger), Mode::Private)?;
            if let Err(error) = file.finish() {
                // The proof of a file that is not there would only confuse.
                durable::remove(&beside)?;
                return Err(error.into());
            }
            complain(export.summary(path, &beside));
            complain(export.record_in(&folder, args.root_key.clone()));
        }
        None => {
            export.run(&folder, &mut to_stdout)?;
            complain(export.record_in(&folder, args.root_key.clone()));
        }
    }
    Ok(Exit::Ok)
}

/// Who exports: the number of the user, which cannot be chosen.
fn user() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |own| format!("uid {}", own.uid()))
}

fn proof_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".proof.json");
    PathBuf::from(name)
}

fn to_stdout(bytes: &[u8]) -> Result<()> {
    let written = std::io::stdout().lock().write_all(bytes);
    written.map_err(|error| Failed::new(Exit::Runtime, format!("cannot write to standard output: {error}")))
}

/// One export under way.
struct Export {
    name: FormatName,
    format: Box<dyn Format>,
    select: Select,
    verified: Checkpoint,
    digest: Digest,
    count: u64,
    bodiless: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl Export {
    fn new(name: FormatName, select: Select, ledger: &LedgerReport) -> Self {
        Self {
            name,
            format: format::open(name, ledger),
            select,
            verified: Checkpoint { size: ledger.size, root: ledger.root },
            digest: Digest::default(),
            count: 0,
            bodiless: 0,
            first: None,
            last: None,
        }
    }

    /// The second look. Returns the note of the checkpoint that covers everything.
    fn run(&mut self, folder: &Folder, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<String> {
        let mut out = Vec::with_capacity(2 * WRITE_BYTES);
        self.format.begin(&mut out);
        let verified = self.verified;
        let note = replay(folder, &verified, |seen| -> Result<()> {
            self.record(seen, &mut out)?;
            if out.len() >= WRITE_BYTES { self.flush(&mut out, write) } else { Ok(()) }
        })?;
        self.format.end(&mut out)?;
        self.flush(&mut out, write)?;
        note.ok_or_else(|| Failed::violation("the checkpoint that was verified is gone"))
    }

    fn flush(&mut self, out: &mut Vec<u8>, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.digest.update(out);
        write(out)?;
        out.clear();
        Ok(())
    }

    fn record(&mut self, seen: &Seen<'_>, out: &mut Vec<u8>) -> Result<()> {
        if seen.entry.kind != Kind::Record {
            return Ok(());
        }
        let Some(sealed) = &seen.sealed else {
            self.bodiless += 1;
            return Ok(());
        };
        let seq = seen.entry.seq;
        let broken = |error: &dyn std::error::Error| Failed::new(Exit::Runtime, format!("entry {seq}: {error}"));
        let lines = reveal(&[sealed.line, b"\n"].concat()).map(Cow::into_owned).map_err(|error| broken(&error))?;
        let record = Record::parse(lines.trim_ascii_end()).map_err(|error| broken(&error))?;
        if !self.select.takes(&record, seen.entry.sealed_at_ns) {
            return Ok(());
        }
        self.format.record(&Exported { entry: &seen.entry, leaf: &seen.leaf, sealed, record: &record }, out)?;
        self.count += 1;
        self.first.get_or_insert(seq);
        self.last = Some(seq);
        Ok(())
    }

    fn proof(&self, note: &str, ledger: &LedgerReport) -> Vec<u8> {
        proof::render(&proof::Facts {
            checkpoint: note,
            count: self.count,
            bodiless: self.bodiless,
            first: self.first,
            last: self.last,
            format: self.name.name(),
            select: &self.select,
            sha256: &self.digest.clone().hex(),
            stream: &ledger.stream,
            vkey: &ledger.key.to_string(),
        })
    }

    /// Notes the export in the ledger itself, where that can be written. Says what came of it.
    fn record_in(&self, folder: &Folder, root_key: Option<PathBuf>) -> String {
        let mut event = Control::new(Kind::Export).text("actor", &user()).number("count", self.count);
        if let Some(first) = self.first {
            event = event.number("first", first);
        }
        event = event.text("format", self.name.name());
        if let Some(last) = self.last {
            event = event.number("last", last);
        }
        let event = event.text("sha256", &self.digest.clone().hex());
        let root = root_key.map_or(RootKey::Folder, RootKey::File);
        match offline::request(folder, root, Request::Export(event)) {
            Ok(_) => "  noted       in the ledger, as an entry of its own\n".to_owned(),
            Err(why) => format!("  not noted   in the ledger: {why}\n"),
        }
    }

    fn summary(&self, path: &Path, beside: &Path) -> String {
        let bodiless = match self.bodiless {
            0 => String::new(),
            some => format!("  left out    {some} records whose bodies are gone\n"),
        };
        format!(
            "exported {}\n  records     {}\n{bodiless}  sha256      {}\n  proof       {}\n",
            path.display(),
            self.count,
            self.digest.clone().hex(),
            beside.display()
        )
    }
}

#[cfg(test)]
mod tests;
