//! What redaction costs: `cargo bench --bench redact`. One table: megabytes of text a second of one core, by processor time
//! of this thread, so that a busy machine changes little; beside each a plain `RegexSet` of 40 of the patterns on the same
//! texts in the same run, which only says whether there is something, not what and where.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot run has nothing to say"
)]

#[path = "support/payload.rs"]
mod payload;
#[path = "support/texts.rs"]
mod texts;

use std::fs;
use std::hint::black_box;

use bumpalo::Bump;
use regex::bytes::{RegexSet, RegexSetBuilder};
use telseal::otlp::Signal;
use telseal::otlp::model::Batch;
use telseal::otlp::value::{Value, put_pair};
use telseal::otlp::wire::put_bytes;
use telseal::processor::Processor;
use telseal::processor::redact::{Config, Redact};

/// Processor time of this thread so far, in seconds: Linux says it in nanoseconds.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn resident_mib() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / f64::from(1 << 20)
}

/// Seconds of processor time that one call costs: the best of five groups. The system counts in ticks of some
/// milliseconds, so groups are made longer until they take a tenth of a second.
fn cost(mut call: impl FnMut()) -> f64 {
    let mut group = |calls: u32| {
        let start = cpu_seconds();
        (0..calls).for_each(|_| call());
        cpu_seconds() - start
    };
    let mut calls = 1;
    while group(calls) < GROUP_SECONDS && calls < CALLS_MAX {
        calls *= 2;
    }
    (0..5).map(|_| group(calls) / f64::from(calls)).fold(f64::INFINITY, f64::min)
}

const GROUP_SECONDS: f64 = 0.1;
const CALLS_MAX: u32 = 1 << 20;

/// A request with one record for each text, as its body.
fn request(texts: &[String]) -> Vec<u8> {
    let mut records = Vec::new();
    for text in texts {
        let mut record = Vec::new();
        let mut body = Vec::new();
        Value::Str(text).put(&mut body);
        put_bytes(&mut record, 5, &body);
        put_pair(&mut record, 6, "tool_name", &Value::Str("Bash"));
        put_bytes(&mut records, 2, &record);
    }
    let mut group = Vec::new();
    put_bytes(&mut group, 2, &records);
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &group);
    out
}

/// Opening the request, and opening and redacting it.
fn records(redact: &Redact, request: &[u8]) -> (f64, f64) {
    let mut arena = Bump::with_capacity(4 * request.len());
    let open = cost(|| {
        arena.reset();
        black_box(Batch::open(Signal::Logs, black_box(request), &arena).unwrap());
    });
    let both = cost(|| {
        arena.reset();
        let mut batch = Batch::open(Signal::Logs, black_box(request), &arena).unwrap();
        black_box(redact.process(&mut batch).unwrap());
    });
    (open, both)
}

fn set_cost(set: &RegexSet, texts: &[String]) -> f64 {
    cost(|| {
        for text in texts {
            black_box(set.matches(black_box(text.as_bytes())).matched_any());
        }
    })
}

/// One line of the table.
fn row(redact: &Redact, set: &RegexSet, name: &str, texts: &[String], growth: &str) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let rate = |seconds: f64| bytes as f64 / 1e6 / seconds;
    let (open, both) = records(redact, &request(texts));
    let (seconds, set_seconds) = (both - open, set_cost(set, texts));
    let ratio = set_seconds / seconds;
    println!("{name:<36} {:>9.0} {:>9.0} {ratio:>8.1} {growth:>8}", rate(seconds), rate(set_seconds));
}

/// By how much the cost of a byte may grow when there are four times as many: linear is 1, the square is 4.
const GROWTH_MAX: f64 = 2.5;

/// How much more a byte costs in a text four times as long.
fn growth(redact: &Redact, piece: &str) -> f64 {
    let [one, four] = [1, 4].map(|times| {
        let (open, both) = records(redact, &request(&texts::adversarial(piece, times)));
        both - open
    });
    four / one / 4.0
}

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let (before, start) = (resident_mib(), cpu_seconds());
    let redact = Redact::new(&Config::default()).unwrap();
    println!("start: {:.1} ms, {:.1} MiB", (cpu_seconds() - start) * 1e3, resident_mib() - before);
    let set = RegexSetBuilder::new(texts::PATTERNS).unicode(false).build().unwrap();
    println!("{:<36} {:>9} {:>9} {:>8} {:>8}", "MB/s of text", "redact", "RegexSet", "ratio", "growth");
    for (name, texts) in texts::ordinary() {
        row(&redact, &set, name, &texts, "");
    }
    for piece in texts::ADVERSARIAL {
        let growth = growth(&redact, piece);
        let name = format!("adversarial {piece}");
        row(&redact, &set, &name, &texts::adversarial(piece, 1), &format!("{growth:.2}"));
        assert!(growth < GROWTH_MAX, "{piece}: a byte costs {growth:.2} times as much in a text four times as long");
    }
    for percent in [0, 5] {
        let request = payload::request(percent);
        let (open, both) = records(&redact, &request);
        let each = |seconds: f64| seconds / payload::RECORDS as f64 * 1e6;
        println!(
            "agent records, {percent} % with a secret: {:.2} us a record ({:.0} MB/s), opening {:.2} us",
            each(both - open),
            request.len() as f64 / 1e6 / (both - open),
            each(open)
        );
    }
    let large = texts::clean(64 * 1024).concat();
    let seconds = cost(|| drop(black_box(redact.text(black_box(&large[..64 * 1024])))));
    println!("one text of 64 KiB, every detector: {:.0} us", seconds * 1e6);
}
