//! Two hundred secrets, each written in one of five ways, in every string of a record: none of them, as written or decoded,
//! is in any byte that the process writes.

use std::fs;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::process::{eventually, files_below};
use crate::secrets::{Secret, plant, start, wrap};
use crate::sender::send;
use crate::telemetry::{SIGNALS, records, request};

const SECRETS: usize = 200;

/// Characters that depend on the number, from this alphabet.
fn characters(number: usize, len: usize, alphabet: &[u8]) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[(state >> 33) as usize % alphabet.len()])
    };
    (0..len).map(next).collect()
}

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DIGITS: &[u8] = b"0123456789";

fn card(number: usize) -> String {
    let head = format!("4{}", characters(number, 14, DIGITS));
    let valid = |last: &u32| {
        let digits = format!("{head}{last}");
        let weigh = |(index, digit): (usize, u32)| {
            let doubled = if index % 2 == 1 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        };
        let sum: u32 = digits.chars().rev().map(|c| c as u32 - 48).enumerate().map(weigh).sum();
        sum.is_multiple_of(10)
    };
    format!("{head}{}", (0..10).find(valid).unwrap())
}

/// A text, and the secret in it.
fn secret(number: usize) -> (String, String) {
    let (kind, token) = (number % 10, |len| characters(number, len, ALNUM));
    let (before, hidden, after) = match kind {
        0 => (
            "mail ",
            format!("{}.{}@heartofgold.example.com", characters(number, 9, LOWER), characters(number, 5, LOWER)),
            " now",
        ),
        1 => ("the card ", card(number), " of"),
        2 => ("ssn ", format!("{}-22-{}", 501 + number, 8000 + number), "."),
        3 => ("key AKIA", characters(number, 16, BASE32), " aws"),
        4 => ("export DB_PASSWORD=", token(14), " psql"),
        5 => ("postgres://zaphod:", token(12), "@db.example.com:5432/shop"),
        6 => ("Authorization: Bearer ", token(40), ""),
        7 => ("slack xoxb-263594206564-2343594206574-", token(24), ""),
        8 => ("-----BEGIN PRIVATE KEY-----\n", token(64), "\n-----END PRIVATE KEY-----\n"),
        _ => ("login --token ", format!("a1{}", token(20)), " run"),
    };
    (format!("{before}{hidden}{after}"), hidden)
}

/// The text as it is written in one of five ways, and what of it must not be seen.
fn written(number: usize) -> (String, Vec<String>) {
    let (text, hidden) = secret(number);
    let escape = |text: &str| text.chars().map(|c| format!("\\u{:04x}", c as u32)).collect::<String>();
    let percent = |text: &str| {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect::<String>()
    };
    match number / 10 % 5 {
        0 => (text, vec![hidden]),
        1 => (serde_json::json!({ "tool_input": { "command": text } }).to_string(), vec![hidden]),
        2 => (text.replace(&hidden, &escape(&hidden)), vec![escape(&hidden), hidden]),
        3 => (percent(&text), vec![percent(&hidden), hidden]),
        _ => {
            let run = STANDARD.encode(format!("a note that says: {text}"));
            let core = run[24..run.len() - 4].to_owned();
            (format!("data {run} end"), vec![core, hidden])
        }
    }
}

#[test]
fn two_hundred_canaries_in_all_positions_and_five_ways_of_writing_are_written_nowhere() {
    let (site, next, _refuses) = start();
    let telseal = site.start();
    let mut hidden = vec![];
    for number in 0..SECRETS {
        let (text, must_not) = written(number);
        let signal = SIGNALS[number % SIGNALS.len()];
        let sample = records(signal, &request(signal));
        let mut record = sample[number / SIGNALS.len() % sample.len()].clone();
        plant(&mut record, &Secret { text, hidden: String::new() });
        let answer = send(site.http, signal, &wrap(record)).expect("an answer");
        assert_eq!(answer.status, 200, "canary {number}");
        hidden.extend(must_not);
    }
    eventually("everything is delivered or put aside", || {
        (site.metric("telseal_exporter_lag_records") == 0.0).then_some(())
    });
    let search = AhoCorasick::new(&hidden).unwrap();
    let clean = |what: &str, bytes: &[u8]| {
        if let Some(found) = search.find(bytes) {
            let around = &bytes[found.start().saturating_sub(120)..(found.end() + 40).min(bytes.len())];
            panic!("{what}: `{}` in ..{}..", hidden[found.pattern().as_usize()], String::from_utf8_lossy(around));
        }
    };
    clean("/metrics", &site.get("/metrics").unwrap().body);
    clean("standard output and error", telseal.terminate().output.as_bytes());
    let mut bytes = 0;
    for file in files_below(site.dir()).into_iter().filter(|file| *file != site.config()) {
        let content = fs::read(&file).unwrap();
        bytes += content.len();
        clean(&file.display().to_string(), &content);
    }
    next.got().iter().for_each(|got| clean("downstream", &got.body));
    assert!(bytes > 100_000, "only {bytes} bytes were written");
}
