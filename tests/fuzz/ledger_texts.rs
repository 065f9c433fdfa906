//! What strangers hand over beside a ledger: notes, certificates, proofs, policies, entries.

use serde_json::Value;
use telseal::ledger::cert::Cert;
use telseal::ledger::entry::{ENTRY_BYTES, Entry};
use telseal::ledger::note::{Checkpoint, Note};
use telseal::ledger::policy::Policy;
use telseal::ledger::prove::Proof;

use crate::mutate::{fuzz, fuzz_text};

const WORDS: [&str; 12] =
    ["\n", "\n\n", "— ", "+", "0", "18446744073709551615", "=", "A", "extra ", "index ", "quorum ", "\u{2014} x AAAA"];

/// Every text of several lines in a file of vectors.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\n') => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(members) => members.values().for_each(|member| texts(member, out)),
        _ => {}
    }
}

#[test]
fn notes_certificates_proofs_and_policies() {
    let mut seeds = vec![
        "log example.org/seal+6bd8f954+AUJDIhx095RGF3QRsdzzCCg+aDRbiL6wlAtDl5RLmPBf\nwitness w example.org/w+6bd8f954+AUJDIhx095RGF3QRsdzzCCg+aDRbiL6wlAtDl5RLmPBf\ngroup g 1 w\nquorum g\n".to_owned(),
    ];
    for file in [
        include_str!("../vectors/proof.json"),
        include_str!("../vectors/ledger.json"),
        include_str!("../vectors/keys.json"),
    ] {
        texts(&serde_json::from_str(file).unwrap(), &mut seeds);
    }
    assert!(seeds.len() > 5, "the vectors have notes and proofs");
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    fuzz_text(&seeds, &WORDS, |text| {
        if let Some(note) = Note::parse(text) {
            let _ = Checkpoint::parse(note.text);
        }
        let _ = Cert::parse(text);
        let _ = Policy::parse(text);
        let _ = Proof::parse(text).map(|proof| proof.check_line(b"{}"));
    });
}

#[test]
fn entries_have_one_spelling() {
    let mut seed = vec![0; ENTRY_BYTES];
    seed[..4].copy_from_slice(b"SVM1");
    seed[4] = 1;
    fuzz(&[seed], &[], |bytes| {
        if let Ok(bytes) = <&[u8; ENTRY_BYTES]>::try_from(bytes)
            && let Some(entry) = Entry::decode(bytes)
        {
            assert_eq!(&entry.encode(), bytes);
        }
    });
}
