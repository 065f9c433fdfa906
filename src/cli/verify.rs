//! `telseal verify`: what a ledger proves, or the first thing that is wrong with it.
//!
//! The report goes to standard output. What is wrong, and why nothing can be said, goes to standard error; the exit code
//! tells these apart.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::Failed;
use crate::cli::key::read_key;
use crate::cli::progress::Bar;
use crate::cli::{Exit, complain, say};
use crate::ledger::verify::Progress;
use crate::ledger::{Anchor, VerifyError, VerifyOptions, verify as check};
use crate::stdx::durable;
use crate::stdx::duration::Span;

/// What `--help` says first.
pub(super) const ABOUT: &str = "\
Re-read a sealed ledger and say whether it is whole

Checks every line against its seal, every seal against its chain and tree, every signature against the ledger's root \
key, and prints what that proves and what it does not. Needs the files and the public key only; changes nothing, and may \
run while telseal writes. Bodies that rest encrypted are opened with --encryption-key; without it everything but the bodies is \
verified (6). Packed segments (.ndjson.zst) and those without bodies (.seal.zst) are read as they are.

Exit codes: 0 verified; 4 the files are not what was sealed; 6 cannot conclude (a key is missing, the last signature is \
too old, the end is unsigned after a crash); 1 the disk refused; 2 usage.";

/// What `telseal verify` is told.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A data directory, one pipeline's folder, one ledger's folder, or one segment file
    path: PathBuf,
    /// Trust only this root key: the verifier key text, as in `key.pub`, or a file that holds it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    /// A file with checkpoints of the ledger that were kept elsewhere: shows what was cut off or rewritten since
    /// (repeatable)
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Fail (6) when the last signature is older than this, such as `5m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_age: Option<Span>,
    /// Fail (4) when there are fewer entries than this
    #[arg(long, value_name = "N")]
    expect_size: Option<u64>,
    /// Fail (6) when the ledger itself declares that records are missing
    #[arg(long)]
    no_gaps: bool,
    #[command(flatten)]
    bodies: BodyKeys,
    /// Print one JSON object, of success and of failure, to standard output
    #[arg(long)]
    json: bool,
}

fn duration(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "expected a duration such as `90s`, `5m` or `1h30m`".to_owned())
}

pub(super) fn verify(arguments: &Arguments) -> Exit {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(failed) => return end(failed.exit, &failed.message),
    };
    let bar = std::io::stderr().is_terminal().then(|| Bar::start(options.progress.clone()));
    let verdict = check(&arguments.path, &options);
    drop(bar);
    match verdict {
        Ok(report) => {
            say(if arguments.json { report.to_json() } else { report.to_string() });
            match report.locked() {
                Some(what) => end(Exit::Inconclusive, &format!("cannot conclude: {what}")),
                None => Exit::Ok,
            }
        }
        Err(error) => {
            if arguments.json {
                say(error.to_json());
            }
            end(exit_of(&error), &error.to_string())
        }
    }
}

fn options(arguments: &Arguments) -> Result<VerifyOptions, Failed> {
    let mut anchors = Vec::new();
    for path in &arguments.anchor {
        anchors.extend(Anchor::read(path).map_err(|error| Failed::new(exit_of_file(&error), error.to_string()))?);
    }
    Ok(VerifyOptions {
        key: arguments.key.as_deref().map(read_key).transpose()?,
        anchors,
        expect_size: arguments.expect_size,
        max_age_seconds: arguments.max_age.map(|age| age.0.as_secs()),
        no_gaps: arguments.no_gaps,
        keyring: arguments.bodies.read()?,
        may_be_locked: true,
        threads: None,
        progress: Arc::new(Progress::default()),
    })
}

/// What is no checkpoint was not meant; the rest is the disk's.
fn exit_of_file(error: &durable::Error) -> Exit {
    if error.kind() == std::io::ErrorKind::InvalidData { Exit::Usage } else { Exit::Runtime }
}

fn end(exit: Exit, message: &str) -> Exit {
    complain(format!("telseal: {message}\n"));
    exit
}

const fn exit_of(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Violation(_) => Exit::Integrity,
        VerifyError::Inconclusive(_) | VerifyError::Doubt(_) => Exit::Inconclusive,
        VerifyError::File(_) => Exit::Runtime,
    }
}
