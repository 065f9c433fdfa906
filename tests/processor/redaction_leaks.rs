//! `redaction` leaves nothing of what it blocks: on wild requests of every signal, with every place there is.

use bumpalo::Bump;
use telseal::otlp::Signal;
use telseal::otlp::model::Batch;
use telseal::processor::Processor as _;
use telseal::processor::redaction::Redaction;

use crate::wild::{PLANTED, Wild};

const CASES: u64 = 2000;

/// What comes out; `None` where the request is refused as a whole.
fn redacted(processor: &Redaction, signal: Signal, request: &[u8]) -> Option<Vec<u8>> {
    let arena = Bump::new();
    let mut batch = Batch::open(signal, request, &arena).ok()?;
    processor.process(&mut batch).ok()?;
    let mut out = vec![];
    batch.encode(&mut out);
    Some(out)
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes())
}

fn assert_nothing_is_left(config: &str) {
    let processor = Redaction::new(&serde_saphyr::from_str(config).unwrap()).unwrap();
    let (mut planted, mut refused) = (0, 0);
    for seed in 1..CASES {
        for signal in Signal::ALL {
            let request = Wild::new(seed * 7919).request(signal);
            planted += u64::from(holds(&request));
            match redacted(&processor, signal, &request) {
                Some(out) => assert!(!holds(&out), "seed {seed}, {signal}: {:?}", String::from_utf8_lossy(&out)),
                None => refused += 1,
            }
        }
    }
    assert!(planted > CASES, "the requests hold something to find: {planted}");
    assert!(refused < CASES, "most requests can be read: {refused}");
}

#[test]
fn a_blocked_value_is_left_nowhere() {
    assert_nothing_is_left("{allow_all_keys: true, blocked_values: [PLANTED], summary: debug}");
}

#[test]
fn a_blocked_value_is_left_nowhere_below_allowed_keys() {
    assert_nothing_is_left("{allowed_keys: [a, b], blocked_values: [PLANTED], summary: debug}");
}

#[test]
fn a_blocked_value_is_left_nowhere_when_masks_are_hashes() {
    let key = "hash_function: hmac-sha512, hmac_key: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_nothing_is_left(&format!("{{allow_all_keys: true, blocked_values: [PLANTED], summary: info, {key}}}"));
}
