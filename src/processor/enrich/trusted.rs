//! `trusted`: attributes that only the operator may set. What a sender claims under such a name is kept, but under
//! `upstream.`, so that it cannot pass for the operator's word.

use bumpalo::Bump;

use crate::otlp::model::Entity;
use crate::stdx::problem::{At, Problems};

/// What stands before a claim.
pub(super) const UPSTREAM: &str = "upstream.";

/// The names.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    names: Vec<String>,
    /// What stands before the `*` of `host.*`.
    families: Vec<String>,
}

/// Finds what cannot be a name.
pub(super) fn check(names: &[String], at: &At, problems: &mut Problems) {
    for (index, name) in names.iter().enumerate() {
        let at = at.item(index);
        match name.strip_suffix('*').unwrap_or(name) {
            "" => problems.add_hint(&at, "a name is needed", "`team`, or `host.*` for all that begin so"),
            name if name.contains('*') => problems.add(&at, "`*` may stand at the end only"),
            name if name.starts_with(UPSTREAM) => {
                problems.add(&at, "names under `upstream.` are what senders claimed, and never trusted");
            }
            _ => {}
        }
    }
}

impl Trusted {
    pub(super) fn new(names: &[String]) -> Self {
        let family = |name: &String| name.strip_suffix('*').map(str::to_owned);
        Self {
            names: names.iter().filter(|name| !name.ends_with('*')).cloned().collect(),
            families: names.iter().filter_map(family).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.families.is_empty()
    }

    fn has(&self, key: &str) -> bool {
        self.names.iter().any(|name| name == key) || self.families.iter().any(|family| key.starts_with(family.as_str()))
    }

    /// Moves what the sender claims; true when it claimed anything.
    pub(super) fn enforce<'a>(&self, entity: &mut Entity<'a>, arena: &'a Bump) -> bool {
        if self.is_empty() {
            return false;
        }
        entity.rename_each(|key| {
            self.has(key).then(|| {
                let mut new = bumpalo::collections::String::with_capacity_in(UPSTREAM.len() + key.len(), arena);
                new.push_str(UPSTREAM);
                new.push_str(key);
                new.into_bump_str()
            })
        })
    }
}
