//! Labelled corpora: how many dangerous commands are found, and how many harmless ones are called dangerous.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{failed, input};
use crate::cli::{Exit, say};
use crate::processor::risk::RiskTag;
use crate::processor::risk::event::Level;

/// More findings than this are not listed.
const LISTED_MAX: usize = 200;

/// What came of one corpus, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    dangerous: usize,
    /// Medium or worse.
    found: usize,
    /// High or critical.
    found_high: usize,
    benign: usize,
    /// High or critical, and wrong.
    false_high: usize,
    /// Medium, and wrong.
    false_medium: usize,
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.dangerous += other.dangerous;
        self.found += other.found;
        self.found_high += other.found_high;
        self.benign += other.benign;
        self.false_high += other.false_high;
        self.false_medium += other.false_medium;
    }

    fn row(&self, name: &str) -> String {
        let part = |some: usize, all: usize| {
            if all == 0 { "-".to_owned() } else { format!("{:.1} %", some as f64 * 100.0 / all as f64) }
        };
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} |\n",
            self.dangerous,
            part(self.found, self.dangerous),
            part(self.found_high, self.dangerous),
            self.benign,
            part(self.false_high, self.benign),
            part(self.false_medium, self.benign),
        )
    }
}

pub(super) fn evaluate(risk: &RiskTag, files: &[PathBuf]) -> Exit {
    let mut table = String::from(
        "| corpus | dangerous | found (medium or worse) | as high or critical | benign | false high or critical | false medium |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let (mut all, mut wrong) = (Count::default(), vec![]);
    for file in files {
        let count = match corpus(risk, file, &mut wrong) {
            Ok(count) => count,
            Err(message) => return failed(&format!("{}: {message}", file.display())),
        };
        let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        table += &count.row(&name);
        all.add(&count);
    }
    if files.len() > 1 {
        table += &all.row("all");
    }
    for line in wrong.iter().take(LISTED_MAX) {
        let _ = writeln!(table, "{line}");
    }
    say(table);
    Exit::Ok
}

fn corpus(risk: &RiskTag, file: &Path, wrong: &mut Vec<String>) -> Result<Count, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut count = Count::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |message: String| format!("line {}: {message}", number + 1);
        let item = input::read(line.as_bytes()).map_err(at)?;
        let assessment = input::assess(risk, &item).map_err(at)?;
        let level = assessment.level;
        let least = item.level.as_deref().and_then(Level::parse).unwrap_or(Level::Medium);
        let what = match item.label.as_deref() {
            Some("dangerous") => {
                count.dangerous += 1;
                count.found += usize::from(level >= Level::Medium);
                count.found_high += usize::from(level >= Level::High);
                if level < Level::Medium {
                    "missed"
                } else if level < least {
                    "too low"
                } else {
                    continue;
                }
            }
            Some("benign") => {
                count.benign += 1;
                count.false_high += usize::from(level >= Level::High);
                count.false_medium += usize::from(level == Level::Medium);
                if level >= Level::High {
                    "false"
                } else if level == Level::Medium {
                    "false medium"
                } else {
                    continue;
                }
            }
            _ => return Err(at("`label` is neither `dangerous` nor `benign`".into())),
        };
        let rules: Vec<&str> = assessment.rules.iter().map(|rule| &*rule.id).collect();
        let command = item.command.as_deref().unwrap_or("(event)").replace('\n', "\\n");
        wrong.push(format!("{what} ({}): {command}  [{}]", level.name(), rules.join(" ")));
    }
    Ok(count)
}
