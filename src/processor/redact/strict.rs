//! The profile `strict`: attributes whose keys are not listed are removed; below the top level, in events, links, data
//! points and maps, their values are masked.

use std::collections::HashSet;

use crate::otlp::model::Entity;

/// Stands in the place of a value whose key is not listed.
pub(super) const UNLISTED: &str = "[REDACTED:unlisted-key]";

/// The keys that may stay.
#[derive(Debug)]
pub(super) struct Strict {
    exact: HashSet<String>,
    prefixes: Vec<String>,
}

impl Strict {
    pub(super) fn new(keys: &[String]) -> Self {
        let (prefixes, exact): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|key| key.ends_with('*'));
        let prefixes = prefixes.into_iter().map(|key| key.trim_end_matches('*').to_owned()).collect();
        Self { exact: exact.into_iter().collect(), prefixes }
    }

    /// True for a key that may stay.
    pub(super) fn lists(&self, key: &str) -> bool {
        self.exact.contains(key) || self.prefixes.iter().any(|prefix| key.starts_with(&**prefix))
    }

    /// Removes the attributes that are not listed; how many keys those were.
    pub(super) fn remove(&self, entity: &mut Entity<'_>) -> u64 {
        let unlisted: Vec<_> = entity.attributes().iter().map(|own| own.key).filter(|key| !self.lists(key)).collect();
        unlisted.iter().map(|key| u64::from(entity.remove(key))).sum()
    }
}
