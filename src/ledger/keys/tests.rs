//! Epochs: when they change, what is left of their keys, what a thief of one can do, and what a verifier says.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::cell::Cell;
use std::fs;

use super::super::verify::{Fault, VerifyError, VerifyOptions, verify};
use super::super::{Drafts, Ledger};
use super::*;

thread_local! {
    static NOW_SECONDS: Cell<u64> = const { Cell::new(1_000_000) };
}

fn now() -> u64 {
    NOW_SECONDS.get() * 1_000_000_000
}

fn options() -> Options {
    Options { clock: now, ..Options::new("logs") }
}

fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn records(count: usize) -> Drafts {
    let mut drafts = Drafts::with_capacity(count, 100);
    for n in 0..count {
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"{n}"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
    }
    drafts
}

fn open(dir: &Path, options: &Options) -> Ledger {
    Ledger::open(dir, options).unwrap().0
}

fn fault_of(dir: &Path) -> Option<Fault> {
    match verify(dir, &VerifyOptions::default()) {
        Ok(_) => None,
        Err(VerifyError::Violation(found) | VerifyError::Doubt(found)) => Some(found.fault),
        Err(other) => panic!("{other}"),
    }
}

fn public_of(path: &Path, ledger: &Ledger) -> VerifyingKey {
    read_key_file(path, ledger.epoch().key.origin()).unwrap().unwrap().verifying().clone()
}

#[test]
fn an_epoch_ends_by_age_by_entries_on_request_and_at_a_start() {
    let dir = fast_dir();
    let options = Options { epoch_seconds: 60, epoch_entries: 10, ..options() };
    let mut ledger = open(dir.path(), &options);
    ledger.append(&[records(3)]).unwrap();
    assert_eq!(ledger.epoch().epoch, 0);
    ledger.append(&[records(6)]).unwrap();
    assert_eq!((ledger.epoch().epoch, ledger.epoch().first), (1, 12), "10 entries, and the event itself");
    NOW_SECONDS.set(NOW_SECONDS.get() + 59);
    ledger.append(&[records(1)]).unwrap();
    assert_eq!(ledger.epoch().epoch, 1);
    NOW_SECONDS.set(NOW_SECONDS.get() + 1);
    ledger.append(&[records(1)]).unwrap();
    assert_eq!((ledger.epoch().epoch, ledger.epoch().first), (2, 15));
    ledger.rotate().unwrap();
    assert_eq!((ledger.epoch().epoch, ledger.epoch().first), (3, 16));
    drop(ledger);
    let ledger = open(dir.path(), &options);
    assert_eq!((ledger.epoch().epoch, ledger.epoch().first), (4, 19));
    let text = fs::read_to_string(dir.path().join(format!("{:020}.ndjson", 0))).unwrap();
    let reasons = text.split("\"reason\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert_eq!(reasons.collect::<Vec<_>>(), ["entries", "age", "request", "start"]);
    assert_eq!(fault_of(dir.path()), None);
}

#[test]
fn the_old_key_is_wiped_where_it_lay_and_replaced() {
    let dir = fast_dir();
    let mut ledger = open(dir.path(), &options());
    let path = dir.path().join(EPOCH_KEY_FILE);
    // A second name for the blocks in which the first key lies.
    let blocks = dir.path().join("blocks");
    fs::hard_link(&path, &blocks).unwrap();
    ledger.rotate().unwrap();
    assert!(fs::read(&blocks).unwrap().iter().all(|byte| *byte == 0));
    assert!(!dir.path().join(NEXT_KEY_FILE).exists());
    assert_eq!(public_of(&path, &ledger), ledger.epoch().key);
}

/// The steps of a rotation are: stage, append, wipe, rename. Each line is what a crash leaves after one of them.
#[test]
fn a_crash_between_any_two_steps_of_a_rotation_leaves_a_ledger_that_goes_on() {
    let dir = fast_dir();
    let mut ledger = open(dir.path(), &options());
    let (key, next) = (dir.path().join(EPOCH_KEY_FILE), dir.path().join(NEXT_KEY_FILE));
    let old = fs::read(&key).unwrap();
    ledger.append(&[records(1)]).unwrap();
    let before = fs::read(dir.path().join(format!("{:020}.ndjson", 0))).unwrap();
    ledger.rotate().unwrap();
    drop(ledger);
    let new = fs::read(&key).unwrap();
    let after = fs::read(dir.path().join(format!("{:020}.ndjson", 0))).unwrap();
    let half = [&vec![0; 20][..], &old[20..]].concat();
    for (segment, key_file, next_file) in [
        (&before, &old, Some(&new)),
        (&before, &old, Some(&new[..20].to_vec())),
        (&after, &old, Some(&new)),
        (&after, &half, Some(&new)),
        (&after, &vec![0; old.len()], Some(&new)),
        (&after, &new, None),
    ] {
        fs::write(dir.path().join(format!("{:020}.ndjson", 0)), segment).unwrap();
        fs::write(&key, key_file).unwrap();
        match next_file {
            Some(content) => fs::write(&next, content).unwrap(),
            None => assert!(!next.exists()),
        }
        let mut ledger = open(dir.path(), &options());
        ledger.append(&[records(1)]).unwrap();
        assert!(!next.exists());
        assert_eq!(public_of(&key, &ledger), ledger.epoch().key);
        assert_eq!(fault_of(dir.path()), None);
    }
}

#[test]
fn a_ledger_goes_on_without_its_root_key_and_says_so_of_a_segment_alone() {
    let dir = fast_dir();
    let options = Options { segment_bytes_max: 2000, ..options() };
    drop(open(dir.path(), &options));
    let away = fs::read(dir.path().join(ROOT_KEY_FILE)).unwrap();
    durable::remove(&dir.path().join(ROOT_KEY_FILE)).unwrap();
    let mut ledger = open(dir.path(), &options);
    for _ in 0..5 {
        ledger.append(&[records(2)]).unwrap();
    }
    assert!(matches!(ledger.append_order(super::super::entry::Kind::Hold, b"{}"), Err(LedgerError::NoRootKey)));
    assert_eq!(fault_of(dir.path()), None);
    let last = crate::stdx::segments::list(dir.path(), "ndjson").unwrap().pop().unwrap().1;
    let alone = verify(&last, &VerifyOptions::default());
    assert!(matches!(alone, Err(VerifyError::Inconclusive(_))), "{alone:?}");
    drop(ledger);
    fs::write(dir.path().join(ROOT_KEY_FILE), away).unwrap();
    let mut ledger = open(dir.path(), &options);
    for _ in 0..3 {
        ledger.append(&[records(2)]).unwrap();
    }
    let last = crate::stdx::segments::list(dir.path(), "ndjson").unwrap().pop().unwrap().1;
    assert_eq!(fault_of(&last), None);
}

#[test]
fn the_root_key_may_lie_elsewhere_or_behind_a_service() {
    let (dir, other, keys) = (fast_dir(), fast_dir(), fast_dir());
    let file = keys.path().join("root.key");
    let in_file = Options { root: RootKey::File(file.clone()), origin: Some("acme/x".into()), ..options() };
    open(dir.path(), &in_file);
    assert!(file.exists() && !dir.path().join(ROOT_KEY_FILE).exists());
    let signer = Arc::new(read_key_file(&file, "acme/x").unwrap().unwrap());
    let ledger = open(other.path(), &Options { root: RootKey::Signer(signer), ..options() });
    assert_eq!(ledger.verifying_key().origin(), "acme/x");
    for dir in [&dir, &other] {
        assert_eq!(read_public_key(dir.path()).unwrap().unwrap(), *ledger.verifying_key());
        assert_eq!(fault_of(dir.path()), None);
    }
}

/// Two copies of a ledger of which each goes on by itself; the lines of one in the place of the other's.
#[test]
fn what_the_key_of_another_epoch_signed_is_noticed() {
    let dir = fast_dir();
    let mut ledger = open(dir.path(), &options());
    ledger.append(&[records(1)]).unwrap();
    drop(ledger);
    let thief = fast_dir();
    for path in durable::list(dir.path()).unwrap() {
        fs::copy(&path, thief.path().join(path.file_name().unwrap())).unwrap();
    }
    let segment = format!("{:020}.ndjson", 0);
    let common = fs::read_to_string(dir.path().join(&segment)).unwrap();
    // The thief has the key of epoch 0; the ledger went on to epoch 1, and the thief signs with the old key.
    let stolen = read_key_file(&thief.path().join(EPOCH_KEY_FILE), "x/epoch/0").unwrap().unwrap();
    let mut ledger = open(dir.path(), &options());
    ledger.append(&[records(1)]).unwrap();
    let name = key_name(ledger.verifying_key().origin(), 0);
    let stolen_pkcs8 = fs::read(thief.path().join(EPOCH_KEY_FILE)).unwrap();
    let stolen_key = SigningKey::from_pkcs8(&stolen_pkcs8, &name).unwrap();
    assert_eq!(stolen.verifying().fingerprint(), stolen_key.verifying().fingerprint());
    let text = fs::read_to_string(dir.path().join(&segment)).unwrap();
    let last = text.lines().last().unwrap();
    let note = super::super::note::parse_checkpoint_line(last.as_bytes()).unwrap();
    let signed = super::super::note::Note::parse(&note).unwrap().text;
    let mut forged = Vec::new();
    let by_thief = super::super::note::sign_note(signed, &[&stolen_key]);
    super::super::note::push_checkpoint_line(&mut forged, &by_thief);
    let changed = text.replace(&format!("{last}\n"), std::str::from_utf8(&forged).unwrap());
    fs::write(dir.path().join(&segment), &changed).unwrap();
    assert_eq!(fault_of(dir.path()), Some(Fault::WrongEpoch));
    fs::write(dir.path().join(&segment), &text).unwrap();
    assert_eq!(fault_of(dir.path()), None);
    // An entry of epoch 0 after the end of epoch 0: the thief's own continuation, behind the change of the key.
    let mut forger = open(thief.path(), &options());
    forger.append(&[records(2)]).unwrap();
    let theirs = fs::read_to_string(thief.path().join(&segment)).unwrap();
    let continuation = theirs.strip_prefix(&common).unwrap();
    fs::write(dir.path().join(&segment), format!("{text}{continuation}")).unwrap();
    assert!(fault_of(dir.path()).is_some());
}
