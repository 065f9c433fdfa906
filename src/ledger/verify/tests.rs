//! Every flipped byte, every deleted line, every two swapped lines must be noticed.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::note::parse_checkpoint_line;
use super::super::{Drafts, EXTENSION, Ledger, Options};
use super::*;
use crate::stdx::segments;

fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A ledger with several segments, groups of one and of several records, and a restart.
fn small_ledger() -> tempfile::TempDir {
    let dir = fast_dir();
    let mut n = 0;
    for _ in 0..2 {
        let options = Options { segment_bytes_max: 4000, ..Options::new("logs") };
        let (mut ledger, ..) = Ledger::open(dir.path(), &options).unwrap();
        for records in [1, 3, 1, 1] {
            let mut drafts = Drafts::with_capacity(records, 100);
            for _ in 0..records {
                n += 1;
                drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}"}}"#).as_bytes());
                drafts.finish_line(1, 0, 0).unwrap();
            }
            ledger.append(&[drafts]).unwrap();
        }
    }
    dir
}

fn check(path: &Path) -> Result<Report, VerifyError> {
    verify(path, &VerifyOptions::default())
}

fn violation_of(path: &Path) -> Violation {
    match check(path) {
        Err(VerifyError::Violation(violation)) => *violation,
        other => panic!("expected a violation, got {other:?}"),
    }
}

/// A violation; or, at the very end of a ledger, what a crash may have left.
fn noticed(path: &Path) -> Violation {
    match check(path) {
        Err(VerifyError::Violation(violation) | VerifyError::Doubt(violation)) => *violation,
        other => panic!("expected a finding, got {other:?}"),
    }
}

fn doubt_of(path: &Path) -> Violation {
    match check(path) {
        Err(VerifyError::Doubt(violation)) => *violation,
        other => panic!("expected a doubt, got {other:?}"),
    }
}

fn segments_of(dir: &Path) -> Vec<PathBuf> {
    segments::list(dir, EXTENSION).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn lines_of(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_good_ledger_is_verified_as_a_folder_as_a_data_dir_and_each_segment_alone() {
    let data = fast_dir();
    let dir = data.path().join("logs").join(LEDGER_DIR);
    fs::create_dir_all(&dir).unwrap();
    let made = small_ledger();
    for path in durable::list(made.path()).unwrap() {
        fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
    }
    for path in [data.path(), &data.path().join("logs"), &dir] {
        let report = check(path).unwrap().ledgers.remove(0);
        assert_eq!((report.first, report.size, report.records, report.controls), (0, 17, 12, 5));
        assert_eq!((report.checkpoints, report.key_from), (10, KeyFrom::Folder));
    }
    assert!(segments_of(&dir).len() > 2);
    for path in segments_of(&dir) {
        let moved = fast_dir();
        let alone = moved.path().join("evidence.ndjson");
        fs::copy(&path, &alone).unwrap();
        let report = check(&alone).unwrap().ledgers.remove(0);
        assert_eq!(report.key_from, KeyFrom::Segment);
        let text = report.to_string();
        assert!(text.contains("not proven  that the key is the right one"), "{text}");
    }
}

#[test]
fn every_flipped_bit_position_in_every_segment_is_noticed_and_its_file_named() {
    let dir = small_ledger();
    for path in segments_of(dir.path()) {
        let content = fs::read(&path).unwrap();
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            if at % 7 > 0 {
                assert!(check(&path).is_err(), "byte {at} of the segment alone");
                continue;
            }
            let found = noticed(dir.path());
            let line = content[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let is_line_end = content[at] == b'\n';
            // A lost line end joins two lines; everything else is found in its own line.
            assert!(found.line == line || is_line_end, "byte {at}, line {line}: {found}");
            assert!(found.path == path || is_line_end, "{found}");
        }
        fs::write(&path, &content).unwrap();
    }
    check(dir.path()).unwrap();
}

#[test]
fn every_deleted_or_doubled_line_is_noticed() {
    let dir = small_ledger();
    for path in segments_of(dir.path()) {
        let lines = lines_of(&path);
        for at in 0..lines.len() {
            let without = [&lines[..at], &lines[at + 1..]].concat();
            fs::write(&path, without.concat()).unwrap();
            noticed(dir.path());
            let doubled = [&lines[..=at], &lines[at..]].concat();
            fs::write(&path, doubled.concat()).unwrap();
            violation_of(dir.path());
        }
        fs::write(&path, lines.concat()).unwrap();
    }
    check(dir.path()).unwrap();
}

#[test]
fn every_two_swapped_lines_are_noticed() {
    let dir = small_ledger();
    for path in segments_of(dir.path()) {
        let lines = lines_of(&path);
        for one in 0..lines.len() {
            for two in one + 1..lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(one, two);
                fs::write(&path, swapped.concat()).unwrap();
                violation_of(dir.path());
            }
        }
        fs::write(&path, lines.concat()).unwrap();
    }
    check(dir.path()).unwrap();
}

/// What the words of a finding are, on a ledger whose first segment is: header, genesis, config, checkpoint, record 1,
/// checkpoint, records 2 to 4, checkpoint, ..
#[test]
fn a_finding_says_what_happened_and_where() {
    let dir = small_ledger();
    let path = segments_of(dir.path())[0].clone();
    let lines = lines_of(&path);
    let finding = |lines: &[Vec<u8>]| {
        fs::write(&path, lines.concat()).unwrap();
        let found = violation_of(dir.path());
        (found.fault, found.line, found.seq)
    };
    let mut text = lines.clone();
    text[7] = String::from_utf8(text[7].clone()).unwrap().replace("record 3", "rekord 3").into_bytes();
    assert_eq!(finding(&text), (Fault::Modified, 8, Some(4)));
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat();
    assert_eq!(finding(&without(7)), (Fault::Missing, 8, Some(4)));
    assert_eq!(finding(&without(5)), (Fault::Missing, 6, Some(3)));
    let mut swapped = lines.clone();
    swapped.swap(6, 7);
    assert_eq!(finding(&swapped), (Fault::Reordered, 7, Some(3)));
    let doubled = [&lines[..8], &lines[7..]].concat();
    assert_eq!(finding(&doubled), (Fault::Duplicated, 9, Some(4)));
    let foreign = [&lines[..7], &[b"{\"body\":\"never sealed\"}\n".to_vec()], &lines[7..]].concat();
    assert_eq!(finding(&foreign), (Fault::Inserted, 8, Some(4)));
    fs::write(&path, lines.concat()).unwrap();
    check(dir.path()).unwrap();
}

#[test]
fn a_missing_segment_is_noticed_wherever_it_was() {
    let dir = small_ledger();
    let segments = segments_of(dir.path());
    for path in &segments[..segments.len() - 1] {
        let content = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert_eq!(violation_of(dir.path()).fault, Fault::Missing);
        fs::write(path, content).unwrap();
    }
    check(dir.path()).unwrap();
}

#[test]
fn an_unsigned_tail_is_in_flight_only_while_a_process_holds_the_lock() {
    let data = small_ledger();
    let path = segments_of(data.path()).pop().unwrap();
    let content = fs::read(&path).unwrap();
    fs::write(&path, [content.as_slice(), b"{\"torn\"}\n"].concat()).unwrap();
    violation_of(data.path());
    fs::write(&path, [content.as_slice(), b"{\"torn"].concat()).unwrap();
    assert_eq!(doubt_of(data.path()).fault, Fault::Unsigned);
    let lock = durable::lock_dir(data.path()).unwrap();
    let report = check(data.path()).unwrap().ledgers.remove(0);
    assert_eq!((report.in_flight_bytes, report.size), (6, 17));
    assert!(report.to_string().contains("in flight   6 bytes"), "{report}");
    drop(lock);
    doubt_of(data.path());
}

#[test]
fn a_ledger_can_be_verified_at_any_moment_while_it_is_written() {
    let dir = fast_dir();
    let _lock = durable::lock_dir(dir.path()).unwrap();
    let options = Options { segment_bytes_max: 20_000, ..Options::new("logs") };
    let (mut ledger, ..) = Ledger::open(dir.path(), &options).unwrap();
    let mut last = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..200 {
                let mut drafts = Drafts::with_capacity(10, 1000);
                for _ in 0..n % 10 + 1 {
                    drafts.buffer().extend_from_slice(format!(r#"{{"body":"{n}"}}"#).as_bytes());
                    drafts.finish_line(1, 0, 0).unwrap();
                }
                ledger.append(&[drafts]).unwrap();
            }
        });
        while !writer.is_finished() {
            let size = check(dir.path()).unwrap().ledgers[0].size;
            assert!(size >= last);
            last = size;
        }
    });
    assert!(last > 0);
    assert_eq!(check(dir.path()).unwrap().ledgers[0].records, 1100);
}

#[test]
fn only_the_key_that_the_caller_names_is_accepted() {
    let (one, two) = (small_ledger(), small_ledger());
    let key_of = |dir: &tempfile::TempDir| read_public_key(dir.path()).unwrap();
    let report = verify(one.path(), &VerifyOptions { key: key_of(&one), ..VerifyOptions::default() }).unwrap();
    assert_eq!(report.ledgers[0].key_from, KeyFrom::Caller);
    assert!(!report.to_string().contains("lay beside the files"), "{report}");
    let refused = verify(one.path(), &VerifyOptions { key: key_of(&two), ..VerifyOptions::default() });
    assert!(matches!(refused, Err(VerifyError::Violation(found)) if found.fault == Fault::WrongKey));
}

#[test]
fn nothing_to_check_is_not_a_success() {
    let dir = fast_dir();
    assert!(matches!(check(dir.path()), Err(VerifyError::Inconclusive(_))));
    assert!(matches!(check(&dir.path().join("absent")), Err(VerifyError::File(_))));
    fs::write(segments::path_of(dir.path(), 0, EXTENSION), "").unwrap();
    assert!(matches!(check(dir.path()), Err(VerifyError::Inconclusive(_))));
}

/// A record with an erasable field, disclosed in its seal, as a whole and as an erasure leaves it.
#[test]
fn an_erasable_field_may_be_disclosed_exactly_or_erased_by_an_order() {
    use super::super::disclosed::ERASABLE;
    use super::super::entry::Kind;
    use super::super::field_digest;
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &Options::new("logs")).unwrap();
    let digest = STANDARD.encode(field_digest(&[9; 16], br#""user.email":"a@b.example""#));
    let mut drafts = Drafts::with_capacity(1, 100);
    let body = format!(r#"{{"attributes":{{"user.email":{{"$sd":"{digest}"}}}}}}"#);
    drafts.buffer().extend_from_slice(body.as_bytes());
    drafts.finish_line(1, ERASABLE, 0).unwrap();
    let seq = ledger.append(&[drafts]).unwrap()[0].first;
    assert_eq!(violation_of(dir.path()).fault, Fault::UnauthorisedHole);
    let path = segments_of(dir.path())[0].clone();
    let text = fs::read_to_string(&path).unwrap();
    let with = |disclosure: &str| {
        let seal = format!("{body}\n").replace("}\n", ",\"audit.seal\":{");
        let disclosed = text.replace(&seal, &format!("{seal}\"disclosures\":[{disclosure}],"));
        assert_ne!(disclosed, text);
        fs::write(&path, disclosed).unwrap();
    };
    let salt = STANDARD.encode([9; 16]);
    with(&format!(r#"["{salt}","user.email","a@b.example"]"#));
    assert_eq!(check(dir.path()).unwrap().ledgers[0].fields_gone, 0);
    with(&format!(r#"["{salt}","user.email","c@d.example"]"#));
    assert_eq!((violation_of(dir.path()).fault, violation_of(dir.path()).seq), (Fault::Modified, Some(seq)));
    fs::write(&path, &text).unwrap();
    let order = format!(r#"{{"actor":"x","basis":"b","fields":["user.email"],"request":"r","seqs":[{seq}]}}"#);
    ledger.append_order(Kind::Erasure, order.as_bytes()).unwrap();
    assert_eq!(check(dir.path()).unwrap().ledgers[0].fields_gone, 1);
}

/// The checkpoint notes of a ledger, one a file.
fn notes_of(dir: &Path, to: &Path) -> Vec<Anchor> {
    let lines = segments_of(dir).into_iter().flat_map(|path| lines_of(&path));
    let notes = lines.filter_map(|line| parse_checkpoint_line(line.strip_suffix(b"\n")?));
    let read = notes.enumerate().map(|(n, note)| {
        let path = to.join(n.to_string());
        fs::write(&path, note).unwrap();
        Anchor::read(&path).unwrap().remove(0)
    });
    read.collect()
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_what_was_cut_off_and_what_was_rewritten() {
    let (dir, kept) = (small_ledger(), fast_dir());
    let anchors = notes_of(dir.path(), kept.path());
    let with = |anchors: &[Anchor]| VerifyOptions { anchors: anchors.to_vec(), ..VerifyOptions::default() };
    assert_eq!(anchors.len(), 10);
    verify(dir.path(), &with(&anchors)).unwrap();
    // All in one file, as a folder of anchors keeps them.
    let all = kept.path().join("all");
    let texts: Vec<String> = (0..10).map(|n| fs::read_to_string(kept.path().join(n.to_string())).unwrap()).collect();
    fs::write(&all, texts.join("\n")).unwrap();
    assert_eq!(Anchor::read(&all).unwrap().len(), 10);
    for path in segments_of(dir.path()) {
        let report = check(&path).unwrap().ledgers.remove(0);
        let inside = anchors.iter().filter(|anchor| (report.first + 1..=report.size).contains(&anchor.checkpoint.size));
        verify(&path, &with(&inside.cloned().collect::<Vec<_>>())).unwrap();
    }
    let fault = |anchors: &[Anchor], options: VerifyOptions| match verify(
        dir.path(),
        &VerifyOptions { anchors: anchors.to_vec(), ..options },
    ) {
        Err(VerifyError::Violation(found)) => Some(found.fault),
        Err(VerifyError::Inconclusive(_)) => None,
        other => panic!("{other:?}"),
    };
    // The same size with another root, unsigned: whoever kept it says that it was so.
    let note = fs::read_to_string(kept.path().join("3")).unwrap();
    let root = note.lines().nth(2).unwrap();
    let forked = kept.path().join("forked");
    fs::write(&forked, note.split("— ").next().unwrap().replace(root, &STANDARD.encode([7; 32])) + "— x AAAAAAAA\n")
        .unwrap();
    assert_eq!(fault(&[Anchor::read(&forked).unwrap().remove(0)], VerifyOptions::default()), Some(Fault::Forked));
    // Signed by us, the same is a forgery and proves nothing.
    fs::write(&forked, note.replace(root, &STANDARD.encode([7; 32]))).unwrap();
    assert_eq!(fault(&[Anchor::read(&forked).unwrap().remove(0)], VerifyOptions::default()), None);
    let last = segments_of(dir.path()).pop().unwrap();
    let lines = lines_of(&last);
    fs::write(&last, lines[..lines.len() - 2].concat()).unwrap();
    assert_eq!(fault(&[], VerifyOptions { expect_size: Some(17), ..VerifyOptions::default() }), Some(Fault::Truncated));
    assert_eq!(fault(&anchors, VerifyOptions::default()), Some(Fault::Truncated));
    verify(dir.path(), &with(&anchors[..9])).unwrap();
    let other = notes_of(small_ledger().path(), kept.path()).remove(0);
    assert_eq!(fault(&[other], VerifyOptions::default()), None, "an anchor of another ledger");
}

#[test]
fn an_old_signature_is_stale_and_a_declared_gap_may_be_refused() {
    let dir = fast_dir();
    let an_hour_ago = || crate::stdx::clock::unix_nanos() - 3_600_000_000_000;
    let options = Options { clock: an_hour_ago, ..Options::new("logs") };
    let (mut ledger, ..) = Ledger::open(dir.path(), &options).unwrap();
    let gap = super::super::DeclaredGap { cause: "filter".into(), count: 17, from_ns: 1, to_ns: 2 };
    ledger.gap(&gap).unwrap();
    ledger.gap(&gap).unwrap();
    let verdict = |options: VerifyOptions| verify(dir.path(), &options);
    let report = verdict(VerifyOptions { max_age_seconds: Some(4000), ..VerifyOptions::default() }).unwrap();
    assert_eq!(report.ledgers[0].gaps["filter"], Gap { entries: 2, records: 34 });
    assert!(report.to_string().contains("34 records by filter"), "{report}");
    let stale = verdict(VerifyOptions { max_age_seconds: Some(3000), ..VerifyOptions::default() });
    assert!(matches!(stale, Err(VerifyError::Doubt(found)) if found.fault == Fault::Stale));
    let refused = verdict(VerifyOptions { no_gaps: true, ..VerifyOptions::default() });
    assert!(matches!(refused, Err(VerifyError::Inconclusive(_))));
    let value: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(value["ledgers"][0]["gaps"]["filter"]["records"], 34);
    assert_eq!(value["result"], "verified");
}
