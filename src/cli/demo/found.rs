//! Reads back what is on disk after a run: the sealed lines, what was delivered; and the count of what was masked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::cli::demo::Failure;
use crate::ledger::{self, Report};
use crate::processor::risk::event::Level;
use crate::stdx::json::{self, Reader, Value};
use crate::stdx::{durable, segments};

/// More than the demo ever writes into one file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Deeper than a record nests.
const DEPTH_MAX: usize = 128;

/// Attributes that say what an agent did, the most telling first.
const COMMANDS: [&str; 6] =
    ["full_command", "bash_command", "process.command_line", "command", "command_line", "shell.command"];
/// Attributes that hold a tool's arguments.
const ARGUMENTS: [&str; 7] = [
    "tool_parameters",
    "tool_input",
    "tool.input",
    "tool.arguments",
    "arguments",
    "function_args",
    "gen_ai.tool.call.arguments",
];
/// Members of arguments that are commands, and those that say what a tool worked on.
const COMMAND_MEMBERS: [&str; 5] = ["full_command", "command", "bash_command", "cmd", "script"];
const OBJECT_MEMBERS: [&str; 5] = ["file_path", "absolute_path", "path", "url", "uri"];
/// Paths and addresses that stand in attributes of their own.
const OBJECTS: [&str; 3] = ["file_path", "file.path", "url.full"];
/// Names of tools.
const TOOLS: [&str; 4] = ["tool_name", "gen_ai.tool.name", "tool.name", "function_name"];
/// What is left to name a record by.
const NAMES: [&str; 2] = ["event.name", "to_mode"];

/// One object, a level deep: strings as they are meant, everything else as it is written.
type Members = BTreeMap<String, String>;

/// A rule of `redact`, and how many strings it masked.
pub(super) struct Redaction {
    pub(super) rule: String,
    pub(super) count: u64,
}

/// An action on which rules of `risk_tag` fired.
pub(super) struct Tagged {
    pub(super) level: Level,
    pub(super) score: u64,
    pub(super) agent: String,
    /// The command, path or address, redacted.
    pub(super) action: String,
    pub(super) rules: Vec<String>,
    pub(super) reasons: Vec<String>,
    /// The user did not let the agent do it.
    pub(super) rejected: bool,
}

/// A line of a ledger.
pub(super) struct Line {
    pub(super) path: PathBuf,
    pub(super) number: usize,
    pub(super) text: String,
}

/// What the ledgers hold.
#[derive(Default)]
pub(super) struct Records {
    /// How many records are actions: all that `risk_tag` looked at.
    pub(super) actions: u64,
    /// The worst first.
    pub(super) tagged: Vec<Tagged>,
    /// The line of the worst record.
    pub(super) sample: Option<Line>,
}

/// What one exporter delivered.
pub(super) struct Delivered {
    pub(super) exporter: &'static str,
    /// The collector that wrote the files, when that is another one.
    pub(super) to: Option<SocketAddr>,
    pub(super) dir: PathBuf,
    pub(super) lines: u64,
}

/// Reads every record line of the ledgers that were verified.
pub(super) fn records(report: &Report) -> Result<Records, Failure> {
    let mut found = Records::default();
    let mut worst = None;
    for ledger in &report.ledgers {
        for (_, path) in segments::list(&ledger.path, ledger::EXTENSION)? {
            let text = read(&path)?;
            for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with("{\"audit.")) {
                found.actions += u64::from(line.contains("\"risk.level\":"));
                let Some(tagged) = tagged(line)? else { continue };
                if worst < Some(tagged.score) {
                    worst = Some(tagged.score);
                    found.sample = Some(Line { path: path.clone(), number: index + 1, text: line.to_owned() });
                }
                found.add(tagged);
            }
        }
    }
    found.tagged.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.rules.cmp(&b.rules)));
    Ok(found)
}

impl Records {
    /// An agent tells of an action when it is allowed and again when it is done; it is shown once.
    fn add(&mut self, new: Tagged) {
        let same = |old: &Tagged| (&old.action, &old.rules, &old.agent) == (&new.action, &new.rules, &new.agent);
        if !self.tagged.iter().any(same) {
            self.tagged.push(new);
        }
    }
}

/// The record in this line, if a rule fired on it.
fn tagged(line: &str) -> Result<Option<Tagged>, Failure> {
    let record = members(line)?;
    let attributes = inner(&record, "attributes")?;
    let (Some(level), Some(rules)) = (attributes.get("risk.level"), attributes.get("risk.rules")) else {
        return Ok(None);
    };
    let level =
        Level::ALL.into_iter().find(|known| known.name() == level).ok_or("a level that risk_tag does not have")?;
    let resource = inner(&record, "resource")?;
    let service = inner(&resource, "attributes")?.remove("service.name").unwrap_or_default();
    let scope = inner(&record, "scope")?.remove("name").unwrap_or_default();
    Ok(Some(Tagged {
        level,
        score: attributes.get("risk.score").and_then(|score| score.parse().ok()).unwrap_or_default(),
        agent: agent_name(&service, &scope),
        rejected: attributes.get("decision").is_some_and(|decision| decision == "reject"),
        action: action(&attributes).or_else(|| record.get("name").cloned()).unwrap_or_default(),
        rules: strings(rules)?,
        reasons: attributes.get("risk.reasons").map(|text| strings(text)).transpose()?.unwrap_or_default(),
    }))
}

/// The members of a member; none where it is absent.
fn inner(members_of: &Members, key: &str) -> Result<Members, json::Error> {
    members_of.get(key).map(|text| members(text)).transpose().map(Option::unwrap_or_default)
}

/// What the agent did, from the most telling attribute that is there: a command as it is, else the tool and what it
/// worked on, else the event.
fn action(attributes: &Members) -> Option<String> {
    let arguments: Vec<Members> = ARGUMENTS.iter().filter_map(|key| members(attributes.get(*key)?).ok()).collect();
    let in_arguments = |keys| arguments.iter().find_map(|arguments| first(arguments, keys));
    if let Some(command) = first(attributes, &COMMANDS).or_else(|| in_arguments(&COMMAND_MEMBERS)) {
        // A command may be a list of words.
        return Some(strings(&command).map(|words| words.join(" ")).unwrap_or(command));
    }
    let tool = first(attributes, &TOOLS).map(|tool| tool + " ").unwrap_or_default();
    if let Some(object) = first(attributes, &OBJECTS).or_else(|| in_arguments(&OBJECT_MEMBERS)) {
        return Some(tool + &object);
    }
    let names: Vec<String> = NAMES.iter().filter_map(|key| attributes.get(*key)).cloned().collect();
    (!names.is_empty()).then(|| names.join(": "))
}

fn first(members: &Members, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| members.get(*key)).cloned()
}

/// The name of an agent: its service, and its scope where that is a plain word of its own. Droid's service is `cli`.
pub(super) fn agent_name(service: &str, scope: &str) -> String {
    if scope.is_empty() || scope.contains('.') || scope == service {
        service.to_owned()
    } else {
        format!("{scope} ({service})")
    }
}

/// Counts of masked strings by rule, from the text of `/metrics`; the most frequent first.
pub(super) fn redactions(metrics: &str) -> Vec<Redaction> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("telseal_redactions_total")) {
        let rule = line.split_once("rule=\"").and_then(|(_, rest)| rest.split_once('"'));
        let count = line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok());
        if let (Some((rule, _)), Some(count)) = (rule, count) {
            *counts.entry(rule).or_default() += count;
        }
    }
    let mut found: Vec<_> =
        counts.into_iter().map(|(rule, count)| Redaction { rule: rule.to_owned(), count }).collect();
    found.sort_by_key(|redaction| std::cmp::Reverse(redaction.count));
    found
}

/// Counts what lies where an exporter delivered to.
pub(super) fn delivered(exporter: &'static str, to: Option<SocketAddr>, dir: &Path) -> Result<Delivered, Failure> {
    let files = durable::list(dir)?;
    let mut lines = 0;
    for path in &files {
        lines += read(path)?.lines().count() as u64;
    }
    Ok(Delivered { exporter, to, dir: dir.to_owned(), lines })
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = durable::read(path, FILE_BYTES_MAX)?.ok_or_else(|| format!("{} is gone", path.display()))?;
    Ok(String::from_utf8(bytes)?)
}

/// The members of a JSON object.
pub(super) fn members(text: &str) -> Result<Members, json::Error> {
    let mut reader = Reader::over(text);
    let mut found = Members::new();
    if reader.value()? != Value::Object {
        return reader.fail("expected an object");
    }
    while let Some(key) = reader.next_member()? {
        let key = key.read(&mut String::new()).to_owned();
        found.insert(key, scalar(&mut reader)?);
    }
    Ok(found)
}

/// The items of a JSON array of strings.
fn strings(text: &str) -> Result<Vec<String>, json::Error> {
    let mut reader = Reader::over(text);
    let mut found = Vec::new();
    if reader.value()? != Value::Array {
        return reader.fail("expected a list");
    }
    while reader.next_element()? {
        found.push(scalar(&mut reader)?);
    }
    Ok(found)
}

/// A string as it is meant, any other value as it is written.
fn scalar(reader: &mut Reader<'_>) -> Result<String, json::Error> {
    let mut whole = reader.clone();
    if let Value::Str(text) = reader.value()? {
        return Ok(text.read(&mut String::new()).to_owned());
    }
    let range = whole.skip_value(DEPTH_MAX)?;
    *reader = whole;
    Ok(reader.slice(range).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(attributes: &str) -> Option<String> {
        action(&members(attributes).unwrap())
    }

    #[test]
    fn an_action_is_named_by_its_command_wherever_that_is() {
        for (attributes, expected) in [
            (r#"{"event.name":"x","full_command":"rm -rf /"}"#, Some("rm -rf /")),
            (r#"{"tool_parameters":"{\"bash_command\":\"ls\\n-l\"}"}"#, Some("ls\n-l")),
            (r#"{"tool_input":{"file_path":"/etc/passwd"},"tool_name":"Read"}"#, Some("Read /etc/passwd")),
            (r#"{"event.name":"permission_mode_changed","to_mode":"x"}"#, Some("permission_mode_changed: x")),
            (r#"{"arguments":"{\"command\":[\"bash\",\"-lc\",\"env\"]}"}"#, Some("bash -lc env")),
            (r#"{"arguments":"no json","event.name":"codex.tool_result"}"#, Some("codex.tool_result")),
            (r#"{"n":1}"#, None),
        ] {
            assert_eq!(shown(attributes).as_deref(), expected, "{attributes}");
        }
    }

    #[test]
    fn an_agent_has_the_name_that_people_know() {
        assert_eq!(agent_name("claude-code", "com.anthropic.claude_code.events"), "claude-code");
        assert_eq!(agent_name("cli", "droid"), "droid (cli)");
        assert_eq!(agent_name("codex", ""), "codex");
    }

    #[test]
    fn a_record_without_a_rule_is_not_tagged() {
        assert!(tagged(r#"{"attributes":{"risk.level":"info","risk.score":0}}"#).unwrap().is_none());
        let line = r#"{"attributes":{"command":"x","risk.level":"high","risk.reasons":["why"],"risk.rules":["AG-1"],"risk.score":73},
            "resource":{"attributes":{"service.name":"claude-code"}}}"#;
        let found = tagged(line).unwrap().unwrap();
        assert_eq!((found.level, found.score, found.agent.as_str()), (Level::High, 73, "claude-code"));
        assert_eq!((found.rules, found.reasons), (vec!["AG-1".to_owned()], vec!["why".to_owned()]));
    }

    #[test]
    fn masked_strings_are_added_up_by_rule() {
        let metrics = "# TYPE telseal_redactions_total counter\n\
            telseal_redactions_total{rule=\"email\",signal=\"logs\"} 2\n\
            telseal_redactions_total{rule=\"jwt\"} 4\n\
            telseal_redactions_total{rule=\"email\",signal=\"traces\"} 1\n\
            telseal_other_total{rule=\"email\"} 9\n";
        let found: Vec<_> = redactions(metrics).into_iter().map(|found| (found.rule, found.count)).collect();
        assert_eq!(found, [("jwt".to_owned(), 4), ("email".to_owned(), 3)]);
    }
}
