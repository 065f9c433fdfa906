//! `telseal rules`: the rules of `risk_tag`, shipped and one's own: listed, checked, and run against their examples.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::{Exit, complain, say};
use crate::processor::risk::event::RuleEngine;
use crate::processor::risk::packs;
use crate::processor::risk::sigma::{Compiled, Finding, compile};
use crate::service;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List rules: id, level, ATT&CK techniques and title, worst first
    List(Paths),
    /// Read rules and say everything that is wrong with them, with file and line
    Check(Paths),
    /// Run the examples that rules carry under `telseal.examples`: each must fire on its hits and on none of its misses
    Test(Paths),
}

#[derive(Debug, Args)]
struct Paths {
    /// Rule files, or folders with `.yml` and `.yaml` files. Without any: the rules that come with telseal
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn rules(options: &Options) -> Exit {
    let (What::List(own) | What::Check(own) | What::Test(own)) = &options.what;
    let compiled = match load(&own.paths) {
        Ok(compiled) => compiled,
        Err(error) => {
            complain(format!("{error}\n"));
            return Exit::Runtime;
        }
    };
    complain(shown(&compiled.findings));
    match &options.what {
        List(..) => list(&compiled),
        Check(..) => check(&compiled),
        Test(..) => test(&compiled),
    }
}

use What::{Check, List, Test};

/// The rules at these paths; correlations and filters may name shipped rules, so those are there too.
fn load(paths: &[PathBuf]) -> Result<Compiled, String> {
    if paths.is_empty() {
        return Ok(packs::load(&[], &[]));
    }
    service::rules::read(paths).map(|sources| compile("rules", &sources, &[]))
}

fn shown(findings: &[Finding]) -> String {
    let kind = |finding: &Finding| if finding.is_error { "" } else { "note: " };
    findings.iter().map(|finding| format!("{}{finding}\n", kind(finding))).collect()
}

fn outcome(sound: bool) -> Exit {
    if sound { Exit::Ok } else { Exit::Config }
}

fn list(compiled: &Compiled) -> Exit {
    let mut out = String::new();
    for rule in compiled.ruleset.rules().iter().chain(compiled.ruleset.correlations()) {
        let techniques = rule.techniques.join(",");
        let _ = writeln!(out, "{:<18} {:<8} {:<28} {}", rule.id, rule.level.name(), techniques, rule.title);
    }
    say(out);
    outcome(compiled.is_sound())
}

fn check(compiled: &Compiled) -> Exit {
    let wrong = compiled.findings.iter().filter(|finding| finding.is_error).count();
    let (rules, correlations) = (compiled.ruleset.len(), compiled.ruleset.correlations().count());
    let passed_over = compiled.findings.len() - wrong;
    say(format!(
        "{rules} rules and {correlations} correlations can run, {passed_over} are for other logs, {wrong} are wrong\n"
    ));
    outcome(compiled.is_sound())
}

fn test(compiled: &Compiled) -> Exit {
    let examined = compiled.ruleset.examine();
    let wrong = examined.findings.iter().filter(|finding| finding.is_error).count();
    complain(shown(&examined.findings));
    say(format!("{} examples of {} rules: {wrong} went wrong\n", examined.examples, examined.rules));
    outcome(compiled.is_sound() && wrong == 0)
}
