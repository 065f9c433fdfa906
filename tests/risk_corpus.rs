//! The labelled commands of `tests/corpus/risk`: dangerous ones are found, harmless ones are not called dangerous.
//! `telseal risk --evaluate tests/corpus/risk/*.ndjson` prints the table and every wrong verdict.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use telseal::processor::risk::RiskTag;
use telseal::processor::risk::event::Level;

/// Every command with its label.
fn corpus() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/risk");
    let mut items = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let item: Value = serde_json::from_str(line).unwrap();
            items.push((item["command"].as_str().unwrap().to_owned(), item["label"].as_str().unwrap().to_owned()));
        }
    }
    items
}

fn part(some: usize, all: usize) -> f64 {
    some as f64 / all as f64
}

#[test]
fn dangerous_commands_are_found_and_harmless_ones_left_alone() {
    let risk = RiskTag::new(&serde_saphyr::from_str("{}").unwrap());
    let (mut dangerous, mut found, mut benign, mut wrong) = (0, 0, 0, vec![]);
    for (command, label) in corpus() {
        let level = risk.assess_command(&command).level;
        if label == "dangerous" {
            dangerous += 1;
            found += usize::from(level >= Level::Medium);
        } else {
            benign += 1;
            wrong.extend((level >= Level::High).then_some(command));
        }
    }
    assert!(dangerous >= 300 && benign >= 300, "{dangerous} dangerous, {benign} benign");
    assert!(part(found, dangerous) >= 0.98, "{found} of {dangerous} found");
    assert!(part(wrong.len(), benign) <= 0.005, "called dangerous: {wrong:#?}");
}
