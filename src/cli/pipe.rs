//! `telseal pipe`: OTLP/JSON on standard input, through the processors of a configuration, to standard output.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::redact::input::{self, LINE_BYTES_MAX, Line};
use crate::cli::{Exit, complain, load, request};
use crate::otlp::json;
use crate::service::dry::{Dry, Passed};

#[derive(Debug, Args)]
#[command(
    after_help = "Each line is an OTLP/JSON request; each line printed is what the pipeline would store of one. Nothing is \
                  sealed, stored or sent. A line that is no request is reported and ends in exit code 1.\n\n\
                  Example: telseal pipe -c telseal.yaml --counts < requests.jsonl"
)]
pub(super) struct PipeArgs {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The pipeline, where the configuration has several for a signal: logs/agents
    #[arg(long, value_name = "ID")]
    pipeline: Option<String>,
    /// Say on standard error what became of each request: records in, out, dropped, changed
    #[arg(long)]
    counts: bool,
}

pub(super) fn pipe(args: &PipeArgs) -> Exit {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let dry = match Dry::build(&config) {
        Ok(dry) => dry,
        Err(error) => {
            complain(format!("telseal: {error}\n"));
            return Exit::Runtime;
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = all(args, &dry, io::stdin().lock(), &mut out).and_then(|whole| out.flush().map(|()| whole));
    match done {
        Ok(true) => Exit::Ok,
        Ok(false) => Exit::Runtime,
        // Whoever read us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            complain(format!("telseal: {error}\n"));
            Exit::Runtime
        }
    }
}

/// False when a line could not be read as a request.
fn all(args: &PipeArgs, dry: &Dry, mut input: impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    let (mut whole, mut number) = (true, 0);
    while let Some(line) = input::next(&mut input)? {
        number += 1;
        let passed = match &line {
            Line::Text(text) if text.trim().is_empty() => continue,
            Line::Text(text) => one(args, dry, text),
            Line::TooLong => Err(format!("longer than {LINE_BYTES_MAX} bytes")),
        };
        match passed {
            Ok((passed, json)) => {
                if args.counts {
                    complain(counts(number, &passed));
                }
                out.write_all(&json)?;
            }
            Err(error) => {
                whole = false;
                complain(format!("standard input:{number}: {error}\n"));
            }
        }
    }
    Ok(whole)
}

/// What came of a request, and the line to print.
fn one(args: &PipeArgs, dry: &Dry, text: &str) -> Result<(Passed, Vec<u8>), String> {
    let (signal, body) = request::read(text)?;
    let pipeline = dry.choose(args.pipeline.as_deref(), signal)?;
    let passed = dry.run(pipeline, &body)?;
    let mut line = Vec::new();
    if let Some(otlp) = &passed.otlp {
        json::from_protobuf(signal, otlp, &mut line).map_err(|error| error.to_string())?;
        line.push(b'\n');
    }
    Ok((passed, line))
}

fn counts(line: u64, passed: &Passed) -> String {
    let Passed { received, records, added, .. } = passed;
    let mut text = format!("line {line}: {received} in, {records} out");
    if *added > 0 {
        text.push_str(&format!(", {added} added"));
    }
    passed.dropped.iter().for_each(|(reason, n)| text.push_str(&format!(", {n} dropped ({reason})")));
    passed.changed.iter().filter(|(_, n)| **n > 0).for_each(|(id, n)| text.push_str(&format!(", {n} changed by {id}")));
    text.push('\n');
    text
}
