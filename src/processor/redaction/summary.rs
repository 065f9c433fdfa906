//! What `redaction` writes on a record about its work, in the Collector's attribute names. Whatever stood there under
//! these names before is taken out: a sender must not be able to say that nothing was masked.

use std::collections::BTreeSet;

use bumpalo::Bump;

use super::Summary;
use crate::otlp::model::Entity;
use crate::otlp::value::Value;

/// Every name that a summary uses.
pub(super) const NAMES: [&str; 14] = [
    "redaction.redacted.keys",
    "redaction.redacted.count",
    "redaction.masked.keys",
    "redaction.masked.count",
    "redaction.allowed.keys",
    "redaction.allowed.count",
    "redaction.ignored.count",
    "redaction.body.redacted.keys",
    "redaction.body.redacted.count",
    "redaction.body.masked.keys",
    "redaction.body.masked.count",
    "redaction.body.allowed.keys",
    "redaction.body.allowed.count",
    "redaction.body.ignored.count",
];

/// The work on attributes, or on a body.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    pub(super) redacted: BTreeSet<&'a str>,
    pub(super) masked: BTreeSet<&'a str>,
    pub(super) allowed: BTreeSet<&'a str>,
    pub(super) ignored: i64,
}

/// The work on one resource, scope or record.
#[derive(Debug, Default)]
pub(super) struct Work<'a> {
    pub(super) attributes: Part<'a>,
    pub(super) body: Part<'a>,
}

impl<'a> Part<'a> {
    fn write(&self, names: &'static [&'static str], how: Summary, entity: &mut Entity<'a>, arena: &'a Bump) {
        for (keys, pair) in [&self.redacted, &self.masked, &self.allowed].into_iter().zip(names.chunks(2)) {
            let [keys_name, count_name] = pair else { continue };
            if keys.is_empty() {
                continue;
            }
            if how == Summary::Debug {
                let joined = keys.iter().copied().collect::<Vec<_>>().join(",");
                entity.set(keys_name, Value::Str(arena.alloc_str(&joined)));
            }
            entity.set(count_name, Value::Int(i64::try_from(keys.len()).unwrap_or(i64::MAX)));
        }
        if self.ignored > 0 {
            entity.set(names[names.len() - 1], Value::Int(self.ignored));
        }
    }
}

impl<'a> Work<'a> {
    /// Writes what was done.
    pub(super) fn write(&self, how: Summary, entity: &mut Entity<'a>, arena: &'a Bump) {
        if how >= Summary::Info {
            self.attributes.write(&NAMES[..7], how, entity, arena);
            self.body.write(&NAMES[7..], how, entity, arena);
        }
    }
}
