//! Verdicts that were given before: agents do the same things again and again.
//!
//! Kept is a verdict under a digest of everything that it depends on: the agent, the name of the event, and the exact bytes
//! of every attribute that fills a field or that a rule names (`view::plan`). The digest is SHA-256 behind a secret of
//! this process, cut to 16 bytes: nobody can make two different actions that share a verdict. Who acted, and when, is read
//! from each record, and correlations hear of each. Verdicts on what changes the mode of a session are not kept.
//!
//! At most [`VERDICTS_MAX`] are kept, about 60 bytes each, in two generations: when the younger one is full, the older one is
//! forgotten.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use super::event::{Field, Hits, Level};

/// How many verdicts are kept: 2 MiB at most.
pub(super) const VERDICTS_MAX: usize = 32_768;
/// What depends on more bytes is not kept: to hash it would cost more than it is worth.
pub(super) const INPUT_BYTES_MAX: usize = 4096;
/// Locks, so that batches at work at the same time do not wait for each other.
const SHARDS: usize = 16;
/// More text than this is not kept with a verdict.
const TEXT_BYTES_MAX: usize = 512;
/// Different outcomes in one generation of one shard: with their texts 4 MiB at most in all.
const OUTCOMES_MAX: usize = 256;

/// What came of looking at a record, as far as it does not depend on who and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    /// The record gets a verdict.
    pub(super) tagged: bool,
    /// The record came with attributes of the names written here.
    pub(super) reported: bool,
    /// The rules that fired.
    pub(super) hits: Hits,
    pub(super) score: i64,
    pub(super) level: Level,
    pub(super) truncated: bool,
    /// What the agent itself says of the risk.
    pub(super) says: Option<Box<str>>,
    /// The record is an agent's.
    pub(super) is_agent: bool,
    /// The event's name, where sessions begin or end with it.
    pub(super) name: Option<Box<str>>,
    /// What correlations group by or count, where they listen.
    pub(super) heard: Vec<(Field, Box<str>)>,
}

impl Outcome {
    /// Bytes of text that it holds besides the verdict.
    fn text_bytes(&self) -> usize {
        self.heard.iter().map(|(_, text)| text.len()).chain(self.says.as_ref().map(|text| text.len())).sum()
    }
}

/// What a verdict depends on, as 16 bytes.
pub(super) type Key = [u8; 16];

/// The verdicts given before.
#[derive(Debug)]
pub(super) struct Memo {
    secret: Key,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    verdicts: HashMap<Key, Arc<Outcome>, BuildHasherDefault<Prefix>>,
    /// Each different outcome once: most are the same.
    outcomes: HashSet<Arc<Outcome>>,
}

/// Digests are spread already: their first bytes are their hash.
#[derive(Debug, Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

impl Default for Memo {
    fn default() -> Self {
        let mut secret = [0; 16];
        for half in secret.chunks_exact_mut(8) {
            half.copy_from_slice(&RandomState::new().hash_one(0_u8).to_le_bytes());
        }
        Self { secret, shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Memo {
    /// What texts of inputs begin with.
    pub(super) const fn secret(&self) -> &Key {
        &self.secret
    }

    /// The key of these inputs.
    pub(super) fn key(inputs: &[u8]) -> Key {
        let mut key = [0; 16];
        key.copy_from_slice(&digest(&SHA256, inputs).as_ref()[..16]);
        key
    }

    /// What was given for these inputs.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Outcome>> {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.young.verdicts.get(key) {
            return Some(Arc::clone(known));
        }
        let known = shard.old.verdicts.remove(key)?;
        shard.add(*key, Arc::clone(&known));
        Some(known)
    }

    /// Keeps what was given.
    pub(super) fn put(&self, key: Key, outcome: Outcome) {
        if outcome.text_bytes() > TEXT_BYTES_MAX {
            return;
        }
        self.shard(&key).lock().unwrap_or_else(PoisonError::into_inner).add(key, Arc::new(outcome));
    }

    /// How many verdicts are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.verdicts.len() + shard.old.verdicts.len()).sum()
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[usize::from(key[15]) % SHARDS]
    }
}

impl Shard {
    fn add(&mut self, key: Key, outcome: Arc<Outcome>) {
        if self.young.verdicts.len() >= VERDICTS_MAX / SHARDS / 2 || self.young.outcomes.len() >= OUTCOMES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        let outcome = match self.young.outcomes.get(&outcome) {
            Some(known) => Arc::clone(known),
            None => {
                self.young.outcomes.insert(Arc::clone(&outcome));
                outcome
            }
        };
        self.young.verdicts.insert(key, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(score: i64) -> Outcome {
        Outcome {
            tagged: true,
            reported: false,
            hits: Hits::default(),
            score,
            level: Level::Info,
            truncated: false,
            says: None,
            is_agent: true,
            name: None,
            heard: vec![],
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_there_is_a_most() {
        let memo = Memo::default();
        let key = |number: u32| Memo::key(&number.to_le_bytes());
        for number in 0..200_000 {
            memo.put(key(number), outcome(i64::from(number % 7)));
            assert!(memo.get(&key(0)).is_some(), "{number}");
        }
        assert!(memo.len() <= VERDICTS_MAX && memo.len() > VERDICTS_MAX / 4);
        assert_eq!(memo.get(&key(1)), None);
        assert_eq!(memo.get(&key(199_999)).unwrap().score, 199_999 % 7);
    }

    #[test]
    fn outcomes_that_all_differ_are_bounded_too() {
        let memo = Memo::default();
        (0..100_000_u32).for_each(|number| memo.put(Memo::key(&number.to_le_bytes()), outcome(i64::from(number))));
        let most = memo.shards.iter().map(|shard| shard.lock().unwrap().young.outcomes.len()).max();
        assert!(most <= Some(OUTCOMES_MAX));
    }
}
