//! What each step of a record's life costs: `cargo bench --bench record_path [-- NAME]`. Throughput is in bytes of the
//! OTLP request, except where lines or JSON go in; divide the time by 512 for one record.
//!
//! On shared machines compare `--quick` runs of one session only.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run has nothing to say")]

#[path = "support/payload.rs"]
mod payload;

use std::hint::black_box;
use std::time::Duration;

use bumpalo::Bump;
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use telseal::ledger::{Drafts, Ledger, Options};
use telseal::otlp::line::{LineWriter, to_otlp, write_request};
use telseal::otlp::model::Batch;
use telseal::otlp::rewrite::{Place, Visitor};
use telseal::otlp::value::Value;
use telseal::otlp::wire::{Cursor, Texts, WireValue, text};
use telseal::otlp::{self, Signal, json};
use telseal::processor::Processor;
use telseal::processor::enrich::{self, Action, Enrich, Verb};
use telseal::processor::redact::{self, Redact};
use telseal::processor::risk::{self, RiskTag};
use telseal::processor::scalar::{Context, Scalar};
use telseal::spool::{Disk, Item};

const LOGS: Signal = Signal::Logs;
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

type Group<'c> = BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn group<'c>(criterion: &'c mut Criterion, name: &str, bytes: usize) -> Group<'c> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    group
}

fn decode(criterion: &mut Criterion) {
    let request = payload::request(0);
    let mut group = group(criterion, "decode", request.len());
    group.bench_function("count", |b| b.iter(|| otlp::count(LOGS, black_box(&request)).unwrap()));
    group.bench_function("open", |b| {
        let mut arena = Bump::with_capacity(request.len());
        b.iter(|| {
            arena.reset();
            Batch::open(LOGS, black_box(&request), &arena).unwrap().groups.len()
        });
    });
    group.bench_function("halves", |b| b.iter(|| otlp::halves(LOGS, black_box(&request)).unwrap().unwrap().0.len()));
}

/// The strings of all attributes and bodies, as they are read.
fn texts(request: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut open = vec![(request, 0)];
    while let Some((bytes, level)) = open.pop() {
        let mut cursor = Cursor::new(bytes);
        while let Ok(Some(field)) = cursor.next_field() {
            match (level, field.number, field.value) {
                (0, 1, WireValue::Bytes(inner)) | (1 | 2, 2, WireValue::Bytes(inner)) => open.push((inner, level + 1)),
                (3, 6, WireValue::Bytes(inner)) => open.push((inner, 4)),
                (4, 2, WireValue::Bytes(inner)) => open.push((inner, 5)),
                (4 | 5, 1, WireValue::Bytes(text)) => found.push(text),
                _ => {}
            }
        }
    }
    found
}

/// What [`Texts`] saves: strings checked one by one, by the stretch, and a bare ASCII test, which safe Rust cannot turn
/// into text without checking again.
fn utf8(criterion: &mut Criterion) {
    let request = payload::request(0);
    let mut strings = texts(&request);
    strings.sort_by_key(|text| text.as_ptr());
    let mut group = group(criterion, "utf8", strings.iter().map(|text| text.len()).sum());
    group.bench_function("one_by_one", |b| {
        b.iter(|| black_box(&strings).iter().map(|bytes| text(bytes, "").map_or(0, str::len)).sum::<usize>());
    });
    group.bench_function("by_the_stretch", |b| {
        b.iter(|| {
            let mut texts = Texts::new(black_box(&request));
            strings.iter().map(|bytes| texts.read(bytes, "").map_or(0, str::len)).sum::<usize>()
        });
    });
    group.bench_function("ascii_test_only", |b| {
        b.iter(|| black_box(&strings).iter().filter(|bytes| bytes.is_ascii()).count());
    });
}

/// Sees every string and replaces none.
struct Nothing(usize);

impl<'a> Visitor<'a> for Nothing {
    fn pair(&mut self, _: &'a str, _: Value<'a>) -> Option<Value<'a>> {
        None
    }

    fn text(&mut self, _: Place<'a>, text: &'a str) -> Option<&'a str> {
        self.0 += text.len();
        None
    }
}

/// Opening and `processor`: take off what `decode/open` says.
fn process(group: &mut Group<'_>, name: &str, processor: &dyn Processor, request: &[u8]) {
    group.bench_function(name, |b| {
        b.iter_batched_ref(
            || Bump::with_capacity(2 * request.len()),
            |arena| {
                let mut batch = Batch::open(LOGS, request, arena).unwrap();
                processor.process(&mut batch).unwrap().changed
            },
            BatchSize::LargeInput,
        );
    });
}

fn scan(criterion: &mut Criterion) {
    let (clean, tenth) = (payload::request(0), payload::request(10));
    let mut group = group(criterion, "open_and_scan", clean.len());
    let redact = Redact::new(&redact::Config::default()).unwrap();
    process(&mut group, "redact_clean", &redact, &clean);
    process(&mut group, "redact_a_tenth", &redact, &tenth);
    process(&mut group, "risk_tag", &RiskTag::new(&risk::Config::default()), &clean);
    group.bench_function("visit_every_string", |b| {
        b.iter_batched_ref(
            || Bump::with_capacity(2 * clean.len()),
            |arena| {
                let mut seen = Nothing(0);
                let arena = &*arena;
                Batch::open(LOGS, &clean, arena).unwrap().records().for_each(|record| {
                    record.rewrite(arena, &mut seen).unwrap();
                });
                seen.0
            },
            BatchSize::LargeInput,
        );
    });
}

/// Three attributes on the resource, one on each record.
fn enrich_four() -> Enrich {
    let action = |key: &str, context| Action {
        key: key.to_owned(),
        action: Verb::Upsert,
        context,
        value: Some(Scalar::Str("production".to_owned())),
        ..Action::default()
    };
    let mut actions: Vec<Action> = ["deployment.environment.name", "cloud.region", "k8s.cluster.name"]
        .map(|key| action(key, Context::Resource))
        .into();
    actions.push(action("tenant.id", Context::Record));
    Enrich::new(&enrich::Config { actions, ..enrich::Config::default() }, &enrich::Findings::default()).unwrap()
}

fn edit(criterion: &mut Criterion) {
    let request = payload::request(0);
    let enrich = enrich_four();
    let mut group = group(criterion, "edit", request.len());
    process(&mut group, "open_and_enrich", &enrich, &request);
    let arena = Bump::new();
    let untouched = Batch::open(LOGS, &request, &arena).unwrap();
    let mut edited = Batch::open(LOGS, &request, &arena).unwrap();
    enrich.process(&mut edited).unwrap();
    for (name, batch) in [("encode_untouched", &untouched), ("encode_enriched", &edited)] {
        let mut out = Vec::with_capacity(2 * request.len());
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                batch.encode(&mut out);
                out.len()
            });
        });
    }
}

/// The request as canonical lines, each ended by a line feed.
fn lines(request: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_request(&mut LineWriter::default(), LOGS, request, &mut |line, _| {
        out.extend_from_slice(line);
        out.push(b'\n');
    })
    .unwrap();
    out
}

fn line(criterion: &mut Criterion) {
    let request = payload::request(0);
    let lines = lines(&request);
    let mut group = group(criterion, "line", request.len());
    group.bench_function("write", |b| {
        let mut writer = LineWriter::default();
        b.iter(|| {
            let mut len = 0;
            write_request(&mut writer, LOGS, black_box(&request), &mut |line, _| len += line.len()).unwrap();
            len
        });
    });
    group.throughput(Throughput::Bytes(lines.len() as u64));
    group.bench_function("read_back", |b| b.iter(|| to_otlp(LOGS, black_box(&lines)).unwrap().len()));
}

fn otlp_json(criterion: &mut Criterion) {
    let request = payload::request(0);
    let mut text = Vec::new();
    json::from_protobuf(LOGS, &request, &mut text).unwrap();
    let mut group = group(criterion, "json", text.len());
    group.bench_function("decode", |b| b.iter(|| json::to_protobuf(LOGS, black_box(&text)).unwrap().len()));
    group.bench_function("encode", |b| {
        let mut out = Vec::with_capacity(text.len());
        b.iter(|| {
            out.clear();
            json::from_protobuf(LOGS, black_box(&request), &mut out).unwrap();
            out.len()
        });
    });
}

/// Salt and commitment of each line, after a copy of the line that stands for its writing.
fn drafts(lines: &[u8]) -> Drafts {
    let mut drafts = Drafts::with_capacity(payload::RECORDS, lines.len());
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        drafts.buffer().extend_from_slice(line);
        drafts.finish_line(1, 0, 0).unwrap();
    }
    drafts
}

/// A folder on a disk and, where there is one, in memory: the difference is the wait for the disk.
fn folders() -> Vec<(&'static str, tempfile::TempDir)> {
    let inside = |folder: &str| tempfile::tempdir_in(folder).ok();
    let folders = [("disk", inside(env!("CARGO_TARGET_TMPDIR"))), ("memory", inside("/dev/shm"))];
    folders.into_iter().filter_map(|(name, folder)| folder.map(|folder| (name, folder))).collect()
}

fn chain(criterion: &mut Criterion) {
    let lines = lines(&payload::request(0));
    let mut group = group(criterion, "chain", lines.len());
    // A ledger is never trimmed: the time decides how much it takes.
    group.measurement_time(Duration::from_millis(300));
    group.bench_function("commit", |b| b.iter(|| drafts(black_box(&lines)).len()));
    for (name, folder) in folders() {
        let (mut ledger, ..) = Ledger::open(folder.path(), &Options::new("bench")).unwrap();
        group.bench_function(format!("seal_append_{name}"), |b| {
            b.iter_batched(|| [drafts(&lines)], |group| ledger.append(&group).unwrap().len(), BatchSize::PerIteration);
        });
    }
}

fn append(criterion: &mut Criterion) {
    let request = Bytes::from(payload::request(0));
    let items = [Item { bytes: request.clone(), records: 512 }];
    let mut group = group(criterion, "append", request.len());
    for (name, folder) in folders() {
        let (mut spool, ..) = Disk::open(folder.path(), SEGMENT_BYTES_MAX).unwrap();
        group.bench_function(format!("spool_{name}"), |b| {
            b.iter(|| {
                spool.append(&items).unwrap();
                spool.trim(spool.end()).unwrap()
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = decode, utf8, scan, edit, line, otlp_json, chain, append
}
criterion_main!(benches);
