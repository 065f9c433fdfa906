//! `telseal redact` and `telseal detokenize`: the processor `redact` at the command line, over standard input.
//!
//! Lines of JSON, OTLP/JSON requests and plain text are told apart by their looks. Memory is bounded: a line may have
//! 16 MiB, a request over several lines 64 MiB; what is longer is replaced as a whole. No message, and nothing
//! `--explain` prints, holds a value that was found.

mod detokenize;
mod evaluate;
pub(super) mod input;
mod jsonl;
mod stream;

use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::{Exit, complain, say};
use crate::config::{self, ProcessorConfig};
use crate::processor::redact::{self as engine, PROFILES, Redact};

pub(super) use detokenize::{Detokenize, detokenize};

/// The longest value that `hash-value` takes.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Reads standard input and prints the redacted text.\n\nExamples:\n  telseal redact < build.log\n  \
                  telseal redact --profile secrets --explain < transcript.jsonl\n  telseal redact --config telseal.yaml \
                  --processor redact/pii < dump.json"
)]
pub(super) struct RedactArgs {
    /// What to redact: ai-agent (default), secrets, pii, pci, hipaa-safe-harbor or strict; gdpr needs --config
    #[arg(long, value_name = "PROFILE", conflicts_with = "config")]
    profile: Option<String>,
    #[command(flatten)]
    from: From,
    /// Print findings instead of the text: line:column, length in characters, rule; never a value
    #[arg(long, conflicts_with = "jsonl")]
    explain: bool,
    /// Each line is {"id","text"}; print {"id","text","findings":[{"start","end","rule"}]}, in code points of the input
    #[arg(long)]
    jsonl: bool,
    #[command(subcommand)]
    command: Option<RedactCommand>,
}

/// Which processor of which configuration.
#[derive(Debug, Args)]
struct From {
    /// Take the processor from this configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Its id, when the configuration has several: redact/pii
    #[arg(long, value_name = "ID", requires = "config")]
    processor: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RedactCommand {
    /// Judge the detectors by a folder of labelled texts: precision, recall, false findings per MB
    #[command(
        after_help = "Each *.ndjson file has lines {\"id\",\"text\",\"labels\":[{\"start\",\"end\",\"family\"}]}, in code points; lines \
                      without labels are benign.\n\nExample: telseal redact evaluate tests/corpus/redact"
    )]
    Evaluate {
        /// The folder
        folder: PathBuf,
        /// Also list what was missed or wrongly found: ids and positions, never values
        #[arg(long)]
        notes: bool,
        /// The profile
        #[arg(long, value_name = "PROFILE", default_value = "ai-agent")]
        profile: String,
    },
    /// Print the pseudonym of the value on standard input, to search for it
    #[command(
        after_help = "Example: printf %s bob@example.com | telseal redact hash-value --detector email -c telseal.yaml"
    )]
    HashValue {
        /// The detector that finds such values: a pseudonym belongs to one
        #[arg(long, value_name = "RULE")]
        detector: String,
        /// The key it was made with; default: the current one
        #[arg(long, value_name = "ID")]
        key_id: Option<String>,
        #[command(flatten)]
        from: From,
    },
}

/// Why a command ends early: how, and the lines that say so.
type Failed = (Exit, String);

pub(super) fn redact(args: &RedactArgs) -> Exit {
    let done = match &args.command {
        Some(RedactCommand::HashValue { detector, key_id, from }) => hash_value(detector, key_id.as_deref(), from),
        Some(RedactCommand::Evaluate { folder, notes, profile }) => evaluated(folder, *notes, profile),
        None => run(args),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err((exit, message)) => {
            complain(message);
            exit
        }
    }
}

fn run(args: &RedactArgs) -> Result<(), Failed> {
    let engine = match (&args.from.config, &args.profile) {
        (Some(_), _) => configured(&args.from)?,
        (None, profile) => of_profile(profile.as_deref().unwrap_or("ai-agent"))?,
    };
    let input = io::stdin().lock();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = if args.jsonl {
        jsonl::run(&engine, input, &mut out)
    } else {
        stream::run(&engine, input, &mut out, args.explain)
    };
    done.and_then(|()| out.flush()).or_else(|error| match error.kind() {
        // Who reads us has read enough.
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(runtime(&error)),
    })
}

fn evaluated(folder: &Path, notes: bool, profile: &str) -> Result<(), Failed> {
    let report = evaluate::run(&of_profile(profile)?, folder)
        .map_err(|error| (Exit::Runtime, format!("telseal: {}: {error}\n", folder.display())))?;
    say(report.table());
    if notes {
        report.notes().iter().for_each(|note| say(format!("{note}\n")));
    }
    Ok(())
}

fn runtime(error: &dyn std::fmt::Display) -> Failed {
    (Exit::Runtime, format!("telseal: {error}\n"))
}

fn usage(message: &str) -> Failed {
    (Exit::Usage, format!("telseal: {message}\n"))
}

fn of_profile(profile: &str) -> Result<Redact, Failed> {
    if !PROFILES.contains(&profile) {
        return Err(usage(&format!("no profile `{profile}`; there are {}", PROFILES.join(", "))));
    }
    if profile == "gdpr" {
        return Err(usage("the profile `gdpr` needs a key: name a configuration with --config"));
    }
    build(&engine::Config { profile: profile.to_owned(), ..engine::Config::default() })
}

fn build(config: &engine::Config) -> Result<Redact, Failed> {
    Redact::new(config).map_err(|error| runtime(&error))
}

/// The configuration at `path`.
fn load(path: &Path) -> Result<config::Config, Failed> {
    config::load(path).map_err(|problems| (Exit::Config, config::render(&path.display().to_string(), &problems)))
}

/// The processor that the options name, of a configuration file.
fn configured(from: &From) -> Result<Redact, Failed> {
    let path = from.config.as_deref().ok_or_else(|| usage("name a configuration file with --config"))?;
    build(processor(&load(path)?, from.processor.as_deref())?)
}

fn processor<'c>(config: &'c config::Config, id: Option<&str>) -> Result<&'c engine::Config, Failed> {
    let mut all = config.processors.iter().filter_map(|(id, processor)| match processor {
        ProcessorConfig::Redact(own) => Some((id.to_string(), own)),
        _ => None,
    });
    match (id, all.next(), all.next()) {
        (Some(id), first, second) => {
            let named = first.into_iter().chain(second).chain(all).find(|(own, _)| own == id);
            named.map(|(_, own)| own).ok_or_else(|| usage(&format!("the configuration has no redact processor `{id}`")))
        }
        (None, Some((_, only)), None) => Ok(only),
        (None, None, _) => Err(usage("the configuration has no redact processor")),
        (None, ..) => Err(usage("the configuration has several redact processors: choose one with --processor")),
    }
}

fn hash_value(detector: &str, key: Option<&str>, from: &From) -> Result<(), Failed> {
    let engine = configured(from)?;
    if !engine.has(detector) {
        return Err(usage(&format!(
            "no rule `{detector}` is in force; `telseal redact --explain` names the rules it finds"
        )));
    }
    let mut value = String::new();
    io::stdin().lock().take(VALUE_BYTES_MAX).read_to_string(&mut value).map_err(|error| runtime(&error))?;
    let hash = engine.hash(key, detector, value.trim_end_matches(['\n', '\r']));
    say(format!("{}\n", hash.map_err(|error| (Exit::Config, format!("telseal: {error}\n")))?));
    Ok(())
}
