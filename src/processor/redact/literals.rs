//! Many short literals, found in one pass over a text, whatever the case of their letters.
//!
//! Each literal is looked for by three of its bytes, the ones that are rarest in developers' text, and a part of the one
//! behind them. At each place of the text the next three bytes are hashed and the hash is looked up in a table of 32 KiB,
//! which stays in the first cache; no step waits for the one before, as in an automaton, and hundreds of literals cost as
//! much as one. Where the table says so the literals behind the hash are compared.

use std::ops::Range;

use crate::processor::redact::detector::bytes::steps;

const HASH_BITS: u32 = 15;
const HASHES: usize = 1 << HASH_BITS;
const CHAINS: usize = 1 << 10;
const NONE: u32 = u32::MAX;
/// How many bytes a literal is looked for by, without the one behind them.
const KEY_LEN: usize = 3;
/// How many places are looked at in one step, in how many words, and how many bytes that takes.
const STEP: usize = 16;
const WORDS: usize = 4;
const STEP_LEN: usize = STEP + 4;
/// Lower case for letters; other bytes change too, in the literals as in the text.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// Any odd number whose bits are well mixed. Eight bits more to the left, so that a fourth byte falls out.
const FACTOR: u32 = 0x009e_3779 << 8;

/// A set of literals, numbered from 0.
#[derive(Debug)]
pub(super) struct Literals {
    /// For each hash of a key: which bytes may follow, a bit for those with the same three lowest bits.
    keys: Box<[u8; HASHES]>,
    /// The first entry of the keys whose hashes end alike, [`NONE`] when there is none.
    chains: Box<[u32; CHAINS]>,
    entries: Vec<Entry>,
    /// Literals of one byte.
    single: Vec<(u8, u32)>,
}

/// A literal behind a key.
#[derive(Debug, Clone)]
struct Entry {
    /// Up to four bytes of the literal, folded, from its key on, and which of their bits count: most places whose hash is a
    /// key's are turned down by that.
    head: u32,
    mask: u32,
    /// The next entry of its chain.
    next: u32,
    /// Where in the literal its key stands.
    key_at: u32,
    index: u32,
    /// In lower case.
    literal: Box<[u8]>,
}

impl Entry {
    fn new(literal: &[u8], key_at: usize, index: u32) -> Self {
        let mut head = [0; 4];
        let mut mask = [0; 4];
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&literal[key_at..]) {
            (*head, *mask) = (*byte | FOLD as u8, u8::MAX);
        }
        let (head, mask) = (u32::from_le_bytes(head), u32::from_le_bytes(mask));
        Self { head, mask, next: NONE, key_at: u32::try_from(key_at).unwrap_or(0), index, literal: literal.into() }
    }

    /// The bits of the bytes that may follow the key.
    const fn follows(&self) -> u8 {
        if self.mask >> 24 == 0 { u8::MAX } else { FOLLOWS[(self.head >> 24) as usize] }
    }

    /// Where the literal stands, when it does so with its key at this place.
    fn find(&self, text: &[u8], at: usize) -> Option<Match> {
        let start = at.checked_sub(self.key_at as usize)?;
        let end = start + self.literal.len();
        let there = text.get(start..end)?;
        there.eq_ignore_ascii_case(&self.literal).then_some(Match { start, end, index: self.index as usize })
    }
}

/// A literal in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    pub(super) end: usize,
    pub(super) start: usize,
    /// The literal's number.
    pub(super) index: usize,
}

impl Match {
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl Literals {
    /// Empty literals are never found.
    pub(super) fn new<'a>(literals: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keyed = Vec::new();
        let mut single = Vec::new();
        for (index, literal) in (0..).zip(literals) {
            let literal = literal.to_ascii_lowercase();
            match *literal.as_bytes() {
                [] => {}
                [byte] => single.push((byte, index)),
                [first, second] => {
                    let entry = Entry::new(literal.as_bytes(), 0, index);
                    keyed.extend((0..=u8::MAX).map(|third| (hash([first, second, third]), entry.clone())));
                }
                _ => {
                    let (key_at, key) = rarest(literal.as_bytes());
                    keyed.push((hash(key), Entry::new(literal.as_bytes(), key_at, index)));
                }
            }
        }
        keyed.sort_by_key(|(hash, entry)| (*hash, entry.index));
        keyed.dedup_by_key(|(hash, entry)| (*hash, entry.index));
        let (mut keys, mut chains) = (Box::new([0; HASHES]), Box::new([NONE; CHAINS]));
        for (at, (hash, entry)) in (0..).zip(&mut keyed) {
            keys[*hash] |= entry.follows();
            entry.next = std::mem::replace(&mut chains[chain_of(*hash)], at);
        }
        Self { keys, chains, entries: keyed.into_iter().map(|(_, entry)| entry).collect(), single }
    }

    /// Hands over each literal in the text, in no particular order.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(Match)) {
        for (byte, index) in &self.single {
            let other = byte.to_ascii_uppercase();
            memchr::memchr2_iter(*byte, other, text)
                .for_each(|at| found(Match { start: at, end: at + 1, index: *index as usize }));
        }
        let mut at = 0;
        while let Some(step) = text.get(at..).and_then(<[u8]>::first_chunk::<STEP_LEN>) {
            let hits = self.hits(step);
            if hits != 0 {
                self.compare(hits, at, text, &mut found);
            }
            at += STEP;
        }
        let mut tail = [0; 2 * STEP_LEN];
        let rest = &text[at..];
        tail[..rest.len()].copy_from_slice(rest);
        for offset in (0..rest.len()).step_by(STEP) {
            let hits = tail[offset..].first_chunk().map_or(0, |step| self.hits(step));
            if hits != 0 {
                self.compare(hits, at + offset, text, &mut found);
            }
        }
    }

    /// The literals in the text, in the order of their ends and then of their starts.
    pub(super) fn sorted(&self, text: &[u8]) -> Vec<Match> {
        let mut all = Vec::new();
        self.each(text, |found| all.push(found));
        all.sort_unstable();
        all
    }

    /// The places of a step at which a key may stand, a bit each.
    #[inline]
    fn hits(&self, step: &[u8; STEP_LEN]) -> u32 {
        let mut hits = 0;
        let hit = |place: u32, word: u64| u32::from(self.key_at(word as u32) != 0) << place;
        for (place, word) in (0..).step_by(WORDS).zip(words(step)) {
            hits |=
                hit(place, word) | hit(place + 1, word >> 8) | hit(place + 2, word >> 16) | hit(place + 3, word >> 24);
        }
        hits
    }

    /// Not 0 when these four bytes, folded, may be a key and what may follow it.
    #[inline]
    fn key_at(&self, four: u32) -> u8 {
        self.keys[hash_of(four)] & FOLLOWS[(four >> 24) as usize]
    }

    /// Compares the literals behind the keys at these places from `at` on with the text.
    #[inline(never)]
    fn compare(&self, mut hits: u32, at: usize, text: &[u8], found: &mut impl FnMut(Match)) {
        while hits != 0 {
            let at = at + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let mut four = [0; 4];
            // Behind the end a step has zeros.
            let rest = text.get(at..).unwrap_or_default();
            match rest.first_chunk() {
                Some(whole) => four = *whole,
                None => four[..rest.len()].copy_from_slice(rest),
            }
            let four = u32::from_le_bytes(four) | FOLD as u32;
            let mut next = self.chains[chain_of(hash_of(four))];
            while let Some(entry) = self.entries.get(next as usize) {
                steps::add(1);
                if four & entry.mask == entry.head
                    && let Some(there) = entry.find(text, at)
                {
                    found(there);
                }
                next = entry.next;
            }
        }
    }
}

/// The bytes of a step, folded, eight at a time from every fourth place.
#[inline]
fn words(step: &[u8; STEP_LEN]) -> [u64; WORDS] {
    std::array::from_fn(|word| {
        let bytes = step[4 * word..].first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(bytes) | FOLD
    })
}

/// The bit of each byte among those that may follow a key; in both cases of a letter the same.
const FOLLOWS: [u8; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bits[byte] = 1 << (byte & 7);
        byte += 1;
    }
    bits
};

/// The first bits are the better mixed ones.
#[inline]
const fn chain_of(hash: usize) -> usize {
    hash * CHAINS / HASHES
}

/// The hash of the first three of four folded bytes.
#[inline]
const fn hash_of(four: u32) -> usize {
    (four.wrapping_mul(FACTOR) >> (u32::BITS - HASH_BITS)) as usize
}

const fn hash([first, second, third]: [u8; KEY_LEN]) -> usize {
    hash_of(u32::from_le_bytes([first, second, third, 0]) | FOLD as u32)
}

/// The three bytes of a literal that are rarest in text, and where they are. In a longer literal one more stands behind them.
fn rarest(literal: &[u8]) -> (usize, [u8; KEY_LEN]) {
    let head = &literal[..KEY_LEN.max(literal.len() - 1)];
    let keys = head.windows(KEY_LEN).map(|key| [key[0], key[1], key[2]]).enumerate();
    keys.min_by_key(|(_, key)| frequency(*key)).unwrap_or_default()
}

/// Rows of one character are commoner than their pairs tell.
const REPEATED: i32 = 10;
/// And so are these: the beginnings, ends and middles of words.
const COMMON: &[u8] = b"the and ing ion ent ter tio res con ati ser ver com pro ect str ate for est ist ers ess sta ort ord ain \
    ine pre int per all ove nte tor ran ard ity ire age ame ide rea rat cti ont ase der ons den ata lin ten api han rvi ntr \
    nts log tes scr sql url mob -se -re -pa -co /us /ho /sr /li /bi .co .js .py .rs tp: ttp ";
const COMMON_PENALTY: i32 = 6;

/// How often three bytes stand together, by their pairs, as a logarithm.
fn frequency([first, second, third]: [u8; KEY_LEN]) -> i32 {
    let pair = |one: u8, other: u8| i32::from(PAIRS[kind(one)].as_bytes()[kind(other)]);
    let middle = PAIRS[kind(second)].bytes().map(i32::from).max().unwrap_or_default();
    let repeated = if first == second && second == third { REPEATED } else { 0 };
    let is_common = COMMON.as_chunks::<{ KEY_LEN + 1 }>().0.iter().any(|key| key[..KEY_LEN] == [first, second, third]);
    pair(first, second) + pair(second, third) - middle + repeated + if is_common { COMMON_PENALTY } else { 0 }
}

/// The row and column of a byte in the table of pairs.
const fn kind(byte: u8) -> usize {
    match byte | 0x20 {
        letter @ b'a'..=b'z' => (letter - b'a') as usize,
        b'0'..=b'9' => 26,
        b' ' => 27,
        0x7f => 28,
        b'-' => 29,
        b'.' => 30,
        _ => 31,
    }
}

/// How often one kind of byte follows another in source code, documentation and package lists, `a` hardly ever, a letter
/// more for each factor of 1.6: letters, digits, space, `_`, `-`, `.`, all else. Only speed depends on it.
const PAIRS: [&str; 32] = [
    "ipqqilojpgmsrsgpgsrtpnmmojlpjjlq",
    "ohkipgigomgpihoigmmjpfffogloiilq",
    "qhmjrnhqohpplhsjhpnqoihijglomllq",
    "pkjntjjhqgjmkjpjgmnlnihhmfmsokmr",
    "rnqrpqojmhlsqtlqottskonqngluqmpt",
    "pgkkpnnfrffmloqjgolnoggfkelrljqr",
    "lgkhqhlnofflknnkfnnkmigfjkkqnjmr",
    "qhghsgggpfgijipggmkplfgekflqlhkq",
    "opqppqpgiglrqtsoiosshogmgolljijq",
    "jgghmgfgighfggkgfgjfjhgfffkihgip",
    "mfhiqghgmfgjhkihghmhjijfhfknljjq",
    "qjkosrjhsghqikqkfjpppjifohkqnllq",
    "rmimshggpfhmmipqfgnmoggfjglomjkq",
    "qiqrrnriphmmknrmgjrsomkfnglsnmns",
    "lopqlqnhmjoprtoqftpqqnpkhhlqnkmq",
    "rhkkrjhknfiqijqogqnppkifoflnmjkq",
    "fgfgfffffffgfgfffghfoggefgkihfhp",
    "skontlpirfmloqrlgqrqpmkgpglsnjns",
    "oinktjkorglmmkpohmqtpjjhogltolqs",
    "rknntlgtsghmlksofsqpqimhphltqnos",
    "mpnmqmmfnghqoqjogrqrigfjggnmghip",
    "pfhgrggfnfggigkffghggfggffmjilhp",
    "pgginghopggiflmggnmhggkgffkmlhjp",
    "mhnhlighlffiifhnfghoggfihgmmljjp",
    "iiihlhggkffjjmmogmnngijfggkqmklr",
    "kffgohffkfeihfiffgiegfgeihkjgffp",
    "llllllkkkkkkkkkkkkkkkkkmkktpmoqu",
    "trsrrspptlnrrrsrkrttqpqkmkrzopmw",
    "ononnnlmoijnnnnninpomllhhimlpfip",
    "lklmkljjkgglkijkglmlkjjhghomfqfq",
    "mlomlmmlnjilmlmnhonmlikgghpongnr",
    "rqrrqrpqrppqqqqrpqsrqqqpppuxpqqz",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each literal at each place of the text, one by one.
    fn naive(literals: &[&str], text: &str) -> Vec<Match> {
        let mut all = Vec::new();
        for (index, literal) in literals.iter().enumerate().filter(|(_, literal)| !literal.is_empty()) {
            for (start, window) in text.as_bytes().windows(literal.len()).enumerate() {
                if window.eq_ignore_ascii_case(literal.as_bytes()) {
                    all.push(Match { start, end: start + literal.len(), index });
                }
            }
        }
        all.sort_unstable();
        all
    }

    const LITERALS: &[&str] = &[
        "", "@", "sk", "SK", "cf", "%B", "key", "KEY", "api_key", "token", "tokens", "αμκα", "://", "$2a$", "aaa", "é",
    ];

    #[test]
    fn literals_are_found_at_every_offset_and_at_both_ends_in_any_case() {
        let set = Literals::new(LITERALS.iter().copied());
        for literal in LITERALS.iter().filter(|literal| !literal.is_empty()) {
            for offset in 0..40 {
                for tail in 0..20 {
                    let text = format!("{}{literal}{}", "x".repeat(offset), "z".repeat(tail));
                    for text in [text.to_ascii_uppercase(), text] {
                        assert_eq!(set.sorted(text.as_bytes()), naive(LITERALS, &text), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_literals_and_no_text_are_nothing() {
        assert!(Literals::new([]).sorted(b"some text of more than twenty bytes").is_empty());
        assert!(Literals::new(["key", "@", "sk"]).sorted(b"").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn what_is_found_is_what_is_there(
            literals in prop::collection::vec("[a-cA-C_@ \u{e9}]{0,6}", 0..40),
            text in "[a-cA-C_@ \u{e9}`]{0,80}",
        ) {
            let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
            prop_assert_eq!(Literals::new(literals.iter().copied()).sorted(text.as_bytes()), naive(&literals, &text));
        }
    }
}
