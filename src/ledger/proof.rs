//! RFC 6962 proofs: that an entry is in a tree, and that one tree is the beginning of another.
//!
//! A proof is planned first: which stretches of leaves it needs the roots of. The roots of whole subtrees ([`Node`])
//! then come from wherever they are: from tiles, or from one pass over the entries with [`Collect`]. Checking needs
//! nothing but the proof. Costs: planning and checking are logarithmic in the size of the tree.

use std::collections::BTreeMap;
use std::ops::Range;

use super::hash::{Hash, node};
use super::tree::Frontier;

/// The most hashes that a proof over 2^64 entries can have. Longer ones are refused before they are worked through.
pub const HASHES_MAX: usize = 64;

/// A whole subtree: the 2^`level` leaves from `index` * 2^`level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height; 0 is a leaf.
    pub level: u32,
    /// Its place among the subtrees of this height.
    pub index: u64,
}

/// Which roots a proof is made of, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// What proves that leaf `index` is in the tree of `size` leaves; `None` when it is not.
    #[must_use]
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        let (mut start, mut end) = (0, size);
        let mut ranges = Vec::new();
        if index >= size {
            return None;
        }
        while end - start > 1 {
            let split = split(start, end);
            if index < split {
                ranges.push(split..end);
                end = split;
            } else {
                ranges.push(start..split);
                start = split;
            }
        }
        ranges.reverse();
        Some(Self { ranges })
    }

    /// What proves that the tree of `size` leaves begins with that of `old` leaves; `None` when `old` is larger. Empty
    /// when there is nothing to prove: from nothing, or between equal sizes.
    #[must_use]
    pub fn consistency(old: u64, size: u64) -> Option<Self> {
        let (mut start, mut end) = (0, size);
        let mut ranges = Vec::new();
        if old > size {
            return None;
        }
        // RFC 6962, SUBPROOF: `start` stays 0 as long as the old tree's own root is a part that the verifier has.
        while old > 0 && old != end {
            let split = split(start, end);
            if old <= split {
                ranges.push(split..end);
                end = split;
            } else {
                ranges.push(start..split);
                start = split;
            }
        }
        if start > 0 {
            ranges.push(start..end);
        }
        ranges.reverse();
        Some(Self { ranges })
    }

    /// The subtrees whose roots are needed.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        self.ranges.iter().flat_map(|range| whole_subtrees(range.clone()))
    }

    /// The proof, from the roots of its subtrees.
    ///
    /// # Errors
    /// The first one of `root_of`.
    pub fn hashes<E>(&self, mut root_of: impl FnMut(Node) -> Result<[u8; 32], E>) -> Result<Vec<[u8; 32]>, E> {
        let root = |range: &Range<u64>| {
            let roots = whole_subtrees(range.clone()).map(&mut root_of).collect::<Result<Vec<_>, E>>()?;
            let joined = roots.into_iter().rev().reduce(|right, left| node(&left, &right));
            // A range is never empty.
            Ok(joined.unwrap_or_default())
        };
        self.ranges.iter().map(root).collect()
    }
}

/// Where RFC 6962 divides a tree of these leaves: the left part is the largest power of two that leaves a right part.
fn split(start: u64, end: u64) -> u64 {
    start + (1 << (63 - (end - start - 1).leading_zeros()))
}

/// The whole subtrees that a range of a plan consists of, from left to right. Such a range starts at a multiple of its
/// largest power of two.
fn whole_subtrees(range: Range<u64>) -> impl Iterator<Item = Node> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let left = range.end - at;
        let level = 63_u32.checked_sub(left.leading_zeros())?;
        let node = Node { level, index: at >> level };
        at += 1 << level;
        Some(node)
    })
}

/// The root that an inclusion proof leads to, or `None` when it has not the length that the tree asks for.
#[must_use]
pub fn root_of_inclusion(leaf: &[u8; 32], index: u64, size: u64, proof: &[[u8; 32]]) -> Option<[u8; 32]> {
    let (mut at, mut last) = (index, size.checked_sub(1)?);
    if index >= size || proof.len() > HASHES_MAX {
        return None;
    }
    let mut root = *leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(sibling, &root);
            skip_missing(&mut at, &mut last);
        } else {
            root = node(&root, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// True when the proof shows that the tree with `new_root` begins with the tree with `old_root`.
#[must_use]
pub fn is_consistent((old, old_root): (u64, &[u8; 32]), (new, new_root): (u64, &[u8; 32]), proof: &[[u8; 32]]) -> bool {
    if old > new || proof.len() > HASHES_MAX {
        return false;
    }
    if old == new || old == 0 {
        return proof.is_empty() && (old == 0 || old_root == new_root);
    }
    let roots = roots_of_consistency(old, old_root, new, proof);
    roots.is_some_and(|(left, whole)| left == *old_root && whole == *new_root)
}

/// The old and the new root that a consistency proof leads to.
fn roots_of_consistency(old: u64, old_root: &Hash, new: u64, proof: &[Hash]) -> Option<(Hash, Hash)> {
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // A whole subtree needs no hash of its own: the verifier has it.
    let (first, rest) = if old.is_power_of_two() { (old_root, proof) } else { proof.split_first()? };
    let (mut left, mut whole) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            left = node(sibling, &left);
            whole = node(sibling, &whole);
            skip_missing(&mut at, &mut last);
        } else {
            whole = node(&whole, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some((left, whole))
}

/// Levels at which the last subtree of the tree has no sibling.
fn skip_missing(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        (*at, *last) = (*at >> 1, *last >> 1);
    }
}

/// Picks the roots of some subtrees while leaves go by. It can begin anywhere that a frontier is known for: what lies
/// before is in the frontier, as far as a proof for a later leaf needs it.
#[derive(Debug)]
pub struct Collect {
    size: u64,
    stack: Vec<Hash>,
    wanted: BTreeMap<Node, Option<Hash>>,
}

impl Collect {
    /// Begins after the leaves of the frontier.
    #[must_use]
    pub fn new(frontier: &Frontier, wanted: impl IntoIterator<Item = Node>) -> Self {
        let wanted = wanted.into_iter().map(|node| (node, None)).collect();
        let mut collect = Self { size: frontier.size(), stack: frontier.hashes().to_vec(), wanted };
        let levels = (0..64).rev().filter(|level| frontier.size() >> level & 1 == 1);
        for (level, hash) in levels.zip(frontier.hashes()) {
            collect.offer(Node { level, index: (frontier.size() >> level) - 1 }, hash);
        }
        collect
    }

    /// The next leaf.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        let mut at = Node { level: 0, index: self.size };
        self.offer(at, &hash);
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.stack.pop() else { break };
            hash = node(&left, &hash);
            at = Node { level: at.level + 1, index: at.index >> 1 };
            self.offer(at, &hash);
        }
        self.stack.push(hash);
        self.size += 1;
    }

    fn offer(&mut self, at: Node, hash: &Hash) {
        if let Some(place) = self.wanted.get_mut(&at) {
            *place = Some(*hash);
        }
    }

    /// How many leaves have gone by, with those of the frontier.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of a subtree that was wanted, if it went by.
    #[must_use]
    pub fn root_of(&self, node: Node) -> Option<[u8; 32]> {
        self.wanted.get(&node).copied().flatten()
    }
}

#[cfg(test)]
mod tests;
