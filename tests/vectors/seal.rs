//! `keys.json`, `tree.json`, `erasable.json`, `ledger.json`, `proof.json`: what follows a line.
//!
//! They are made by the second writer (`tests/support/forge.rs`), and then compared with the code.

use serde_json::{Value, json};
use telseal::ledger::entry::{Entry, Stream};
use telseal::ledger::note::VerifyingKey;
use telseal::ledger::tree::Frontier;

use crate::forge::{
    About, Forge, Form, Hash, KINDS, Key, LOG, as_stub, b64, erasable, hex, inclusion, json_string, note, sha256, tree,
};

pub(crate) const ORIGIN: &str = "example.org/seal/vectors";

const LOG_LINE: &str = r#"{"attributes":{"session.id":"s-1"},"body":"run \"ls\"","resource":{"attributes":{"service.name":"agent"}},"severity_number":9,"signal":"log","time_unix_nano":"1700000000000000001"}"#;
const SPAN_LINE: &str = r#"{"end_time_unix_nano":"20","name":"tool.call","signal":"span","span_id":"0202020202020202","start_time_unix_nano":"10","trace_id":"01010101010101010101010101010101"}"#;
const METRICS_LINE: &str = r#"{"request":{"resource_metrics":[{"scope_metrics":[{"metrics":[{"gauge":{"data_points":[{"as_double":1.0}]},"name":"g"}]}]}]},"signal":"metrics"}"#;

/// Whether `telseal verify` reads erasable attributes by now.
const READS_DISCLOSURES: bool = true;

/// A line with two erasable attributes, and its disclosures.
fn erasable_line() -> (String, Vec<String>) {
    let salt = |n: u8| sha256(&[b"disclosure ", &[n]])[..16].try_into().unwrap();
    let (prompt, shown) = erasable(salt(1), r#""prompt""#, r#""delete \"all\"""#);
    let (user, known) = erasable(salt(2), r#""user.email""#, r#"{"$int":"9007199254740992"}"#);
    (format!(r#"{{"attributes":{{"n":1,{prompt},{user}}},"signal":"log"}}"#), vec![shown, known])
}

/// The ledger of the vectors: three epochs, two segments, every kind of entry, holes by order.
pub(crate) fn ledger() -> Forge {
    let mut forge = Forge::new(ORIGIN);
    let digest = hex(&sha256(&[b"configuration"]));
    forge.control(
        "config",
        &format!(r#""binary":"telseal 0.1.0","config":"{digest}","heartbeat_seconds":60,"rules":"none""#),
    );
    forge.checkpoint(true);
    forge.record(LOG_LINE);
    forge.entry(0, SPAN_LINE, &About { signal: 3, flags: 2, risk: 4, ..LOG });
    forge.entry(0, METRICS_LINE, &About { signal: 2, ..LOG });
    let (line, disclosures) = erasable_line();
    let all = format!("[{}]", disclosures.join(","));
    forge.entry(0, &line, &About { flags: 4, disclosures: &all, ..LOG });
    let first = format!("[{}]", disclosures[0]);
    forge.entry(0, &line, &About { flags: 5, disclosures: &first, ..LOG });
    forge.checkpoint(false);
    forge
        .control("gap", r#""cause":"overrun","count":3,"from_ns":"1700000000000000000","to_ns":"1700000000000000009""#);
    forge.rotate(true);
    forge.roll();
    second_segment(&mut forge);
    forge
}

fn second_segment(forge: &mut Forge) {
    forge.control("heartbeat", r#""dropped.overrun":3,"received":8,"refused":0,"sealed":5"#);
    let session = r#""count":5,"first":2,"last":6,"producer_gap":0,"risk_max":4,"session":"s-1""#;
    forge.control("session", session);
    forge.record(LOG_LINE);
    forge.checkpoint(false);
    let from = "\"from_ns\":\"1700000002000000000\"";
    let to = "\"to_ns\":\"1700000003000000000\"";
    forge.order(
        "retention",
        &format!(r#"{{"actor":"ops","count":2,"first":2,{from},"last":3,"policy":"p-1","ticket":"T-1",{to}}}"#),
    );
    forge.order("hold", r#"{"actor":"legal","first":4,"hold":"h-1","last":5,"reason":"case 7"}"#);
    forge.order("hold", r#"{"actor":"legal","hold":"h-1","release":true}"#);
    let fields = r#"{"actor":"dpo","basis":"art. 17","fields":["user.email"],"request":"R-1","seqs":[6]}"#;
    forge.order("erasure", fields);
    forge.rotate(false);
    forge.control("anchor", &format!(r#""kind":"file","receipt":"{}","size":9"#, hex(&sha256(&[b"receipt"]))));
    forge.control("unclean_start", r#""cut_bytes":0,"offset":0,"segment":"00000000000000000009.ndjson""#);
    forge.control(
        "export",
        &format!(
            r#""actor":"ops","count":1,"first":4,"format":"csv","last":4,"sha256":"{}""#,
            hex(&sha256(&[b"file"]))
        ),
    );
    forge.control("end", "");
    forge.checkpoint(true);
    forge.stub(2);
    forge.stub(3);
}

fn entry_vector(forge: &Forge, seq: usize) -> Value {
    let made = &forge.made[seq];
    let leaves: Vec<Hash> = forge.made[..=seq].iter().map(|made| made.leaf).collect();
    json!({
        "seq": seq,
        "kind": KINDS[usize::from(made.entry[4])],
        "body": made.body,
        "salt": hex(&made.salt),
        "commit": hex(&sha256(&[b"CR/1\0", &made.salt, made.body.as_bytes()])),
        "entry": hex(&made.entry),
        "leaf": hex(&made.leaf),
        "root_of_size": hex(&tree(&leaves)),
    })
}

fn key_vector(key: &Key) -> Value {
    json!({
        "name": key.name,
        "seed": hex(&key.seed),
        "public": hex(&key.public()[1..]),
        "hash": hex(&key.hash()),
        "vkey": key.vkey(),
    })
}

#[test]
fn the_ledger_is_made_of_these_bytes() {
    let forge = ledger();
    let entries: Vec<Value> = (0..forge.made.len()).map(|seq| entry_vector(&forge, seq)).collect();
    let file = |form: Form| {
        let segments = forge.segments.iter().map(|segment| {
            let stubs = segment.lines.iter().map(|line| as_stub(line)).collect();
            let lines: Vec<String> = if form == Form::Seal { stubs } else { segment.lines.clone() };
            (format!("{:020}.{}", segment.first, form.extension()), json!(lines))
        });
        Value::Object(segments.collect())
    };
    let made = json!({
        "origin": forge.origin,
        "nonce": hex(&forge.nonce),
        "stream": forge.stream_text(),
        "root": key_vector(&forge.root),
        "epochs": forge.keys.iter().zip(&forge.certs).map(|(key, cert)| json!({"key": key_vector(key), "cert": cert})).collect::<Vec<_>>(),
        "entries": entries,
        "files": file(Form::Plain),
        "lines_of_sidecars": file(Form::Seal),
        "verify": {"files": {"exit": 0}, "sidecars_alone": {"exit": 4, "finding": "unauthorised-hole"}},
    });
    super::compare("ledger.json", &made);
}

#[test]
fn the_ledger_of_the_vectors_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let mut forge = ledger();
    if !READS_DISCLOSURES {
        for seq in [5, 6] {
            *forge.line(seq) = forge.sealed_line(seq, "");
        }
    }
    forge.write(dir.path());
    let verify = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_telseal"));
        let output = command.arg("verify").arg(dir.path()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = verify(&["--key", &forge.root.vkey()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = verify(&["--key", &Key::new(ORIGIN, "another").vkey()]);
    assert_eq!(code, Some(4), "{said}");
    forge.segments.iter_mut().for_each(|segment| segment.form = Form::Seal);
    let sidecars = tempfile::tempdir().unwrap();
    forge.write(sidecars.path());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_telseal"));
    let output = command.arg("verify").arg(sidecars.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "sidecars alone: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn entries_streams_trees_and_keys_are_read_as_they_were_made() {
    let forge = ledger();
    let mut frontier = Frontier::default();
    let mut leaves = vec![];
    for (seq, made) in forge.made.iter().enumerate() {
        let entry = Entry::decode(&made.entry).unwrap();
        assert_eq!(entry.encode(), made.entry);
        assert_eq!((entry.seq, entry.body_len as usize), (seq as u64, made.body.len()));
        assert_eq!(entry.kind.name(), KINDS[usize::from(made.entry[4])]);
        assert_eq!(entry.sealed_at_ns, Forge::time(seq as u64));
        assert_eq!(entry.prev_leaf, leaves.last().copied().unwrap_or_default());
        leaves.push(made.leaf);
        frontier.push(made.leaf);
        assert_eq!(frontier.root(), tree(&leaves));
    }
    assert_eq!(frontier.hashes(), forge.frontier);
    assert_eq!(Stream::new(&forge.origin, &forge.nonce).0, forge.stream);
    assert_eq!(Stream::parse(forge.stream_text().as_bytes()).unwrap().0, forge.stream);
    for key in forge.keys.iter().chain([&forge.root]) {
        assert_eq!(VerifyingKey::parse(&key.vkey()).unwrap().to_string(), key.vkey());
    }
}

#[test]
fn the_keys_of_the_vectors_are_these() {
    let forge = ledger();
    let checkpoint = forge.checkpoint_note(true);
    let strange = Key::new("witness.example", "witness");
    let cosigned = note(&forge.checkpoint_text(), &[&forge.keys[2], &forge.root, &strange]);
    let made = json!({
        "keys": forge.keys.iter().chain([&forge.root]).map(key_vector).collect::<Vec<_>>(),
        "certificates": forge.certs,
        "checkpoint": checkpoint,
        "checkpoint_with_a_line_of_an_unknown_key": cosigned,
        "not_a_vkey": [
            forge.root.vkey().replace("vectors", "vector5"),
            forge.root.vkey().to_uppercase(),
            format!("{}=", forge.root.vkey()),
            forge.root.vkey().replace('+', " "),
        ],
    });
    super::compare("keys.json", &made);
    for wrong in made["not_a_vkey"].as_array().unwrap() {
        assert_eq!(VerifyingKey::parse(wrong.as_str().unwrap()), None, "{wrong}");
    }
}

#[test]
fn trees_of_all_small_sizes_have_these_roots_and_paths() {
    let leaves: Vec<Hash> = (0..13_u8).map(|n| sha256(&[&[0, n]])).collect();
    let mut frontier = Frontier::default();
    let mut sizes = vec![];
    for size in 0..=leaves.len() {
        let paths = (0..size).map(|index| inclusion(&leaves[..size], index));
        let paths: Vec<Vec<String>> = paths.map(|path| path.iter().map(|hash| hex(hash)).collect()).collect();
        assert_eq!(frontier.root(), tree(&leaves[..size]));
        sizes.push(json!({
            "size": size,
            "root": hex(&frontier.root()),
            "frontier": frontier.hashes().iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            "inclusion": paths,
        }));
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
    let leaves: Vec<String> = leaves.iter().map(|leaf| hex(leaf)).collect();
    super::compare("tree.json", &json!({"leaves": leaves, "sizes": sizes}));
}

#[test]
fn erasable_attributes_have_these_digests_and_disclosures() {
    let (line, disclosures) = erasable_line();
    let mut forge = Forge::new(ORIGIN);
    let all = format!("[{}]", disclosures.join(","));
    let seq = forge.entry(0, &line, &About { flags: 4, disclosures: &all, ..LOG });
    let wrong = [disclosures[0].clone(), disclosures[1].replace("40992", "40993")].join(",");
    super::compare(
        "erasable.json",
        &json!({
            "line": line,
            "disclosures": disclosures,
            "sealed": forge.sealed_line(seq, &all),
            "sealed_with_one_withheld": forge.sealed_line(seq, &format!("[{}]", disclosures[1])),
            "sealed_with_all_withheld": forge.sealed_line(seq, ""),
            "modified": [
                forge.sealed_line(seq, &format!("[{wrong}]")),
                forge.sealed_line(seq, &format!("[{0},{0}]", disclosures[0])),
                forge.sealed_line(seq, &format!("[{}]", disclosures[0].replace("prompt", "user.email"))),
            ],
        }),
    );
}

/// The proof of one entry against a checkpoint of this size: by the root where `certs` is empty.
fn proof(forge: &Forge, seq: usize, size: usize, certs: &[&str], line: bool) -> String {
    let made = &forge.made[seq];
    let line = if line { format!(r#""line":{},"#, json_string(&made.body)) } else { String::new() };
    let notes: Vec<String> = certs.iter().map(|cert| json_string(cert)).collect();
    let notes = if certs.is_empty() { String::new() } else { format!(r#""certs":[{}],"#, notes.join(",")) };
    let (entry, salt) = (b64(&made.entry), b64(&made.salt));
    let extra = format!(r#"{{{notes}"entry":"{entry}",{line}"salt":"{salt}","v":1}}"#);
    let mut at = Forge::new(&forge.origin);
    at.restore(forge, size);
    let leaves: Vec<Hash> = at.made.iter().map(|made| made.leaf).collect();
    let path: String = inclusion(&leaves, seq).iter().map(|hash| format!("{}\n", b64(hash))).collect();
    let signer = if certs.is_empty() { &forge.root } else { &forge.keys[at.made[size - 1].entry[111] as usize] };
    let checkpoint = note(&at.checkpoint_text(), &[signer]);
    format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {seq}\n{path}\n{checkpoint}", b64(extra.as_bytes()))
}

#[test]
fn proofs_of_single_records_are_these_files() {
    let forge = ledger();
    let (size, certs) = (forge.made.len(), forge.certs.iter().map(String::as_str).collect::<Vec<_>>());
    let whole = proof(&forge, 4, size, &[], true);
    let other = Key::new(ORIGIN, "another").vkey();
    let case = |text: &str, exit: i32, finding: &str| json!({"text": text, "exit": exit, "finding": finding});
    let made = json!({
        "root": forge.root.vkey(),
        "another_root": other,
        "entry": 4,
        "line": forge.made[4].body,
        "proofs": {
            "signed by the root, with the line": case(&whole, 0, ""),
            "signed by the root, without the line": case(&proof(&forge, 4, size, &[], false), 0, ""),
            "signed by epoch 0": case(&proof(&forge, 4, 7, &certs[..1], true), 0, ""),
            "signed by epoch 1": case(&proof(&forge, 4, 12, &certs[1..2], true), 0, ""),
            "signed by epoch 2, whose certificate the root did not sign": case(&proof(&forge, 4, size, &certs[1..], true), 0, ""),
            "without the certificate that ties epoch 2 to the root": case(&proof(&forge, 4, size, &certs[2..], true), 4, "wrong-key"),
            "with the certificate of another epoch": case(&proof(&forge, 4, 12, &certs[..1], true), 4, "wrong-key"),
            "under the number of another entry": case(&whole.replace("index 4", "index 5"), 4, "modified"),
            "of another size": case(&proof(&forge, 4, 7, &[], true).replace("\n7\n", "\n8\n"), 4, "modified"),
            "without its version": case(&whole.replace("proof@v1", "proof@v2"), 4, "malformed"),
            "without the empty line": case(&whole.replace("\n\nexample", "\nexample"), 4, "malformed"),
        },
    });
    super::compare("proof.json", &made);
}
