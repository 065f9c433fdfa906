//! Closed segments: they verify and are read like open ones, and a body that is gone needs an order.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::super::entry::Kind;
use super::super::files::{self, Form};
use super::super::verify::{Fault, LedgerReport, VerifyError, VerifyOptions, verify};
use super::super::{Drafts, Ledger, LedgerReader, Options};
use crate::stdx::segments::Position;

fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn options() -> Options {
    Options { segment_bytes_max: 3000, ..Options::new("logs") }
}

fn group(from: usize, records: usize) -> Drafts {
    let mut drafts = Drafts::with_capacity(records, 100);
    for n in from..from + records {
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
    }
    drafts
}

/// Closes everything but the last segment.
fn close_all(ledger: &mut Ledger) {
    while let Some(packing) = ledger.segments.to_pack(ledger.end()) {
        drop(packing);
        ledger.close_behind(ledger.end());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// 30 records in groups of three, closed; and its writer.
fn closed() -> (tempfile::TempDir, Ledger, LedgerReader) {
    let dir = fast_dir();
    let (mut ledger, reader, _) = Ledger::open(dir.path(), &options()).unwrap();
    for n in 0..10 {
        ledger.append(&[group(3 * n, 3)]).unwrap();
    }
    close_all(&mut ledger);
    (dir, ledger, reader)
}

fn proven(path: &std::path::Path) -> LedgerReport {
    verify(path, &VerifyOptions::default()).unwrap().ledgers.remove(0)
}

fn found(path: &std::path::Path) -> (Fault, bool) {
    match verify(path, &VerifyOptions::default()) {
        Err(VerifyError::Violation(found)) => (found.fault, true),
        Err(VerifyError::Doubt(found)) => (found.fault, false),
        other => panic!("{other:?}"),
    }
}

fn bodies(reader: &mut LedgerReader, mut at: Position, bytes_max: usize) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(chunk) = reader.read(at, bytes_max).unwrap() {
        let lines = std::str::from_utf8(&chunk.lines).unwrap().lines();
        found.extend(lines.map(|line| line.split('"').nth(3).unwrap().to_owned()));
        at = chunk.next;
    }
    found
}

fn records(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("record {n}")).collect()
}

/// The closed segments that are there with their bodies.
fn packed(dir: &std::path::Path) -> Vec<PathBuf> {
    let files = files::list(dir).unwrap();
    files.into_iter().filter(|file| file.form == Form::Packed).map(|file| file.path).collect()
}

fn sidecar(path: &std::path::Path) -> PathBuf {
    PathBuf::from(path.to_str().unwrap().replace(".ndjson.zst", ".seal.zst"))
}

#[test]
fn closed_segments_verify_and_are_read_from_any_place_before_and_after_a_restart() {
    let (dir, ledger, mut reader) = closed();
    let segments = files::list(dir.path()).unwrap();
    assert!(segments.len() > 4);
    let (last, closed) = segments.split_last().unwrap();
    assert!(closed.iter().all(|file| file.form == Form::Packed) && last.form == Form::Plain);
    let report = proven(dir.path());
    assert_eq!((report.records, report.packed, report.bodies_gone), (30, closed.len() as u64, 0));
    for bytes_max in [1, 500, 1 << 20] {
        assert_eq!(bodies(&mut reader, Position::default(), bytes_max), records(0..30), "{bytes_max}");
    }
    drop(ledger);
    let (_ledger, mut reader, recovery) = Ledger::open(dir.path(), &options()).unwrap();
    assert_eq!((recovery.records, recovery.cut_bytes), (30, 0));
    let mut at = Position::default();
    for n in 0..30 {
        assert_eq!(bodies(&mut reader.clone(), at, 700), records(n..30), "from {at}");
        at = reader.read(at, 1).unwrap().unwrap().next;
    }
    assert_eq!(reader.segments().bytes_between(Position::default(), reader.segments().end()), reader_bytes(&dir));
}

/// How many bytes of lines there are.
fn reader_bytes(dir: &tempfile::TempDir) -> u64 {
    let files = files::list(dir.path()).unwrap();
    let unpacked = |file: &files::File| {
        let content = fs::read(&file.path).unwrap();
        if file.form == Form::Plain { content.len() } else { zstd::decode_all(&*content).unwrap().len() }
    };
    files.iter().map(|file| unpacked(file) as u64).sum()
}

#[test]
fn a_closed_segment_verifies_alone_moved_and_packed_again_by_another_tool() {
    let (dir, ..) = closed();
    let elsewhere = fast_dir();
    for path in packed(dir.path()) {
        let lines = zstd::decode_all(&*fs::read(&path).unwrap()).unwrap();
        let alone = elsewhere.path().join("evidence.zst");
        fs::write(&alone, zstd::encode_all(&*lines, 19).unwrap()).unwrap();
        let again = proven(&alone);
        fs::write(elsewhere.path().join("evidence.ndjson"), &lines).unwrap();
        for path in [path, elsewhere.path().join("evidence.ndjson")] {
            let report = proven(&path);
            assert_eq!((report.root, report.size, report.records), (again.root, again.size, again.records));
        }
    }
}

#[test]
fn what_is_put_into_a_packed_file_or_taken_out_of_it_is_noticed() {
    let (dir, ..) = closed();
    let path = packed(dir.path()).remove(1);
    let good = fs::read(&path).unwrap();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for (what, content) in [
        ("garbage", [good.as_slice(), b"garbage"].concat()),
        ("another frame", [good.as_slice(), &zstd::encode_all(&b"x\n"[..], 1).unwrap()].concat()),
        ("a frame without content", [good.as_slice(), &zstd::encode_all(&b""[..], 1).unwrap()].concat()),
        ("a skippable frame", [good.as_slice(), &skippable].concat()),
        ("a cut", good[..good.len() - 9].to_vec()),
        ("nothing", Vec::new()),
    ] {
        fs::write(&path, content).unwrap();
        let verdict = verify(dir.path(), &VerifyOptions::default());
        assert!(verdict.is_err(), "{what}");
        let is_empty = fs::metadata(&path).unwrap().len() == 0;
        assert!(is_empty || matches!(verdict, Err(VerifyError::Violation(_))), "{what}: {verdict:?}");
    }
    fs::write(&path, good).unwrap();
    proven(dir.path());
}

#[test]
fn a_crash_while_closing_leaves_a_ledger_that_closes_again() {
    let (dir, ledger, _) = closed();
    drop(ledger);
    let path = packed(dir.path()).remove(0);
    let plain = dir.path().join(format!("{:020}.ndjson", 0));
    let lines = zstd::decode_all(&*fs::read(&path).unwrap()).unwrap();
    // After the renames, before the plain file was removed; and what a crash in the middle of a write leaves.
    fs::write(&plain, lines).unwrap();
    let unfinished = dir.path().join("00000000000000000000.ndjson.zst.tmp");
    fs::write(&unfinished, b"half").unwrap();
    assert_eq!(proven(dir.path()).records, 30);
    let (mut ledger, mut reader, _) = Ledger::open(dir.path(), &options()).unwrap();
    assert!(!unfinished.exists());
    assert_eq!(bodies(&mut reader, Position::default(), 1000), records(0..30));
    close_all(&mut ledger);
    assert!(!plain.exists());
    assert_eq!(bodies(&mut reader, Position::default(), 1000), records(0..30));
    assert_eq!(proven(dir.path()).records, 30);
}

#[test]
fn a_ledger_without_its_open_segment_does_not_begin_anew() {
    let (dir, ledger, _) = closed();
    drop(ledger);
    let last = files::list(dir.path()).unwrap().pop().unwrap().path;
    fs::remove_file(last).unwrap();
    let error = Ledger::open(dir.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("the segment after it is missing"), "{error}");
}

#[test]
fn a_body_that_is_gone_needs_an_order_of_the_root_key() {
    let (dir, mut ledger, mut reader) = closed();
    let path = packed(dir.path()).remove(1);
    let (first, size) = {
        let report = proven(&path);
        (report.first, report.size)
    };
    let body = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(found(dir.path()), (Fault::UnauthorisedHole, true));
    // Alone it cannot be known: the order may stand elsewhere.
    assert_eq!(found(&sidecar(&path)), (Fault::UnauthorisedHole, false));
    fs::write(&path, body).unwrap();
    let order = format!(
        r#"{{"actor":"x","count":3,"first":{first},"from_ns":"0","last":{},"policy":"p","ticket":"t","to_ns":"9"}}"#,
        size - 1
    );
    ledger.append_order(Kind::Retention, order.as_bytes()).unwrap();
    let with_bodies = proven(dir.path());
    fs::remove_file(&path).unwrap();
    let without = proven(dir.path());
    assert_eq!(
        (without.root, without.size, without.records),
        (with_bodies.root, with_bodies.size, with_bodies.records)
    );
    assert!(without.bodies_gone > 0 && without.bodies_gone < 30);
    assert!(without.to_string().contains("lack their body"), "{without}");
    // A reader that begins anew after a restart goes around it.
    drop(ledger);
    reader = {
        drop(reader);
        Ledger::open(dir.path(), &options()).unwrap().1
    };
    let left = bodies(&mut reader, Position::default(), 1000);
    assert_eq!(left.len() as u64, 30 - without.bodies_gone);
}

#[test]
fn a_hold_in_force_overrides_an_order_and_a_released_one_does_not() {
    for (is_released, expected) in [(false, Some(Fault::UnauthorisedHole)), (true, None)] {
        let (dir, mut ledger, _) = closed();
        let path = packed(dir.path()).remove(1);
        let report = proven(&path);
        let hold = format!(r#"{{"actor":"x","first":{0},"hold":"case 7","last":{0},"reason":"r"}}"#, report.size - 1);
        ledger.append_order(Kind::Hold, hold.as_bytes()).unwrap();
        if is_released {
            ledger.append_order(Kind::Hold, br#"{"actor":"x","hold":"case 7","release":true}"#).unwrap();
        }
        let order = format!(r#"{{"first":0,"last":{}}}"#, report.size);
        ledger.append_order(Kind::Retention, order.as_bytes()).unwrap();
        fs::remove_file(&path).unwrap();
        let verdict = verify(dir.path(), &VerifyOptions::default());
        let fault = match verdict {
            Err(VerifyError::Violation(found)) => Some(found.fault),
            other => other.map(|_| None).unwrap(),
        };
        assert_eq!(fault, expected);
    }
}

/// One record's body erased inside a closed segment: its line becomes the entry alone.
#[test]
fn one_erased_record_leaves_the_others_whole() {
    let (dir, mut ledger, reader) = closed();
    let path = packed(dir.path()).remove(1);
    let text = String::from_utf8(zstd::decode_all(&*fs::read(&path).unwrap()).unwrap()).unwrap();
    let victim = text.lines().find(|line| line.starts_with("{\"body\"")).unwrap();
    let sealed = super::SealedLine::parse(victim.as_bytes()).unwrap();
    let mut stub = Vec::new();
    super::push_stub_line(&mut stub, &sealed.entry);
    let erased = text.replace(&format!("{victim}\n"), std::str::from_utf8(&stub).unwrap());
    fs::write(&path, zstd::encode_all(erased.as_bytes(), 1).unwrap()).unwrap();
    assert_eq!(found(dir.path()), (Fault::UnauthorisedHole, true));
    let other = format!(r#"{{"actor":"x","basis":"b","request":"r","seqs":[{}]}}"#, sealed.seq + 1);
    ledger.append_order(Kind::Erasure, other.as_bytes()).unwrap();
    assert_eq!(found(dir.path()), (Fault::UnauthorisedHole, true));
    let fields = format!(r#"{{"actor":"x","basis":"b","fields":["a"],"request":"r","seqs":[{}]}}"#, sealed.seq);
    ledger.append_order(Kind::Erasure, fields.as_bytes()).unwrap();
    assert_eq!(found(dir.path()), (Fault::UnauthorisedHole, true));
    let order = format!(r#"{{"actor":"x","basis":"b","request":"r","seqs":[{}]}}"#, sealed.seq);
    ledger.append_order(Kind::Erasure, order.as_bytes()).unwrap();
    assert_eq!(proven(dir.path()).bodies_gone, 1);
    drop((ledger, reader));
    let (_ledger, mut reader, _) = Ledger::open(dir.path(), &options()).unwrap();
    let left = bodies(&mut reader, Position::default(), 1);
    assert_eq!(left.len(), 29);
    assert!(!left.iter().any(|body| victim.contains(&format!("\"{body}\""))));
}
