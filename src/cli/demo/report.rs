//! What a run looks like on a screen: about 40 lines of at most 100 columns.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::demo::found::{Line, Tagged, members};
use crate::cli::demo::paint::Paint;
use crate::cli::demo::{Outcome, shorten};
use crate::ledger::verify::LedgerReport;
use crate::otlp::Signal;

const WIDTH: usize = 100;
/// Where text begins that stands beside the name of its section.
const INDENT: usize = 12;
const ROOM: usize = WIDTH - INDENT;
/// How many actions are shown.
const TAGGED_MAX: usize = 7;

/// The whole report.
pub(super) fn render(outcome: &Outcome, paint: Paint) -> String {
    let mut page = Page { out: String::new(), paint };
    page.title(outcome);
    page.section("came in", came_in(outcome, paint));
    page.section("redacted", redacted(outcome, paint));
    page.section("tagged", tagged(outcome, paint));
    page.section("sealed", sealed(outcome, paint));
    page.section("verified", verified(outcome, paint));
    if let Some(line) = &outcome.sample {
        page.section("one line", one_line(line, paint));
    }
    page.section("delivered", delivered(outcome, paint));
    page.section("try next", try_next(outcome));
    page.out
}

struct Page {
    out: String,
    paint: Paint,
}

impl Page {
    fn title(&mut self, outcome: &Outcome) {
        let what = "AI coding agents' telemetry goes in over OTLP and comes out as evidence";
        let _ = writeln!(self.out, "{}  {what} ({:.1} s)", self.paint.bold("telseal demo"), outcome.took.as_secs_f64());
    }

    fn section(&mut self, name: &str, lines: Vec<String>) {
        self.out.push('\n');
        for (index, line) in lines.into_iter().enumerate() {
            let name = self.paint.heading(&format!("{:INDENT$}", if index == 0 { name } else { "" }));
            let _ = writeln!(self.out, "{name}{line}");
        }
    }
}

fn came_in(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let agents: BTreeSet<&String> = outcome.sent.iter().flat_map(|sent| sent.agents.keys()).collect();
    let widest = agents.iter().map(|agent| agent.len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for agent in agents {
        let mut line = format!("{agent:widest$}");
        for sent in &outcome.sent {
            let count = sent.agents.get(agent).copied().unwrap_or_default();
            let _ = write!(line, "  {count:>4} {:<11}", noun(sent.signal));
        }
        lines.push(line.trim_end().to_owned());
    }
    let routes = outcome.sent.iter().map(|sent| format!("{} over {} to {}", sent.signal, sent.protocol, sent.address));
    lines.push(paint.faint(&routes.collect::<Vec<_>>().join(", ")));
    lines
}

const fn noun(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "log records",
        Signal::Metrics => "data points",
        Signal::Traces => "spans",
    }
}

fn redacted(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let all: u64 = outcome.redactions.iter().map(|found| found.count).sum();
    let mut lines = vec![format!("{} strings masked before anything was written to disk or sent on", paint.bold(&all.to_string()))];
    let counts = outcome.redactions.iter().map(|found| format!("{} {}", found.rule, found.count));
    lines.extend(wrap(counts, ROOM));
    lines
}

fn tagged(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for tagged in outcome.tagged.iter().take(TAGGED_MAX) {
        lines.extend(one_tagged(tagged, paint));
    }
    let more = outcome.tagged.len().saturating_sub(TAGGED_MAX);
    if more > 0 {
        lines.push(paint.faint(&format!("and {more} more")));
    }
    lines
}

fn one_tagged(tagged: &Tagged, paint: Paint) -> [String; 2] {
    let level = tagged.level.name();
    let command = shorten::end(&tagged.action, ROOM - 14);
    let first = format!("{}  {}", paint.level(level, &format!("{level:8} {:>3}", tagged.score)), paint.bold(&command));
    let more = tagged.rules.len().saturating_sub(1);
    let more = if more > 0 { format!(" (+{more})") } else { String::new() };
    let rule = tagged.rules.first().map(String::as_str).unwrap_or_default();
    let reason = tagged.reasons.first().map(String::as_str).unwrap_or_default();
    let why = shorten::end(&format!("{rule}{more}  {}  {reason}", tagged.agent), ROOM - 14);
    [first, format!("{:14}{}", "", paint.faint(&why))]
}

fn sealed(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let row = |ledger: &LedgerReport| {
        let root = STANDARD.encode(ledger.root);
        format!("{:26}  {:>4} entries  head {}", ledger.path.display(), ledger.size, paint.faint(&root))
    };
    outcome.verified.ledgers.iter().map(row).collect()
}

fn verified(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let sum = |count: fn(&LedgerReport) -> u64| outcome.verified.ledgers.iter().map(count).sum::<u64>();
    let (records, checkpoints) = (sum(|ledger| ledger.records), sum(|ledger| ledger.checkpoints));
    vec![
        format!("{} {records} records, {checkpoints} signed checkpoints: re-read from the files", paint.good("yes")),
        paint.faint("every line is as it was sealed, none is missing in between, all are in order"),
    ]
}

/// The beginning of the record, and its seal with the long values shortened.
fn one_line(line: &Line, paint: Paint) -> Vec<String> {
    const SEAL: &str = ",\"audit.seal\":";
    let place = paint.faint(&format!("{}:{}", line.path.display(), line.number));
    let Some((record, seal)) = line.text.rsplit_once(SEAL) else {
        return vec![shorten::middle(&line.text, ROOM), place];
    };
    let seal = members(seal.strip_suffix('}').unwrap_or(seal)).unwrap_or_default();
    let seal = seal.iter().map(|(key, value)| match value.parse::<u64>() {
        Ok(number) => format!("\"{key}\":{number}"),
        Err(_) => format!("\"{key}\":\"{}\"", shorten::middle(value, 9)),
    });
    let seal = format!("{}{{{}}}}}", &SEAL[1..], seal.collect::<Vec<_>>().join(","));
    vec![shorten::end(record, ROOM), shorten::middle(&seal, ROOM), place]
}

fn delivered(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let row = |delivered: &super::Delivered| {
        let to = if delivered.to.is_empty() { String::new() } else { format!("{}, which wrote ", delivered.to) };
        let files = format!("{} in {} files", delivered.dir.display(), delivered.files);
        format!("{:14}  {:>4} lines  {}", delivered.exporter, delivered.lines, paint.faint(&format!("to {to}{files}")))
    };
    outcome.delivered.iter().map(row).collect()
}

fn try_next(outcome: &Outcome) -> Vec<String> {
    let program = program();
    let dir = outcome.dir.display();
    vec![
        format!("{program} verify {dir}"),
        format!("jq '.attributes | select(.\"risk.level\" == \"critical\")' {dir}/*/ledger/*.ndjson"),
        format!("{program} run --config config/sidecar.yaml"),
    ]
}

/// telseal as it was called, so that the commands can be pasted.
fn program() -> String {
    let called = std::env::args_os().next().map(OsString::into_string);
    called.and_then(Result::ok).filter(|name| name.contains('/')).unwrap_or_else(|| "telseal".to_owned())
}

/// Words with `, ` between them, in lines no wider than `width`.
fn wrap(words: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() + 3 <= width => *line += &format!(", {word}"),
            Some(line) => {
                line.push(',');
                lines.push(word);
            }
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_within_the_width() {
        let words = || ["email 3", "jwt 1", "aws_key 2"].into_iter().map(str::to_owned);
        assert_eq!(wrap(words(), 80), ["email 3, jwt 1, aws_key 2"]);
        assert_eq!(wrap(words(), 16), ["email 3, jwt 1,", "aws_key 2"]);
        assert!(wrap(std::iter::empty(), 10).is_empty());
    }

    #[test]
    fn a_sealed_line_keeps_its_beginning_and_its_seal() {
        let text = format!(
            r#"{{"attributes":{{"k":"{}"}},"audit.seal":{{"entry":"{}","n":12,"salt":"AAECAwQF","stream":"s","v":1}}}}"#,
            "x".repeat(200),
            "E".repeat(171)
        );
        let line = Line { path: "a.ndjson".into(), number: 7, text };
        let shown = one_line(&line, Paint::new(false));
        assert!(shown[0].starts_with(r#"{"attributes":{"k":"xxx"#) && shown[0].ends_with('…'), "{shown:?}");
        assert_eq!(shown[1], r#""audit.seal":{"entry":"EEEE…EEEE","n":12,"salt":"AAECAwQF","stream":"s","v":1}}"#);
        assert_eq!(shown[2], "a.ndjson:7");
    }
}
