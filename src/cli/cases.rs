//! `telseal test`: cases in YAML, through the real processors of a configuration.
//!
//! A case gives an OTLP request and says what must come of it: how many records, which attributes, what was dropped, and
//! which texts may stand in no byte of the output. Nothing is bound, stored or sent.

mod expect;
mod yaml_json;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde::Deserialize;

use crate::cli::{Exit, complain, request, say};
use crate::config;
use crate::otlp::Signal;
use crate::service::dry::Dry;
use expect::Expect;
use yaml_json::Json;

#[derive(Debug, Args)]
#[command(
    after_help = "A file of cases:\n\n  config: telseal.yaml          # beside this file\n  cases:\n    - name: a token never leaves\n      \
                  given:\n        resourceLogs:\n          - scopeLogs: [{logRecords: [{body: {stringValue: \"TOKEN=ghp_…\"}}]}]\n      \
                  expect:\n        records: 1\n        each: {attributes: {redaction.count: 1}}\n        nowhere: [ghp_]\n\n\
                  `given_file` names a file of OTLP/JSON instead, `pipeline` one of several. `expect` knows records, added, dropped, each, \
                  some (both with attributes, absent, resource, body, name, severity_text), anywhere and nowhere.\n\n\
                  Exit code 0: every case passed; 1: one did not; 3: a file is wrong.\n\nExample: telseal test tests/*.yaml"
)]
pub(super) struct TestArgs {
    /// Files of cases
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration, instead of the one that the files name
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// The configuration, beside the file of cases.
    config: Option<PathBuf>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    pipeline: Option<String>,
    given: Option<Json>,
    given_file: Option<PathBuf>,
    expect: Expect,
}

/// How many cases did what.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// Why a whole file could not be run: how the command ends, and the lines that say so.
type Failed = (Exit, String);

pub(super) fn test(args: &TestArgs) -> Exit {
    let mut tally = Tally::default();
    for file in &args.files {
        if let Err((exit, message)) = run_file(file, args.config.as_deref(), &mut tally) {
            complain(message);
            return exit;
        }
    }
    say(format!("{} passed, {} failed\n", tally.passed, tally.failed));
    if tally.failed == 0 { Exit::Ok } else { Exit::Runtime }
}

fn run_file(file: &Path, config: Option<&Path>, tally: &mut Tally) -> Result<(), Failed> {
    let wrong = |path: &Path, problems: &[_]| (Exit::Config, config::render(&path.display().to_string(), problems));
    let suite: Suite = config::load_as(file).map_err(|problems| wrong(file, &problems))?;
    let beside = |path: &Path| file.parent().unwrap_or(Path::new("")).join(path);
    let named = config.map(Path::to_owned).or_else(|| suite.config.as_deref().map(beside));
    let path = named
        .ok_or_else(|| (Exit::Usage, format!("{}: no `config:` in it, and no --config given\n", file.display())))?;
    let config = config::load(&path).map_err(|problems| wrong(&path, &problems))?;
    let dry = Dry::build(&config).map_err(|error| (Exit::Runtime, format!("telseal: {error}\n")))?;
    for case in &suite.cases {
        let complaints = case.run(&dry, &beside);
        if complaints.is_empty() {
            tally.passed += 1;
            say(format!("ok      {}\n", case.name));
        } else {
            tally.failed += 1;
            say(format!("FAILED  {}\n", case.name));
            complaints.iter().for_each(|complaint| say(format!("        {complaint}\n")));
        }
    }
    Ok(())
}

impl Case {
    /// What is not as expected.
    fn run(&self, dry: &Dry, beside: &impl Fn(&Path) -> PathBuf) -> Vec<String> {
        let passed = self.request(beside).and_then(|(signal, body)| {
            let pipeline = dry.choose(self.pipeline.as_deref(), signal)?;
            Ok((signal, dry.run(pipeline, &body)?))
        });
        match passed {
            Ok((signal, passed)) => self.expect.check(signal, &passed),
            Err(error) => vec![error],
        }
    }

    fn request(&self, beside: &impl Fn(&Path) -> PathBuf) -> Result<(Signal, Bytes), String> {
        match (&self.given, &self.given_file) {
            (Some(given), None) => request::read(given.text()),
            (None, Some(file)) => {
                let path = beside(file);
                let text = std::fs::read_to_string(&path);
                request::read(&text.map_err(|error| format!("cannot read {}: {error}", path.display()))?)
            }
            _ => Err("needs either `given` or `given_file`".to_owned()),
        }
    }
}
