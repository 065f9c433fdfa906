//! Proofs of every entry of real ledgers, and what is said about damaged ones.

use std::path::Path;

use proptest::prelude::*;

use super::super::keys::read_public_key;
use super::super::walk::tests::ledger_of;
use super::super::{Drafts, Ledger, Options};
use super::*;
use crate::stdx::durable;

fn root_of(dir: &Path) -> VerifyingKey {
    read_public_key(dir).unwrap().unwrap()
}

fn size_of(dir: &Path) -> u64 {
    super::super::verify(dir, &Default::default()).unwrap().ledgers[0].size
}

/// A ledger whose root key is away after its beginning, with several epochs.
fn ledger_without_root_key(dir: &Path) -> VerifyingKey {
    let options = Options { segment_bytes_max: 6000, ..Options::new("logs") };
    let (ledger, ..) = Ledger::open(dir, &options).unwrap();
    drop(ledger);
    durable::remove(&dir.join("root.key")).unwrap();
    let (mut ledger, ..) = Ledger::open(dir, &options).unwrap();
    for n in 0..12 {
        let mut drafts = Drafts::with_capacity(1, 100);
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"record {n}"}}"#).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
        ledger.append(&[drafts]).unwrap();
        if n % 3 == 2 {
            ledger.rotate().unwrap();
        }
    }
    root_of(dir)
}

#[test]
fn every_entry_of_a_ledger_has_a_small_proof_that_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    ledger_of(dir.path(), 40, 6000);
    let (folder, root) = (Folder::find(dir.path()).unwrap(), root_of(dir.path()));
    assert!(folder.segments.len() > 2);
    let size = size_of(dir.path());
    for seq in 0..size {
        let proof = prove(&folder, seq).unwrap();
        let text = proof.to_string();
        assert_eq!(Proof::parse(&text).as_ref(), Ok(&proof));
        let proven = proof.check(&root).unwrap();
        assert_eq!(proven.entry.seq, seq);
        proof.check_line(proof.line.as_ref().unwrap().as_bytes()).unwrap();
        let small = Proof { line: None, ..proof }.to_string();
        assert!(small.len() < 2048, "{} bytes:\n{small}", small.len());
    }
    assert!(matches!(prove(&folder, size), Err(ProveError::Absent(_))));
}

#[test]
fn without_the_root_key_the_certificates_lead_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = ledger_without_root_key(dir.path());
    let folder = Folder::find(dir.path()).unwrap();
    assert!(folder.segments.len() > 1);
    let (mut by_root, mut by_epoch) = (0, 0);
    for seq in 0..size_of(dir.path()) {
        let proof = prove(&folder, seq).unwrap();
        let proven = proof.check(&root).unwrap();
        assert_eq!(proof.certs.is_empty(), proven.by_root);
        if proven.by_root {
            by_root += 1;
            continue;
        }
        by_epoch += 1;
        // Each certificate is needed, and in this order.
        for skip in 0..proof.certs.len() {
            let mut less = proof.clone();
            less.certs.remove(skip);
            assert!(less.check(&root).is_err(), "{seq} without {skip}");
        }
    }
    assert!(by_root > 0 && by_epoch > 10, "{by_root} {by_epoch}");
}

/// 27 hashes lead to the root of 80 million entries.
#[test]
fn a_proof_by_the_root_key_over_80_million_entries_is_below_2_kilobytes() {
    let dir = tempfile::tempdir().unwrap();
    ledger_of(dir.path(), 1, 1 << 20);
    let proof = prove(&Folder::find(dir.path()).unwrap(), 0).unwrap();
    assert!(proof.certs.is_empty());
    let large = Proof { hashes: vec![[7; 32]; 27], line: None, ..proof };
    assert!(large.to_string().len() < 2048, "{} bytes", large.to_string().len());
}

#[test]
fn a_proof_against_a_later_checkpoint_spans_segments() {
    let dir = tempfile::tempdir().unwrap();
    ledger_of(dir.path(), 40, 6000);
    let (folder, root) = (Folder::find(dir.path()).unwrap(), root_of(dir.path()));
    let (checkpoint, note) = super::super::witness::latest_root_signed(&folder, &root).unwrap();
    assert!(folder.segments[1].first < checkpoint.size);
    for seq in [0, 5, checkpoint.size - 1] {
        let proof = prove_against(&folder, seq, &note).unwrap();
        assert_eq!(proof.check(&root).unwrap().checkpoint, checkpoint);
        assert_eq!(Proof::parse(&proof.to_string()), Ok(proof));
    }
    assert!(matches!(prove_against(&folder, checkpoint.size, &note), Err(ProveError::Absent(_))));
    let other = note.replace("\n\n", "x\n\n");
    assert!(prove_against(&folder, 1, &other).is_err());
}

#[test]
fn a_line_is_the_one_that_was_sealed_or_none() {
    let dir = tempfile::tempdir().unwrap();
    ledger_of(dir.path(), 3, 1 << 20);
    let proof = prove(&Folder::find(dir.path()).unwrap(), 2).unwrap();
    let line = proof.line.clone().unwrap();
    let sealed =
        String::from_utf8(durable::read(&dir.path().join("00000000000000000000.ndjson"), 1 << 20).unwrap().unwrap())
            .unwrap();
    let sealed = |part: &str| sealed.lines().find(|line| line.contains(part)).unwrap().to_owned();
    let own: String = line.chars().skip(1).take(line.len() - 2).collect();
    assert_eq!(proof.check_line(sealed(&own).as_bytes()), Ok(()));
    assert_eq!(proof.check_line(sealed("record 2").as_bytes()), Err(Fault::WrongLine));
    assert_eq!(proof.check_line(line.replace('{', "{ ").as_bytes()), Err(Fault::WrongLine));
    let bodiless = Proof { salt: None, line: None, ..proof };
    assert_eq!(bodiless.check_line(line.as_bytes()), Err(Fault::NoSalt));
}

#[test]
fn another_key_and_another_ledger_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ledger_of(one.path(), 3, 1 << 20);
    ledger_of(two.path(), 3, 1 << 20);
    let proof = prove(&Folder::find(one.path()).unwrap(), 1).unwrap();
    assert_eq!(proof.check(&root_of(two.path())), Err(Fault::WrongLedger));
    let other = prove(&Folder::find(two.path()).unwrap(), 1).unwrap();
    let mixed = Proof { note: other.note, ..proof.clone() };
    assert!(mixed.check(&root_of(one.path())).is_err() && mixed.check(&root_of(two.path())).is_err());
    assert_eq!(Proof { index: 2, ..proof }.check(&root_of(one.path())), Err(Fault::WrongEntry));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_byte_goes_unnoticed(at: prop::sample::Index, bit in 0..8_u8) {
        let dir = tempfile::tempdir().unwrap();
        ledger_of(dir.path(), 5, 1 << 20);
        let root = root_of(dir.path());
        let text = prove(&Folder::find(dir.path()).unwrap(), 3).unwrap().to_string();
        let mut bytes = text.clone().into_bytes();
        bytes[at.index(text.len())] ^= 1 << bit;
        let changed = String::from_utf8_lossy(&bytes);
        let good = Proof::parse(&changed).and_then(|proof| proof.check(&root));
        prop_assert!(good.is_err() || Proof::parse(&changed) == Proof::parse(&text), "{changed}");
    }
}
