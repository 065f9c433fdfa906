//! What sealing a record costs, and how fast a ledger is verified, with one thread: `cargo bench --bench ledger`.
//!
//! Records are lines of 1 KB. The folder lies in memory where there is one: the disk is not what is measured. With
//! `LEDGER_BENCH_MIB` the verified ledger is that large (default 256).

#![expect(clippy::expect_used, reason = "a bench has no other answer to a broken set-up")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use telseal::ledger::bodies::add_key;
use telseal::ledger::{Drafts, Keyring, Ledger, Options, VerifyOptions, verify};

const RECORDS_A_GROUP: usize = 200;

/// A canonical line of 1 KB.
fn line(number: usize) -> Vec<u8> {
    let text = format!("{number:08} rm -rf target && cargo build --locked; ");
    let body = text.repeat(20);
    let mut line = format!(r#"{{"attributes":{{"session.id":"{number:032x}"}},"body":"{body}"#).into_bytes();
    line.truncate(1000);
    line.extend_from_slice(br#"","signal":"logs"}"#);
    line
}

fn drafts(lines: &[Vec<u8>]) -> Drafts {
    let mut drafts = Drafts::with_capacity(lines.len(), lines.len() * 1100);
    for line in lines {
        drafts.buffer().extend_from_slice(line);
        drafts.finish_line(1, 0, 0).expect("a line");
    }
    drafts
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

fn seal(criterion: &mut Criterion) {
    let lines: Vec<_> = (0..RECORDS_A_GROUP).map(line).collect();
    let mut group = criterion.benchmark_group("seal");
    // A ledger is never trimmed: the time decides how much it takes.
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    group.throughput(Throughput::Elements(RECORDS_A_GROUP as u64));
    group.bench_function("draft: salt and commitment", |bencher| bencher.iter(|| drafts(black_box(&lines))));
    let dir = dir();
    let options = Options { compression: false, ..Options::new("bench") };
    let (mut ledger, ..) = Ledger::open(dir.path(), &options).expect("a ledger");
    let ready = [drafts(&lines)];
    group.bench_function("append: entry, chain, tree, line, signature", |bencher| {
        bencher.iter(|| ledger.append(black_box(&ready)).expect("room"));
    });
    let dir = self::dir();
    let options = Options { encryption: keys(dir.path()), ..options };
    let (mut ledger, ..) = Ledger::open(dir.path(), &options).expect("a ledger");
    group.bench_function("append, bodies encrypted: the same, compression, AES-256-GCM", |bencher| {
        bencher.iter(|| ledger.append(black_box(&ready)).expect("room"));
    });
    group.finish();
}

/// A key for encryption at rest.
fn keys(dir: &Path) -> Keyring {
    let path = dir.join("body.key");
    add_key(&path).expect("a key");
    Keyring::read(&path).expect("a file of keys")
}

fn verified(criterion: &mut Criterion) {
    let mib: usize = option_env!("LEDGER_BENCH_MIB").and_then(|text| text.parse().ok()).unwrap_or(256);
    let lines: Vec<_> = (0..RECORDS_A_GROUP).map(line).collect();
    for (name, compression, encrypted) in [
        ("plain", false, false),
        ("packed", true, false),
        ("encrypted", false, true),
        ("encrypted, packed", true, true),
    ] {
        let dir = dir();
        let keyring = if encrypted { keys(dir.path()) } else { Keyring::default() };
        let options = Options { compression, encryption: keyring.clone(), ..Options::new("bench") };
        let (mut ledger, ..) = Ledger::open(dir.path(), &options).expect("a ledger");
        for _ in 0..mib * 1024 / RECORDS_A_GROUP * 10 / 13 {
            ledger.append(&[drafts(&lines)]).expect("room");
            ledger.close_behind(ledger.end());
        }
        let one = VerifyOptions { threads: Some(1), keyring, ..VerifyOptions::default() };
        let report = verify(dir.path(), &one).expect("a good ledger");
        let mut group = criterion.benchmark_group("verify");
        group.sample_size(10);
        group.throughput(Throughput::Bytes(report.ledgers[0].bytes));
        group.bench_function(name, |bencher| bencher.iter(|| verify(dir.path(), &one).expect("a good ledger")));
        group.finish();
    }
}

criterion_group!(benches, seal, verified);
criterion_main!(benches);
