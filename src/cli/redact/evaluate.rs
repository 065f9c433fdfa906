//! `telseal redact evaluate DIR`: how much of a labelled corpus is found, and how much else.
//!
//! Every `*.ndjson` file of the folder has lines `{"id","text","labels":[{"start","end","family"}]}`, positions in code
//! points. A label is found when a finding covers exactly it. A finding that touches no label is false. A text
//! without labels is benign, and what is found in it is counted by the megabyte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::processor::redact::{Redact, family};
use crate::stdx::json::{self, Reader, Value};

const DEPTH_MAX: usize = 16;

/// A line of the corpus.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    id: String,
    text: String,
    labels: Vec<Label>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Label {
    start: usize,
    end: usize,
    family: String,
}

/// What became of one family.
#[derive(Debug, Default)]
struct Score {
    labels: u64,
    found: u64,
    /// Findings that touch a label of the family.
    right: u64,
    /// Findings by detectors of the family that touch no label.
    wrong: u64,
}

/// The corpus so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    families: BTreeMap<String, Score>,
    benign_bytes: u64,
    benign_findings: u64,
    /// What was missed, cut wrongly or wrongly found: the line's id, positions, family or rule.
    notes: Vec<String>,
}

/// Reads the corpus and judges what is found in it.
///
/// # Errors
/// When a file cannot be read or a line is not as it should be.
pub(super) fn run(engine: &Redact, folder: &Path) -> io::Result<Report> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    paths.sort();
    let mut report = Report::default();
    for path in paths {
        for (index, line) in fs::read_to_string(&path)?.lines().enumerate() {
            let entry = entry(line).map_err(|error| {
                let message = format!("{}: line {}: {error}", path.display(), index + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?;
            report.judge(engine, &entry);
        }
    }
    Ok(report)
}

impl Report {
    fn judge(&mut self, engine: &Redact, entry: &Entry) {
        let (_, found) = engine.text(&entry.text);
        let point = |bytes: usize| entry.text.get(..bytes).map_or(0, |head| head.chars().count());
        let found: Vec<_> = found.into_iter().map(|found| (point(found.start)..point(found.end), found.rule)).collect();
        if entry.labels.is_empty() {
            self.benign_bytes += entry.text.len() as u64;
            self.benign_findings += found.len() as u64;
        }
        for label in &entry.labels {
            let exact = found.iter().any(|(span, _)| *span == (label.start..label.end));
            let score = self.families.entry(label.family.clone()).or_default();
            score.labels += 1;
            score.found += u64::from(exact);
            if !exact {
                let what = format!("{}: missed {} at {}..{}", entry.id, label.family, label.start, label.end);
                self.notes.push(found.iter().fold(what, |note, (span, rule)| format!("{note}, found {rule} {span:?}")));
            }
        }
        for (span, rule) in &found {
            let touched = entry.labels.iter().find(|label| label.start < span.end && label.end > span.start);
            match touched {
                Some(label) => self.families.entry(label.family.clone()).or_default().right += 1,
                None => {
                    self.families.entry(family(rule).to_owned()).or_default().wrong += 1;
                    self.notes.push(format!("{}: false {rule} at {span:?}", entry.id));
                }
            }
        }
    }

    /// The table, as Markdown.
    pub(super) fn table(&self) -> String {
        let mut out = String::from("| family | labels | precision | recall |\n|---|---|---|---|\n");
        for (family, score) in &self.families {
            let precision = ratio(score.right, score.right + score.wrong);
            let recall = ratio(score.found, score.labels);
            let _ = writeln!(out, "| {family} | {} | {precision:.3} | {recall:.3} |", score.labels);
        }
        let _ = writeln!(
            out,
            "\n{:.2} false findings per MB of benign text ({} in {} bytes).",
            self.false_by_megabyte(),
            self.benign_findings,
            self.benign_bytes
        );
        out
    }

    /// What went wrong, a line each, without values.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    fn false_by_megabyte(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of findings, a size of files")]
        let (findings, bytes) = (self.benign_findings as f64, self.benign_bytes as f64);
        if bytes == 0.0 { 0.0 } else { findings * 1e6 / bytes }
    }
}

/// One when there is nothing to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts of findings")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn entry(line: &str) -> Result<Entry, json::Error> {
    let mut reader = Reader::over(line);
    let mut entry = Entry::default();
    if reader.value()? != Value::Object {
        return reader.fail("expected an object");
    }
    while let Some(key) = reader.next_member()? {
        match key.plain() {
            Some("id") => entry.id = string(&mut reader)?,
            Some("text") => entry.text = string(&mut reader)?,
            Some("labels") => entry.labels = labels(&mut reader)?,
            _ => _ = reader.skip_value(DEPTH_MAX)?,
        }
    }
    reader.end()?;
    Ok(entry)
}

fn string(reader: &mut Reader<'_>) -> Result<String, json::Error> {
    match reader.value()? {
        Value::Str(text) => Ok(text.read(&mut String::new()).to_owned()),
        _ => reader.fail("expected a string"),
    }
}

fn labels(reader: &mut Reader<'_>) -> Result<Vec<Label>, json::Error> {
    let mut labels = Vec::new();
    if reader.value()? != Value::Array {
        return reader.fail("expected a list of labels");
    }
    while reader.next_element()? {
        labels.push(label(reader)?);
    }
    Ok(labels)
}

fn label(reader: &mut Reader<'_>) -> Result<Label, json::Error> {
    let mut label = Label::default();
    if reader.value()? != Value::Object {
        return reader.fail("expected a label");
    }
    while let Some(key) = reader.next_member()? {
        match (key.plain(), reader.value()?) {
            (Some("start"), Value::Number(number)) => {
                label.start = number.parse().or_else(|_| reader.fail("expected a position"))?
            }
            (Some("end"), Value::Number(number)) => {
                label.end = number.parse().or_else(|_| reader.fail("expected a position"))?
            }
            (Some("family"), Value::Str(text)) => label.family = text.read(&mut String::new()).to_owned(),
            _ => return reader.fail("expected start, end and family"),
        }
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::redact::Config;

    #[test]
    fn lines_are_read_and_judged() {
        let engine = Redact::new(&Config::default()).unwrap();
        let mut report = Report::default();
        for line in [
            r#"{"id":"a","text":"é bob@example.com","labels":[{"start":2,"end":17,"family":"email"}]}"#,
            r#"{"id":"b","text":"bob@example.com","labels":[{"start":0,"end":3,"family":"email"}]}"#,
            r#"{"id":"c","text":"bob@example.com","labels":[]}"#,
        ] {
            report.judge(&engine, &entry(line).unwrap());
        }
        let score = &report.families["email"];
        assert_eq!((score.labels, score.found, score.right, score.wrong), (2, 1, 2, 1));
        assert_eq!(report.notes(), ["b: missed email at 0..3, found email 0..15", "c: false email at 0..15"]);
        assert!(report.table().contains("| email | 2 | 0.667 | 0.500 |\n"), "{}", report.table());
    }

    #[test]
    fn the_corpus_of_this_repository_is_found_as_promised() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/redact");
        let report = run(&Redact::new(&Config::default()).unwrap(), &folder).unwrap();
        let least = |family: &str| match family {
            "known-secret" => (0.97, 0.97),
            "email" | "payment-card" | "iban" | "us-ssn" => (0.95, 0.98),
            _ => (0.9, 0.9),
        };
        for (name, score) in &report.families {
            let (precision, recall) = least(name);
            let found = (ratio(score.right, score.right + score.wrong), ratio(score.found, score.labels));
            assert!(found.0 >= precision && found.1 >= recall, "{name} {found:?}\n{}", report.notes().join("\n"));
        }
        assert!(report.false_by_megabyte() <= 2.0, "{}", report.notes().join("\n"));
    }
}
