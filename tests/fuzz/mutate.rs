//! Good inputs, changed by chance, for as long as there is time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::arbitrary::Random;

const SECONDS: u64 = 2;
/// No input grows beyond it.
const BYTES_MAX: usize = 64 << 10;
const CHANGES_MAX: usize = 6;
/// Numbers that sit at the edges of what fits somewhere.
const EDGES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Gives `check` one changed input after the other. `words` are what this format is made of.
///
/// # Panics
/// When `check` does, with the seed and the input.
pub(crate) fn fuzz(seeds: &[Vec<u8>], words: &[&str], mut check: impl FnMut(&[u8])) {
    seeds.iter().for_each(|seed| check(seed));
    let until = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut seed = number("FUZZ_SEED").unwrap_or(1);
    while Instant::now() < until {
        let input = changed(seeds, words, &mut Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
            panic!("FUZZ_SEED={seed}: {}", input.escape_ascii());
        }
        seed += 1;
    }
}

/// The same for formats that are text.
pub(crate) fn fuzz_text(seeds: &[&str], words: &[&str], mut check: impl FnMut(&str)) {
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    fuzz(&seeds, words, |input| check(&String::from_utf8_lossy(input)));
}

fn changed(seeds: &[Vec<u8>], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut input, seeds, words, random);
        input.truncate(BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below(32.min(input.len() - at) + 1);
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = EDGES[random.below(EDGES.len())],
        2 => input.truncate(at),
        3 => drop(input.drain(at..end)),
        4 => {
            let chunk = input[at..end].to_vec();
            input.splice(at..at, chunk);
        }
        5 => {
            let times = 1 << random.below(10);
            let chunk = input[at..(at + 3).min(input.len())].repeat(times);
            input.splice(at..at, chunk);
        }
        6 if !words.is_empty() => {
            let word = words[random.below(words.len())].bytes();
            input.splice(at..end, word);
        }
        7 if !words.is_empty() => {
            let word = words[random.below(words.len())].repeat(1 + random.below(40));
            input.splice(at..at, word.bytes());
        }
        _ => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}
