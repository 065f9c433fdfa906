//! What goes and what stays, and a kill at every effect on the disk.

use std::path::PathBuf;

use super::*;
use crate::ledger::bodies::tests::{check_keys, encrypted, encryption};
use crate::ledger::verify::{Report, VerifyError, VerifyOptions, verify};
use crate::ledger::{Drafts, close, field_digest};
use crate::stdx::durable::faults::{kill_at, revive};

pub(super) fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(super) fn options() -> Options {
    Options { segment_bytes_max: 3500, encryption: encryption(), ..Options::new("logs") }
}

/// A record with an erasable field `user`, disclosed.
pub(super) fn draft(n: u64) -> Drafts {
    let (mut drafts, digest) = (Drafts::with_capacity(1, 200), field_digest(&[n as u8; 16], b"\"user\":\"ann\""));
    let text = |bytes: &[u8]| {
        let mut out = Vec::new();
        crate::ledger::scan::push_base64(&mut out, bytes);
        String::from_utf8(out).unwrap()
    };
    let line = format!(r#"{{"attributes":{{"user":{{"$sd":"{}"}}}},"body":"record {n}"}}"#, text(&digest));
    drafts.buffer().extend_from_slice(line.as_bytes());
    let disclosures = format!(r#"[["{}","user","ann"]]"#, text(&[n as u8; 16]));
    drafts.finish_line(1, 4, 0).unwrap();
    drafts.disclose(disclosures.as_bytes());
    drafts
}

/// Twelve records in some segments, of which the first one is packed. Returns the numbers of the records.
fn ledger(dir: &Path) -> Vec<u64> {
    let (mut ledger, ..) = Ledger::open(dir, &options()).unwrap();
    let seqs = (0..12).map(|n| ledger.append(&[draft(n)]).unwrap()[0].first).collect();
    let packing = ledger.segments.to_pack(ledger.end()).unwrap();
    close::close(&packing.path(), packing.first(), &std::sync::atomic::AtomicBool::new(false)).unwrap();
    packing.finish().unwrap();
    ledger.finish().unwrap();
    seqs
}

pub(super) fn check(dir: &Path) -> Result<Report, VerifyError> {
    verify(dir, &VerifyOptions { keyring: encryption(), ..VerifyOptions::default() })
}

fn survey(dir: &Path, seqs: &[u64]) -> Survey {
    let root = check(dir).unwrap().ledgers.remove(0).key;
    Survey::read(dir, &root, &encryption(), &seqs.iter().copied().collect()).unwrap()
}

fn everything() -> Retention {
    Retention { before_ns: u64::MAX, actor: "ops".into(), policy: "p".into(), ticket: "t".into() }
}

fn erasure(seqs: &[u64], fields: &[&str]) -> Erasure {
    Erasure {
        seqs: seqs.iter().copied().collect(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        actor: "dpo".into(),
        basis: "law".into(),
        request: "r-1".into(),
    }
}

/// The names of files with bodies.
fn bodies(dir: &Path) -> Vec<PathBuf> {
    let with_bodies = |path: &PathBuf| path.to_string_lossy().contains(".ndjson");
    durable::list(dir).unwrap().into_iter().filter(with_bodies).collect()
}

fn facts(dir: &Path) -> (u64, u64) {
    let report = check(dir).unwrap().ledgers.remove(0);
    (report.bodies_gone, report.fields_gone)
}

#[test]
fn whole_segments_go_by_an_order_and_what_is_left_verifies() {
    let dir = fast_dir();
    ledger(dir.path());
    let before = survey(dir.path(), &[]);
    let plan = everything().plan(&before, None).unwrap();
    assert!(plan.segments.len() > 2 && plan.drafts.len() == 1);
    assert_eq!(plan.records, before.closed().iter().map(|segment| segment.bodies).sum::<u64>());
    let done = execute(dir.path(), &options(), &plan.drafts).unwrap();
    assert_eq!(done.segments, plan.segments.len() as u64);
    assert_eq!(facts(dir.path()), (plan.records, 0));
    assert!(everything().plan(&survey(dir.path(), &[]), None).unwrap().drafts.len() <= 1);
    // The ledger goes on, and nothing more is due by itself.
    let (mut again, ..) = Ledger::open(dir.path(), &options()).unwrap();
    again.append(&[draft(99)]).unwrap();
    again.finish().unwrap();
    assert_eq!(facts(dir.path()).0, plan.records);
}

#[test]
fn young_held_and_undelivered_segments_stay() {
    let dir = fast_dir();
    let seqs = ledger(dir.path());
    let now = survey(dir.path(), &[]);
    let young = Retention { before_ns: now.closed()[0].to_ns, ..everything() };
    assert_eq!(young.plan(&now, None).unwrap(), Plan::default());
    let behind = everything().plan(&now, Some(now.closed()[0].records)).unwrap();
    assert_eq!(behind.segments.len(), 1);
    assert_eq!(behind.needed.len(), now.closed().iter().filter(|segment| segment.bodies > 0).count() - 1);
    let order = hold(&now, "h-1", (seqs[0], seqs[0]), "legal", "case").unwrap();
    execute(dir.path(), &options(), &[order]).unwrap();
    let held = survey(dir.path(), &seqs);
    assert_eq!(everything().plan(&held, None).unwrap().held[0].2, "h-1");
    assert!(matches!(erasure(&seqs[..1], &[]).draft(&held), Err(RetainError::Held { .. })));
    assert!(matches!(hold(&held, "h-1", (1, 2), "x", "y"), Err(RetainError::Refused(_))));
    assert!(matches!(release(&held, "h-2", "x"), Err(RetainError::Refused(_))));
    execute(dir.path(), &options(), &[release(&held, "h-1", "legal").unwrap()]).unwrap();
    let free = survey(dir.path(), &seqs);
    assert!(free.holds().is_empty() && everything().plan(&free, None).unwrap().held.is_empty());
    let erased = execute(dir.path(), &options(), &[erasure(&seqs[..1], &[]).draft(&free).unwrap()]).unwrap();
    assert_eq!((erased.records, facts(dir.path())), (1, (1, 0)));
}

#[test]
fn records_and_fields_go_in_packed_plain_and_open_segments() {
    let dir = fast_dir();
    let seqs = ledger(dir.path());
    let (first, last) = (seqs[0], seqs[11]);
    let before = survey(dir.path(), &seqs);
    let drafts = [
        erasure(&[first, last], &["user"]).draft(&before).unwrap(),
        erasure(&[seqs[1], seqs[10]], &[]).draft(&before).unwrap(),
    ];
    let done = execute(dir.path(), &options(), &drafts).unwrap();
    assert_eq!((done.records, done.fields, facts(dir.path())), (2, 2, (2, 2)));
    let after = survey(dir.path(), &seqs);
    for (seq, is_there) in [(first, true), (seqs[1], false), (seqs[10], false), (last, true)] {
        assert_eq!(after.records[&seq].1.as_ref().map(Vec::len), is_there.then_some(0), "{seq}");
    }
    assert_eq!(after.records[&seqs[2]].1.as_ref().unwrap(), &["user"]);
    for wrong in [erasure(&[first], &["user"]), erasure(&[seqs[1]], &[]), erasure(&[0], &[]), erasure(&[], &[])] {
        assert!(matches!(wrong.draft(&after), Err(RetainError::Refused(_))), "{wrong:?}");
    }
    let odd = Erasure { request: "a \"quoted\" name".into(), ..erasure(&[seqs[2]], &[]) };
    assert!(matches!(odd.draft(&after), Err(RetainError::Refused(_))));
}

#[test]
fn an_exporter_never_begins_inside_a_line_of_a_segment_that_was_written_anew() {
    let data = fast_dir();
    let (dir, cursors) = (data.path().join("ledger"), data.path().join("cursors"));
    let seqs = ledger(&dir);
    durable::create_dir(&cursors).unwrap();
    let before = survey(&dir, &seqs);
    let segment = before.closed()[0];
    let inside = Position { record: 1, segment: 0, offset: 900 };
    let behind = Position { record: segment.records, segment: 0, offset: 5000 };
    let files = [CursorFile::new(cursors.join("a")), CursorFile::new(cursors.join("b"))];
    files[0].store_durably(inside).unwrap();
    files[1].store_durably(behind).unwrap();
    let named = survey(&dir, &seqs[..1]);
    assert_eq!(copies(&dir, &named).unwrap(), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    execute(&dir, &options(), &[erasure(&seqs[..1], &[]).draft(&named).unwrap()]).unwrap();
    let next = Position { record: segment.records, segment: segment.last + 1, offset: 0 };
    assert_eq!(files[0].load().unwrap(), Cursor::At(Position::default()));
    assert_eq!(files[1].load().unwrap(), Cursor::At(next));
}

#[test]
fn without_the_root_key_nothing_is_written() {
    let dir = fast_dir();
    let seqs = ledger(dir.path());
    let draft = erasure(&seqs[..1], &[]).draft(&survey(dir.path(), &seqs)).unwrap();
    durable::remove(&dir.path().join(ROOT_KEY_FILE)).unwrap();
    let before = check(dir.path()).unwrap().ledgers[0].size;
    let refused = execute(dir.path(), &options(), &[draft]);
    assert!(matches!(refused, Err(RetainError::Ledger(LedgerError::NoRootKey))), "{refused:?}");
    assert_eq!(check(dir.path()).unwrap().ledgers[0].size, before);
}

/// Kills `orders` at each effect; what is left verifies, and the next start ends what was ordered.
fn killed_everywhere(orders: impl Fn(&Survey, &[u64]) -> Vec<Draft>) {
    let rehearsal = fast_dir();
    let seqs = ledger(rehearsal.path());
    let drafts = orders(&survey(rehearsal.path(), &seqs), &seqs);
    kill_at(u64::MAX, false);
    execute(rehearsal.path(), &options(), &drafts).unwrap();
    let effects = revive();
    let expected = (facts(rehearsal.path()), bodies(rehearsal.path()).len());
    assert!(effects > 30, "{effects}");
    for at in 1..=effects {
        let dir = fast_dir();
        let seqs = ledger(dir.path());
        let drafts = orders(&survey(dir.path(), &seqs), &seqs);
        let whole = bodies(dir.path()).len();
        kill_at(at, true);
        let outcome = execute(dir.path(), &options(), &drafts);
        revive();
        let verdict = check(dir.path());
        assert!(!matches!(verdict, Err(VerifyError::Violation(_))), "killed at {at}: {verdict:?}");
        let (ledger, ..) = Ledger::open(dir.path(), &options()).unwrap();
        ledger.finish().unwrap();
        let found = facts(dir.path());
        let is_ordered = found == expected.0;
        assert!(is_ordered || (found == (0, 0) && bodies(dir.path()).len() >= whole), "killed at {at}: {found:?}");
        assert!(is_ordered || outcome.is_err(), "killed at {at}");
        assert!(!dir.path().join(ORDERS_DIR).join(PENDING_FILE).exists(), "killed at {at}");
        if !is_ordered {
            execute(dir.path(), &options(), &orders(&survey(dir.path(), &seqs), &seqs)).unwrap();
            assert!(facts(dir.path()).0 + facts(dir.path()).1 > 0, "killed at {at}");
        }
        check_keys(dir.path());
    }
}

#[test]
fn a_kill_at_any_effect_of_a_retention_leaves_a_whole_ledger_and_is_made_good() {
    killed_everywhere(|survey, _| everything().plan(survey, None).unwrap().drafts);
}

#[test]
fn a_kill_at_any_effect_of_an_erasure_of_records_leaves_a_whole_ledger_and_is_made_good() {
    killed_everywhere(|survey, seqs| vec![erasure(&[seqs[0], seqs[11]], &[]).draft(survey).unwrap()]);
}

#[test]
fn a_kill_at_any_effect_of_an_erasure_of_fields_leaves_a_whole_ledger_and_is_made_good() {
    killed_everywhere(|survey, seqs| vec![erasure(&[seqs[0], seqs[11]], &["user"]).draft(survey).unwrap()]);
}

#[test]
fn a_kill_at_any_effect_of_a_retention_with_encrypted_bodies_leaves_a_whole_ledger_and_is_made_good() {
    encrypted(|| {
        killed_everywhere(|survey, _| everything().plan(survey, None).unwrap().drafts);
    });
}

#[test]
fn a_kill_at_any_effect_of_an_erasure_of_records_with_encrypted_bodies_leaves_a_whole_ledger_and_is_made_good() {
    encrypted(|| {
        killed_everywhere(|survey, seqs| vec![erasure(&[seqs[0], seqs[11]], &[]).draft(survey).unwrap()]);
    });
}

#[test]
fn a_kill_at_any_effect_of_an_erasure_of_fields_with_encrypted_bodies_leaves_a_whole_ledger_and_is_made_good() {
    encrypted(|| {
        killed_everywhere(|survey, seqs| vec![erasure(&[seqs[0], seqs[11]], &["user"]).draft(survey).unwrap()]);
    });
}
