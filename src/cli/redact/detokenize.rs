//! `telseal detokenize`: the values behind tokens, for those who hold the key. Every use leaves a line in a file before
//! it prints anything; a line that cannot be written ends the command.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::redact::input::{self, Line};
use crate::cli::redact::{Failed, build, load, processor, runtime, usage};
use crate::cli::{Exit, complain, say};
use crate::stdx::durable::{self, AppendFile};
use crate::stdx::json::write_str;
use crate::stdx::{calendar, clock};

/// The file in `service.data_dir` that every use is noted in.
const AUDIT_FILE: &str = "detokenize-audit.jsonl";

#[derive(Debug, Args)]
#[command(
    after_help = "Reads one token a line, such as email:k3:enc.abc…, and prints one value a line.\nExample: telseal \
                  detokenize --config telseal.yaml --reason 'case 4711' < tokens.txt"
)]
pub(crate) struct Detokenize {
    /// The configuration file that has the key
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The id of the redact processor, when the configuration has several
    #[arg(long, value_name = "ID")]
    processor: Option<String>,
    /// Why; written to the audit file
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The audit file; default: detokenize-audit.jsonl in service.data_dir
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
}

pub(crate) fn detokenize(args: &Detokenize) -> Exit {
    match run(args) {
        Ok(exit) => exit,
        Err((exit, message)) => {
            complain(message);
            exit
        }
    }
}

fn run(args: &Detokenize) -> Result<Exit, Failed> {
    if args.reason.trim().is_empty() {
        return Err(usage("--reason must say why"));
    }
    let config = load(&args.config)?;
    let engine = build(processor(&config, args.processor.as_deref())?)?;
    let path = args.audit.clone().unwrap_or_else(|| config.service.data_dir.join(AUDIT_FILE));
    let audit = open(&path).map_err(|error| runtime(&error))?;
    let mut input = io::stdin().lock();
    let mut exit = Exit::Ok;
    let mut number = 0_u64;
    while let Some(line) = input::next(&mut input).map_err(|error| runtime(&error))? {
        number += 1;
        let Line::Text(token) = line else { return Err(usage("a token is longer than 16 MiB")) };
        let value = engine.detokenize(token.trim());
        note(&audit, token.trim(), &args.reason, value.is_ok()).map_err(|error| runtime(&error))?;
        match value {
            Ok(value) => say(format!("{value}\n")),
            Err(error) => {
                complain(format!("telseal: standard input: line {number}: {error}\n"));
                exit = Exit::Inconclusive;
            }
        }
    }
    Ok(exit)
}

fn open(path: &Path) -> durable::Result<AppendFile> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        durable::create_dir(parent)?;
    }
    if path.exists() { AppendFile::open(path) } else { AppendFile::create(path) }
}

/// A token that did not open is noted by its failure only: it may be any text.
fn note(audit: &AppendFile, token: &str, reason: &str, opened: bool) -> durable::Result<()> {
    let mut line =
        format!("{{\"time\":\"{}\",\"opened\":{opened},\"token\":", calendar::compact(clock::unix_nanos() / 1_000_000))
            .into_bytes();
    write_str(&mut line, if opened { token } else { "" });
    line.extend_from_slice(b",\"reason\":");
    write_str(&mut line, reason);
    line.extend_from_slice(b"}\n");
    audit.append(&mut [IoSlice::new(&line)])?;
    audit.sync()
}
