//! W3C baggage: members of the `baggage` header of the request that carried the records, as attributes.
//!
//! Only members on the list are taken. Properties (`;ttl=3`) are passed over, values are percent-decoded. What does not
//! follow the specification is left out.

use bumpalo::Bump;
use serde::Deserialize;

use super::action::{Verb, set};
use crate::otlp::model::Entity;
use crate::otlp::sender::Sender;
use crate::otlp::value::Value;
use crate::processor::scalar::Context;
use crate::stdx::percent;
use crate::stdx::problem::{At, Problems};

/// The header.
pub(super) const HEADER: &str = "baggage";

/// What to take from the `baggage` header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Baggage {
    /// The members to take: `user.id`, or `app.*` for all that begin so. Needed.
    pub keys: Vec<String>,
    /// Put before the member's name. Default: nothing.
    pub prefix: String,
    /// `resource`, `scope` or `record`: where the attribute goes. Default: `record`.
    pub context: Context,
}

impl Baggage {
    /// Finds what cannot work.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        if self.keys.is_empty() {
            problems.add_hint(&at.key("keys"), "no member is listed", "list those to take: `[user.id, app.*]`");
        }
        for (index, key) in self.keys.iter().enumerate() {
            if key.strip_suffix('*').unwrap_or(key).contains('*') || key.is_empty() || key == "*" {
                let hint = "`user.id`, or `app.*` for all that begin so";
                problems.add_hint(&at.key("keys").item(index), "this names no member", hint);
            }
        }
    }

    fn takes(&self, name: &str) -> bool {
        self.keys.iter().any(|key| match key.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => key == name,
        })
    }

    /// Inserts the members that are not there yet; true when there was one.
    pub(super) fn run<'a>(&self, entity: &mut Entity<'a>, sender: &'a Sender, arena: &'a Bump) -> bool {
        let mut changed = false;
        for (name, value) in members(sender.header(HEADER).unwrap_or_default()).filter(|(name, _)| self.takes(name)) {
            let Some(value) = percent::decode(value) else { continue };
            let mut key = bumpalo::collections::String::with_capacity_in(self.prefix.len() + name.len(), arena);
            key.push_str(&self.prefix);
            key.push_str(name);
            changed |= set(Verb::Insert, key.into_bump_str(), Value::Str(arena.alloc_str(&value)), entity);
        }
        changed
    }
}

/// Names and values of a `baggage` header.
fn members(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').filter_map(|member| {
        let pair = member.split(';').next()?;
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        (!name.is_empty() && name.bytes().all(is_token)).then_some((name, value))
    })
}

/// The characters of a token (RFC 7230).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{Baggage, members};

    #[test]
    fn members_are_read_as_the_specification_has_them() {
        let header = "userId=alice, serverNode = DF%2028 ;ttl=3;x , isProduction=false,=x,bad name=1,novalue";
        let found: Vec<_> = members(header).collect();
        assert_eq!(found, [("userId", "alice"), ("serverNode", "DF%2028"), ("isProduction", "false")]);
        assert_eq!(members("").count(), 0);
    }

    #[test]
    fn only_listed_members_are_taken() {
        let baggage = Baggage { keys: vec!["user.id".into(), "app.*".into()], ..Baggage::default() };
        assert!(baggage.takes("user.id") && baggage.takes("app.x"));
        assert!(!baggage.takes("user.idx") && !baggage.takes("application"));
    }
}
