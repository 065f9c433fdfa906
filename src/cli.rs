//! The command line: one file a subcommand, one table of exit codes for all.

mod demo;
mod risk;
mod rules;
mod run;
mod validate;
mod verify;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a command ended. One table for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or verified.
    Ok = 0,
    /// A runtime or I/O failure.
    Runtime = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// An integrity violation.
    Integrity = 4,
    /// Shutdown left records that no destination has confirmed.
    NotDrained = 5,
    /// Verification cannot conclude: a key or the records are missing.
    Inconclusive = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug, Parser)]
#[command(name = "telseal", version, about = "An OpenTelemetry collector whose output is evidence")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive, process, seal and deliver telemetry until SIGTERM or SIGINT
    Run {
        /// The configuration file
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and print every problem
    Validate {
        /// The configuration file
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
    /// Re-read a sealed ledger and say whether it is whole
    Verify {
        /// A data directory, one pipeline's folder, or one segment file
        path: PathBuf,
        /// Trust only this key: the verifier key text, as in `key.pub`, or a file that holds it
        #[arg(long, value_name = "VKEY|FILE")]
        key: Option<String>,
    },
    /// Say what a command line, or an event of an AI agent, means: level, score, rules and reasons. Nothing is run
    Risk(risk::Options),
    /// List, check and test the rules of `risk_tag`, shipped or one's own
    Rules(rules::Options),
    /// Send a bundled AI agent session through telseal on this machine and show what came of it
    Demo,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> Exit {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    match command {
        Command::Run { config } => run::run(&config),
        Command::Validate { config } => validate::validate(&config),
        Command::Verify { path, key } => verify::verify(&path, key.as_deref()),
        Command::Risk(options) => risk::risk(&options),
        Command::Rules(options) => rules::rules(&options),
        Command::Demo => demo::demo(),
    }
}

/// `--help` and `--version` come as errors too; they are none.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// Prints to standard output; a reader that went away is no failure of ours.
fn say(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error.
fn complain(text: impl AsRef<str>) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
}
