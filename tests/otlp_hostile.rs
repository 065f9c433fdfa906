//! Bytes that are not what they claim to be: an error or harmless, never a panic, and work and memory in proportion to
//! the bytes received.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[path = "support/arbitrary.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod arbitrary;
#[path = "support/oracle.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod oracle;
#[path = "support/wild.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod wild;

use std::fs;

use arbitrary::Random;
use bumpalo::Bump;
use proptest::prelude::*;
use telseal::otlp::line::{LineWriter, write_request};
use telseal::otlp::model::{Batch, Entity};
use telseal::otlp::rewrite::{Place, Visitor};
use telseal::otlp::schema::{self, Kind, Message};
use telseal::otlp::value::Value;
use telseal::otlp::wire::{put_tag, put_varint};
use telseal::otlp::{self, DEPTH_MAX, DecodeError, Signal};
use wild::{messages, wrapped};

/// Replaces every third string, so that both ways through the rewriting are taken.
struct Some3(usize);

impl<'a> Visitor<'a> for Some3 {
    fn pair(&mut self, _: &'a str, _: Value<'a>) -> Option<Value<'a>> {
        None
    }

    fn text(&mut self, _: Place<'a>, _: &'a str) -> Option<&'a str> {
        self.0 += 1;
        self.0.is_multiple_of(3).then_some("*")
    }
}

/// What a pipeline may do with a request. Memory taken from the arena is in proportion to the request.
fn rewritten(signal: Signal, request: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let arena = Bump::new();
    let within = |times: usize| {
        let (taken, len) = (arena.allocated_bytes(), request.len());
        assert!(taken <= times * len + 8192, "{taken} bytes for {len} of {signal}");
    };
    let mut batch = Batch::open(signal, request, &arena)?;
    within(128);
    let mut visitor = Some3(0);
    batch.rewrite_rest(&mut visitor)?;
    batch.owners().try_for_each(|owner| owner.rewrite(&arena, &mut visitor).map(drop))?;
    batch.records().try_for_each(|record| record.rewrite(&arena, &mut visitor).map(drop))?;
    within(160);
    for record in batch.records() {
        record.each_point(&arena, &mut |point| {
            point.set("k", Value::Int(1));
            Ok(())
        })?;
        record.remove("a");
        record.set("b", Value::Null);
    }
    let mut out = vec![];
    batch.encode(&mut out);
    Ok(out)
}

/// Everything that reads requests; true when all of it accepts the bytes. What comes out of a rewrite, prost accepts.
fn accepted(signal: Signal, request: &[u8]) -> bool {
    let counted = otlp::count(signal, request);
    let halved = otlp::halves(signal, request);
    assert_eq!(counted.is_err() && signal != Signal::Metrics, halved.is_err() && signal != Signal::Metrics);
    if let Ok(Some((first, second))) = halved {
        let count = |half: &[u8]| otlp::count(signal, half);
        if let (Ok(counted), Ok(first), Ok(second)) = (counted, count(&first), count(&second)) {
            assert_eq!(first + second, counted);
        }
    }
    let lines = write_request(&mut LineWriter::default(), signal, request, &mut |_, _| {});
    let Ok(out) = rewritten(signal, request) else { return false };
    if lines.is_ok() {
        readable(signal, &out);
    }
    lines.is_ok()
}

/// prost reads it. It knows two fields of profiles that no other signal may use and that are unknown fields to us.
fn readable(signal: Signal, request: &[u8]) {
    if let Err(error) = oracle::Request::decode(signal, request) {
        let error = error.to_string();
        let index = error.contains("strindex") || error.contains("AnyValue.value") && error.contains("expected Varint");
        assert!(index, "{error}");
    }
}

fn small(signal: Signal) -> Vec<u8> {
    let mut random = Random::new(11);
    let requests = (0..200).map(|_| arbitrary::request(signal, &mut random));
    requests
        .filter(|request| otlp::count(signal, request).unwrap() > 2 && request.len() > 400)
        .min_by_key(Vec::len)
        .unwrap()
}

#[test]
fn a_request_cut_anywhere_is_an_error_or_a_shorter_request() {
    for signal in Signal::ALL {
        let request = small(signal);
        assert!(accepted(signal, &request));
        let whole = (0..request.len()).filter(|end| accepted(signal, &request[..*end])).count();
        assert!(whole < 4, "{whole} cuts lie between two groups of {signal}");
    }
}

#[test]
fn a_request_with_one_byte_changed_is_an_error_or_another_request() {
    for signal in Signal::ALL {
        let mut request = small(signal);
        let mut refused = 0;
        for at in 0..request.len() {
            let byte = request[at];
            for changed in [0, 0xff, 0x80, byte ^ 1, byte ^ 2, byte ^ 4, byte ^ 7, byte ^ 0x80, byte.wrapping_add(8)] {
                request[at] = changed;
                refused += usize::from(!accepted(signal, &request));
            }
            request[at] = byte;
        }
        assert!(refused > request.len(), "{refused} refused");
    }
}

fn of_wire_type(number: u32, wire: u8) -> Vec<u8> {
    let mut field = vec![];
    put_tag(&mut field, number, wire);
    field.extend_from_slice(match wire {
        0 | 2 => &[0],
        1 => &[0; 8],
        _ => &[0; 4],
    });
    field
}

fn wire_types(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Bool | Kind::Uint32 | Kind::Enum | Kind::Sint32 => &[0],
        Kind::Fixed32 => &[5],
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => &[1],
        Kind::PackedFixed64 | Kind::PackedDouble => &[1, 2],
        Kind::PackedUint64 => &[0, 2],
        Kind::Str | Kind::Id | Kind::Message(_) | Kind::Value | Kind::Attributes | Kind::Strings => &[2],
    }
}

#[test]
fn every_field_of_every_message_is_refused_with_another_wire_type() {
    for signal in Signal::ALL {
        for (path, message) in messages(signal) {
            for field in message.fields {
                for wire in [0, 1, 2, 5] {
                    let request = wrapped(&path, &of_wire_type(field.number, wire));
                    let error = DecodeError::WireType { message: message.name, field: field.number, wire };
                    let fits = wire_types(field.kind).contains(&wire);
                    let result = rewritten(signal, &request).map(drop);
                    assert_eq!(result, if fits { Ok(()) } else { Err(error) }, "{} {}", message.name, field.name);
                    assert_eq!(accepted(signal, &request), fits, "{} {}", message.name, field.name);
                }
            }
        }
    }
}

/// Every place of a `KeyValue` or `AnyValue`, as path from there.
fn value_places(message: &'static Message) -> Vec<Vec<u32>> {
    let mut places = vec![];
    for field in message.fields {
        match field.kind {
            Kind::Attributes => places.push(vec![field.number, 2]),
            Kind::Value => places.push(vec![field.number]),
            _ => {}
        }
    }
    places
}

#[test]
fn values_and_pairs_are_refused_with_another_wire_type() {
    for signal in Signal::ALL {
        for (path, message) in messages(signal) {
            for place in value_places(message) {
                for (number, right) in [(1, 2), (2, 0), (3, 0), (4, 1), (5, 2), (6, 2), (7, 2)] {
                    for wire in [0, 1, 2, 5].into_iter().filter(|wire| *wire != right) {
                        let request = wrapped(&[&path[..], &place].concat(), &of_wire_type(number, wire));
                        let error = DecodeError::WireType { message: "AnyValue", field: number, wire };
                        assert_eq!(rewritten(signal, &request), Err(error));
                    }
                }
                let inside = |rest: &[u32]| wrapped(&[&path[..], &place, rest].concat(), &of_wire_type(1, 0));
                for (list, name) in [(5, "ArrayValue"), (6, "KeyValueList")] {
                    let error = DecodeError::WireType { message: name, field: 1, wire: 0 };
                    assert_eq!(rewritten(signal, &inside(&[list])), Err(error));
                }
                let error = DecodeError::WireType { message: "KeyValue", field: 1, wire: 0 };
                assert_eq!(rewritten(signal, &inside(&[6, 1])), Err(error));
            }
        }
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_in_every_string_field() {
    let bad = |path: &[u32], number| wrapped(&[path, &[number]].concat(), &[b'a', 0xff, b'b']);
    for signal in Signal::ALL {
        for (path, message) in messages(signal) {
            for field in message.fields.iter().filter(|field| matches!(field.kind, Kind::Str | Kind::Strings)) {
                let request = bad(&path, field.number);
                assert_eq!(rewritten(signal, &request), Err(DecodeError::Utf8 { message: message.name }));
                assert!(!accepted(signal, &request));
            }
            for place in value_places(message) {
                let path = [&path[..], &place].concat();
                for (rest, name) in [(&[][..], "AnyValue"), (&[5, 1], "AnyValue"), (&[6, 1], "KeyValue")] {
                    let request = bad(&[&path[..], rest].concat(), 1);
                    assert_eq!(rewritten(signal, &request), Err(DecodeError::Utf8 { message: name }));
                }
            }
        }
    }
}

/// The bytes of an `AnyValue`: a string below `depth` lists or maps.
fn deep(depth: usize, map: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut reversed = vec![b'x', 1, 0x0a];
    let put_len = |reversed: &mut Vec<u8>, from: usize| {
        let mut len = vec![];
        put_varint(&mut len, (reversed.len() - from) as u64);
        reversed.extend(len.iter().rev());
    };
    for level in 0..depth {
        if map(level) {
            put_len(&mut reversed, 0);
            reversed.push(0x12);
        }
        put_len(&mut reversed, 0);
        reversed.push(0x0a);
        put_len(&mut reversed, 0);
        reversed.push(if map(level) { 0x32 } else { 0x2a });
    }
    reversed.reverse();
    reversed
}

#[test]
fn values_nested_ten_thousand_deep_are_an_error_in_time() {
    let shapes: [fn(usize) -> bool; 3] = [|_| false, |_| true, |level| level % 2 == 0];
    for (signal, path) in [
        (Signal::Logs, &[1, 2, 2, 5][..]),
        (Signal::Logs, &[1, 2, 2, 6, 2]),
        (Signal::Logs, &[1, 1, 1, 2]),
        (Signal::Traces, &[1, 2, 2, 11, 3, 2]),
        (Signal::Metrics, &[1, 2, 2, 5, 1, 5, 7, 2]),
    ] {
        for shape in shapes {
            let (fits, deep) = (wrapped(path, &deep(DEPTH_MAX, shape)), wrapped(path, &deep(10_000, shape)));
            assert!(rewritten(signal, &fits).is_ok());
            assert_eq!(rewritten(signal, &deep), Err(DecodeError::TooDeep));
            assert!(!accepted(signal, &deep));
            assert!(otlp::count(signal, &deep).is_ok());
        }
    }
}

#[test]
fn lengths_that_lie_tags_that_are_none_and_varints_without_end_are_errors() {
    let bad: [&[u8]; 9] = [
        &[0x0a, 0x80, 0xc2, 0xd7, 0x2f, 1, 2, 3, 4, 5],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x00, 0x00],
        &[0x0b, 0x0c],
        &[0xf8, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        &[0x09, 1, 2, 3],
    ];
    for signal in Signal::ALL {
        for (path, message) in messages(signal) {
            for bad in bad {
                assert!(!accepted(signal, &wrapped(&path, bad)), "{} {bad:02x?}", message.name);
            }
        }
    }
}

#[test]
fn what_stands_twice_hides_nothing_from_a_rewrite() {
    struct Mask;
    impl<'a> Visitor<'a> for Mask {
        fn pair(&mut self, _: &'a str, _: Value<'a>) -> Option<Value<'a>> {
            None
        }
        fn text(&mut self, _: Place<'a>, text: &'a str) -> Option<&'a str> {
            text.contains("hidden").then_some("*")
        }
    }
    let text = |number: u32, text: &str| wrapped(&[number], text.as_bytes());
    let hidden_pair = [text(1, "hidden"), wrapped(&[2], &text(1, "hidden"))].concat();
    let cases = [
        ("two resources", wrapped(&[1], &[wrapped(&[1, 1], &hidden_pair), wrapped(&[1, 1], b"\x0a\x01k")].concat())),
        (
            "two bodies",
            wrapped(&[1, 2, 2], &[wrapped(&[5], &text(1, "hidden")), wrapped(&[5], &text(1, "x"))].concat()),
        ),
        ("a oneof twice", wrapped(&[1, 2, 2, 5], &[text(1, "hidden"), vec![0x10, 1]].concat())),
        ("a key twice", wrapped(&[1, 2, 2, 6], &[text(1, "hidden"), text(1, "k")].concat())),
        (
            "a value twice",
            wrapped(&[1, 2, 2, 6], &[wrapped(&[2], &text(1, "hidden")), wrapped(&[2], &text(1, "x"))].concat()),
        ),
        ("a name twice", wrapped(&[1, 2, 2], &[text(12, "hidden"), text(12, "x")].concat())),
        ("an unknown field of a list", wrapped(&[1, 2, 2, 5, 5], &text(9, "hidden"))),
        ("an unknown field of a map", wrapped(&[1, 2, 2, 6, 2, 6], &text(9, "hidden"))),
        ("an unknown field of a pair", wrapped(&[1, 2, 2, 6], &text(9, "hidden"))),
        ("an unknown field of a value", wrapped(&[1, 2, 2, 6, 2], &[vec![0x10, 1], text(9, "hidden")].concat())),
        ("an unknown field of the request", text(9, "hidden")),
        ("bytes that are not text", wrapped(&[1, 2, 2, 5, 7], b"\xff\xfe\x00hidden\xff")),
        ("a trace id", wrapped(&[1, 2, 2, 9], b"hidden")),
    ];
    for (case, request) in cases {
        let (arena, mut out) = (Bump::new(), vec![]);
        let mut batch = Batch::open(Signal::Logs, &request, &arena).unwrap();
        batch.rewrite_rest(&mut Mask).unwrap();
        batch.owners().for_each(|owner| {
            owner.rewrite(&arena, &mut Mask).unwrap();
        });
        batch.records().for_each(|record| {
            record.rewrite(&arena, &mut Mask).unwrap();
        });
        batch.encode(&mut out);
        readable(Signal::Logs, &out);
        assert!(!out.windows(6).any(|window| window == b"hidden"), "{case}: {out:02x?}");
    }
}

#[test]
fn the_last_of_equal_keys_counts_and_setting_leaves_one() {
    let pair = |value: &str| wrapped(&[6], &[b"\x0a\x01k", &wrapped(&[2, 1], value.as_bytes())[..]].concat());
    let record = [pair("first"), pair("second"), pair("last")].concat();
    let arena = Bump::new();
    let mut entity = Entity::open(&schema::LOG_RECORD, &record, &arena).unwrap();
    assert_eq!(entity.get("k"), Some(Value::Str("last")));
    entity.set("k", Value::Bool(true));
    let mut out = vec![];
    entity.put(&mut out);
    assert_eq!(out, wrapped(&[6], b"\x0a\x01k\x12\x02\x10\x01"));
    assert_eq!(out.len(), entity.encoded_len());
}

/// Nanoseconds that this thread has spent on a processor.
fn worked_nanos() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// The least work of three runs. It takes as long as it takes: only the ratio of two of these says something.
fn work(run: &dyn Fn()) -> Option<u64> {
    let measured = (0..3).map(|_| {
        let before = worked_nanos()?;
        run();
        worked_nanos()?.checked_sub(before)
    });
    measured.min().flatten()
}

/// `count` copies of something hostile at one place.
type Hostile = (&'static str, Signal, fn(usize) -> Vec<u8>);

const MANY: [Hostile; 12] = [
    ("groups", Signal::Logs, |count| [0x0a, 0].repeat(count)),
    ("scopes", Signal::Logs, |count| wrapped(&[1], &[0x12, 0].repeat(count))),
    ("records", Signal::Logs, |count| wrapped(&[1, 2], &[0x12, 0].repeat(count))),
    ("groups of one record", Signal::Traces, |count| wrapped(&[1, 2, 2], &[]).repeat(count)),
    ("resources of one group", Signal::Traces, |count| wrapped(&[1], &wrapped(&[1, 1, 1], b"key").repeat(count))),
    ("attributes", Signal::Logs, |count| wrapped(&[1, 2, 2], &[0x32, 0].repeat(count))),
    ("attributes of one key", Signal::Logs, |count| wrapped(&[1, 2, 2], &[0x32, 3, 0x0a, 1, b'a'].repeat(count))),
    ("bodies", Signal::Logs, |count| wrapped(&[1, 2, 2], &wrapped(&[5, 5, 1, 1], b"x").repeat(count))),
    ("values of one pair", Signal::Logs, |count| wrapped(&[1, 2, 2, 6], &wrapped(&[2, 5, 1, 1], b"x").repeat(count))),
    ("keys of one pair", Signal::Logs, |count| wrapped(&[1, 2, 2, 6], &[0x0a, 1, b'a'].repeat(count))),
    ("data points", Signal::Metrics, |count| wrapped(&[1, 2, 2, 5], &[0x0a, 0].repeat(count))),
    ("unknown fields", Signal::Logs, |count| wrapped(&[1, 2, 2], &wrapped(&[99], b"\xffabcdef\xff").repeat(count))),
];

#[test]
fn a_hundred_thousand_of_anything_take_work_and_memory_in_proportion() {
    for (what, signal, make) in MANY {
        let requests = [make(25_000), make(100_000)];
        let [Some(one), Some(four)] = requests.each_ref().map(|request| {
            work(&|| {
                // Memory is asserted in there.
                rewritten(signal, request).unwrap();
                otlp::count(signal, request).unwrap();
                otlp::halves(signal, request).unwrap();
            })
        }) else {
            return;
        };
        assert!(four < 9 * one, "four times as many {what} take {} times the work", four / one.max(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_anywhere_never_panic(bytes: Vec<u8>, place: prop::sample::Index) {
        for signal in Signal::ALL {
            let messages = messages(signal);
            let (path, _) = &messages[place.index(messages.len())];
            accepted(signal, &wrapped(path, &bytes));
        }
    }

    #[test]
    fn random_damage_to_a_request_never_panics(seed: u64, at: prop::sample::Index, bytes: [u8; 3]) {
        for signal in Signal::ALL {
            for mut request in [arbitrary::request(signal, &mut Random::new(seed)), wild::Wild::new(seed).request(signal)] {
                let at = at.index(request.len().max(1));
                for (place, byte) in request.iter_mut().skip(at).zip(bytes) {
                    *place = byte;
                }
                accepted(signal, &request);
            }
        }
    }

    #[test]
    fn whatever_is_odd_but_valid_is_accepted(seed: u64) {
        for signal in Signal::ALL {
            let request = wild::Wild::new(seed).request(signal);
            prop_assert!(accepted(signal, &request), "{:02x?}", request);
        }
    }
}
