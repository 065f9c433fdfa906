//! How many digits and capital letters a text has: most have fewer than most shapes need, and need no search for them.

/// A word, of whose bytes each is one of the text's.
const WORD: usize = size_of::<u64>();
/// The lowest bit of each byte of a word, and the highest.
const LOW: u64 = u64::MAX / 255;
const HIGH: u64 = LOW << 7;
/// Every other byte of a word.
const EVEN: u64 = u64::MAX / 257;
/// How many words may be counted in the bytes of one.
const WORDS_MAX: usize = 255;

/// The counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) digits: u32,
    pub(super) capitals: u32,
}

impl Kinds {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut kinds = Self::default();
        let (words, rest) = text.as_chunks::<WORD>();
        for words in words.chunks(WORDS_MAX) {
            let (mut digits, mut capitals) = (0, 0);
            for word in words.iter().map(|word| u64::from_le_bytes(*word)) {
                digits += within(word, b'0', b'9') >> 7;
                capitals += within(word, b'A', b'Z') >> 7;
            }
            kinds.digits += sum(digits);
            kinds.capitals += sum(capitals);
        }
        let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        kinds.digits += sum(within(last, b'0', b'9') >> 7);
        kinds.capitals += sum(within(last, b'A', b'Z') >> 7);
        kinds
    }
}

/// The highest bit of each byte of a word that is in this range of ASCII.
const fn within(word: u64, from: u8, to: u8) -> u64 {
    let ascii = word & !HIGH;
    let not_below = ascii + LOW * (0x80 - from as u64);
    let above = ascii + LOW * (0x7f - to as u64);
    not_below & !above & !word & HIGH
}

/// The sum of the bytes of a word.
const fn sum(word: u64) -> u32 {
    let pairs = (word & EVEN) + (word >> 8 & EVEN);
    (pairs.wrapping_mul(u64::MAX / 0xffff) >> 48) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn kinds_are_counted_wherever_they_stand(text in "[@%0-9A-Za-z ~/:`\\[\u{b0}-\u{b9}]{0,80}", times in 1_usize..90) {
            let text = text.repeat(times);
            let count = |is: fn(&u8) -> bool| u32::try_from(text.bytes().filter(is).count()).unwrap();
            let expected = Kinds { digits: count(u8::is_ascii_digit), capitals: count(u8::is_ascii_uppercase) };
            prop_assert_eq!(Kinds::of(text.as_bytes()), expected);
        }
    }

    #[test]
    fn every_byte_is_of_its_kind() {
        for byte in 0..=u8::MAX {
            let kinds = Kinds::of(&[byte; 4099]);
            assert_eq!(kinds.digits, if byte.is_ascii_digit() { 4099 } else { 0 }, "{byte}");
            assert_eq!(kinds.capitals, if byte.is_ascii_uppercase() { 4099 } else { 0 }, "{byte}");
        }
    }
}
