//! The telemetry model does what the same steps on opentelemetry-proto's types do: reading, counting, halving, editing,
//! rewriting and encoding. prost is the oracle.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[path = "support/arbitrary.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod arbitrary;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/wild.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod wild;

use arbitrary::Random;
use bumpalo::Bump;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Held;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use oracle::{Editor, Part, Request};
use proptest::prelude::*;
use telseal::otlp::model::{Batch, Entity};
use telseal::otlp::rewrite::{Place, Visitor};
use telseal::otlp::value::Value;
use telseal::otlp::{self, DecodeError, Signal};
use wild::{PLANTED, Wild};

fn arbitrary(signal: Signal, seed: u64) -> Vec<u8> {
    arbitrary::request(signal, &mut Random::new(seed))
}

fn understood(signal: Signal, bytes: &[u8]) -> Vec<u8> {
    Request::decode(signal, bytes).unwrap().encode()
}

/// The same without the difference between no value and an empty one, which a rewritten key may make.
fn with_values(signal: Signal, bytes: &[u8]) -> Vec<u8> {
    struct Neutral;
    impl Editor for Neutral {
        fn pair(&mut self, _: &str) -> Option<String> {
            None
        }
        fn text(&mut self, _: &str, _: &str) -> Option<String> {
            None
        }
    }
    let mut request = Request::decode(signal, bytes).unwrap();
    request.edit(&mut Neutral);
    request.encode()
}

fn encoded(batch: &Batch<'_>) -> Vec<u8> {
    let mut out = vec![];
    batch.encode(&mut out);
    out
}

/// The strings both sides see, and what both sides put in their stead.
#[derive(Default)]
struct Seen(Strings);

impl Seen {
    /// Empty strings are left out: on the wire they stand or do not.
    fn text(&mut self, place: &str, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        self.0.push((place.to_owned(), text.to_owned()));
        if text.contains(PLANTED) {
            return Some(text.replace(PLANTED, "***"));
        }
        let sum: usize = text.bytes().map(usize::from).sum();
        sum.is_multiple_of(3).then(|| format!("<{text}>"))
    }

    fn pair(key: &str) -> Option<String> {
        (key == "a").then(|| "whole".to_owned())
    }

    fn sorted(mut self) -> Strings {
        self.0.sort();
        self.0
    }
}

impl Editor for Seen {
    fn pair(&mut self, key: &str) -> Option<String> {
        Self::pair(key)
    }

    fn text(&mut self, place: &str, text: &str) -> Option<String> {
        self.text(place, text)
    }
}

struct Rewriter<'a>(&'a Bump, Seen);

impl<'a> Visitor<'a> for Rewriter<'a> {
    fn pair(&mut self, key: &'a str, _: Value<'a>) -> Option<Value<'a>> {
        Seen::pair(key).map(|new| Value::Str(self.0.alloc_str(&new)))
    }

    fn text(&mut self, place: Place<'a>, text: &'a str) -> Option<&'a str> {
        let place = match place {
            Place::Key => "key".to_owned(),
            Place::Value { key } => format!("value {key}"),
            Place::Field { name } => format!("field {name}"),
        };
        self.1.text(&place, text).map(|new| &*self.0.alloc_str(&new))
    }
}

/// Places and strings.
type Strings = Vec<(String, String)>;

/// Rewrites everything in the request; the new request and what was seen.
fn rewritten(signal: Signal, bytes: &[u8]) -> Result<(Vec<u8>, Strings), DecodeError> {
    let arena = Bump::new();
    let mut batch = Batch::open(signal, bytes, &arena)?;
    let mut rewriter = Rewriter(&arena, Seen::default());
    batch.rewrite_rest(&mut rewriter)?;
    for owner in batch.owners() {
        owner.rewrite(&arena, &mut rewriter)?;
    }
    for record in batch.records() {
        record.rewrite(&arena, &mut rewriter)?;
    }
    Ok((encoded(&batch), rewriter.1.sorted()))
}

/// One edit of a list of attributes.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Set(&'static str, Value<'static>),
    Push(&'static str, Value<'static>),
    Remove(&'static str),
    Rename(&'static str, &'static str),
}

const KEYS: [&str; 6] = ["a", "", "$int", "new.key", "resource", "never.there"];
const VALUES: [Value<'_>; 6] =
    [Value::Str("v"), Value::Int(-1), Value::Bool(true), Value::Double(0.5), Value::Null, Value::Bytes(&[0xff, 0])];

/// The edits of the list that comes `index`th.
fn edits(seed: u64, index: u64) -> Vec<Edit> {
    let mut wild = Wild::new(seed.wrapping_add(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..wild.below(4))
        .map(|_| {
            let (key, value) = (KEYS[wild.below(KEYS.len())], VALUES[wild.below(VALUES.len())]);
            match wild.below(4) {
                0 => Edit::Set(key, value),
                1 => Edit::Push(key, value),
                2 => Edit::Remove(key),
                _ => Edit::Rename(key, KEYS[wild.below(KEYS.len())]),
            }
        })
        .collect()
}

fn edit_entity<'a>(entity: &mut Entity<'a>, edits: &[Edit]) {
    for edit in edits {
        match *edit {
            Edit::Set(key, value) => {
                entity.set(key, value);
                assert_eq!(entity.get(key), Some(value));
            }
            Edit::Push(key, value) => entity.push(key, value),
            Edit::Remove(key) => {
                let there = entity.get(key).is_some();
                assert_eq!(entity.remove(key), there);
                assert_eq!(entity.get(key), None);
            }
            Edit::Rename(key, new) => {
                let there = entity.get(key).is_some();
                assert_eq!(entity.rename(key, new), there);
            }
        }
    }
}

fn edit_oracle(list: &mut Vec<KeyValue>, edits: &[Edit]) {
    let pair = |key: &str, value: Value<'_>| {
        let value = match value {
            Value::Str(text) => Some(Held::StringValue(text.to_owned())),
            Value::Int(number) => Some(Held::IntValue(number)),
            Value::Bool(value) => Some(Held::BoolValue(value)),
            Value::Double(number) => Some(Held::DoubleValue(number)),
            Value::Bytes(bytes) => Some(Held::BytesValue(bytes.to_vec())),
            _ => None,
        };
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), key_strindex: 0 }
    };
    for edit in edits {
        match *edit {
            Edit::Set(key, value) => match list.iter().position(|held| held.key == key) {
                Some(first) => {
                    list[first] = pair(key, value);
                    let mut index = 0;
                    list.retain(|held| {
                        index += 1;
                        index - 1 <= first || held.key != key
                    });
                }
                None => list.push(pair(key, value)),
            },
            Edit::Push(key, value) => list.push(pair(key, value)),
            Edit::Remove(key) => list.retain(|held| held.key != key),
            Edit::Rename(key, new) => {
                for held in list.iter_mut().filter(|held| held.key == key) {
                    held.key = new.to_owned();
                    held.value.get_or_insert_default();
                }
            }
        }
    }
}

/// The same edits on both sides; each list gets its own.
fn edit_both(batch: &mut Batch<'_>, oracle: &mut Request, part: Part, seed: u64) {
    let mut index = 0;
    let mut next = || {
        index += 1;
        edits(seed, index)
    };
    let arena = batch.arena();
    match part {
        Part::Owners => batch.owners().for_each(|owner| edit_entity(owner, &next())),
        Part::Records => batch.records().for_each(|record| edit_entity(record, &next())),
        Part::Points => batch.records().for_each(|record| {
            let mut visit = |point: &mut Entity<'_>| {
                edit_entity(point, &next());
                Ok(())
            };
            record.each_point(arena, &mut visit).unwrap();
        }),
    }
    let mut index = 0;
    oracle.each_attributes(part, &mut |list| {
        index += 1;
        edit_oracle(list, &edits(seed, index));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_nobody_edits_comes_out_byte_by_byte(seed: u64) {
        for signal in Signal::ALL {
            let (sent, arena) = (arbitrary(signal, seed), Bump::new());
            let batch = Batch::open(signal, &sent, &arena).unwrap();
            prop_assert!(!batch.is_edited());
            prop_assert_eq!(&encoded(&batch), &sent);
        }
    }

    #[test]
    fn a_wild_request_that_nobody_edits_means_the_same(seed: u64) {
        for signal in Signal::ALL {
            let (sent, arena) = (Wild::new(seed).request(signal), Bump::new());
            let batch = Batch::open(signal, &sent, &arena).unwrap();
            prop_assert_eq!(understood(signal, &encoded(&batch)), understood(signal, &sent));
        }
    }

    #[test]
    fn records_are_counted_as_the_oracle_counts_them(seed: u64) {
        for signal in Signal::ALL {
            for sent in [arbitrary(signal, seed), Wild::new(seed).request(signal)] {
                let oracle = Request::decode(signal, &sent).unwrap();
                prop_assert_eq!(otlp::count(signal, &sent).unwrap(), oracle.count());
            }
        }
    }

    #[test]
    fn halves_are_the_whole_and_neither_is_empty(seed: u64) {
        for signal in Signal::ALL {
            for sent in [arbitrary(signal, seed), Wild::new(seed).request(signal)] {
                let whole = Request::decode(signal, &sent).unwrap().singles();
                let Some((first, second)) = otlp::halves(signal, &sent).unwrap() else {
                    prop_assert!(whole.len() < 2);
                    continue;
                };
                let halves = [first, second].map(|half| Request::decode(signal, &half).unwrap().singles());
                prop_assert_eq!(halves[0].len(), whole.len() / 2);
                prop_assert_eq!(halves.concat(), whole);
            }
        }
    }

    #[test]
    fn edits_are_those_of_the_oracle(seed: u64) {
        for signal in Signal::ALL {
            for sent in [arbitrary(signal, seed), Wild::new(seed).request(signal)] {
                let arena = Bump::new();
                let mut batch = Batch::open(signal, &sent, &arena).unwrap();
                let mut oracle = Request::decode(signal, &sent).unwrap();
                for (part, seed) in [(Part::Owners, seed), (Part::Records, !seed), (Part::Points, seed ^ 7)] {
                    if part != Part::Points || otlp::count(signal, &sent) == Ok(counted_points(&mut batch)) {
                        edit_both(&mut batch, &mut oracle, part, seed);
                    }
                }
                let out = encoded(&batch);
                prop_assert_eq!(Request::decode(signal, &out).unwrap().encode(), oracle.encode());
                prop_assert!(batch.is_edited() || understood(signal, &sent) == oracle.encode());
            }
        }
    }

    #[test]
    fn retained_records_are_those_of_the_oracle(seed: u64) {
        for signal in Signal::ALL {
            let (sent, arena) = (arbitrary(signal, seed), Bump::new());
            let mut batch = Batch::open(signal, &sent, &arena).unwrap();
            let mut oracle = Request::decode(signal, &sent).unwrap();
            let mut wild = Wild::new(seed);
            let keep: Vec<bool> = (0..64).map(|_| wild.below(3) > 0).collect();
            let (mut kept, mut dropped) = (keep.iter(), 0);
            for scope in batch.groups.iter_mut().flat_map(|group| &mut group.scopes) {
                dropped += scope.retain(|_| *kept.next().unwrap());
            }
            let (mut kept, before) = (keep.iter(), oracle.singles().len());
            oracle.retain(&mut || *kept.next().unwrap());
            prop_assert_eq!(dropped, u64::try_from(before - oracle.singles().len()).unwrap());
            prop_assert_eq!(understood(signal, &encoded(&batch)), oracle.encode());
            prop_assert_eq!(batch.is_edited(), dropped > 0);
        }
    }

    #[test]
    fn a_rewrite_sees_and_replaces_what_the_oracle_does(seed: u64) {
        for signal in Signal::ALL {
            let sent = arbitrary(signal, seed);
            let (out, seen) = rewritten(signal, &sent).unwrap();
            let (mut oracle, mut expected) = (Request::decode(signal, &sent).unwrap(), Seen::default());
            oracle.edit(&mut expected);
            prop_assert_eq!(seen, expected.sorted());
            prop_assert_eq!(with_values(signal, &out), oracle.encode());
        }
    }

    #[test]
    fn no_text_hides_from_a_rewrite(seed: u64) {
        for signal in Signal::ALL {
            let sent = Wild::new(seed).request(signal);
            let (out, _) = rewritten(signal, &sent).unwrap();
            let left = out.windows(PLANTED.len()).filter(|window| *window == PLANTED.as_bytes()).count();
            prop_assert_eq!(left, 0, "{:?} {:02x?}", signal, out);
            let mut oracle = Request::decode(signal, &sent).unwrap();
            oracle.edit(&mut Seen::default());
            prop_assert_eq!(with_values(signal, &out), oracle.encode());
        }
    }

    #[test]
    fn a_rewrite_that_replaces_nothing_changes_nothing(seed: u64) {
        struct Nothing;
        impl<'a> Visitor<'a> for Nothing {
            fn pair(&mut self, _: &'a str, _: Value<'a>) -> Option<Value<'a>> {
                None
            }
            fn text(&mut self, _: Place<'a>, _: &'a str) -> Option<&'a str> {
                None
            }
        }
        for signal in Signal::ALL {
            let (sent, arena) = (arbitrary(signal, seed), Bump::new());
            let mut batch = Batch::open(signal, &sent, &arena).unwrap();
            prop_assert!(!batch.rewrite_rest(&mut Nothing).unwrap());
            for owner in batch.owners() {
                prop_assert!(!owner.rewrite(&arena, &mut Nothing).unwrap());
            }
            for record in batch.records() {
                prop_assert!(!record.rewrite(&arena, &mut Nothing).unwrap());
            }
            prop_assert!(!batch.is_edited());
            prop_assert_eq!(&encoded(&batch), &sent);
        }
    }
}

/// Data points that `each_point` visits: more than count where a metric holds several kinds of data.
fn counted_points(batch: &mut Batch<'_>) -> u64 {
    let (arena, mut points) = (batch.arena(), 0);
    for record in batch.records() {
        let mut visit = |_: &mut Entity<'_>| {
            points += 1;
            Ok(())
        };
        record.each_point(arena, &mut visit).unwrap();
    }
    points
}

#[test]
fn a_data_point_can_be_taken_out() {
    let random = &mut Random::new(5);
    let sent = loop {
        let sent = arbitrary::request(Signal::Metrics, random);
        if otlp::count(Signal::Metrics, &sent).unwrap() > 5 {
            break sent;
        }
    };
    let (arena, mut index) = (Bump::new(), 0);
    let mut batch = Batch::open(Signal::Metrics, &sent, &arena).unwrap();
    for record in batch.records() {
        let mut keep = |_: &mut Entity<'_>| {
            index += 1;
            Ok(index % 2 == 0)
        };
        record.retain_points(&arena, &mut keep).unwrap();
    }
    assert_eq!(otlp::count(Signal::Metrics, &encoded(&batch)).unwrap(), index / 2);
}
