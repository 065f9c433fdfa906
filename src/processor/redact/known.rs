//! Bytes that were looked at before, in the same batch: most keys and many attributes come again with every record.
//!
//! A table in which each place holds the last bytes that belong there. They are compared as a whole, so that bytes made to
//! meet in one place cost time at most.

/// How many are remembered: the keys of a record, and some hundred attributes. A power of two.
const PLACES: usize = 512;
/// Any odd number whose bits are well mixed.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD: usize = size_of::<u64>();

/// The table. It takes memory once something is added.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    places: Vec<&'a [u8]>,
}

impl<'a> Known<'a> {
    /// True when the same bytes were added, and no others since that belong in the same place. Empty ones never are.
    pub(super) fn has(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.places.get(place_of(bytes)).is_some_and(|known| *known == bytes)
    }

    pub(super) fn add(&mut self, bytes: &'a [u8]) {
        if self.places.is_empty() {
            self.places.resize(PLACES, &[]);
        }
        self.places[place_of(bytes)] = bytes;
    }
}

/// The last word overlaps the one before it; a shorter text is one word.
fn place_of(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let last = match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    (mix(hash, last) >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_what_was_added_is_known(added in prop::collection::vec("[ab]{0,20}", 0..50), asked in "[ab]{0,20}") {
            let mut known = Known::default();
            added.iter().for_each(|text| known.add(text.as_bytes()));
            prop_assert!(!known.has(asked.as_bytes()) || added.contains(&asked));
            if let Some(last) = added.last() {
                prop_assert_eq!(known.has(last.as_bytes()), !last.is_empty());
            }
        }
    }
}
