//! Which places of a record deserve a closer look: one pass over its wire bytes, strings and all.
//!
//! Sound by construction: it looks for the same anchors as the exact pass, and turns one down only for what follows or
//! precedes within the same string. Tags and lengths stand between strings and may read as anything, so a neighbour
//! only counts when it cannot be a tag (see [`is_inside`]). `\u00` is an anchor too, because JSON in a string may
//! spell any other anchor with it.

use std::ops::Range;

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input, Span};
use memchr::memchr_iter;

use crate::processor::redact::names;
use crate::processor::redact::rules::bytes::{is_base64url, run_end_within};
use crate::processor::redact::rules::{Find, Id, Rule, aws, llm, us_ssn};

/// More places than that in one record, and all of it is looked at.
const HITS_MAX: usize = 32;
const CARD_LEN_MIN: usize = 13;
const SSN_LEN: usize = 11;
const BLOCK: usize = 64;

/// The anchors of all rules in force, folded to one case.
#[derive(Debug)]
pub(super) struct Prefilter {
    search: Search,
    hints: Vec<Hint>,
    at_sign: bool,
    cards: bool,
    ssns: bool,
}

/// SIMD where the processor has it, else an automaton.
#[derive(Debug)]
enum Search {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

#[derive(Debug)]
struct Hint {
    literal: Vec<u8>,
    confirm: Confirm,
    /// Other literals that may stand at the same place.
    others: Vec<usize>,
}

type Confirm = fn(&[u8], Range<usize>) -> bool;

/// The places found in one record; reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Places {
    folded: Vec<u8>,
    hits: Vec<Range<usize>>,
    everywhere: bool,
}

impl Places {
    /// True when something may be found in this range of the record.
    pub(super) fn touch(&self, range: &Range<usize>) -> bool {
        self.everywhere || self.hits.iter().any(|hit| hit.start < range.end && hit.end > range.start)
    }

    fn clear(&mut self) {
        self.hits.clear();
        self.everywhere = false;
    }

    fn add(&mut self, hit: Range<usize>) {
        self.everywhere |= self.hits.len() == HITS_MAX;
        if !self.everywhere {
            self.hits.push(hit);
        }
    }

    const fn any(&self) -> bool {
        self.everywhere || !self.hits.is_empty()
    }
}

impl Prefilter {
    /// # Errors
    /// When the automaton would be too large.
    pub(super) fn new(rules: &[&'static Rule], keys: &[String]) -> Result<Self, BuildError> {
        let has = |id: Id| rules.iter().any(|rule| rule.id == id);
        let mut literals = vec!["\\u00".to_owned()];
        if has(Id::SecretKeyName) {
            literals.extend_from_slice(keys);
        }
        for rule in rules {
            let anchors = match rule.find {
                Find::Anchors(anchors, _) => anchors,
                Find::Key => names::WORDS,
                Find::Digits(_) => &[],
            };
            // Both rules with an `@` in what they find are looked for by it.
            let own = anchors.iter().filter(|_| !matches!(rule.id, Id::Email | Id::UrlCredentials));
            literals.extend(own.map(|anchor| (*anchor).to_owned()));
        }
        let hints = hints(literals);
        Ok(Self {
            search: Search::new(&hints)?,
            hints,
            at_sign: has(Id::Email) || has(Id::UrlCredentials),
            cards: has(Id::PaymentCard),
            ssns: has(Id::UsSsn),
        })
    }

    /// Notes the suspicious places of a record; true when there is one.
    pub(super) fn scan(&self, raw: &[u8], places: &mut Places) -> bool {
        places.clear();
        if self.at_sign {
            memchr_iter(b'@', raw).take(HITS_MAX + 1).for_each(|at| places.add(at..at + 1));
        }
        self.scan_literals(raw, places);
        if self.cards || self.ssns {
            self.scan_digits(raw, places);
        }
        places.any()
    }

    fn scan_literals(&self, raw: &[u8], places: &mut Places) {
        let mut folded = std::mem::take(&mut places.folded);
        folded.clear();
        folded.extend(raw.iter().map(|byte| fold(*byte)));
        let mut at = 0;
        while let Some((start, index)) = self.search.find(&folded, at).filter(|_| !places.everywhere) {
            let hint = &self.hints[index];
            let confirmed =
                std::iter::once(hint).chain(hint.others.iter().map(|other| &self.hints[*other])).find(|hint| {
                    let end = start + hint.literal.len();
                    folded[start..].starts_with(&hint.literal) && (hint.confirm)(raw, start..end)
                });
            if let Some(hint) = confirmed {
                places.add(start..start + hint.literal.len());
            }
            at = start + 1;
        }
        places.folded = folded;
    }

    /// Whatever has eleven digits and separators in a row covers four in a row at a multiple of four.
    fn scan_digits(&self, raw: &[u8], places: &mut Places) {
        let mut passed = 0;
        let (blocks, rest) = raw.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            if has_word(block) {
                self.look_at_words(raw, index * BLOCK..(index + 1) * BLOCK, &mut passed, places);
            }
        }
        self.look_at_words(raw, raw.len() - rest.len()..raw.len(), &mut passed, places);
    }

    fn look_at_words(&self, raw: &[u8], block: Range<usize>, passed: &mut usize, places: &mut Places) {
        for (index, word) in raw[block.clone()].as_chunks::<4>().0.iter().enumerate() {
            let at = block.start + index * 4;
            if at < *passed || !word.iter().all(|byte| is_number_part(*byte)) {
                continue;
            }
            let head = raw[*passed..at].iter().rev().take_while(|byte| is_number_part(**byte)).count();
            let tail = raw[at..].iter().take_while(|byte| is_number_part(**byte)).count();
            let run = at - head..at + tail;
            *passed = run.end;
            if self.may_be_number(&raw[run.clone()]) {
                places.add(run);
            }
        }
    }

    fn may_be_number(&self, run: &[u8]) -> bool {
        let (mut digits, mut most, mut last) = (0, 0, 0);
        for byte in run {
            match (byte.is_ascii_digit(), u8::is_ascii_digit(&last)) {
                (true, _) => digits += 1,
                (false, true) => {}
                (false, false) => digits = 0,
            }
            most = most.max(digits);
            last = *byte;
        }
        (self.cards && most >= CARD_LEN_MIN) || (self.ssns && run.windows(SSN_LEN).any(us_ssn::is_shaped))
    }
}

/// Lower case for letters; other bytes change too, in the anchors as in the record.
const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

const fn is_number_part(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-' || byte == b' '
}

/// True when four bytes at a multiple of four are parts of numbers. Two loops that the compiler turns into SIMD.
fn has_word(block: &[u8; BLOCK]) -> bool {
    let parts = block.map(|byte| if is_number_part(byte) { 0xff } else { 0 });
    parts.as_chunks::<4>().0.iter().fold(false, |any, word| any | (u32::from_ne_bytes(*word) == u32::MAX))
}

impl Search {
    fn new(hints: &[Hint]) -> Result<Self, BuildError> {
        let literals = || hints.iter().map(|hint| &hint.literal);
        if let Some(searcher) = packed::Config::new().builder().extend(literals()).build() {
            return Ok(Self::Packed(searcher));
        }
        let kind = Some(AhoCorasickKind::DFA);
        AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostFirst)
            .kind(kind)
            .build(literals())
            .map(Self::Automaton)
    }

    fn find(&self, folded: &[u8], at: usize) -> Option<(usize, usize)> {
        let span = Span::from(at..folded.len());
        let found = match self {
            Self::Packed(searcher) => searcher.find_in(folded, span),
            Self::Automaton(automaton) => automaton.find(Input::new(folded).span(span)),
        };
        found.map(|found| (found.start(), found.pattern().as_usize()))
    }
}

fn hints(mut literals: Vec<String>) -> Vec<Hint> {
    literals.iter_mut().for_each(|literal| literal.make_ascii_lowercase());
    literals.sort();
    literals.dedup();
    let folded: Vec<Vec<u8>> = literals.iter().map(|literal| literal.bytes().map(fold).collect()).collect();
    let others = |own: usize| {
        let related = |other: &Vec<u8>| other.starts_with(&folded[own]) || folded[own].starts_with(other);
        (0..folded.len()).filter(|other| *other != own && related(&folded[*other])).collect()
    };
    let hint = |(index, literal): (usize, &String)| Hint {
        literal: folded[index].clone(),
        confirm: confirm(literal),
        others: others(index),
    };
    literals.iter().enumerate().map(hint).collect()
}

/// What must follow or precede an anchor for its rules to have a chance.
fn confirm(literal: &str) -> Confirm {
    match literal {
        "token" | "pwd" | "_pass" | "authorization" | "passphrase" | "passcode" => {
            |raw, at| ends_word(raw, at.end, false)
        }
        "secret" | "cookie" | "credential" => |raw, at| ends_word(raw, at.end, true),
        "key" => |raw, at| ends_word(raw, at.end, true) && names::makes_key_secret(&raw[..at.start]),
        "akia" | "asia" | "abia" | "acca" => |raw, at| {
            raw[at.clone()].iter().all(u8::is_ascii_uppercase) && has_run(raw, at.end, aws::ID_LEN, aws::is_id)
        },
        "sk-" => |raw, at| has_run(raw, at.end, llm::OPENAI_LEN_MIN, is_base64url),
        "eyj" => |raw, at| &raw[at] == b"eyJ",
        "bearer" | "basic" => |raw, at| matches!(raw.get(at.end), Some(b' ' | b'\t' | b'+' | b':' | b'%' | b'\\')),
        _ => |_, _| true,
    }
}

fn has_run(raw: &[u8], at: usize, len: usize, is: fn(u8) -> bool) -> bool {
    run_end_within(raw, at, len, is) == at + len
}

/// No rule takes `tokens` or `tokenizer` for a name; a plural is one of some words.
fn ends_word(raw: &[u8], end: usize, plural: bool) -> bool {
    raw.get(end).is_none_or(|next| !is_inside(*next) || (plural && *next == b's'))
}

/// The lower-case letters that are no tag, because they would be wire types 3, 4, 6 or 7: such a byte after a letter
/// belongs to the same string.
const fn is_inside(byte: u8) -> bool {
    byte.is_ascii_lowercase() && matches!(byte & 7, 3 | 4 | 6 | 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::redact::rules::RULES;

    fn places(raw: &[u8]) -> Vec<Range<usize>> {
        let prefilter = Prefilter::new(&RULES.iter().collect::<Vec<_>>(), &[]).unwrap();
        let mut places = Places::default();
        prefilter.scan(raw, &mut places);
        places.hits
    }

    #[test]
    fn benign_records_have_no_place() {
        let text = "\x12\x19gen_ai.usage.input_tokens tokens usr_0123456789ab task-runner cache.key asia-east1 \
            2026-11-21 /home/agent/basic/ forbearers kubectl -n x sed -n '10,200p' risk-7 secretly";
        assert!(places(text.as_bytes()).is_empty(), "{:?}", places(text.as_bytes()));
    }

    #[test]
    fn the_places_of_anchors_and_numbers_are_found() {
        for (text, place) in [
            ("x bob@example.com", "@"),
            ("the API_Key=1", "Key"),
            ("Authorization: x", "Authorization"),
            ("\\u0040", "\\u00"),
            (" n4111 1111 1111 1111x", "4111 1111 1111 1111"),
            ("no:123-45-6789.", "123-45-6789"),
            ("AUTHTOKEN", "TOKEN"),
            ("x AKIAIOSFODNN7EXAMPLE", "AKIA"),
            ("a_pass=", "_pass"),
        ] {
            let at = text.find(place).unwrap();
            assert_eq!(places(text.as_bytes()), [at..at + place.len()], "{text}");
        }
    }

    #[test]
    fn numbers_are_found_at_every_offset() {
        for offset in 0..200 {
            for number in ["123-45-6789", "4222222222222", "4111-1111-1111-1111"] {
                let text = format!("{}{number}z", "x".repeat(offset));
                assert_eq!(places(text.as_bytes()), [offset..offset + number.len()], "{text}");
            }
        }
    }

    #[test]
    fn a_record_with_many_places_is_looked_at_everywhere() {
        let prefilter = Prefilter::new(&RULES.iter().collect::<Vec<_>>(), &[]).unwrap();
        let mut places = Places::default();
        assert!(prefilter.scan("a@".repeat(100).as_bytes(), &mut places));
        assert!(places.touch(&(1000..1001)));
    }

    #[test]
    fn the_automaton_finds_what_the_packed_search_finds() {
        let hints = hints(vec!["token".to_owned(), "key".to_owned(), "api".to_owned()]);
        let automaton = AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostFirst)
            .build(hints.iter().map(|hint| &hint.literal))
            .unwrap();
        let search = Search::Automaton(automaton);
        assert_eq!(search.find(b"the api key", 0), Some((4, 0)));
        assert_eq!(search.find(b"the api key", 5), Some((8, 1)));
        assert_eq!(Search::new(&hints).unwrap().find(b"the api key", 5), Some((8, 1)));
    }
}
