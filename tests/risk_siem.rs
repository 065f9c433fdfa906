//! The recipe of `docs/sigma.md`: a rule on fields that a vendor sends, converted for a SIEM by pySigma with the processing
//! pipeline that stands there, finds the events that telseal finds.
//!
//! pySigma and its Splunk backend come from PyPI into a virtual environment under `target/`. Where there is no Python, or no
//! PyPI, the test says so and checks nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the pipeline is written where pySigma reads it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value as Json;
use telseal::otlp::value::Value;
use telseal::processor::risk::sigma::{Source, compile};
use telseal::processor::risk::{Config, RiskTag};

const PACKAGES: [&str; 2] = ["pysigma==1.5.1", "pysigma-backend-splunk==2.1.0"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a program; what it says when it fails.
fn run(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// A Python that has pySigma.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pysigma");
    let python = folder.join("bin/python");
    if run(&python, &["-c", "import sigma.backends.splunk"]).is_ok() {
        return Ok(python);
    }
    run(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()])?;
    let mut arguments =
        vec!["-m", "pip", "install", "-q", "--disable-pip-version-check", "--timeout", "20", "--retries", "1"];
    arguments.extend(PACKAGES);
    run(&python, &arguments)?;
    Ok(python)
}

/// The processing pipeline in the recipe.
fn pipeline() -> String {
    let text = fs::read_to_string(here("docs/sigma.md")).unwrap();
    let recipe = text.split("## The same rule in a SIEM").nth(1).unwrap();
    let block = recipe.split("```yaml\n").nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// The events on which the rule fires here.
fn found_here(rule: &str, events: &str) -> Vec<String> {
    let source = Source { name: "rule.yml".into(), text: rule.to_owned().into() };
    let compiled = compile("test", &[source], &[]);
    assert!(compiled.findings.is_empty(), "{:?}", compiled.findings);
    let tag = RiskTag::with_rules(&Config::default(), Arc::new(compiled.ruleset));
    let mut found = vec![];
    for line in events.lines() {
        let item: Json = serde_json::from_str(line).unwrap();
        let event = item["event"].as_object().unwrap();
        let pair = |(key, value): (&'_ String, &'_ Json)| (key.clone(), value.as_str().unwrap().to_owned());
        let (resource, record): (Vec<_>, Vec<_>) = event.iter().map(pair).partition(|(key, _)| key == "service.name");
        let values = |pairs: &'static [(String, String)]| -> Vec<(&str, Value<'_>)> {
            pairs.iter().map(|(key, value)| (key.as_str(), Value::Str(value))).collect()
        };
        // Leaked: a test of a few events, and the values borrow from them.
        let (resource, record) = (values(resource.leak()), values(record.leak()));
        if !tag.assess_event(&record, &resource, "").unwrap().rules.is_empty() {
            found.push(item["id"].as_str().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn a_rule_exported_by_the_recipe_finds_the_same_events() {
    let folder = here("tests/processor/risk/siem");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let here = found_here(&read("rule.yml"), &read("events.ndjson"));
    assert_eq!(here, ["npm", "pip", "upper", "allowed", "direct"]);
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            eprintln!("passed over: pySigma cannot be had: {why}");
            return;
        }
    };
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ai_agent_claude_code.yml");
    fs::write(&own, pipeline()).unwrap();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (script, rule, events) =
        (path(&folder.join("search.py")), path(&folder.join("rule.yml")), path(&folder.join("events.ndjson")));
    let there = run(&python, &[&script, &rule, &path(&own), &events]).unwrap();
    assert_eq!(there.lines().collect::<Vec<_>>(), here);
}
