//! `telseal dead-letter`: what destinations refused for good, and the way back to them.

mod file;
mod letter;
mod replay;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::failed::{self, Failed, Result};
use crate::cli::{Exit, moment, say};
use crate::exporter::Payload;
use crate::otlp::json;
use file::files;
use letter::Letter;

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// List the dead-letter files below a data directory: exporter, letters, first and last, reasons
    Ls {
        /// A data directory, a pipeline's folder, or a dead-letter file
        path: PathBuf,
    },
    /// Print letters: when, why, and the record
    Show {
        #[command(flatten)]
        from: From,
        /// How many at most
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Write the records of letters to standard output, without the reasons
    Export {
        #[command(flatten)]
        from: From,
        /// How they are written
        #[arg(long, value_enum, default_value = "ndjson")]
        format: Format,
    },
    /// Send letters to an exporter of a configuration again; those it takes are removed from the file
    #[command(
        after_help = "telseal may be running meanwhile. A replay that is interrupted goes on where it was; a record whose confirmation \
                      was lost is sent twice.\n\nExample: telseal dead-letter replay ./telseal-data -c telseal.yaml --exporter otlp_http/siem"
    )]
    Replay(replay::ReplayArgs),
}

/// Which letters.
#[derive(Debug, Args)]
pub(super) struct From {
    /// A data directory, a pipeline's folder, or a dead-letter file
    path: PathBuf,
    /// Only those of this exporter
    #[arg(long, value_name = "ID")]
    exporter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Canonical lines, with their seal where there is one
    Ndjson,
    /// OTLP/JSON, one request a line
    Otlp,
}

pub(super) fn dead_letter(command: &DeadLetterCommand) -> Exit {
    failed::end(match command {
        DeadLetterCommand::Ls { path } => list(path),
        DeadLetterCommand::Show { from, limit } => show(from, *limit),
        DeadLetterCommand::Export { from, format } => export(from, *format),
        DeadLetterCommand::Replay(args) => replay::replay(args),
    })
}

fn list(path: &Path) -> Result<Exit> {
    let files = files(path)?;
    for file in &files {
        let (mut letters, mut first, mut last, mut reasons) = (0_u64, u64::MAX, 0, BTreeMap::<String, u64>::new());
        file.each(|letter| {
            letters += 1;
            first = first.min(letter.rejected_at);
            last = last.max(letter.rejected_at);
            *reasons.entry(letter.reason).or_default() += 1;
            Ok(true)
        })?;
        say(format!("{}: {letters} letters, {} to {}\n", file.path.display(), time(first), time(last)));
        reasons.iter().for_each(|(reason, letters)| say(format!("  {letters:>8}  {reason}\n")));
    }
    if files.is_empty() {
        say("no dead letters\n");
    }
    Ok(Exit::Ok)
}

fn show(from: &From, limit: usize) -> Result<Exit> {
    let mut left = limit;
    each(from, |letter| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        let record = String::from_utf8_lossy(&record(&letter, Format::Ndjson)?).into_owned();
        say(format!(
            "{}  {}  {}: {}\n{record}\n",
            time(letter.rejected_at),
            letter.exporter,
            letter.signal,
            letter.reason
        ));
        Ok(true)
    })?;
    Ok(Exit::Ok)
}

fn export(from: &From, format: Format) -> Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = |error: io::Error| Failed::runtime(format!("standard output: {error}"));
    each(from, |letter| {
        let mut line = record(&letter, format)?;
        line.push(b'\n');
        out.write_all(&line).map_err(written).map(|()| true)
    })?;
    out.flush().map_err(written)?;
    Ok(Exit::Ok)
}

fn each(from: &From, mut visit: impl FnMut(Letter) -> Result<bool>) -> Result<()> {
    for file in files(&from.path)? {
        file.each(|letter| match &from.exporter {
            Some(exporter) if *exporter != letter.exporter => Ok(true),
            _ => visit(letter),
        })?;
    }
    Ok(())
}

/// The record of a letter, without a line feed.
fn record(letter: &Letter, format: Format) -> Result<Vec<u8>> {
    let payload = letter.payload().map_err(Failed::runtime)?;
    let bytes = match format {
        Format::Ndjson => payload.to_lines().map(|lines| lines.trim_ascii_end().to_vec()),
        Format::Otlp => as_json(&payload),
    };
    bytes.map_err(|error| Failed::runtime(format!("a letter cannot be read: {error}")))
}

fn as_json(payload: &Payload) -> std::result::Result<Vec<u8>, crate::otlp::DecodeError> {
    let mut out = Vec::new();
    json::from_protobuf(payload.signal(), &payload.otlp()?, &mut out)?;
    Ok(out)
}

fn time(nanos: u64) -> String {
    moment::text(nanos)
}
