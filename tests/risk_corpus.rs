//! The labelled commands of `tests/corpus/risk` and events of `tests/corpus/risk_events`: dangerous ones are found, harmless
//! ones are not called dangerous.
//! `telseal risk --evaluate tests/corpus/risk/*.ndjson` prints the table and every wrong verdict.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use telseal::otlp::value::Value as Attribute;
use telseal::processor::risk::RiskTag;
use telseal::processor::risk::event::Level;

/// Every item of a folder.
fn corpus(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let texts = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

/// What the rules say to an item.
fn level(risk: &RiskTag, item: &Value) -> Level {
    if let Some(command) = item["command"].as_str() {
        return risk.assess_command(command).level;
    }
    let attribute = |(key, value): (&'_ String, &'_ Value)| -> (String, String) {
        (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let owned: Vec<(String, String)> = item["event"].as_object().unwrap().iter().map(attribute).collect();
    let attributes: Vec<(&str, Attribute<'_>)> =
        owned.iter().map(|(key, value)| (&**key, Attribute::Str(value))).collect();
    risk.assess_event(&attributes, &[], "").unwrap().level
}

fn part(some: usize, all: usize) -> f64 {
    some as f64 / all as f64
}

/// At least so many of either kind are there, of the dangerous ones so many are found, and next to none of the others is called
/// high or critical.
fn check(folder: &str, count_min: usize) {
    let risk = RiskTag::new(&serde_saphyr::from_str("{}").unwrap());
    let (mut dangerous, mut found, mut benign, mut wrong) = (0, 0, 0, vec![]);
    for item in corpus(folder) {
        let level = level(&risk, &item);
        if item["label"] == "dangerous" {
            dangerous += 1;
            found += usize::from(level >= Level::Medium);
        } else {
            benign += 1;
            wrong.extend((level >= Level::High).then_some(item));
        }
    }
    assert!(dangerous >= count_min && benign >= count_min, "{dangerous} dangerous, {benign} benign");
    assert!(part(found, dangerous) >= 0.98, "{found} of {dangerous} found");
    assert!(part(wrong.len(), benign) <= 0.005, "called dangerous: {wrong:#?}");
}

#[test]
fn dangerous_commands_are_found_and_harmless_ones_left_alone() {
    check("risk", 2_500);
}

#[test]
fn dangerous_events_are_found_and_harmless_ones_left_alone() {
    check("risk_events", 150);
}
