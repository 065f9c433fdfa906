//! A ledger over its life: groups, restarts, torn writes, full disks.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::fs;

use super::super::verify::{self, VerifyError, VerifyOptions};
use super::*;
use crate::stdx::durable::faults::{ROOM_BYTES, TRUNCATE_FAILS};
use crate::stdx::segments::Position;

fn options(segment_bytes_max: u64) -> Options {
    Options { segment_bytes_max, ..Options::new("logs/test") }
}

fn drafts(bodies: &[String]) -> Drafts {
    let mut drafts = Drafts::with_capacity(bodies.len(), 100);
    for body in bodies {
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"{body}","signal":"logs"}}"#).as_bytes());
        drafts.finish_line(1, 0, 7).unwrap();
    }
    drafts
}

fn group(from: usize, records: usize) -> Drafts {
    drafts(&(from..from + records).map(|n| format!("record {n}")).collect::<Vec<_>>())
}

/// Every record's body, read in chunks of `bytes_max`.
fn bodies(reader: &mut LedgerReader, bytes_max: usize) -> Vec<String> {
    let (mut at, mut found) = (Position::default(), Vec::new());
    while let Some(chunk) = reader.read(at, bytes_max).unwrap() {
        let lines: Vec<&[u8]> = chunk.lines.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len() as u64, chunk.records);
        assert!(chunk.next.record == at.record + chunk.records && chunk.next > at);
        found.extend(lines.iter().map(|line| {
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            value["body"].as_str().unwrap().to_owned()
        }));
        at = chunk.next;
    }
    assert_eq!(at.record, reader.segments().end().record);
    found
}

fn expected(records: usize) -> Vec<String> {
    (0..records).map(|n| format!("record {n}")).collect()
}

fn proven(dir: &Path) -> super::super::verify::LedgerReport {
    verify::verify(dir, &VerifyOptions::default()).unwrap().ledgers.remove(0)
}

fn copy_of(from: &Path) -> tempfile::TempDir {
    let to = fast_dir();
    for path in durable::list(from).unwrap() {
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// A folder in memory where there is one: these tests wait for the disk thousands of times.
fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn what_was_sealed_is_read_back_in_order_and_verifies() {
    let dir = fast_dir();
    let (mut ledger, mut reader, recovery) = Ledger::open(dir.path(), &options(2000)).unwrap();
    assert!(recovery.is_new && recovery.entries == 2 && recovery.records == 0);
    assert_eq!(reader.read(Position::default(), 1000).unwrap(), None);
    let sealed = ledger.append(&[group(0, 2), Drafts::default(), group(2, 3)]).unwrap();
    let ranges: Vec<(u64, u64)> = sealed.iter().map(|sealed| (sealed.first, sealed.seals.len() as u64)).collect();
    assert_eq!(ranges, [(2, 2), (4, 0), (4, 3)]);
    assert_eq!(sealed[2].head, ledger.head());
    for n in 5..20 {
        ledger.append(&[group(n, 1)]).unwrap();
    }
    assert_eq!(ledger.append(&[]).unwrap(), []);
    for bytes_max in [1, 400, 3000, 1 << 20] {
        assert_eq!(bodies(&mut reader, bytes_max), expected(20), "{bytes_max}");
    }
    let report = proven(dir.path());
    assert_eq!((report.size, report.records, report.controls), (22, 20, 2));
    assert!(report.segments > 3, "{}", report.segments);
}

#[test]
fn a_restart_goes_on_where_the_last_run_ended() {
    let dir = fast_dir();
    let mut stream = None;
    for run in 0..4 {
        let (mut ledger, mut reader, recovery) = Ledger::open(dir.path(), &options(1500)).unwrap();
        assert_eq!((recovery.cut_bytes, recovery.is_new), (0, run == 0));
        assert_eq!(*stream.get_or_insert(ledger.stream()), ledger.stream());
        assert_eq!(ledger.entries(), 2 + 6 * run as u64);
        ledger.append(&[group(3 * run, 2)]).unwrap();
        ledger.append(&[group(3 * run + 2, 1)]).unwrap();
        ledger.finish().unwrap();
        assert_eq!(bodies(&mut reader, 700), expected(3 * run + 3));
    }
    assert_eq!(proven(dir.path()).records, 12);
}

#[test]
fn the_keys_are_made_once_and_a_lost_public_key_is_made_again() {
    use std::os::unix::fs::PermissionsExt;
    let dir = fast_dir();
    let (ledger, ..) = Ledger::open(dir.path(), &options(1500)).unwrap();
    let key = ledger.verifying_key().clone();
    assert!(key.origin().starts_with("telseal/logs/test/"), "{key}");
    for name in ["root.key", "epoch.key"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(ledger);
    durable::remove(&dir.path().join("key.pub")).unwrap();
    let (ledger, ..) = Ledger::open(dir.path(), &options(1500)).unwrap();
    assert_eq!(*ledger.verifying_key(), key);
    assert_eq!(fs::read_to_string(dir.path().join("key.pub")).unwrap(), format!("{key}\n"));
}

#[test]
fn a_missing_or_foreign_key_and_another_origin_are_refused() {
    let (dir, other) = (fast_dir(), fast_dir());
    for dir in [&dir, &other] {
        Ledger::open(dir.path(), &options(1500)).unwrap().0.append(&[group(0, 1)]).unwrap();
    }
    let renamed = Options { origin: Some("acme/other".into()), ..options(1500) };
    let error = Ledger::open(dir.path(), &renamed).unwrap_err().to_string();
    assert!(error.contains("an origin cannot change"), "{error}");
    let own = fs::read(dir.path().join("root.key")).unwrap();
    fs::copy(other.path().join("root.key"), dir.path().join("root.key")).unwrap();
    let error = Ledger::open(dir.path(), &options(1500)).unwrap_err().to_string();
    assert!(error.contains("not the private half"), "{error}");
    fs::write(dir.path().join("root.key"), own).unwrap();
    fs::copy(other.path().join("epoch.key"), dir.path().join("epoch.key")).unwrap();
    let error = Ledger::open(dir.path(), &options(1500)).unwrap_err().to_string();
    assert!(error.contains("not the key of the ledger's epoch 0; put it back"), "{error}");
}

/// One segment file with three groups, cut at every byte: whatever is left, the next start goes on and verifies.
#[test]
fn a_torn_write_at_every_offset_is_cut_off_reported_and_sealed_over() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    let mut ends = vec![(0, 0), (ledger.end().offset, 0)];
    for (from, records) in [(0, 2), (2, 1), (3, 2)] {
        ledger.append(&[group(from, records)]).unwrap();
        ends.push((ledger.end().offset, from + records));
    }
    drop(ledger);
    let name = format!("{:020}.ndjson", 0);
    let content = fs::read(dir.path().join(&name)).unwrap();
    let work = copy_of(dir.path());
    for length in 0..=content.len() {
        fs::write(work.path().join(&name), &content[..length]).unwrap();
        fs::copy(dir.path().join("epoch.key"), work.path().join("epoch.key")).unwrap();
        let (whole, records) = *ends.iter().rfind(|(end, _)| *end <= length as u64).unwrap();
        let (mut ledger, mut reader, recovery) = Ledger::open(work.path(), &options(1 << 20)).unwrap();
        assert_eq!(recovery.cut_bytes, length as u64 - whole, "at {length}");
        assert_eq!(recovery.is_new, whole == 0);
        ledger.append(&[group(records, 1)]).unwrap();
        assert_eq!(bodies(&mut reader, 1 << 20), expected(records + 1), "at {length}");
        let controls = proven(work.path()).controls;
        let is_restart = u64::from(!recovery.is_new);
        // Two at every start; at a later one also the change of the key, and that the end before was none.
        let cut = u64::from(recovery.is_new && recovery.cut_bytes > 0);
        assert_eq!(controls, 2 + cut + 3 * is_restart, "at {length}");
    }
}

#[test]
fn a_torn_first_write_of_a_new_segment_leads_back_to_the_one_before() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    ledger.append(&[group(1, 1)]).unwrap();
    let last = segments::path_of(dir.path(), ledger.end().segment, EXTENSION);
    drop(ledger);
    let content = fs::read(&last).unwrap();
    let work = copy_of(dir.path());
    let last = work.path().join(last.file_name().unwrap());
    for length in (0..content.len()).step_by(7) {
        let fresh = copy_of(dir.path());
        let last = fresh.path().join(last.file_name().unwrap());
        fs::write(&last, &content[..length]).unwrap();
        let (mut ledger, mut reader, recovery) = Ledger::open(fresh.path(), &options(1)).unwrap();
        assert_eq!(recovery.cut_bytes, length as u64);
        ledger.append(&[group(1, 1)]).unwrap();
        assert_eq!(bodies(&mut reader, 1 << 20), expected(2), "at {length}");
        proven(fresh.path());
    }
}

#[test]
fn zeros_that_a_power_failure_left_in_the_last_group_are_cut_off() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    let whole = usize::try_from(ledger.end().offset).unwrap();
    ledger.append(&[group(1, 3)]).unwrap();
    drop(ledger);
    let path = segments::path_of(dir.path(), 0, EXTENSION);
    let mut content = fs::read(&path).unwrap();
    content[whole + 40..whole + 300].fill(0);
    fs::write(&path, &content).unwrap();
    let (_, mut reader, recovery) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    assert_eq!(recovery.cut_bytes, (content.len() - whole) as u64);
    assert_eq!(bodies(&mut reader, 1000), expected(1));
    assert_eq!(proven(dir.path()).controls, 5);
}

#[test]
fn a_changed_line_is_a_violation_at_start_and_nothing_is_repaired() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    ledger.append(&[group(1, 1)]).unwrap();
    drop(ledger);
    let path = segments::path_of(dir.path(), 0, EXTENSION);
    let content = fs::read(&path).unwrap();
    for record in ["record 0", "record 1"] {
        let at = memchr::memmem::find(&content, record.as_bytes()).unwrap();
        let mut changed = content.clone();
        changed[at] = b'R';
        fs::write(&path, &changed).unwrap();
        let error = Ledger::open(dir.path(), &options(1 << 20)).unwrap_err();
        assert!(matches!(error, LedgerError::Integrity { .. }), "{error}");
        assert!(error.to_string().contains("telseal verify"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), changed);
    }
}

/// Start-up checks one signature, the last: it covers all that lies before it.
#[test]
fn a_last_checkpoint_with_a_wrong_signature_is_a_violation_at_start() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    drop(ledger);
    let path = segments::path_of(dir.path(), 0, EXTENSION);
    let mut content = fs::read(&path).unwrap();
    let at = content.len() - 20;
    content[at] = if content[at] == b'A' { b'B' } else { b'A' };
    fs::write(&path, &content).unwrap();
    let error = Ledger::open(dir.path(), &options(1 << 20)).unwrap_err().to_string();
    assert!(error.contains("ndjson:6: modified: the signature"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn a_full_disk_refuses_the_whole_group_and_the_ledger_goes_on_when_there_is_room() {
    let dir = fast_dir();
    let (mut ledger, mut reader, _) = Ledger::open(dir.path(), &options(3000)).unwrap();
    for records in 0..60 {
        ROOM_BYTES.set(Some(records * 20));
        let before = ledger.end();
        let error = ledger.append(&[group(records, 2), group(records + 2, 1)]).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert_eq!(ledger.end().record, before.record);
        ROOM_BYTES.set(None);
        assert_eq!(bodies(&mut reader, 900), expected(records));
        ledger.append(&[group(records, 1)]).unwrap();
    }
    assert_eq!(bodies(&mut reader, 900), expected(60));
    assert_eq!(proven(dir.path()).records, 60);
    drop(ledger);
    assert_eq!(Ledger::open(dir.path(), &options(3000)).unwrap().2.cut_bytes, 0);
}

#[test]
fn when_even_the_cut_fails_nothing_is_appended_until_it_succeeds() {
    let dir = fast_dir();
    let (mut ledger, mut reader, _) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    ROOM_BYTES.set(Some(150));
    TRUNCATE_FAILS.set(true);
    assert!(ledger.append(&[group(1, 1)]).unwrap_err().is_full());
    ROOM_BYTES.set(None);
    let error = ledger.append(&[group(1, 1)]).unwrap_err().to_string();
    assert!(error.starts_with("cannot truncate "), "{error}");
    assert!(matches!(verify::verify(dir.path(), &VerifyOptions::default()), Err(VerifyError::Doubt(_))));
    TRUNCATE_FAILS.set(false);
    ledger.append(&[group(1, 1)]).unwrap();
    assert_eq!(bodies(&mut reader, 1 << 20), expected(2));
    proven(dir.path());
}

#[test]
fn a_start_with_a_full_disk_reports_the_cut_with_the_first_group_that_fits() {
    let dir = fast_dir();
    let (mut ledger, ..) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append(&[group(0, 1)]).unwrap();
    let path = segments::path_of(dir.path(), 0, EXTENSION);
    drop(ledger);
    fs::write(&path, [fs::read(&path).unwrap(), b"{\"torn".to_vec()].concat()).unwrap();
    ROOM_BYTES.set(Some(0));
    let (mut ledger, _, recovery) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.entries), (6, 3));
    assert!(ledger.append(&[group(1, 1)]).is_err());
    ROOM_BYTES.set(None);
    let sealed = ledger.append(&[group(1, 1)]).unwrap();
    assert_eq!(sealed[0].first, 5);
    assert_eq!(proven(dir.path()).controls, 5);
}

/// A real full disk, where the system lets us make one.
#[test]
fn a_real_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs", path]).output();
    if !mount.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: no right to mount a small tmpfs here: {mount:?}");
        return;
    }
    let outcome = std::panic::catch_unwind(|| fill_and_free(&dir.path().join("ledger")));
    std::process::Command::new("umount").arg(path).status().unwrap();
    outcome.unwrap();
}

fn fill_and_free(dir: &Path) {
    let (mut ledger, mut reader, _) = Ledger::open(dir, &options(8 * 1024)).unwrap();
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![0; 24 * 1024]).unwrap();
    let mut records = 0;
    let error = loop {
        match ledger.append(&[group(records, 3)]) {
            Ok(_) => records += 3,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert!(ledger.append(&[group(records, 3)]).is_err());
    assert_eq!(bodies(&mut reader, 4096), expected(records));
    durable::remove(&ballast).unwrap();
    ledger.append(&[group(records, 3)]).unwrap();
    assert_eq!(bodies(&mut reader, 4096), expected(records + 3));
    proven(dir);
}

#[tokio::test]
async fn a_reader_waits_for_a_record_not_for_the_ledgers_own_lines() {
    let dir = fast_dir();
    let (mut ledger, mut reader, _) = Ledger::open(dir.path(), &options(1 << 20)).unwrap();
    ledger.append_control(Control::new(Kind::Heartbeat).number("received", 0)).unwrap();
    let mut waiting = Box::pin(reader.wait(Position::default()));
    let soon = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
    ledger.append(&[group(0, 1)]).unwrap();
    assert!(waiting.await);
    let chunk = reader.read(Position::default(), 1 << 20).unwrap().unwrap();
    assert_eq!((chunk.records, chunk.next), (1, ledger.end()));
    drop(ledger);
    assert!(!reader.wait(chunk.next).await);
}
