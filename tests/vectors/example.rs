//! Section 16 of `docs/seal-format.md`: the example there is entry 11 of `ledger.json`, byte by byte.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::seal::ledger;
use crate::forge::{Forge, b64, hex, sha256};

const BEGIN: &str = "<!-- begin of what tests/vectors/example.rs writes -->\n";
const END: &str = "<!-- end of what tests/vectors/example.rs writes -->\n";
const SEQ: usize = 11;

/// Name and place of each field of an entry.
const FIELDS: [(&str, usize, usize); 14] = [
    ("magic", 0, 4),
    ("kind", 4, 1),
    ("signal", 5, 1),
    ("flags", 6, 2),
    ("stream", 8, 16),
    ("seq", 24, 8),
    ("sealed_at", 32, 8),
    ("prev_leaf", 40, 32),
    ("commit", 72, 32),
    ("body_len", 104, 4),
    ("epoch", 108, 4),
    ("risk", 112, 1),
    ("signed", 113, 8),
    ("zero", 121, 7),
];

fn fenced(out: &mut String, words: &str, text: &str) {
    write!(out, "{words}\n\n```text\n{}\n```\n\n", text.trim_end()).unwrap();
}

fn example() -> String {
    let forge = ledger();
    let made = &forge.made[SEQ];
    let mut out = String::new();
    fenced(&mut out, "The root key (seed of 32 bytes, public key, vkey):", &key(&forge.root));
    fenced(
        &mut out,
        "The key of epoch 1, and its certificate:",
        &format!("{}\n\n{}", key(&forge.keys[1]), forge.certs[1]),
    );
    let stream = format!("nonce  {}\nstream {}", hex(&forge.nonce), forge.stream_text());
    fenced(&mut out, "The stream id (6.2):", &stream);
    fenced(&mut out, "A body (4), 180 bytes:", &made.body);
    let commit = sha256(&[b"CR/1\0", &made.salt, made.body.as_bytes()]);
    fenced(&mut out, "Its salt and commitment (6.1):", &format!("salt   {}\ncommit {}", hex(&made.salt), hex(&commit)));
    let fields =
        FIELDS.iter().map(|(name, at, size)| format!("{at:>3} {name:<10} {}\n", hex(&made.entry[*at..at + size])));
    fenced(&mut out, "Its entry (6.3):", &fields.collect::<String>());
    fenced(&mut out, "Its leaf (6.4), which entry 12 holds as `prev_leaf`:", &hex(&made.leaf));
    fenced(&mut out, "Its line (9.2):", &forge.sealed_line(SEQ as u64, ""));
    tree(&mut out, &forge);
    out
}

fn key(key: &crate::forge::Key) -> String {
    format!("seed   {}\npublic {}\nvkey   {}", hex(&key.seed), hex(&key.public()[1..]), key.vkey())
}

/// The frontier after the entry, and the checkpoint over it.
fn tree(out: &mut String, forge: &Forge) {
    let mut at = Forge::new(&forge.origin);
    at.restore(forge, SEQ + 1);
    let mut lines = String::new();
    for (n, (hash, range)) in at.frontier.iter().zip(["0 to 7", "8 to 11"]).enumerate() {
        writeln!(lines, "frontier[{n}]  {}  entries {range}", hex(hash)).unwrap();
    }
    writeln!(lines, "root         {}  = SHA-256(0x01 || frontier[0] || frontier[1])", hex(&at.root_hash())).unwrap();
    fenced(out, "The tree of size 12 (7):", &lines);
    let checkpoint = &forge.segments[1].lines[4];
    assert!(checkpoint.contains("\\n12\\n") && checkpoint.contains(&b64(&at.root_hash())), "{checkpoint}");
    fenced(
        out,
        "The checkpoint line (9.4), signed by the key of epoch 1 over the first three lines of the note:",
        checkpoint,
    );
}

#[test]
fn the_example_in_the_document_is_this() {
    assert_eq!(ledger().made[SEQ].body.len(), 180);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/seal-format.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let made = format!("\n{}", example());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, made);
    }
}
