//! Which places of a record deserve a closer look: one pass over its wire bytes, strings and all.
//!
//! Sound by construction: it looks for the same anchors as the exact pass, and turns one down only for what follows or
//! precedes within the same string. Tags and lengths stand between strings and may read as anything, so a neighbour
//! only counts when it cannot be a tag (see [`is_inside`]). `\u00` is an anchor too, because JSON in a string may
//! spell any other anchor with it.

mod kinds;
mod shapes;

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter};

use crate::processor::redact::config::Config;
use crate::processor::redact::decode;
use crate::processor::redact::detector::bytes::{escape_ends, is_base64url, run_end_within, steps};
use crate::processor::redact::detector::format::Format;
use crate::processor::redact::detector::{DETECTORS, Detector, Find, aws, email, llm, phone};
use crate::processor::redact::literals::Literals;
use crate::processor::redact::names;
use crate::processor::redact::prefilter::kinds::Kinds;
use crate::processor::redact::prefilter::shapes::{NUMBER_LEN_MIN, Shapes};
use crate::processor::redact::text;

/// More places than that in one record, and all of it is looked at.
const HITS_MAX: usize = 32;
const CARD_LEN_MIN: u32 = 12;

/// The anchors of all rules in force.
#[derive(Debug)]
pub(super) struct Prefilter {
    literals: Literals,
    /// What to ask where each literal stands: one of these must agree.
    checks: Vec<Vec<Check>>,
    addresses: bool,
    urls: bool,
    cards: bool,
    shapes: Shapes,
    /// A text with fewer digits has no run of them worth a look.
    number_digits_min: u32,
    /// A detector of the user's own has no keywords: everything is looked at.
    blind: bool,
    /// A record this long may hold a text that must not pass unscanned.
    long_max: u64,
}

/// A closer look at a place.
#[derive(Debug, Clone)]
enum Check {
    Always,
    Around(fn(&[u8], Range<usize>) -> bool),
    /// A word of context, for values that need this.
    Word(Need),
    Format(Format),
}

/// What a value near a word of context has. The least demanding comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    digits: usize,
    /// They stand together, with nothing but separators between them.
    together: bool,
}

impl Need {
    const NONE: Self = Self { digits: 0, together: false };

    fn of(detector: &Detector) -> Self {
        Self { digits: detector.digits_min(), together: detector.id == "phone" }
    }

    /// False for a text without such a value.
    fn may_be_met(self, text: &[u8]) -> bool {
        steps::add(text.len());
        if self.together { phone::may_be_near(text) } else { Kinds::of(text).digits as usize >= self.digits }
    }
}

impl Check {
    fn agrees(&self, raw: &[u8], at: &Range<usize>) -> bool {
        match self {
            Self::Always => true,
            Self::Around(confirm) => confirm(raw, at.clone()),
            Self::Word(_) => may_be_word(raw, at),
            Self::Format(format) => format.may_be(raw, at.start),
        }
    }

    const fn need(&self) -> Need {
        if let Self::Word(need) = self { *need } else { Need::NONE }
    }
}

/// The places found in one record; reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Places {
    hits: Vec<Range<usize>>,
    /// Words of context: places, unless they stand in a text without what their values need.
    words: Vec<(Range<usize>, Need)>,
    everywhere: bool,
    /// Where in the record the part begins that is being looked at.
    part: usize,
}

impl Places {
    /// True when something may be found in this range of the record.
    pub(super) fn touch(&self, range: &Range<usize>) -> bool {
        self.everywhere || self.hits.iter().any(|hit| hit.start < range.end && hit.end > range.start)
    }

    pub(super) const fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// Makes places of the words of context that are not certainly without a value. `holder` says which text a word
    /// stands in, if that text is no key and has no keys above it but its own.
    pub(super) fn settle<'t>(&mut self, holder: impl Fn(&Range<usize>) -> Option<&'t str>) -> bool {
        for (word, need) in std::mem::take(&mut self.words) {
            if holder(&word).is_none_or(|text| need.may_be_met(text.as_bytes())) {
                self.push(word);
            }
        }
        self.any()
    }

    fn clear(&mut self) {
        self.hits.clear();
        self.words.clear();
        self.everywhere = false;
    }

    fn add(&mut self, hit: Range<usize>) {
        self.push(hit.start + self.part..hit.end + self.part);
    }

    fn push(&mut self, hit: Range<usize>) {
        self.everywhere |= self.hits.len() == HITS_MAX;
        if !self.everywhere {
            self.hits.push(hit);
        }
    }

    fn add_word(&mut self, word: Range<usize>, need: Need) {
        let word = word.start + self.part..word.end + self.part;
        if self.words.len() < HITS_MAX {
            self.words.push((word, need));
        } else {
            self.push(word);
        }
    }

    /// How many were noted so far: when none is added, nothing was seen.
    pub(super) const fn len(&self) -> usize {
        self.hits.len() + self.words.len()
    }

    /// True when all of the record is suspicious.
    pub(super) const fn everywhere(&self) -> bool {
        self.everywhere
    }

    /// True when there is one.
    pub(super) const fn any(&self) -> bool {
        self.everywhere || !self.hits.is_empty() || !self.words.is_empty()
    }
}

impl Prefilter {
    pub(super) fn new(config: &Config) -> Self {
        let rules: Vec<_> = DETECTORS.iter().filter(|detector| config.has(detector)).collect();
        let has = |id: &str| rules.iter().any(|rule| rule.id == id);
        let mut literals = vec![("\\u00".to_owned(), Check::Always), ("\\x".to_owned(), Check::Always)];
        for rule in &rules {
            // Both detectors with an `@` in what they find are looked for by it.
            if !["email", "url-credentials"].contains(&rule.id) {
                literals.extend(checked(rule));
            }
        }
        let mut words = if has("secret-key-name") { config.secret_names.clone() } else { Vec::new() };
        let own: Vec<_> = config.detectors.iter().filter(|own| config.has_own(own)).collect();
        words.extend(own.iter().flat_map(|own| own.keywords.iter().cloned()));
        literals.extend(words.into_iter().map(|word| (word, Check::Always)));
        let checks = grouped(literals);
        let shapes = Shapes::new(rules.iter().filter_map(|rule| match rule.find {
            Find::Digits(shape, _) => Some(shape),
            _ => None,
        }));
        Self {
            literals: Literals::new(checks.keys().map(String::as_str)),
            checks: checks.into_values().collect(),
            addresses: has("email"),
            urls: has("url-credentials"),
            cards: has("payment-card"),
            number_digits_min: shapes.number_digits_min().min(CARD_LEN_MIN),
            shapes,
            blind: own.iter().any(|own| !own.is_anchored()),
            long_max: u64::try_from(config.value_bytes_max.as_usize()).unwrap_or(u64::MAX),
        }
    }

    /// Starts a record: false when all of it is suspicious, whatever it holds.
    pub(super) fn start(&self, raw: &[u8], places: &mut Places) -> bool {
        places.clear();
        places.everywhere = self.blind || raw.len() as u64 > self.long_max;
        !places.everywhere
    }

    /// Notes the suspicious places in a part of a record, which must not cut a string; true when there is none. The caller
    /// settles what the words are.
    pub(super) fn scan(&self, raw: &[u8], part: Range<usize>, places: &mut Places) -> bool {
        let before = places.len();
        places.part = part.start;
        let raw = &raw[part];
        memchr2_iter(INT_TAG, DOUBLE_TAG, raw)
            .filter(|at| is_long_number(&raw[*at..]))
            .for_each(|at| places.add(at..at + 1));
        self.scan_strings(raw, Kinds::of(raw), Places::add_word, places);
        places.len() == before && !places.everywhere
    }

    /// The same for a part that is one string and nothing else, no key, and with no key above it that is a word of context.
    pub(super) fn scan_string(&self, raw: &[u8], part: Range<usize>, places: &mut Places) -> bool {
        let before = places.len();
        places.part = part.start;
        let raw = &raw[part];
        let kinds = Kinds::of(raw);
        // Escapes stand for less than they take, and a key of JSON is the context of all of a list: what is near may look far.
        let scattered =
            LazyCell::new(|| matches!(raw.trim_ascii_start(), [b'{' | b'[', ..]) || memchr(b'\\', raw).is_some());
        let together = LazyCell::new(|| phone::may_be_near(raw));
        let add_word = |places: &mut Places, word: Range<usize>, need: Need| {
            let in_all = || kinds.digits as usize >= need.digits && (!need.together || *together);
            let near = || *scattered || need.may_be_met(&raw[text::around(&word, raw.len())]);
            if in_all() && near() {
                places.add(word);
            }
        };
        self.scan_strings(raw, kinds, add_word, places);
        places.len() == before && !places.everywhere
    }

    fn scan_strings(
        &self,
        raw: &[u8],
        kinds: Kinds,
        add_word: impl Fn(&mut Places, Range<usize>, Need),
        places: &mut Places,
    ) {
        self.literals.each(raw, |found| {
            // Nothing more to learn: text made of literals shall not cost a check for each.
            if places.everywhere {
                return;
            }
            let at = found.range();
            let agreed = || self.checks[found.index].iter().filter(|check| check.agrees(raw, &at));
            match agreed().map(Check::need).min() {
                Some(Need::NONE) => places.add(at),
                Some(need) => add_word(places, at, need),
                None => {}
            }
        });
        self.scan_marks(raw, places);
        if kinds.digits >= self.number_digits_min {
            self.scan_numbers(raw, places);
        }
        scan_base64(raw, places);
        self.shapes.at_marks(raw, kinds, &mut |place| places.add(place));
        self.shapes.by_class(raw, kinds, &mut |place| places.add(place));
    }

    /// What is found by a single byte.
    fn scan_marks(&self, raw: &[u8], places: &mut Places) {
        let scheme = LazyCell::new(|| scheme_end(raw));
        let at_sign =
            |at: usize| (self.addresses && email::may_be(raw, at)) || (self.urls && scheme.is_some_and(|end| end < at));
        for at in memchr2_iter(b'@', b'%', raw) {
            if places.everywhere {
                return;
            }
            if raw[at] == b'@' && at_sign(at) {
                places.add(at..at + 1);
            } else if decode::encoded(&raw[at..]).is_some() {
                places.add(at..at + 3);
            }
        }
    }

    /// What is found by runs of digits, dashes and spaces.
    fn scan_numbers(&self, raw: &[u8], places: &mut Places) {
        const NUMBER: [bool; 256] = decode::kinds!(is_number_part);
        decode::each_run(raw, &NUMBER, NUMBER_LEN_MIN, |run| {
            self.shapes.in_number(raw, run.clone(), &mut |place| places.add(place));
            if self.cards && Self::may_be_number(&raw[run.clone()]) {
                places.add(run);
            }
        });
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

fn scan_base64(raw: &[u8], places: &mut Places) {
    decode::each_base64(raw, |run| {
        if decode::may_hold_text(raw, &run) {
            places.add(run);
        }
    });
}

/// Where the first scheme of a URL ends; in JSON a backslash may stand before the slashes.
fn scheme_end(raw: &[u8]) -> Option<usize> {
    memchr_iter(b':', raw).find(|at| matches!(raw.get(at + 1), Some(b'/' | b'\\')))
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

const fn is_number_part(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-' || byte == b' '
}

/// The literals of a detector, and what to ask where they stand.
fn checked(detector: &Detector) -> Vec<(String, Check)> {
    let literals = detector.literals();
    match detector.find {
        Find::Formats(formats) => {
            let checks = |format: Format| {
                format.literals().into_iter().map(move |literal| (literal, Check::Format(format.clone())))
            };
            formats.iter().flat_map(|format| checks(Format::new(format))).collect()
        }
        Find::Near(_) => literals.into_iter().map(|literal| (literal, Check::Word(Need::of(detector)))).collect(),
        Find::Anchors(..) | Find::Digits(..) | Find::Key => {
            let check = |literal: &String| confirm(&literal.to_ascii_lowercase());
            literals.into_iter().map(|literal| (literal.clone(), check(&literal))).collect()
        }
    }
}

/// The checks by literal, in lower case.
fn grouped(literals: Vec<(String, Check)>) -> BTreeMap<String, Vec<Check>> {
    let mut checks: BTreeMap<String, Vec<Check>> = BTreeMap::new();
    for (literal, check) in literals {
        checks.entry(literal.to_ascii_lowercase()).or_default().push(check);
    }
    checks
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
fn may_be_word(raw: &[u8], at: &Range<usize>) -> bool {
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

    static PREFILTER: LazyLock<Prefilter> = LazyLock::new(|| Prefilter::new(&Config::default()));

    fn places(raw: &[u8]) -> Vec<Range<usize>> {
        let mut places = Places::default();
        PREFILTER.start(raw, &mut places);
        PREFILTER.scan(raw, 0..raw.len(), &mut places);
        places.settle(|_| None);
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
    fn words_of_context_in_a_string_are_places_where_a_value_may_stand_near() {
        let far = "x".repeat(300);
        for (text, expected) in [
            ("phone 415 555 2671".to_owned(), 1),
            ("the mobile-ios app at 0a1b2c3d4e5f6a7b".to_owned(), 0),
            (format!("phone {far} 4155552671"), 0),
            (format!("{{\"phone\":[\"{far}\",\"4155552671\"]}}"), 1),
            (format!("phone {} 4155552671", "\\\"".repeat(60)), 1),
            (format!("4155552671 {far} mobile"), 0),
            ("4155552671 (mobile)".to_owned(), 1),
        ] {
            let mut places = Places::default();
            let clean = PREFILTER.scan_string(text.as_bytes(), 0..text.len(), &mut places);
            assert_eq!((places.hits.len(), clean), (expected, expected == 0), "{text}");
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
        let prefilter = Prefilter::new(&Config { secret_names: keys.to_vec(), ..Config::default() });
        for key in ["x.Tokens_Internal", "keyring", "BASIC_PIN", "ID"] {
            assert!(!prefilter.scan(key.as_bytes(), 0..key.len(), &mut Places::default()), "{key}");
        }
    }

    #[test]
    fn a_record_with_many_places_is_looked_at_everywhere() {
        let mut places = Places::default();
        assert!(!PREFILTER.scan("a@b.io ".repeat(100).as_bytes(), 0..700, &mut places));
        assert!(places.touch(&(1000..1001)));
    }
}
