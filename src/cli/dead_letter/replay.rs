//! The way back: letters go to an exporter of a configuration again, one by one.
//!
//! The file is first moved aside (`NAME.replay`), so that a running telseal begins a new one; what is not taken is written
//! back. A `.replay` file that an interrupted replay left is taken up first.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use clap::Args;

use super::file::{File, files};
use super::letter::Letter;
use crate::cli::failed::{Failed, Result};
use crate::cli::{Exit, complain, load, say};
use crate::config::Id;
use crate::exporter::ExportError;
use crate::service::single::Single;
use crate::stdx::durable::{self, AppendFile};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// A data directory, a pipeline's folder, or a dead-letter file
    path: PathBuf,
    /// The configuration that has the exporter
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The exporter that gets the letters. Only its own are sent, unless --any
    #[arg(long, value_name = "ID")]
    exporter: String,
    /// Send letters of other exporters too
    #[arg(long)]
    any: bool,
}

/// What became of the letters of a file.
#[derive(Debug, Default)]
struct Outcome {
    taken: u64,
    refused: u64,
    /// Lines of letters that stay.
    left: Vec<Letter>,
    /// Why the destination was not asked for the rest.
    stopped: Option<String>,
}

pub(super) fn replay(args: &ReplayArgs) -> Result<Exit> {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let id = Id::parse(&args.exporter).filter(|id| config.exporters.contains_key(id));
    let no_exporter = || Failed::usage(format!("{} has no exporter `{}`", args.config.display(), args.exporter));
    let id = id.ok_or_else(no_exporter)?;
    let failed = |error: &dyn std::fmt::Display| Failed::new(Exit::Runtime, error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(&e))?;
    let (mut taken, mut left) = (0, 0);
    let done = runtime.block_on(async {
        let exporter = Single::open(&config, &id).map_err(|error| failed(&error))?;
        for file in files(&args.path)? {
            let outcome = replay_file(args, &exporter, &file).await?;
            taken += outcome.taken;
            left += outcome.left.len();
            if let Some(cause) = outcome.stopped {
                complain(format!("telseal: stopped: {cause}\n"));
                break;
            }
        }
        exporter.close().await.map_err(|error| failed(&error))
    });
    say(format!("{taken} records delivered, {left} letters stay\n"));
    done?;
    Ok(if left == 0 { Exit::Ok } else { Exit::NotDrained })
}

async fn replay_file(args: &ReplayArgs, exporter: &Single, file: &File) -> Result<Outcome> {
    let aside = File { path: beside(&file.path) };
    if !aside.path.exists() {
        durable::rename(&file.path, &aside.path)?;
    }
    let mut letters = Vec::new();
    aside.each(|letter| {
        letters.push(letter);
        Ok(true)
    })?;
    let mut outcome = Outcome::default();
    for letter in letters {
        offer(args, exporter, letter, &mut outcome).await?;
    }
    write_back(&file.path, &outcome.left)?;
    durable::remove(&aside.path)?;
    if outcome.refused > 0 {
        complain(format!("telseal: {}: {} letters were refused again\n", file.path.display(), outcome.refused));
    }
    Ok(outcome)
}

async fn offer(args: &ReplayArgs, exporter: &Single, letter: Letter, outcome: &mut Outcome) -> Result<()> {
    if outcome.stopped.is_some() || (letter.exporter != args.exporter && !args.any) {
        outcome.left.push(letter);
        return Ok(());
    }
    let payload = letter.payload().map_err(|error| Failed::new(Exit::Runtime, error))?;
    match exporter.export(&payload).await {
        Ok(()) => outcome.taken += payload.records(),
        // A letter is nearly always one record; of more, those that were taken may go out twice.
        Err(error @ (ExportError::Permanent { .. } | ExportError::Partial { .. })) => {
            outcome.refused += 1;
            outcome.left.push(Letter { reason: error.to_string(), ..letter });
        }
        Err(ExportError::Retry { cause, .. } | ExportError::Pause { cause }) => {
            outcome.stopped = Some(cause);
            outcome.left.push(letter);
        }
    }
    Ok(())
}

/// Appends the letters that stay to the file, which a running telseal may have begun anew.
fn write_back(path: &Path, letters: &[Letter]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let bytes: Vec<u8> = letters.iter().flat_map(Letter::write).collect();
    let file = if path.exists() { AppendFile::open(path)? } else { AppendFile::create(path)? };
    file.append(&mut [IoSlice::new(&bytes)])?;
    Ok(file.sync()?)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("ndjson.replay")
}
