//! Random records, honest and mangled: no two that mean something else have the same line, two that mean the same have
//! the same line, and every line reads back as what was written.
//!
//! `FUZZ_SECONDS=600 cargo test --release --test line_fuzz` runs as long as that; `FUZZ_SEED` begins elsewhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "a long run is asked for in the environment")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/arbitrary.rs"]
mod arbitrary;
#[path = "support/meaning.rs"]
mod meaning;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/wild.rs"]
mod wild;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use arbitrary::Random;
use telseal::otlp::Signal;
use telseal::otlp::line::{LineWriter, to_otlp, write_request};
use telseal::otlp::schema::{self, MEMBERS, OWNER};
use telseal::otlp::wire::{Cursor, put_bytes};
use wild::Wild;

/// Each line of a request, or `None` when it is no OTLP.
fn lines(signal: Signal, request: &[u8]) -> Option<Vec<String>> {
    let mut lines = vec![];
    write_request(&mut LineWriter::default(), signal, request, &mut |line, _| {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
    })
    .ok()?;
    Some(lines)
}

/// One small record in a group of its own, wildly written.
fn wild_record(signal: Signal, wild: &mut Wild) -> Vec<u8> {
    let (mut record, mut scope, mut group, mut request) = (vec![], vec![], vec![], vec![]);
    if signal == Signal::Metrics {
        return wild.request(signal);
    }
    wild.message(schema::record(signal), 2, &mut record);
    for (owner, out) in [(&schema::SCOPE, &mut scope), (&schema::RESOURCE, &mut group)] {
        for _ in 0..wild.below(3) {
            let mut bytes = vec![];
            wild.message(owner, 3, &mut bytes);
            put_bytes(out, OWNER, &bytes);
        }
        if wild.below(3) == 0 {
            put_bytes(out, 3, ["", "u"][wild.below(2)].as_bytes());
        }
    }
    put_bytes(&mut scope, MEMBERS, &record);
    put_bytes(&mut group, MEMBERS, &scope);
    put_bytes(&mut request, 1, &group);
    request
}

/// Somewhere inside: a bit flipped, a byte changed to another one that stands there, or a field taken out or doubled.
fn mangled(bytes: &[u8], wild: &mut Wild) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if out.is_empty() {
        return out;
    }
    let (at, other) = (wild.below(out.len()), wild.below(out.len()));
    match wild.below(3) {
        0 => out[at] ^= 1 << wild.below(8),
        1 => out[at] = out[other],
        _ => return edited(bytes, wild, 5),
    }
    out
}

/// Takes out, doubles or moves a field, at a depth that chance decides; lengths around it stay right.
fn edited(bytes: &[u8], wild: &mut Wild, depth: usize) -> Vec<u8> {
    let (mut fields, mut cursor) = (vec![], Cursor::new(bytes));
    while let Ok(Some(field)) = cursor.next_field() {
        fields.push((field.number, field.raw.to_vec(), arbitrary_content(&field.value)));
    }
    if fields.is_empty() {
        return bytes.to_vec();
    }
    let at = wild.below(fields.len());
    match (wild.below(6), fields[at].2.clone()) {
        (0, _) => drop(fields.remove(at)),
        (1, _) => fields.push(fields[at].clone()),
        (2, _) => fields.rotate_left(at),
        (_, Some(inner)) if depth > 0 => {
            let mut raw = vec![];
            put_bytes(&mut raw, fields[at].0, &edited(&inner, wild, depth - 1));
            fields[at].1 = raw;
        }
        _ => {}
    }
    fields.into_iter().flat_map(|(_, raw, _)| raw).collect()
}

fn arbitrary_content(value: &telseal::otlp::wire::WireValue<'_>) -> Option<Vec<u8>> {
    if let telseal::otlp::wire::WireValue::Bytes(bytes) = value { Some(bytes.to_vec()) } else { None }
}

/// Lines and meanings seen so far, by their hashes: either tells the other.
#[derive(Default)]
struct Seen {
    meaning_of: HashMap<u64, u64>,
    line_of: HashMap<u64, Box<str>>,
    records: u64,
}

/// More than these would not fit into a small machine; then it begins anew.
const SEEN_MAX: usize = 300_000;

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Seen {
    fn add(&mut self, line: &str, meaning: &str) {
        let (key, value) = (hash(line), hash(meaning));
        assert_eq!(*self.meaning_of.entry(key).or_insert(value), value, "two meanings, one line: {line}\n{meaning}");
        let known = self.line_of.entry(value).or_insert_with(|| line.into());
        assert_eq!(&**known, line, "two lines, one meaning: {meaning}");
        self.records += 1;
        if self.line_of.len() > SEEN_MAX {
            (self.line_of, self.meaning_of) = Default::default();
        }
    }

    /// Checks one request, if it is OTLP at all.
    fn request(&mut self, signal: Signal, request: &[u8]) {
        let Some(lines) = lines(signal, request) else { return };
        let meanings = meaning::records(signal, request).unwrap_or_else(|| panic!("no meaning: {lines:?}"));
        assert_eq!(lines.len(), meanings.len(), "{lines:?}");
        for (line, meaning) in lines.iter().zip(&meanings) {
            self.add(line, meaning);
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            let back = to_otlp(signal, format!("{line}\n").as_bytes()).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert_eq!(meaning::records(signal, &back).as_deref(), Some([meaning.clone()].as_slice()), "{line}");
            assert_eq!(self::lines(signal, &back).as_deref(), Some([line.clone()].as_slice()));
        }
    }
}

fn round(seen: &mut Seen, seed: u64) {
    let mut wild = Wild::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for signal in Signal::ALL {
        let tame = arbitrary::request(signal, &mut Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        for mut request in [tame, wild_record(signal, &mut wild)] {
            for _ in 0..8 {
                seen.request(signal, &request);
                request = mangled(&request, &mut wild);
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn lines_and_meanings_of_random_records_are_one_to_one() {
    let mut seen = Seen::default();
    let first = number("FUZZ_SEED").unwrap_or(1);
    let until = number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut seed = first;
    while until.map_or(seed < first + 40, |until| Instant::now() < until) {
        round(&mut seen, seed);
        seed += 1;
    }
    println!("seeds {first} to {}: {} records, {} different lines", seed - 1, seen.records, seen.meaning_of.len());
    assert!(seen.records > 1000, "the generator makes next to nothing");
}
