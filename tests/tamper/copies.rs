//! What can happen to a copy of the records in somebody else's system, and what `telseal reconcile` says to each. One line
//! a case, as in `table.rs`: what is done to the lines of the copy, words of the report, exit code.

use std::process::Command;

use serde_json::Value;

use crate::forge::{Forge, json_string};
use crate::run;

struct Case {
    name: &'static str,
    does: fn(&mut Vec<String>),
    says: &'static str,
    exit: i32,
}

const fn case(name: &'static str, does: fn(&mut Vec<String>), says: &'static str, exit: i32) -> Case {
    Case { name, does, says, exit }
}

const RECORDS: usize = 8;

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("nothing", |_| {}, "A exact     8", 0),
    case("lines in another order", |l| l.reverse(), "A exact     8", 0),
    case("lines inside another system's objects", |l| l.iter_mut().for_each(|l| *l = format!("{{\"result\":{{\"_raw\":{}}}}}", json_string(l))), "A exact     8", 0),
    case("members in another order", |l| turn(&mut l[3]), "B same      1", 0),
    case("an escape more", |l| edit(&mut l[3], "/é", "/\\u00e9"), "B same      1", 0),
    case("another escape of equal meaning", |l| edit(&mut l[3], "/é", "\\/é"), "B same      1", 0),
    case("white space", |l| edit(&mut l[3], ",\"body\":", " , \"body\" : "), "B same      1", 0),
    case("an integer for a double", |l| edit(&mut l[3], "1.0", "1"), "ALTERED", 4),
    case("a double for an integer", |l| edit(&mut l[3], "\"count\":3", "\"count\":3.0"), "ALTERED", 4),
    case("a number for a string", |l| edit(&mut l[3], "\"3\"", "3"), "ALTERED", 4),
    case("a letter", |l| edit(&mut l[3], "run", "ran"), "ALTERED", 4),
    case("an attribute gone", |l| edit(&mut l[3], ",\"ratio\":1.0", ""), "ALTERED", 4),
    case("two bodies exchanged", |l| { edit(&mut l[3], "run 3", "run 4"); edit(&mut l[4], "run 4", "run 3"); }, "ALTERED", 4),
    case("a record gone", |l| drop(l.remove(3)), "UNEXPLAINED", 4),
    case("a record without its seal", |l| { let cut = l[3].find(",\"audit.seal\"").unwrap(); l[3].truncate(cut); l[3].push('}'); }, "UNEXPLAINED", 4),
    case("a record twice", |l| { let line = l[3].clone(); l.push(line); }, "duplicates  1", 0),
    case("a record of another ledger", |l| l.push(lines("example.org/other")[2].clone()), "of other ledgers", 0),
    case("a record that the ledger does not reach: it was cut off", |l| { let line = longer()[RECORDS].clone(); l.push(line); }, "BEYOND", 4),
];

/// Puts the members of an object in reverse order, at every level but the seal's.
fn turn(line: &mut String) {
    let value: Value = serde_json::from_str(line).unwrap();
    *line = turned(&value);
}

fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev().map(|(name, value)| format!("{}:{}", json_string(name), turned(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn edit(line: &mut String, from: &str, to: &str) {
    assert!(line.contains(from), "{from} is not in {line}");
    *line = line.replacen(from, to, 1);
}

fn ledger(origin: &str, records: usize) -> Forge {
    let mut forge = Forge::new(origin);
    forge.checkpoint(true);
    for n in 0..records {
        let attributes = format!(r#"{{"count":{n},"path":"/é","ratio":1.0,"text":"{n}"}}"#);
        forge.record(&format!(r#"{{"attributes":{attributes},"body":"run {n}","signal":"log"}}"#));
    }
    forge.checkpoint(true);
    forge
}

fn lines_of(forge: &Forge) -> Vec<String> {
    let lines = forge.segments.iter().flat_map(|segment| &segment.lines);
    lines.filter(|line| !line.starts_with("{\"audit.")).cloned().collect()
}

fn lines(origin: &str) -> Vec<String> {
    lines_of(&ledger(origin, RECORDS))
}

/// The same ledger with one record more.
fn longer() -> Vec<String> {
    lines_of(&ledger(ORIGIN, RECORDS + 1))
}

const ORIGIN: &str = "example.org/seal/copies";

#[test]
fn reconcile_says_of_each_copy_what_the_table_says() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, copy) = (dir.path().join("ledger"), dir.path().join("copy.ndjson"));
    let forge = ledger(ORIGIN, RECORDS);
    forge.write(&folder);
    let mut wrong = vec![];
    for case in CASES {
        let mut lines = lines_of(&forge);
        (case.does)(&mut lines);
        std::fs::write(&copy, lines.join("\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_telseal"));
        command.arg("reconcile").arg(&folder).arg("--copy").arg(&copy).args(["--key", &forge.root.vkey()]);
        let (exit, said) = run(&mut command);
        if exit != case.exit || !said.contains(case.says) {
            wrong.push(format!("{}: expected {} {}, got {exit}: {said}", case.name, case.exit, case.says));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}
