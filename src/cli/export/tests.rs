//! What an export writes, and that it writes nothing when anything is wrong.

use std::fs;

use super::*;
use crate::ledger::{Drafts, Ledger, Options};
use crate::stdx::durable::faults::{kill_at, revive, tore};

const LINES: [&str; 4] = [
    r#"{"attributes":{"command_line":"rm -rf /tmp/x","host.name":"h1","process.pid":7,"session.id":"s1"},"body":"=cmd|' /C calc'!A0","severity_number":9,"severity_text":"INFO","signal":"log","time_unix_nano":"1795341600000000000"}"#,
    r#"{"attributes":{"risk.level":"high","session.id":"s2","user.email":"a@b.example"},"body":"two, \"lines\"","event_name":"tool.call","severity_number":13,"signal":"log","time_unix_nano":"1795341601000000000"}"#,
    r#"{"attributes":{"session.id":"s1"},"body":{"a":1.0},"resource":{"attributes":{"service.name":"api"}},"signal":"log","time_unix_nano":"1795341602000000000"}"#,
    r#"{"body":"last","signal":"log"}"#,
];

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (mut ledger, ..) = Ledger::open(&dir.path().join("ledger"), &Options::new("logs")).unwrap();
        for line in LINES {
            let mut drafts = Drafts::with_capacity(1, 100);
            drafts.buffer().extend_from_slice(line.as_bytes());
            drafts.finish_line(1, 0, 0).unwrap();
            ledger.append(&[drafts]).unwrap();
        }
        Self { dir }
    }

    /// The run ended in order.
    fn ended() -> Self {
        let rig = Self::new();
        rig.open().finish().unwrap();
        rig
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.dir.path().join("ledger"), &Options::new("logs")).unwrap().0
    }

    /// How many entries say that records were exported.
    fn noted(&self) -> usize {
        let segments = durable::list(&self.dir.path().join("ledger")).unwrap().into_iter();
        let plain = segments.filter(|path| path.extension().is_some_and(|end| end == "ndjson"));
        plain.map(|path| fs::read_to_string(path).unwrap().matches(r#"{"audit.control":"export""#).count()).sum()
    }

    fn args(&self, format: FormatName, wheres: &[&str]) -> ExportArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            export: ExportArgs,
        }
        let mut line = vec!["export".to_owned(), self.dir.path().display().to_string()];
        line.extend(["--format".to_owned(), format.name().to_owned()]);
        line.extend(["--out".to_owned(), self.out().display().to_string()]);
        line.extend(wheres.iter().flat_map(|text| ["--where".to_owned(), (*text).to_owned()]));
        <Line as clap::Parser>::parse_from(line).export
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn export(&self, format: FormatName, wheres: &[&str]) -> String {
        let exit = run(&self.args(format, wheres)).unwrap();
        assert_eq!(exit, Exit::Ok);
        fs::read_to_string(self.out()).unwrap()
    }

    fn segment(&self) -> PathBuf {
        self.dir.path().join("ledger").join("00000000000000000000.ndjson")
    }

    fn tamper(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.segment()).unwrap();
        assert!(text.contains(from));
        durable::write_atomic(&self.segment(), text.replacen(from, to, 1).as_bytes(), Mode::Shared).unwrap();
    }

    /// Everything that stands in the folder beside the ledger.
    fn left_over(&self) -> Vec<PathBuf> {
        durable::list(self.dir.path()).unwrap().into_iter().filter(|path| path.is_file()).collect()
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn ndjson_is_the_sealed_lines_and_its_proof_says_what_it_is() {
    let rig = Rig::new();
    let text = rig.export(FormatName::Ndjson, &[]);
    let ledger = fs::read_to_string(rig.segment()).unwrap();
    let records: Vec<&str> = ledger.lines().filter(|line| !line.starts_with("{\"audit.")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), records);
    let proof = json(&fs::read_to_string(rig.dir.path().join("out.proof.json")).unwrap());
    let mut digest = Digest::default();
    digest.update(text.as_bytes());
    assert_eq!((proof["count"].as_u64(), proof["sha256"].as_str()), (Some(4), Some(digest.hex().as_str())));
    let checkpoint = proof["checkpoint"].as_str().unwrap();
    assert!(ledger.contains(&checkpoint.replace('\n', "\\n")), "{checkpoint}");
}

#[test]
fn csv_has_a_row_a_record_and_no_formula() {
    let rig = Rig::new();
    let text = rig.export(FormatName::Csv, &[]);
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 5, "{text}");
    assert!(rows[0].starts_with("sequence,sealed_at,time,signal,"));
    assert!(rows[1].contains(",2026-11-22T10:00:00.000000000Z,log,9,INFO,,\"'=cmd|' /C calc'!A0\","), "{}", rows[1]);
    assert!(rows[2].contains(",tool.call,\"two, \"\"lines\"\"\",,a@b.example,s2,high,"), "{}", rows[2]);
    assert!(rows[3].contains(",\"{\"\"a\"\":1.0}\",api,"), "{}", rows[3]);
}

#[test]
fn otlp_is_requests_with_the_seals_among_the_attributes() {
    let rig = Rig::new();
    let text = rig.export(FormatName::Otlp, &[]);
    let groups: Vec<serde_json::Value> =
        text.lines().flat_map(|line| json(line)["resourceLogs"].as_array().unwrap().clone()).collect();
    let records: Vec<&serde_json::Value> =
        groups.iter().flat_map(|group| group["scopeLogs"][0]["logRecords"].as_array().unwrap()).collect();
    assert_eq!(records.len(), 4);
    for record in records {
        let attributes = record["attributes"].as_array().unwrap();
        for key in ["audit.sequence.stream_id", "audit.sequence.number", "audit.seal.entry", "audit.seal.salt"] {
            assert!(attributes.iter().any(|attribute| attribute["key"] == key), "{key}");
        }
    }
}

#[test]
fn ocsf_events_name_their_class_and_carry_the_chain() {
    let rig = Rig::new();
    let events: Vec<serde_json::Value> = rig.export(FormatName::Ocsf, &[]).lines().map(json).collect();
    assert_eq!(events.len(), 4);
    let (process, api) = (&events[0], &events[1]);
    assert_eq!((process["class_uid"].as_u64(), process["type_uid"].as_u64()), (Some(1007), Some(100_701)));
    assert_eq!(process["process"]["cmd_line"], "rm -rf /tmp/x");
    assert_eq!((api["class_uid"].as_u64(), api["severity_id"].as_u64()), (Some(6003), Some(4)));
    assert_eq!(api["actor"]["user"]["email_addr"], "a@b.example");
    assert_eq!(api["raw_data"], LINES[1]);
    for pair in events.windows(2) {
        let (before, after) = (&pair[0]["attestation"], &pair[1]["attestation"]);
        // Control entries may stand between two records.
        if after["prev_event"]["uid"].as_str().unwrap().ends_with(&format!("/{}", before["uid"].as_str().unwrap())) {
            assert_eq!(after["prev_event"]["fingerprint"], before["fingerprint"]);
        }
        assert_eq!(after["chain_uid"], before["chain_uid"]);
    }
}

#[test]
fn a_selection_takes_what_fits_and_says_so() {
    let rig = Rig::new();
    let text = rig.export(FormatName::Ndjson, &["session.id=s1"]);
    assert_eq!(text.lines().count(), 2);
    let proof = json(&fs::read_to_string(rig.dir.path().join("out.proof.json")).unwrap());
    assert_eq!((proof["count"].as_u64(), &proof["selection"]["where"]["session.id"][0]), (Some(2), &"s1".into()));
}

#[test]
fn nothing_is_released_when_a_record_was_tampered_with_before() {
    let rig = Rig::new();
    rig.tamper("two, ", "too, ");
    let failed = run(&rig.args(FormatName::Csv, &[])).unwrap_err();
    assert_eq!(failed.exit, Exit::Integrity);
    assert!(rig.left_over().is_empty(), "{:?}", rig.left_over());
}

#[test]
fn nothing_is_released_when_a_record_is_tampered_with_between_the_two_looks() {
    let rig = Rig::new();
    let report = verify(rig.dir.path(), &VerifyOptions::default()).unwrap();
    let folder = Folder::find(rig.dir.path()).unwrap();
    rig.tamper("\"last\"", "\"lust\"");
    let mut export = Export::new(FormatName::Ndjson, Select::default(), &report.ledgers[0]);
    let mut file = NewFile::create(&rig.out(), Mode::Private).unwrap();
    let failed = export.run(&folder, &mut |bytes| Ok(file.write(bytes)?)).unwrap_err();
    drop(file);
    assert_eq!(failed.exit, Exit::Integrity, "{}", failed.message);
    assert!(rig.left_over().is_empty(), "{:?}", rig.left_over());
}

const OLDER: &str = "an older export";

/// One export that is killed at its effect number `at`, and what comes after. True when a write was torn.
fn killed(at: u64, torn: bool) -> bool {
    let what = format!("killed at {at}, torn: {torn}");
    let rig = Rig::ended();
    durable::write_atomic(&rig.out(), OLDER.as_bytes(), Mode::Private).unwrap();
    kill_at(at, torn);
    let outcome = run(&rig.args(FormatName::Ndjson, &[]));
    let tore = tore();
    revive();
    let text = fs::read_to_string(rig.out()).unwrap();
    if text == OLDER {
        assert!(outcome.is_err(), "{what}");
    } else {
        assert_eq!(text.lines().count(), LINES.len(), "{what}");
        let proof = json(&fs::read_to_string(rig.dir.path().join("out.proof.json")).unwrap());
        let mut digest = Digest::default();
        digest.update(text.as_bytes());
        assert_eq!(proof["sha256"], digest.hex().as_str(), "{what}");
    }
    // The next start of telseal does what the command could not.
    let mut ledger = rig.open();
    ledger.serve_requests().unwrap();
    ledger.finish().unwrap();
    let noted = rig.noted();
    assert!(noted <= 1, "{what}: {noted}");
    assert_eq!(rig.export(FormatName::Ndjson, &[]).lines().count(), LINES.len(), "{what}");
    assert_eq!(rig.noted(), noted + 1, "{what}");
    verify(rig.dir.path(), &VerifyOptions::default()).unwrap();
    tore
}

#[test]
fn a_kill_at_any_effect_of_an_export_leaves_no_half_file_and_a_ledger_that_goes_on() {
    let rehearsal = Rig::ended();
    kill_at(u64::MAX, false);
    rehearsal.export(FormatName::Ndjson, &[]);
    let effects = revive();
    assert!(effects > 20, "{effects}");
    for at in 1..=effects {
        // What is no write cannot be done by half.
        if killed(at, true) {
            killed(at, false);
        }
    }
}

#[test]
fn an_export_beside_a_run_that_did_not_end_in_order_is_noted_by_the_next_one() {
    let rig = Rig::new();
    rig.export(FormatName::Ndjson, &[]);
    assert_eq!(rig.noted(), 0);
    let mut ledger = rig.open();
    assert_eq!(ledger.serve_requests().unwrap(), 1);
    ledger.finish().unwrap();
    assert_eq!(rig.noted(), 1);
    verify(rig.dir.path(), &VerifyOptions::default()).unwrap();
}
