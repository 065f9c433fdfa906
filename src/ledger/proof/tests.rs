//! Proofs against the definitions of RFC 6962, written down as they stand there, and against their own damage.

use proptest::prelude::*;

use super::super::hash::sha256;
use super::*;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| sha256(&i.to_be_bytes())).collect()
}

fn half(count: usize) -> usize {
    let mut half = 1;
    while half * 2 < count {
        half *= 2;
    }
    half
}

/// MTH.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            node(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return vec![];
    }
    let (left, right) = leaves.split_at(half(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - left.len(), right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF.
fn naive_subproof(old: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if is_whole { vec![] } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(half(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (naive_subproof(old, left, is_whole), naive_root(right))
    } else {
        (naive_subproof(old - left.len(), right, false), naive_root(left))
    };
    proof.push(other);
    proof
}

/// The proof of a plan, by one pass that begins after `from` leaves.
fn collected(plan: &Plan, leaves: &[Hash], from: usize) -> Option<Vec<Hash>> {
    let mut frontier = Frontier::default();
    leaves[..from].iter().for_each(|leaf| frontier.push(*leaf));
    let mut collect = Collect::new(&frontier, plan.nodes());
    leaves[from..].iter().for_each(|leaf| collect.push(*leaf));
    plan.hashes(|node| collect.root_of(node).ok_or(())).ok()
}

#[test]
fn every_proof_of_small_trees_is_that_of_the_definition() {
    let all = leaves(40);
    for size in 0..=all.len() {
        let (tree, root) = (&all[..size], naive_root(&all[..size]));
        for index in 0..size {
            let plan = Plan::inclusion(index as u64, size as u64).unwrap();
            let proof = collected(&plan, tree, 0).unwrap();
            assert_eq!(proof, naive_path(index, tree), "{index} in {size}");
            assert_eq!(root_of_inclusion(&tree[index], index as u64, size as u64, &proof), Some(root));
        }
        for old in 1..=size {
            let plan = Plan::consistency(old as u64, size as u64).unwrap();
            let proof = collected(&plan, tree, 0).unwrap();
            assert_eq!(proof, naive_subproof(old, tree, true), "{old} to {size}");
            let old_root = naive_root(&tree[..old]);
            assert!(is_consistent((old as u64, &old_root), (size as u64, &root), &proof), "{old} to {size}");
        }
    }
}

#[test]
fn what_is_not_in_the_tree_has_no_proof() {
    assert_eq!(Plan::inclusion(3, 3), None);
    assert_eq!(Plan::inclusion(0, 0), None);
    assert_eq!(Plan::consistency(4, 3), None);
    assert_eq!(Plan::consistency(0, 9).unwrap().nodes().count(), 0);
    assert_eq!(Plan::consistency(9, 9).unwrap().nodes().count(), 0);
}

#[test]
fn from_nothing_every_tree_follows_and_only_without_a_proof() {
    let root = naive_root(&leaves(5));
    assert!(is_consistent((0, &[0; 32]), (5, &root), &[]));
    assert!(!is_consistent((0, &[0; 32]), (5, &root), &[root]));
    assert!(is_consistent((5, &root), (5, &root), &[]));
    assert!(!is_consistent((5, &[1; 32]), (5, &root), &[]));
    assert!(!is_consistent((6, &root), (5, &root), &[]));
}

#[test]
fn the_largest_tree_is_planned_without_overflow() {
    let plan = Plan::inclusion(u64::MAX - 1, u64::MAX).unwrap();
    assert!(plan.nodes().count() <= HASHES_MAX);
    assert!(Plan::consistency(u64::MAX - 1, u64::MAX).unwrap().nodes().count() <= 2 * HASHES_MAX);
    assert_eq!(root_of_inclusion(&[0; 32], 5, u64::MAX, &vec![[0; 32]; HASHES_MAX + 1]), None);
}

proptest! {
    #[test]
    fn a_pass_that_begins_at_or_before_the_leaf_suffices(size in 1..300_usize, index: prop::sample::Index, from: prop::sample::Index) {
        let (all, index) = (leaves(size as u64), index.index(size));
        let plan = Plan::inclusion(index as u64, size as u64).unwrap();
        let proof = collected(&plan, &all, from.index(index + 1)).unwrap();
        prop_assert_eq!(root_of_inclusion(&all[index], index as u64, size as u64, &proof), Some(naive_root(&all)));
    }

    #[test]
    fn a_pass_that_begins_at_or_before_the_old_size_suffices(size in 1..300_usize, old: prop::sample::Index, from: prop::sample::Index) {
        let (all, old) = (leaves(size as u64), 1 + old.index(size));
        let plan = Plan::consistency(old as u64, size as u64).unwrap();
        let proof = collected(&plan, &all, from.index(old)).unwrap();
        prop_assert!(is_consistent((old as u64, &naive_root(&all[..old])), (size as u64, &naive_root(&all)), &proof));
    }

    #[test]
    fn a_damaged_proof_is_refused(size in 2..200_usize, index: prop::sample::Index, at: prop::sample::Index, bit in 0..256_usize) {
        let (all, index) = (leaves(size as u64), index.index(size));
        let root = naive_root(&all);
        let check = |leaf: &Hash, index: usize, proof: &[Hash]| {
            root_of_inclusion(leaf, index as u64, size as u64, proof) == Some(root)
        };
        let proof = naive_path(index, &all);
        let mut damaged = proof.clone();
        damaged[at.index(proof.len())][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!check(&all[index], index, &damaged));
        prop_assert!(!check(&all[index], index, &proof[1..]));
        prop_assert!(!check(&all[index], index, &[proof.clone(), vec![root]].concat()));
        prop_assert!(!check(&all[(index + 1) % size], index, &proof));
    }

    #[test]
    fn a_consistency_proof_fits_its_two_trees_only(size in 2..200_usize, old: prop::sample::Index, bit in 0..256_usize, at: prop::sample::Index) {
        let (all, old) = (leaves(size as u64), 1 + old.index(size - 1));
        let (old_root, root) = (naive_root(&all[..old]), naive_root(&all));
        let proof = naive_subproof(old, &all, true);
        let is_good = |old_root: &Hash, root: &Hash, proof: &[Hash]| {
            is_consistent((old as u64, old_root), (size as u64, root), proof)
        };
        prop_assert!(is_good(&old_root, &root, &proof));
        let mut damaged = proof.clone();
        damaged[at.index(proof.len())][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!is_good(&old_root, &root, &damaged));
        prop_assert!(!is_good(&root, &root, &proof) && !is_good(&old_root, &old_root, &proof));
    }
}
