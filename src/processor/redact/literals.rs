//! Many short literals, found in one pass over a text, whatever the case of their letters.
//!
//! Each literal is looked for by three of its bytes, the ones that are rarest in developers' text. At each place of the
//! text the next three bytes are hashed and the hash is looked up in 8 KiB of bits, which stay in the first cache; no step
//! waits for the one before, as in an automaton, and hundreds of literals cost as much as one. Where the bit is set the
//! literals behind it are compared.

use std::ops::Range;

const BITS: usize = 1 << 16;
const WORDS: usize = BITS / 64;
const CHAINS: usize = 1 << 10;
const NONE: u32 = u32::MAX;
/// How many bytes a literal is looked for by.
const KEY_LEN: usize = 3;
/// How many places are looked at in one step, and how many bytes that takes.
const STEP: usize = 16;
const STEP_LEN: usize = STEP + 4;
/// Lower case for letters; other bytes change too, in the literals as in the text.
const FOLD: u32 = 0x2020_2020;
/// Any odd number whose bits are well mixed. Eight bits more to the left, so that a fourth byte falls out.
const FACTOR: u32 = 0x009e_3779 << 8;

/// A set of literals, numbered from 0.
#[derive(Debug)]
pub(super) struct Literals {
    /// A bit for each hash of a key.
    bits: Box<[u64; WORDS]>,
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
        let (mut bits, mut chains) = (Box::new([0_u64; WORDS]), Box::new([NONE; CHAINS]));
        for (at, (hash, entry)) in (0..).zip(&mut keyed) {
            bits[usize::from(*hash >> 6)] |= 1 << (*hash & 63);
            entry.next = std::mem::replace(&mut chains[chain_of(*hash)], at);
        }
        Self { bits, chains, entries: keyed.into_iter().map(|(_, entry)| entry).collect(), single }
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
                self.compare(step, hits, at, text, &mut found);
            }
            at += STEP;
        }
        let mut tail = [0; 2 * STEP_LEN];
        let rest = &text[at..];
        tail[..rest.len()].copy_from_slice(rest);
        for offset in (0..rest.len()).step_by(STEP) {
            if let Some(step) = tail[offset..].first_chunk() {
                self.compare(step, self.hits(step), at + offset, text, &mut found);
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
    fn hits(&self, bytes: &[u8; STEP_LEN]) -> u64 {
        let mut hits = 0;
        for place in 0..STEP {
            let hash = hash_of(four(bytes, place));
            hits |= (self.bits[usize::from(hash >> 6)] >> (hash & 63) & 1) << place;
        }
        hits
    }

    /// Compares the literals behind the keys at the places of a step with the text; the first place is `at` in the text.
    #[inline(never)]
    fn compare(&self, bytes: &[u8; STEP_LEN], mut hits: u64, at: usize, text: &[u8], found: &mut impl FnMut(Match)) {
        while hits != 0 {
            let place = hits.trailing_zeros() as usize & (STEP - 1);
            hits &= hits - 1;
            let four = four(bytes, place);
            let mut next = self.chains[chain_of(hash_of(four))];
            while let Some(entry) = self.entries.get(next as usize) {
                if (four | FOLD) & entry.mask == entry.head
                    && let Some(there) = entry.find(text, at + place)
                {
                    found(there);
                }
                next = entry.next;
            }
        }
    }
}

/// The four bytes at a place of a step, the first in the lowest bits.
#[inline]
fn four(bytes: &[u8; STEP_LEN], place: usize) -> u32 {
    u32::from_le_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
}

/// The first bits are the better mixed ones.
#[inline]
const fn chain_of(hash: u16) -> usize {
    hash as usize * CHAINS / BITS
}

/// The hash of the first three of four bytes.
#[inline]
const fn hash_of(four: u32) -> u16 {
    ((four | FOLD).wrapping_mul(FACTOR) >> 16) as u16
}

const fn hash([first, second, third]: [u8; KEY_LEN]) -> u16 {
    hash_of(u32::from_le_bytes([first, second, third, 0]))
}

/// The three bytes of a literal that are rarest in text, and where they are.
fn rarest(literal: &[u8]) -> (usize, [u8; KEY_LEN]) {
    let keys = literal.windows(KEY_LEN).map(|key| [key[0], key[1], key[2]]).enumerate();
    keys.min_by_key(|(_, key)| frequency(*key)).unwrap_or_default()
}

/// Rows of one character are commoner than their pairs tell.
const REPEATED: i32 = 10;

/// How often three bytes stand together, by their pairs, as a logarithm.
fn frequency([first, second, third]: [u8; KEY_LEN]) -> i32 {
    let pair = |one: u8, other: u8| i32::from(PAIRS[kind(one)].as_bytes()[kind(other)]);
    let middle = PAIRS[kind(second)].bytes().map(i32::from).max().unwrap_or_default();
    let repeated = if first == second && second == third { REPEATED } else { 0 };
    pair(first, second) + pair(second, third) - middle + repeated
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
