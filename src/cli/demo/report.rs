//! What a run looks like on a screen: about 40 lines of at most 100 columns.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::demo::found::{Delivered, Line, Records, Tagged, members};
use crate::cli::demo::paint::Paint;
use crate::cli::demo::session::Sent;
use crate::cli::demo::{Outcome, shorten};
use crate::ledger::verify::LedgerReport;
use crate::otlp::Signal;

const WIDTH: usize = 100;
/// Where text begins that stands beside the name of its section.
const INDENT: usize = 12;
const ROOM: usize = WIDTH - INDENT;
/// How far the reason of a risk is moved in.
const WHY: usize = 3;
/// How many actions are shown.
const TAGGED_MAX: usize = 6;
/// What stands between a record and its seal.
const SEAL: &str = ",\"audit.seal\":";

/// The whole report.
pub(super) fn render(outcome: &Outcome, paint: Paint) -> String {
    let mut page = Page { out: String::new(), paint };
    page.title(outcome);
    page.section("came in", came_in(outcome, paint));
    page.section("redacted", redacted(outcome, paint));
    page.section("tagged", tagged(&outcome.records, paint));
    page.section("sealed", sealed(outcome, paint));
    page.section("verified", verified(outcome, paint));
    if let Some(line) = &outcome.records.sample {
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
        let what = "what AI coding agents did goes in over OTLP and comes out as evidence";
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
    let widest = agents.iter().map(|agent| agent.chars().count()).max().unwrap_or_default();
    let count = |sent: &Sent, agent| match sent.agents.get(agent) {
        Some(records) => format!("  {records:>4} {:<11}", noun(sent.signal)),
        None => format!("{:18}", ""),
    };
    let row = |agent| {
        let counts: String = outcome.sent.iter().map(|sent| count(sent, agent)).collect();
        format!("{agent:widest$}{counts}").trim_end().to_owned()
    };
    agents.into_iter().map(row).chain([paint.faint(&routes(&outcome.sent))]).collect()
}

/// Which signals went where, and how.
fn routes(sent: &[Sent]) -> String {
    let mut routes: Vec<(String, String)> = Vec::new();
    for sent in sent {
        let way = format!("over {} to {}", sent.protocol, sent.address);
        match routes.iter_mut().find(|(_, known)| *known == way) {
            Some((signals, _)) => *signals += &format!(" and {}", sent.signal),
            None => routes.push((sent.signal.to_string(), way)),
        }
    }
    routes.iter().map(|(signals, way)| format!("{signals} {way}")).collect::<Vec<_>>().join(", ")
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
    let all = paint.bold(&format!("{all} secrets and personal data"));
    let counts = outcome.redactions.iter().map(|found| format!("{} {}", found.rule, found.count));
    let lines = wrap(counts, ROOM);
    [format!("{all} masked, before anything was written or sent on")].into_iter().chain(lines).collect()
}

fn tagged(records: &Records, paint: Paint) -> Vec<String> {
    let all = records.tagged.len();
    let more = if all > TAGGED_MAX { format!("; the worst {TAGGED_MAX}:") } else { ":".to_owned() };
    let all = paint.bold(&format!("{all} risks"));
    let title = format!("{all} in {} records of agents' actions{more}", records.actions);
    let worst = records.tagged.iter().take(TAGGED_MAX).flat_map(|tagged| one_tagged(tagged, paint));
    [title].into_iter().chain(worst).collect()
}

/// What was done and by whom; then why that is a risk.
fn one_tagged(tagged: &Tagged, paint: Paint) -> [String; 2] {
    let level = tagged.level.name();
    let by = if tagged.rejected { format!("{}, the user said no", tagged.agent) } else { tagged.agent.clone() };
    let score = format!("{level:8} {:>3}", tagged.score);
    let room = ROOM.saturating_sub(score.len() + 2 + by.chars().count() + 2);
    let action = paint.bold(&shorten::end(&tagged.action, room));
    let first = format!("{}  {action}  {}", paint.level(level, &score), paint.faint(&by));
    let rule = tagged.rules.first().map(String::as_str).unwrap_or_default();
    let reason = tagged.reasons.first().map(String::as_str).unwrap_or_default();
    let why = shorten::end(&format!("{rule} {reason}"), ROOM - WHY);
    [first, format!("{:WHY$}{}", "", paint.faint(&why))]
}

fn sealed(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let row = |ledger: &LedgerReport| {
        let name = ledger.path.strip_prefix(&outcome.dir).unwrap_or(&ledger.path).display().to_string();
        let root = paint.faint(&STANDARD.encode(ledger.root));
        format!("{name:15} {:>3} lines  size {:>2}  head {root}", ledger.records, ledger.size)
    };
    let count = outcome.verified.ledgers.len();
    let dir = paint.bold(&outcome.dir.display().to_string());
    let title = format!("{dir}: {count} ledgers; every line is chained to the one before, every head is signed");
    [title].into_iter().chain(outcome.verified.ledgers.iter().map(row)).collect()
}

fn verified(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let sum = |count: fn(&LedgerReport) -> u64| outcome.verified.ledgers.iter().map(count).sum::<u64>();
    let (records, checkpoints) = (sum(|ledger| ledger.records), sum(|ledger| ledger.checkpoints));
    let verdict = paint.good("yes");
    vec![
        format!("{verdict}, {records} sealed lines and {checkpoints} signed checkpoints, read again from the files:"),
        "none was altered, none is missing in between, all stand in their order".to_owned(),
    ]
}

/// The beginning of the record, its risk, and its seal with the long values shortened.
fn one_line(line: &Line, paint: Paint) -> Vec<String> {
    let place = format!("{}:{}", line.path.display(), line.number);
    let (record, seal) = line.text.rsplit_once(SEAL).unwrap_or((&line.text, "{}}"));
    let seal = members(seal.strip_suffix('}').unwrap_or(seal)).unwrap_or_default();
    let seal = seal.iter().map(|(key, value)| match value.parse::<u64>() {
        Ok(number) => format!("\"{key}\":{number}"),
        Err(_) => format!("\"{key}\":\"{}\"", shorten::middle(value, 9)),
    });
    let seal = format!("{}{{{}}}}}", &SEAL[1..], seal.collect::<Vec<_>>().join(","));
    let risk = record.find("\"risk.level\"").map(|at| shorten::end(&record[at..], ROOM));
    let lines = [shorten::end(record, ROOM)].into_iter().chain(risk).chain([shorten::middle(&seal, ROOM)]);
    lines.chain([paint.faint(&place)]).collect()
}

fn delivered(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let row = |delivered: &Delivered| {
        let by = delivered.to.map(|to| format!("http://{to}, which wrote ")).unwrap_or_default();
        let to = paint.faint(&format!("to {by}{}/", delivered.dir.display()));
        format!("{:14} {:>3} lines {to}", delivered.exporter, delivered.lines)
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
