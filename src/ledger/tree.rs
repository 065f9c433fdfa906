//! The RFC 6962 Merkle tree over the entries, of which only the right edge is kept.

use super::hash::{Hash, node, sha256};

/// The roots of the largest whole subtrees, from left to right: one per set bit of the size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// A frontier as it was written down, or `None` when the number of hashes does not fit the size.
    #[must_use]
    pub fn from_parts(size: u64, hashes: Vec<[u8; 32]>) -> Option<Self> {
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, hashes })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtree roots, from left to right.
    #[must_use]
    pub fn hashes(&self) -> &[[u8; 32]] {
        &self.hashes
    }

    /// Adds a leaf (its hash).
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        // Each trailing one bit of the old size is a whole subtree that the new leaf completes to a larger one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = node(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root of the tree; of an empty one, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut right_to_left = self.hashes.iter().rev();
        let Some(last) = right_to_left.next() else { return sha256(b"") };
        right_to_left.fold(*last, |root, left| node(left, &root))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition in RFC 6962, section 2.1, word by word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [leaf] => *leaf,
            _ => {
                let split = (leaves.len() / 2 + leaves.len() % 2).next_power_of_two();
                let split = if split == leaves.len() { split / 2 } else { split };
                node(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    fn tree_of(leaves: &[Hash]) -> Frontier {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    #[test]
    fn every_size_up_to_130_has_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..130_u8).map(|i| sha256(&[i])).collect();
        for size in 0..=leaves.len() {
            assert_eq!(tree_of(&leaves[..size]).root(), naive_root(&leaves[..size]), "size {size}");
        }
    }

    /// Inputs and roots from the Certificate Transparency project's reference tests (`merkletree` test vectors).
    #[test]
    fn the_reference_roots_of_certificate_transparency_come_out() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let leaves: Vec<Hash> = inputs.iter().map(|input| sha256(&[b"\0", *input].concat())).collect();
        let hex = |hash: Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(tree_of(&[]).root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            hex(tree_of(&leaves[..1]).root()),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            hex(tree_of(&leaves[..2]).root()),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
        assert_eq!(hex(tree_of(&leaves).root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    proptest! {
        #[test]
        fn a_frontier_written_down_and_read_back_goes_on_the_same(size in 0..200_usize, more in 0..60_usize) {
            let leaves: Vec<Hash> = (0..size + more).map(|i| sha256(&i.to_be_bytes())).collect();
            let before = tree_of(&leaves[..size]);
            let mut tree = Frontier::from_parts(before.size(), before.hashes().to_vec()).unwrap();
            leaves[size..].iter().for_each(|leaf| tree.push(*leaf));
            prop_assert_eq!(tree.root(), naive_root(&leaves));
            prop_assert_eq!(tree.size(), leaves.len() as u64);
            prop_assert!(Frontier::from_parts(size as u64 + 1, vec![[0; 32]; size.count_ones() as usize + 2]).is_none());
        }
    }
}
