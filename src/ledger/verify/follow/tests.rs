//! A followed ledger: that growth is proven piece by piece, and that no change in between goes unseen.

#![expect(clippy::disallowed_methods, reason = "tests damage files on purpose")]

use std::fs;

use super::*;
use crate::ledger::verify::Fault;
use crate::ledger::{Drafts, Ledger, Options};

/// Appends records, each a group of its own, in segments of a few records; ends in order.
fn write(dir: &Path, records: u64, word: &str) {
    let options = Options { segment_bytes_max: 6000, compression: false, ..Options::new("logs") };
    let (mut ledger, ..) = Ledger::open(dir, &options).unwrap();
    for n in 0..records {
        let mut drafts = Drafts::with_capacity(1, 100);
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"{word} {n}","signal":"log"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
        ledger.append(&[drafts]).unwrap();
    }
    ledger.finish().unwrap();
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).collect()
}

/// Makes `to` hold what `from` holds.
fn restore(from: &Path, to: &Path) {
    files_in(to).iter().for_each(|path| fs::remove_file(path).unwrap());
    for path in files_in(from) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn fault(looked: Result<bool, VerifyError>) -> Fault {
    match looked {
        Err(VerifyError::Violation(violation)) => violation.fault,
        other => panic!("no violation: {other:?}"),
    }
}

fn follow(dir: &Path) -> Follow {
    Follow::new(dir, VerifyOptions::default())
}

#[test]
fn growth_is_proven_piece_by_piece_and_comes_out_as_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 3, "first");
    let mut follow = follow(dir.path());
    assert!(follow.look(&[]).unwrap());
    assert!(!follow.look(&[]).unwrap());
    for round in 0..8 {
        write(dir.path(), 5, "more");
        assert!(follow.look(&[]).unwrap(), "{round}");
        let whole = verify(dir.path(), &VerifyOptions::default()).unwrap().ledgers.remove(0);
        let seen = follow.seen().unwrap();
        assert_eq!((seen.size, seen.root, seen.heartbeat_seconds), (whole.size, whole.root, whole.heartbeat_seconds));
        assert!(whole.segments > round / 2 && seen.records <= whole.records);
    }
    assert!(follow.seen().unwrap().segments < 4, "later looks read the end only");
}

#[test]
fn a_ledger_that_was_set_back_is_found_although_it_is_whole_in_itself() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(dir.path(), 20, "first");
    restore(dir.path(), backup.path());
    let mut follow = follow(dir.path());
    write(dir.path(), 20, "second");
    assert!(follow.look(&[]).unwrap());
    restore(backup.path(), dir.path());
    assert!(verify(dir.path(), &VerifyOptions::default()).is_ok());
    assert_eq!(fault(follow.look(&[])), Fault::Truncated);
    write(dir.path(), 40, "another second");
    assert!(verify(dir.path(), &VerifyOptions::default()).is_ok());
    assert_eq!(fault(follow.look(&[])), Fault::Forked);
}

#[test]
fn a_change_or_a_loss_in_an_old_segment_is_found() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 60, "first");
    let mut follow = follow(dir.path());
    follow.look(&[]).unwrap();
    let second = files::list(dir.path()).unwrap()[1].path.clone();
    let text = fs::read_to_string(&second).unwrap();
    fs::write(&second, text.replacen("\"first ", "\"fir_t ", 1) + "\n").unwrap();
    assert_eq!(fault(follow.look(&[])), Fault::Modified);
    fs::remove_file(&second).unwrap();
    assert_eq!(fault(follow.look(&[])), Fault::Missing);
    fs::write(&second, text).unwrap();
    follow.look(&[]).unwrap();
}

#[test]
fn a_checkpoint_from_elsewhere_is_compared_when_it_comes_whatever_it_covers() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 60, "first");
    let mut follow = follow(dir.path());
    follow.look(&[]).unwrap();
    let seen = follow.seen().unwrap().clone();
    let anchor = |size| Anchor::seen(Path::new("a"), seen.key.origin(), Checkpoint { size, root: [7; 32] });
    assert_eq!(fault(follow.look(&[anchor(4)])), Fault::Forked);
    assert_eq!(fault(follow.look(&[anchor(seen.size + 1)])), Fault::Truncated);
    assert!(!follow.look(&[]).unwrap());
}

#[test]
fn a_key_that_was_exchanged_beside_the_files_is_found() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(dir.path(), 3, "first");
    write(other.path(), 9, "first");
    let mut follow = follow(dir.path());
    follow.look(&[]).unwrap();
    restore(other.path(), dir.path());
    assert!(verify(dir.path(), &VerifyOptions::default()).is_ok());
    assert_eq!(fault(follow.look(&[])), Fault::WrongKey);
}
