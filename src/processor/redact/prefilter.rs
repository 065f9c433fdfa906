//! Which places of a record deserve a closer look: one pass over its wire bytes, strings and all.
//!
//! Sound by construction: it looks for the same anchors as the exact pass, and turns one down only for what follows or
//! precedes within the same string. Tags and lengths stand between strings and may read as anything, so a neighbour
//! only counts when it cannot be a tag (see [`is_inside`]). `\u00` is an anchor too, because JSON in a string may
//! spell any other anchor with it.

mod shapes;

use std::ops::Range;

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Span};
use memchr::{memchr_iter, memchr2_iter};

use crate::processor::redact::BuildError;
use crate::processor::redact::config::Config;
use crate::processor::redact::decode;
use crate::processor::redact::detector::bytes::{escape_ends, has_at, is_base64url, run_end_within};
use crate::processor::redact::detector::format::Format;
use crate::processor::redact::detector::{DETECTORS, Detector, Find, aws, llm};
use crate::processor::redact::names;
use crate::processor::redact::prefilter::shapes::Shapes;

/// More places than that in one record, and all of it is looked at.
const HITS_MAX: usize = 32;
const CARD_LEN_MIN: usize = 12;
const LONG_LEN_MIN: usize = 4;
const BLOCK_WORDS: usize = 32;

/// The anchors of all rules in force, folded to one case.
#[derive(Debug)]
pub(super) struct Prefilter {
    groups: Vec<Group>,
    at_sign: bool,
    cards: bool,
    shapes: Shapes,
    /// A detector of the user's own has no keywords: everything is looked at.
    blind: bool,
    /// A record this long may hold a text that must not pass unscanned.
    long_max: u64,
}

/// Anchors of about the same length: SIMD compares as many bytes as the shortest has, and the fewer the more false alarms.
#[derive(Debug)]
struct Group {
    search: Search,
    hints: Vec<Hint>,
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
    /// One of these must agree. Several, because a literal stands for all that start like it.
    checks: Vec<(String, Check)>,
}

/// A closer look at a place.
#[derive(Debug, Clone)]
enum Check {
    Always,
    Around(fn(&[u8], Range<usize>) -> bool),
    Format(Format),
}

impl Check {
    fn agrees(&self, raw: &[u8], at: usize, literal: &str) -> bool {
        has_at(raw, at, literal)
            && match self {
                Self::Always => true,
                Self::Around(confirm) => confirm(raw, at..at + literal.len()),
                Self::Format(format) => format.may_be(raw, at),
            }
    }
}

/// The places found in one record; reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Places {
    folded: Vec<u8>,
    /// 0xff for each byte that may be part of a number.
    parts: Vec<u8>,
    /// The class of each byte, for shapes.
    classes: Vec<u8>,
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
    pub(super) fn new(config: &Config) -> Result<Self, BuildError> {
        let rules: Vec<_> = DETECTORS.iter().filter(|detector| config.has(detector)).collect();
        let has = |id: &str| rules.iter().any(|rule| rule.id == id);
        let mut literals = vec![("\\u00".to_owned(), Check::Always), ("\\x".to_owned(), Check::Always)];
        for rule in &rules {
            // Both detectors with an `@` in what they find are looked for by it.
            if !["email", "url-credentials"].contains(&rule.id) {
                literals.extend(checked(rule));
            }
        }
        let (short, long) = hints(literals).into_iter().partition(|hint| hint.literal.len() < LONG_LEN_MIN);
        // Apart from the others, because an anchor that is turned down must not hide a word that starts like it.
        let mut words = if has("secret-key-name") { config.secret_names.clone() } else { Vec::new() };
        let own: Vec<_> = config.detectors.iter().filter(|own| config.has_own(own)).collect();
        words.extend(own.iter().flat_map(|own| own.keywords.iter().cloned()));
        let words = words.into_iter().map(|word| (word, Check::Always)).collect();
        let groups: [Vec<Hint>; 3] = [short, long, hints(words)];
        let groups = groups.into_iter().filter(|hints| !hints.is_empty()).map(Group::new);
        Ok(Self {
            groups: groups.collect::<Result<_, _>>()?,
            at_sign: has("email") || has("url-credentials"),
            cards: has("payment-card"),
            shapes: Shapes::new(rules.iter().filter_map(|rule| match rule.find {
                Find::Digits(shape, _) => Some(shape),
                _ => None,
            })),
            blind: own.iter().any(|own| !own.is_anchored()),
            long_max: u64::try_from(config.value_bytes_max.as_usize()).unwrap_or(u64::MAX),
        })
    }

    /// Notes the suspicious places of a record; true when there is one.
    pub(super) fn scan(&self, raw: &[u8], places: &mut Places) -> bool {
        places.clear();
        if self.blind || raw.len() as u64 > self.long_max {
            places.everywhere = true;
            return true;
        }
        scan_encoded(raw, places);
        if self.at_sign {
            memchr_iter(b'@', raw).take(HITS_MAX + 1).for_each(|at| places.add(at..at + 1));
        }
        let mut folded = std::mem::take(&mut places.folded);
        folded.clear();
        folded.extend(raw.iter().map(|byte| fold(*byte)));
        self.groups.iter().for_each(|group| group.scan(raw, &folded, places));
        places.folded = folded;
        if self.cards {
            Self::scan_digits(raw, places);
        }
        let mut classes = std::mem::take(&mut places.classes);
        self.shapes.scan(raw, &mut classes, &mut |place| places.add(place));
        places.classes = classes;
        places.any()
    }

    /// Whatever has eleven digits and separators in a row fills two words of four bytes in a row, at multiples of four.
    fn scan_digits(raw: &[u8], places: &mut Places) {
        let mut parts = std::mem::take(&mut places.parts);
        parts.clear();
        parts.extend(raw.iter().map(|byte| if is_number_part(*byte) { 0xff } else { 0 }));
        let words = parts.as_chunks::<4>().0;
        let mut passed = 0;
        for start in (0..words.len()).step_by(BLOCK_WORDS) {
            let block = &words[start..words.len().min(start + BLOCK_WORDS + 1)];
            if has_two_words(block) {
                Self::look_at_words(raw, start * 4..(start + block.len()) * 4, &mut passed, places);
            }
        }
        places.parts = parts;
    }

    fn look_at_words(raw: &[u8], block: Range<usize>, passed: &mut usize, places: &mut Places) {
        for at in block.step_by(4) {
            if at < *passed || !raw[at..at + 4].iter().all(|byte| is_number_part(*byte)) {
                continue;
            }
            let head = raw[*passed..at].iter().rev().take_while(|byte| is_number_part(**byte)).count();
            let tail = raw[at..].iter().take_while(|byte| is_number_part(**byte)).count();
            let run = at - head..at + tail;
            *passed = run.end;
            if Self::may_be_number(&raw[run.clone()]) {
                places.add(run);
            }
        }
    }

    fn may_be_number(run: &[u8]) -> bool {
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
        most >= CARD_LEN_MIN
    }
}

/// Places at which another writing may hide what the anchors look for: URL encoding, base64, numbers that are no text.
fn scan_encoded(raw: &[u8], places: &mut Places) {
    for at in memchr_iter(b'%', raw) {
        if decode::encoded(&raw[at..]).is_some() && !places.everywhere {
            places.add(at..at + 3);
        }
    }
    decode::each_base64(raw, |run| {
        if decode::may_hold_text(raw, &run) {
            places.add(run);
        }
    });
    for at in memchr2_iter(INT_TAG, DOUBLE_TAG, raw) {
        if is_long_number(&raw[at..]) {
            places.add(at..at + 1);
        }
    }
}

/// The tags of `AnyValue.int_value` and `AnyValue.double_value`.
const INT_TAG: u8 = 0x18;
const DOUBLE_TAG: u8 = 0x21;
/// A varint of less than six bytes has ten digits at most.
const INT_BYTES_MIN: usize = 5;
/// The least number that a detector finds by its looks has eleven digits.
const LONG_MIN: f64 = 1e10;

/// True when these bytes may be a number with many digits.
fn is_long_number(bytes: &[u8]) -> bool {
    match bytes {
        [INT_TAG, rest @ ..] => rest.get(..INT_BYTES_MIN).is_some_and(|head| head.iter().all(|byte| *byte >= 0x80)),
        [_, rest @ ..] => rest.first_chunk().is_some_and(|bits| may_be_long(f64::from_le_bytes(*bits))),
        [] => false,
    }
}

/// Moments of this century's first half in units of a millisecond, microsecond and nanosecond are numbers from one to two
/// of these. They are in every other record, and no card or account starts like them.
const MOMENTS: [f64; 3] = [1e12, 1e15, 1e18];

/// True for a number with so many digits that it may be a card's or an account's.
pub(super) fn may_be_long(number: f64) -> bool {
    let number = number.abs();
    let moment = MOMENTS.iter().any(|unit| (*unit..*unit * 2.0).contains(&number));
    (LONG_MIN..1e20).contains(&number) && number.fract() == 0.0 && !moment
}

/// Lower case for letters; other bytes change too, in the anchors as in the record.
const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

const fn is_number_part(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-' || byte == b' '
}

/// True when two words in a row are parts of numbers; a loop without branches, which the compiler turns into SIMD.
fn has_two_words(words: &[[u8; 4]]) -> bool {
    let (Some((_, heads)), Some((_, tails))) = (words.split_last(), words.split_first()) else { return false };
    let both = |(head, tail): (&[u8; 4], &[u8; 4])| u32::from_ne_bytes(*head) & u32::from_ne_bytes(*tail) == u32::MAX;
    heads.iter().zip(tails).fold(false, |any, pair| any | both(pair))
}

impl Group {
    fn new(hints: Vec<Hint>) -> Result<Self, BuildError> {
        Ok(Self { search: Search::new(&hints)?, hints })
    }

    fn scan(&self, raw: &[u8], folded: &[u8], places: &mut Places) {
        self.search.each(folded, &mut |start, index| {
            let hint = &self.hints[index];
            if hint.checks.iter().any(|(literal, check)| check.agrees(raw, start, literal)) {
                places.add(start..start + hint.literal.len());
            }
            !places.everywhere
        });
    }
}

impl Search {
    fn new(hints: &[Hint]) -> Result<Self, aho_corasick::BuildError> {
        let literals = || hints.iter().map(|hint| &hint.literal);
        if let Some(searcher) = packed::Config::new().builder().extend(literals()).build() {
            return Ok(Self::Packed(searcher));
        }
        let kind = Some(AhoCorasickKind::DFA);
        AhoCorasick::builder().kind(kind).build(literals()).map(Self::Automaton)
    }

    /// Hands over where each literal starts, and which it is, until told to stop. No literal begins another, so a place
    /// has one. The automaton finds them all in one pass.
    fn each(&self, folded: &[u8], found: &mut dyn FnMut(usize, usize) -> bool) {
        match self {
            Self::Packed(searcher) => {
                let mut at = 0;
                while let Some(hit) = searcher.find_in(folded, Span::from(at..folded.len()))
                    && found(hit.start(), hit.pattern().as_usize())
                {
                    at = hit.start() + 1;
                }
            }
            Self::Automaton(automaton) => {
                let mut hits = automaton.find_overlapping_iter(folded);
                while hits.next().is_some_and(|hit| found(hit.start(), hit.pattern().as_usize())) {}
            }
        }
    }
}

/// The literals of a detector, and what to ask where they stand.
fn checked(detector: &Detector) -> Vec<(String, Check)> {
    let literals = detector.literals();
    match detector.find {
        Find::Formats(formats) => {
            literals.into_iter().zip(formats.iter().map(|format| Check::Format(Format::new(format)))).collect()
        }
        Find::Near(_) => literals.into_iter().map(|literal| (literal, Check::Around(may_be_word))).collect(),
        Find::Anchors(..) | Find::Digits(..) | Find::Key => {
            let check = |literal: &String| confirm(&literal.to_ascii_lowercase());
            literals.into_iter().map(|literal| (literal.clone(), check(&literal))).collect()
        }
    }
}

fn hints(mut literals: Vec<(String, Check)>) -> Vec<Hint> {
    literals.iter_mut().for_each(|(literal, _)| literal.make_ascii_lowercase());
    literals.sort_by_cached_key(|(literal, _)| literal.bytes().map(fold).collect::<Vec<_>>());
    let mut hints: Vec<Hint> = Vec::new();
    for (literal, check) in literals {
        // What a longer literal leads to, a shorter one at the same place leads to as well: `sk-` for `sk-ant-`.
        let folded: Vec<u8> = literal.bytes().map(fold).collect();
        match hints.last_mut().filter(|shorter| folded.starts_with(&shorter.literal)) {
            Some(shorter) => shorter.checks.push((literal, check)),
            None => hints.push(Hint { literal: folded, checks: vec![(literal, check)] }),
        }
    }
    hints
}

/// What must follow or precede an anchor for its rules to have a chance.
fn confirm(literal: &str) -> Check {
    let around: fn(&[u8], Range<usize>) -> bool = match literal {
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
        _ => return Check::Always,
    };
    Check::Around(around)
}

fn has_run(raw: &[u8], at: usize, len: usize, is: fn(u8) -> bool) -> bool {
    run_end_within(raw, at, len, is) == at + len
}

/// No rule takes `tokens` or `tokenizer` for a name; a plural is one of some words.
fn ends_word(raw: &[u8], end: usize, plural: bool) -> bool {
    raw.get(end).is_none_or(|next| !is_inside(*next) || (plural && *next == b's'))
}

/// False when a word of context at this range is certainly a part of a longer one, as `pan` of `span` or `fin` of `find`.
fn may_be_word(raw: &[u8], at: Range<usize>) -> bool {
    may_start_word(raw, at.start) && may_end_word(raw, at.end)
}

/// A letter before the word may be the length of its string, but only behind a tag of that wire type; what may be one,
/// or the end of a tag of several bytes, is left in doubt.
fn may_start_word(raw: &[u8], at: usize) -> bool {
    let Some([first, tag, last]) = at.checked_sub(3).and_then(|start| raw.get(start..at)) else { return true };
    let same_string = first.is_ascii() && tag.is_ascii() && tag & 7 != WIRE_TYPE_LEN;
    let capital = raw.get(at).is_some_and(u8::is_ascii_uppercase);
    let starts = !last.is_ascii_alphabetic() || (last.is_ascii_lowercase() && capital);
    !same_string || starts || escape_ends(raw, at)
}

/// A plural is the word as well.
fn may_end_word(raw: &[u8], end: usize) -> bool {
    let inside = |at: usize| raw.get(at).copied().is_some_and(is_inside);
    !inside(end + usize::from(raw.get(end) == Some(&b's')))
}

/// The wire type of strings.
const WIRE_TYPE_LEN: u8 = 2;

/// The lower-case letters that are no tag, because they would be wire types 3, 4, 6 or 7: such a byte after a letter
/// belongs to the same string.
const fn is_inside(byte: u8) -> bool {
    byte.is_ascii_lowercase() && matches!(byte & 7, 3 | 4 | 6 | 7)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static PREFILTER: LazyLock<Prefilter> = LazyLock::new(|| Prefilter::new(&Config::default()).unwrap());

    fn places(raw: &[u8]) -> Vec<Range<usize>> {
        let mut places = Places::default();
        PREFILTER.scan(raw, &mut places);
        places.hits
    }

    #[test]
    fn benign_records_have_no_place() {
        let text = "\x12\x19gen_ai.usage.input_tokens tokens usr_0123456789ab task-runner cache.key asia-east1 \
            2026-11-21 /home/agent/basic/ forbearers kubectl -n x sed -n '10,200p' risk-7 secretly";
        assert!(places(text.as_bytes()).is_empty(), "{:?}", places(text.as_bytes()));
    }

    #[test]
    fn words_of_context_are_places_unless_they_are_parts_of_words() {
        for text in
            ["the span, findings, a company, telling of 12, span_id", "UUID 0aDE89f3 at +12 and +13, x-555-1234"]
        {
            assert!(places(text.as_bytes()).is_empty(), "{text}: {:?}", places(text.as_bytes()));
        }
        for text in ["my tel 12", "homeTel 1", "a\\npan 7", "xx\x12\x70pan", "zz\x0aspan", "pans 5", "xx tels\x12"] {
            assert!(!places(text.as_bytes()).is_empty(), "{text:?}");
        }
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
            assert_eq!(places(text.as_bytes()), vec![Range { start: at, end: at + place.len() }], "{text}");
        }
    }

    #[test]
    fn numbers_are_found_at_every_offset() {
        for offset in 0..200 {
            for number in ["123-45-6789", "4222222222222", "4111-1111-1111-1111"] {
                let text = format!("{}{number}z", "x".repeat(offset));
                let whole = Range { start: offset, end: offset + number.len() };
                assert!(places(text.as_bytes()).contains(&whole), "{text}");
            }
        }
    }

    #[test]
    fn a_configured_key_that_starts_like_an_anchor_is_found() {
        let keys = ["tokens_internal", "keyring", "basic_pin", "Id"].map(str::to_owned);
        let prefilter = Prefilter::new(&Config { secret_names: keys.to_vec(), ..Config::default() }).unwrap();
        for key in ["x.Tokens_Internal", "keyring", "BASIC_PIN", "ID"] {
            assert!(prefilter.scan(key.as_bytes(), &mut Places::default()), "{key}");
        }
    }

    #[test]
    fn a_record_with_many_places_is_looked_at_everywhere() {
        let mut places = Places::default();
        assert!(PREFILTER.scan("a@".repeat(100).as_bytes(), &mut places));
        assert!(places.touch(&(1000..1001)));
    }

    #[test]
    fn the_automaton_finds_what_the_packed_search_finds() {
        let hints = hints(["token", "key", "api"].map(|text| (text.to_owned(), Check::Always)).to_vec());
        let automaton = AhoCorasick::new(hints.iter().map(|hint| &hint.literal)).unwrap();
        let all = |search: &Search| {
            let mut found = Vec::new();
            search.each(b"the api key, apikey, keytoken", &mut |start, index| {
                found.push((start, index));
                true
            });
            found.sort_unstable();
            found
        };
        let packed = Search::new(&hints).unwrap();
        assert_eq!(all(&packed), [(4, 0), (8, 1), (13, 0), (16, 1), (21, 1), (24, 2)]);
        assert_eq!(all(&Search::Automaton(automaton)), all(&packed));
    }
}
