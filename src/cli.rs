//! The command line: one file a subcommand, one table of exit codes for all.

mod anchor;
mod body_keys;
mod bytes;
mod cases;
mod dead_letter;
mod demo;
mod erase;
mod export;
mod failed;
mod graph;
mod healthcheck;
mod hold;
mod key;
mod keys;
mod manual;
mod moment;
mod offline;
mod pipe;
mod progress;
mod prove;
mod reconcile;
mod redact;
mod request;
mod retain;
mod risk;
mod rules;
mod run;
mod select;
mod target;
mod tiles;
mod validate;
mod verify;
mod verify_proof;
mod watch;
mod witness;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

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
    /// Receive, process, seal and deliver telemetry until SIGTERM or SIGINT; SIGHUP reads the configuration again
    Run {
        /// The configuration file
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// Start although an anchor says that a ledger was set back; the reason is sealed
        #[arg(long, value_name = "REASON")]
        accept_rollback: Option<String>,
        /// Take up the file again when it changes, as on SIGHUP
        #[arg(long)]
        watch_config: bool,
    },
    /// Check a configuration and print every problem
    Validate {
        /// The configuration file
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
    /// Run cases in YAML through a configuration's processors
    Test(cases::TestArgs),
    /// Take OTLP/JSON from standard input through a configuration's processors to standard output
    Pipe(pipe::PipeArgs),
    /// Ask a running telseal whether a record would be accepted now
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Draw the pipelines of a configuration
    Graph(graph::GraphArgs),
    /// List, print, write out or send again what destinations refused for good
    #[command(subcommand)]
    DeadLetter(dead_letter::DeadLetterCommand),
    /// Print a script that completes telseal's commands and options in a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(manual::ManArgs),
    /// Send a bundled AI agent session through telseal on this machine and show what came of it
    Demo,
    /// Re-read a sealed ledger and say whether it is whole
    #[command(long_about = verify::ABOUT)]
    Verify(verify::Arguments),
    /// Follow a ledger while it is written, and raise an alarm when something is wrong
    #[command(long_about = watch::ABOUT)]
    Watch(watch::WatchArgs),
    /// Write verified records as CSV, NDJSON, OTLP or OCSF; not one of them when anything is wrong
    Export(export::ExportArgs),
    /// Compare a copy (a SIEM's, a bucket's) with the ledger, and explain every record that it lacks
    Reconcile(reconcile::ReconcileArgs),
    /// Prove one entry: a small text file that can be checked without the ledger
    Prove(prove::ProveArgs),
    /// Check the proof of one entry, offline, with nothing but the ledger's public key
    VerifyProof(verify_proof::VerifyProofArgs),
    /// Print exactly the bytes that were hashed for an entry
    Bytes(bytes::BytesArgs),
    /// Make, show and change the keys of a ledger
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Delete the bodies of old segments by a signed order; entries, chain and checkpoints stay and verify
    Retain(retain::RetainArgs),
    /// Forbid, by a signed order, that records are deleted; or release that; or list what is forbidden
    Hold(hold::HoldArgs),
    /// Erase records, or single fields of them, by a signed order, and say who may hold copies
    Erase(erase::EraseArgs),
    /// Cosign the checkpoints of other ledgers, so that none of them can have two histories
    Witness(witness::WitnessArgs),
    /// Redact standard input with the rules of the processor `redact`, or look up a pseudonym
    Redact(redact::RedactArgs),
    /// Print the values behind tokens that `redact` made; leaves a line in an audit file
    Detokenize(redact::Detokenize),
    /// Say what a command line, or an event of an AI agent, means: level, score, rules and reasons. Nothing is run
    Risk(risk::Options),
    /// List, check and test the rules of `risk_tag`, shipped or one's own
    Rules(rules::Options),
    /// Write the ledger's tree as a C2SP transparency log of static files
    Tiles(tiles::TilesArgs),
    /// Have a witness cosign the newest checkpoint; tells when the ledger was cut off or rewritten
    Anchor(anchor::AnchorArgs),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> Exit {
    quiet_panics();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    match command {
        Command::Run { config, accept_rollback, watch_config } => run::run(&config, accept_rollback, watch_config),
        Command::Validate { config } => validate::validate(&config),
        Command::Test(args) => cases::test(&args),
        Command::DeadLetter(command) => dead_letter::dead_letter(&command),
        Command::Pipe(args) => pipe::pipe(&args),
        Command::Healthcheck(args) => healthcheck::healthcheck(&args),
        Command::Graph(args) => graph::graph(&args),
        Command::Risk(options) => risk::risk(&options),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Watch(args) => watch::watch(&args),
        Command::Prove(args) => prove::prove(&args),
        Command::VerifyProof(args) => verify_proof::verify_proof(&args),
        Command::Bytes(args) => bytes::bytes(&args),
        Command::Export(args) => export::export(&args),
        Command::Reconcile(args) => reconcile::reconcile(&args),
        Command::Redact(args) => redact::redact(&args),
        Command::Detokenize(args) => redact::detokenize(&args),
        Command::Rules(options) => rules::rules(&options),
        Command::Retain(args) => retain::retain(&args),
        Command::Hold(args) => hold::hold(&args),
        Command::Erase(args) => erase::erase(&args),
        Command::Keys(command) => keys::keys(&command),
        Command::Tiles(args) => tiles::tiles(&args),
        Command::Witness(args) => witness::witness(&args),
        Command::Anchor(args) => anchor::anchor(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Demo => demo::demo(),
    }
}

/// A panic's message may hold the text it was about, so only its place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        complain(format!("telseal: internal error{place}\n"));
    }));
}

/// `--help` and `--version` come as errors too; they are none.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// The configuration at `path`. Its problems are printed.
fn load(path: &Path) -> Result<Config, Exit> {
    config::load(path).map_err(|problems| {
        complain(config::render(&path.display().to_string(), &problems));
        Exit::Config
    })
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
