//! Copies as stores make them, and what is said about each.

use std::fmt::Write as _;
use std::fs;

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ledger::{Drafts, Ledger, Options, field_digest};
use crate::otlp::{Signal, json, line::to_otlp};
use crate::stdx::durable::Mode;
use crate::stdx::segments::Position;

struct Rig {
    dir: tempfile::TempDir,
}

fn body(n: u64) -> String {
    let level = if n.is_multiple_of(2) { "INFO" } else { "WARN" };
    format!(r#"{{"attributes":{{"ratio":1.0,"text":"é/\"{n}\""}},"severity_text":"{level}","signal":"log"}}"#)
}

impl Rig {
    fn new(records: u64) -> Self {
        let rig = Self { dir: tempfile::tempdir().unwrap() };
        rig.seal(0..records);
        rig
    }

    fn seal(&self, records: std::ops::Range<u64>) {
        let (mut ledger, ..) = Ledger::open(&self.dir.path().join("logs/ledger"), &Options::new("logs")).unwrap();
        for n in records {
            let mut drafts = Drafts::with_capacity(1, 100);
            drafts.buffer().extend_from_slice(body(n).as_bytes());
            drafts.finish_line(1, 0, 0).unwrap();
            ledger.append(&[drafts]).unwrap();
        }
    }

    /// The exporter is behind so many records.
    fn cursor(&self, exporter: &str, record: u64) {
        let cursors = self.dir.path().join("logs/cursors");
        durable::create_dir(&cursors).unwrap();
        let file = CursorFile::new(cursors.join(exporter.replace('/', "-")));
        file.store(Position { record, segment: 0, offset: 0 }).unwrap();
    }

    /// The sealed lines.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("logs/ledger/00000000000000000000.ndjson")).unwrap();
        text.lines().filter(|line| !line.starts_with("{\"audit.")).map(str::to_owned).collect()
    }

    fn file(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.dir.path().join(name);
        durable::write_atomic(&path, (lines.join("\n") + "\n").as_bytes(), Mode::Shared).unwrap();
        path
    }

    fn reconcile(&self, copy: &[String], more: &[&str]) -> Books {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ReconcileArgs,
        }
        let copy = self.file("copy", copy);
        let path = self.dir.path().join("logs");
        let line = ["x", path.to_str().unwrap(), "--copy", copy.to_str().unwrap()];
        let args = <Line as clap::Parser>::parse_from(line.iter().chain(more)).args;
        run(&args).unwrap_or_else(|failed| panic!("{}", failed.message))
    }
}

/// The same JSON as another program writes it: members in another order, spaces, escapes.
fn reworded(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let members = value.as_object().unwrap().iter().rev();
    let mut text = String::from("{ ");
    for (index, (name, value)) in members.enumerate() {
        let comma = if index > 0 { " , " } else { "" };
        let _ = write!(text, "{comma}\"{name}\" : {}", serde_json::to_string(value).unwrap().replace('é', "\\u00e9"));
    }
    text + "}"
}

/// The number of a sealed line.
fn seq_of(line: &str) -> u64 {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["audit.seal"]["n"].as_u64().unwrap()
}

fn as_otlp(lines: &[String]) -> String {
    let request = to_otlp(Signal::Logs, (lines.join("\n") + "\n").as_bytes()).unwrap();
    let mut out = Vec::new();
    json::from_protobuf(Signal::Logs, &request, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn what_an_exporter_does_not_get_is_no_finding() {
    let rig = Rig::new(6);
    let lines = rig.lines();
    let warnings: Vec<String> = lines.iter().filter(|line| line.contains("WARN")).cloned().collect();
    let config = rig.dir.path().join("telseal.yaml");
    let text = "receivers: {otlp: {protocols: {http: {}}}}\nprocessors: {seal: {}}\n\
        exporters: {otlp_http/siem: {endpoint: 'http://127.0.0.1:1', filter: {drop: [{key: odd, exists: false}]}}}\n\
        service: {data_dir: data, pipelines: {logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/siem]}}}\n";
    let write = |text: &str| durable::write_atomic(&config, text.as_bytes(), Mode::Shared).unwrap();
    rig.cursor("otlp_http/siem", 6);
    let arguments = ["--exporter", "otlp_http/siem", "--config", config.to_str().unwrap()];
    write(text);
    let books = rig.reconcile(&[], &arguments);
    assert_eq!((books.filtered, books.unexplained.count, books.exit()), (6, 0, Exit::Ok));
    write(&text.replace("{key: odd, exists: false}", "{key: text, matches: '[024]'}"));
    let books = rig.reconcile(&warnings, &arguments);
    assert_eq!((books.filtered, books.grades[0], books.exit()), (3, 3, Exit::Ok));
    let books = rig.reconcile(&warnings[1..], &arguments);
    assert_eq!((books.filtered, books.unexplained.count, books.exit()), (3, 1, Exit::Integrity));
}

#[test]
fn every_form_of_a_whole_copy_gets_its_grade() {
    let rig = Rig::new(6);
    let lines = rig.lines();
    let each = |change: &dyn Fn(&String) -> String| lines.iter().map(change).collect::<Vec<_>>();
    let forms: [(&str, Vec<String>, [u64; 3]); 8] = [
        ("as it is", lines.clone(), [6, 0, 0]),
        (
            "splunk: a string in a result",
            each(&|l| format!(r#"{{"preview":false,"result":{{"_raw":{}}}}}"#, quoted(l))),
            [6, 0, 0],
        ),
        ("loki: pairs of time and line", each(&|l| format!(r#"{{"values":[["1",{}]]}}"#, quoted(l))), [6, 0, 0]),
        ("wrapped", each(&|l| format!(r#"{{"event":{l},"time":1}}"#)), [0, 6, 0]),
        ("reworded", each(&|l| reworded(l)), [0, 6, 0]),
        (
            "with members of the store",
            each(&|l| reworded(l).replacen('{', r#"{"@timestamp":"x","host":"h","#, 1)),
            [0, 6, 0],
        ),
        ("OTLP", vec![as_otlp(&lines)], [0, 6, 0]),
        (
            "flat",
            lines
                .iter()
                .map(|line| seq_of(line))
                .map(|n| format!(r#"{{"audit.sequence.number":{n},"audit.sequence.stream_id":"STREAM"}}"#))
                .collect(),
            [0, 0, 6],
        ),
    ];
    let stream = rig.reconcile(&lines, &[]).stream;
    for (name, copy, grades) in forms {
        let copy: Vec<String> = copy.iter().map(|line| line.replace("STREAM", &stream)).collect();
        let books = rig.reconcile(&copy, &[]);
        assert_eq!((books.grades, books.exit()), (grades, Exit::Ok), "{name}: {}", report::text(&books));
    }
}

/// A ledger with an erasable field in each record.
fn erasable() -> Rig {
    let rig = Rig { dir: tempfile::tempdir().unwrap() };
    let (mut ledger, ..) = Ledger::open(&rig.dir.path().join("logs/ledger"), &Options::new("logs")).unwrap();
    for n in 0..3 {
        let (salt, member) = ([n; 16], format!(r#""user.email":"u{n}@example.com""#));
        let digest = STANDARD.encode(field_digest(&salt, member.as_bytes()));
        let mut drafts = Drafts::with_capacity(1, 100);
        let line = format!(r#"{{"attributes":{{"a":1,"user.email":{{"$sd":"{digest}"}}}},"signal":"log"}}"#);
        drafts.buffer().extend_from_slice(line.as_bytes());
        drafts.finish_line(1, 4, 0).unwrap();
        let (name, value) = member.split_once(':').unwrap();
        drafts.disclose(format!(r#"[["{}",{name},{value}]]"#, STANDARD.encode(salt)).as_bytes());
        ledger.append(&[drafts]).unwrap();
    }
    rig
}

#[test]
fn erasable_fields_are_part_of_what_is_compared_in_every_form() {
    let rig = erasable();
    let lines = rig.lines();
    assert!(lines.iter().all(|line| line.contains("\"disclosures\"")), "{lines:?}");
    let text = lines.join("\n") + "\n";
    let revealed = crate::otlp::line::reveal(text.as_bytes()).unwrap();
    let revealed: Vec<String> = String::from_utf8_lossy(&revealed).lines().map(str::to_owned).collect();
    let otlp = as_otlp(&revealed);
    assert!(otlp.contains("u1@example.com"), "{otlp}");
    let reworded: Vec<String> = lines.iter().map(|line| reworded(line)).collect();
    for (name, copy, grades) in [
        ("exact", lines.clone(), [3, 0, 0]),
        ("OTLP", vec![otlp.clone()], [0, 3, 0]),
        ("reworded", reworded, [0, 3, 0]),
    ] {
        let books = rig.reconcile(&copy, &[]);
        assert_eq!((books.grades, books.exit()), (grades, Exit::Ok), "{name}: {}", report::text(&books));
        let changed: Vec<String> = copy.iter().map(|line| line.replace("u1@", "x1@")).collect();
        assert_eq!(rig.reconcile(&changed, &[]).altered.count, 1, "{name}");
    }
}

#[test]
fn what_differs_is_altered_even_when_it_looks_the_same() {
    let rig = Rig::new(3);
    let lines = rig.lines();
    for (from, to) in [("1.0", "1"), ("INFO", "INFo"), ("\"signal\":\"log\",", ""), ("\"ratio\":1.0,", "")] {
        let mut copy = lines.clone();
        copy[0] = copy[0].replacen(from, to, 1);
        let books = rig.reconcile(&copy, &[]);
        assert_eq!((books.altered.count, books.exit()), (1, Exit::Integrity), "{from} {to}");
    }
    // The body and the seal of two records are exchanged, each with all that belongs to it.
    let mut copy = lines.clone();
    let (one, two) = (seq_of(&lines[1]), seq_of(&lines[2]));
    copy[1] = lines[1].replace(&format!("\"n\":{one},"), &format!("\"n\":{two},"));
    assert_eq!(rig.reconcile(&copy, &[]).altered.count, 1);
}

#[test]
fn each_missing_record_is_explained_or_is_a_finding() {
    let rig = Rig::new(10);
    let lines = rig.lines();
    let gap: Vec<String> = [&lines[..3], &lines[5..]].concat();
    let books = rig.reconcile(&gap, &[]);
    let (first, last) = (seq_of(&lines[3]), seq_of(&lines[4]));
    assert_eq!((books.unexplained.ranges.as_slice(), books.exit()), (&[(first, last)][..], Exit::Integrity));
    let text = report::text(&books);
    assert!(text.contains("UNEXPLAINED 2") && text.contains(&format!("entries {first}-{last}")), "{text}");

    // Refused by the destination.
    let letters: Vec<String> = lines[3..5]
        .iter()
        .map(|line| {
            format!(r#"{{"rejected_at_unix_nano":"1","exporter":"loki","signal":"logs","reason":"400","line":{line}}}"#)
        })
        .collect();
    let letters = rig.file("letters", &letters);
    let books = rig.reconcile(&gap, &["--rejected", letters.to_str().unwrap()]);
    assert_eq!((books.refused.get("loki: 400"), books.exit()), (Some(&2), Exit::Ok));

    // Not sent yet.
    rig.cursor("loki/x", 7);
    let books = rig.reconcile(&lines[..7], &["--exporter", "loki/x"]);
    assert_eq!((books.in_flight, books.exit()), (3, Exit::Ok));
    let books = rig.reconcile(&lines[..6], &["--exporter", "loki/x"]);
    assert_eq!((books.in_flight, books.unexplained.count), (3, 1));

    // Not asked for.
    let warnings: Vec<String> = lines.iter().filter(|line| line.contains("WARN")).cloned().collect();
    let books = rig.reconcile(&warnings, &["--where", "severity_text=WARN"]);
    assert_eq!((books.filtered, books.grades[0], books.exit()), (5, 5, Exit::Ok));
}

#[test]
fn what_is_too_much_is_a_finding_and_what_is_foreign_is_not() {
    let rig = Rig::new(3);
    let lines = rig.lines();
    let twice = [lines.clone(), lines[..1].to_vec()].concat();
    let books = rig.reconcile(&twice, &[]);
    assert_eq!((books.duplicates, books.exit()), (1, Exit::Ok));

    let foreign =
        [lines.clone(), Rig::new(2).lines(), vec!["{\"no\":\"seal\"}".to_owned(), "not json".to_owned()]].concat();
    let books = rig.reconcile(&foreign, &[]);
    assert_eq!((books.foreign, books.unsealed, books.exit()), (2, 2, Exit::Ok));

    // The ledger is an older state than the copy.
    let segment = rig.dir.path().join("logs/ledger/00000000000000000000.ndjson");
    let before = fs::read(&segment).unwrap();
    rig.seal(3..5);
    let newer = rig.lines();
    durable::write_atomic(&segment, &before, Mode::Shared).unwrap();
    let books = rig.reconcile(&newer, &[]);
    assert_eq!((books.beyond.count, books.exit()), (2, Exit::Integrity), "{}", report::text(&books));
    let parsed: serde_json::Value = serde_json::from_str(&report::json(&books)).unwrap();
    assert_eq!((&parsed["exit"], &parsed["beyond"]["count"]), (&4.into(), &2.into()));
}
