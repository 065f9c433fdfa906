//! `telseal risk`: what a command line or an agent's event means, without a collector.
//!
//! One command line as an argument or on standard input, for people (the default) or as one JSON object; many as JSON lines;
//! or labelled corpora, to see how good the rules are. Only the shipped rules and tables are used. Nothing is run.

mod evaluate;
mod explain;
mod input;

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Exit, complain, say};
use crate::processor::risk::assess::Assessment;
use crate::processor::risk::{Config, RiskTag};
use crate::stdx::json::{write_i64, write_str};

/// The longest line of JSON that is read.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What `telseal risk` is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The command line, in quotes; without it, standard input is read
    command: Option<String>,
    /// For people: level, score and how it came about, rules with reasons, every command found (the default)
    #[arg(long, group = "form")]
    explain: bool,
    /// For machines: the same as one JSON object
    #[arg(long, group = "form")]
    json: bool,
    /// Read JSON lines, `{"id","command"}` or `{"id","event":{attributes}}`; write `{"id","level","score","rules","reasons"}`
    #[arg(long, group = "form", conflicts_with = "command")]
    jsonl: bool,
    /// Judge labelled corpora, JSON lines `{"id","command","label":"dangerous|benign"}`, and print how many were found
    #[arg(long, group = "form", value_name = "FILE", num_args = 1.., conflicts_with = "command")]
    evaluate: Vec<PathBuf>,
}

pub(super) fn risk(options: &Options) -> Exit {
    let risk = RiskTag::new(&Config::default());
    if !options.evaluate.is_empty() {
        return evaluate::evaluate(&risk, &options.evaluate);
    }
    if options.jsonl {
        return lines(&risk);
    }
    match &options.command {
        Some(line) => one(&risk, line, options.json),
        None => from_input(&risk, options.json),
    }
}

fn from_input(risk: &RiskTag, json: bool) -> Exit {
    let mut text = String::new();
    match std::io::stdin().lock().take(LINE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if text.trim().is_empty() => {
            complain("telseal: risk: no command; write `telseal risk 'COMMAND'`, or pipe one in\n");
            Exit::Usage
        }
        Ok(_) => one(risk, text.trim_end_matches('\n'), json),
        Err(error) => failed(&format!("cannot read standard input: {error}")),
    }
}

fn failed(message: &str) -> Exit {
    complain(format!("telseal: risk: {message}\n"));
    Exit::Runtime
}

fn one(risk: &RiskTag, line: &str, json: bool) -> Exit {
    let assessment = risk.assess_command(line);
    if json {
        let mut out = vec![];
        explain::json(&assessment, line, &mut out);
        say(String::from_utf8_lossy(&out));
    } else {
        say(explain::people(&assessment, line));
    }
    Exit::Ok
}

/// Line in, line out. A line that cannot be read is answered with an error in its place, and the exit code says so.
fn lines(risk: &RiskTag) -> Exit {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut line, mut out, mut broken) = (Vec::new(), Vec::new(), 0_u64);
    for number in 1_u64.. {
        line.clear();
        out.clear();
        match input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => broken += u64::from(!answer(risk, &line, number, &mut out)),
            Err(error) => return failed(&format!("cannot read standard input: {error}")),
        }
        if output.write_all(&out).is_err() {
            return Exit::Ok;
        }
    }
    let _ = output.flush();
    if broken == 0 { Exit::Ok } else { failed(&format!("{broken} lines could not be read")) }
}

/// Answers one line; false when it cannot be read.
fn answer(risk: &RiskTag, line: &[u8], number: u64, out: &mut Vec<u8>) -> bool {
    match input::read(line).and_then(|item| Ok((input::assess(risk, &item)?, item.id))) {
        Ok((assessment, id)) => {
            short(&assessment, id.as_deref(), out);
            true
        }
        Err(message) => {
            out.extend_from_slice(b"{\"id\":null,\"error\":");
            write_str(out, &format!("line {number}: {message}"));
            out.extend_from_slice(b"}\n");
            false
        }
    }
}

/// `{"id","level","score","rules","reasons"}`.
fn short(assessment: &Assessment, id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.unwrap_or("null").as_bytes());
    out.extend_from_slice(b",\"level\":");
    write_str(out, assessment.level.name());
    out.extend_from_slice(b",\"score\":");
    write_i64(out, assessment.score);
    out.extend_from_slice(b",\"rules\":");
    list(out, assessment.rules.iter().map(|rule| &*rule.id));
    out.extend_from_slice(b",\"reasons\":");
    list(out, assessment.rules.iter().map(|rule| &*rule.reason));
    out.extend_from_slice(b"}\n");
}

/// A list of strings.
fn list<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t str>) {
    out.push(b'[');
    for (place, text) in texts.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_str(out, text);
    }
    out.push(b']');
}
