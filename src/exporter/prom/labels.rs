//! Labels of a series: from the attributes of its resource, scope and point.
//!
//! Two attributes whose names become the same label are joined with `;`. A point's attribute that would stand in the place of `job`,
//! `instance`, a scope label, a promoted attribute, `le` or `quantile` becomes `exported_<name>`, as Prometheus itself does it.
//! Constant labels yield to all others. A label without a value is none.

use bumpalo::Bump;
use serde::Deserialize;

use crate::exporter::prom::name::Translation;
use crate::exporter::prom::{ResourceConversion, Shape};
use crate::otlp::DecodeError;
use crate::otlp::model::{Attribute, Entity, Group, Scope};
use crate::otlp::plain;
use crate::otlp::value::Value;
use crate::otlp::wire::{put_bytes, put_tag, put_varint, varint_len};

/// Attributes of the resource that become labels, with `*` for any letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Promoted {
    /// These become labels of every series of the resource. Default: none.
    pub included: Vec<String>,
    /// But not these.
    pub excluded: Vec<String>,
}

impl Promoted {
    /// The same, as `resource_to_telemetry_conversion` has it.
    #[must_use]
    pub fn or_conversion(&self, older: ResourceConversion) -> Self {
        if !older.enabled || !self.included.is_empty() {
            return self.clone();
        }
        let excluded = if older.exclude_service_attributes { IDENTITY.map(str::to_owned).to_vec() } else { Vec::new() };
        Self { included: vec!["*".to_owned()], excluded }
    }

    fn has(&self, key: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, key));
        any(&self.included) && !any(&self.excluded)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
}

/// What `job` and `instance` are made of.
const IDENTITY: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// A label and who it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair<'a> {
    name: &'a str,
    rank: Rank,
    value: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Point,
    Owner,
    Constant,
}

/// The labels that all points of a scope have.
#[derive(Debug, Clone, Default)]
pub struct Base<'a>(Vec<Pair<'a>>);

/// Labels of one series, sorted by name, each once.
#[derive(Debug, Clone, Default)]
pub struct Labels<'a>(Vec<Pair<'a>>);

/// Makes labels.
#[derive(Debug)]
pub struct Labeller<'c> {
    translation: &'c Translation,
    shape: Shape<'c>,
}

impl<'c> Labeller<'c> {
    /// With these settings.
    #[must_use]
    pub const fn new(translation: &'c Translation, shape: Shape<'c>) -> Self {
        Self { translation, shape }
    }

    /// `job`, `instance`, promoted attributes and constant labels.
    ///
    /// # Errors
    /// When an attribute is broken.
    pub fn resource<'a>(&self, group: &Group<'a>, arena: &'a Bump) -> Result<Base<'a>, DecodeError> {
        let mut base = Base::default();
        self.identity(&group.resource, arena, &mut base.0)?;
        for attribute in group.resource.attributes() {
            if self.shape.promoted.has(attribute.key) {
                self.push(attribute, "", Rank::Owner, arena, &mut base.0)?;
            }
        }
        for (name, value) in self.shape.constant {
            let (name, value) = (arena.alloc_str(&self.translation.label(name)), arena.alloc_str(value));
            base.0.push(Pair { name, rank: Rank::Constant, value });
        }
        Ok(base)
    }

    fn identity<'a>(&self, resource: &Entity<'a>, arena: &'a Bump, out: &mut Vec<Pair<'a>>) -> Result<(), DecodeError> {
        let text = |key: &str| resource.get(key).map_or(Ok(""), |value| text(value, arena));
        let (name, space, instance) = (text(IDENTITY[0])?, text(IDENTITY[1])?, text(IDENTITY[2])?);
        let job = match (space, name) {
            (_, "") => "",
            ("", name) => name,
            (space, name) => arena.alloc_str(&format!("{space}/{name}")),
        };
        out.extend(
            [("job", job), ("instance", instance)]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| Pair { name, rank: Rank::Owner, value }),
        );
        Ok(())
    }

    /// The labels of `target_info`: all attributes of the resource. `None` where there is nothing to tell or nobody to tell it of.
    ///
    /// # Errors
    /// When an attribute is broken.
    pub fn target_info<'a>(&self, group: &Group<'a>, arena: &'a Bump) -> Result<Option<Labels<'a>>, DecodeError> {
        let mut base = Base::default();
        self.identity(&group.resource, arena, &mut base.0)?;
        if base.0.is_empty() {
            return Ok(None);
        }
        for (name, value) in self.shape.constant {
            let (name, value) = (arena.alloc_str(&self.translation.label(name)), arena.alloc_str(value));
            base.0.push(Pair { name, rank: Rank::Constant, value });
        }
        let more: Vec<_> = group
            .resource
            .attributes()
            .iter()
            .filter(|attribute| !IDENTITY.contains(&attribute.key))
            .copied()
            .collect();
        if more.is_empty() {
            return Ok(None);
        }
        self.merged(&base, &more, "", arena).map(Some)
    }

    /// The labels of a scope's series: those of the resource, and the scope's own.
    ///
    /// # Errors
    /// When an attribute is broken.
    pub fn scope<'a>(&self, resource: &Base<'a>, scope: &Scope<'a>, arena: &'a Bump) -> Result<Base<'a>, DecodeError> {
        let mut base = resource.clone();
        if self.shape.without_scope {
            return Ok(base);
        }
        let own = [
            ("otel_scope_name", scope.scope.text(1)?),
            ("otel_scope_version", scope.scope.text(2)?),
            ("otel_scope_schema_url", scope.schema_url()?),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        base.0.extend(own.map(|(name, value)| Pair { name, rank: Rank::Owner, value }));
        for attribute in scope.scope.attributes() {
            if !matches!(attribute.key, "name" | "version" | "schema_url") {
                self.push(attribute, "otel_scope_", Rank::Owner, arena, &mut base.0)?;
            }
        }
        Ok(base)
    }

    /// The labels of a point. `reserved` is one that the exporter adds itself: `le`, `quantile` or none.
    ///
    /// # Errors
    /// When an attribute is broken.
    pub fn point<'a>(
        &self,
        base: &Base<'a>,
        point: &Entity<'a>,
        reserved: &str,
        arena: &'a Bump,
    ) -> Result<Labels<'a>, DecodeError> {
        self.merged(base, point.attributes(), reserved, arena)
    }

    fn merged<'a>(
        &self,
        base: &Base<'a>,
        attributes: &[Attribute<'a>],
        reserved: &str,
        arena: &'a Bump,
    ) -> Result<Labels<'a>, DecodeError> {
        let mut pairs = Vec::with_capacity(base.0.len() + attributes.len() + 1);
        pairs.extend_from_slice(&base.0);
        for attribute in attributes {
            self.push(attribute, "", Rank::Point, arena, &mut pairs)?;
            if let Some(last) = pairs.last_mut().filter(|pair| pair.rank == Rank::Point)
                && (last.name == reserved
                    || base.0.iter().any(|pair| pair.rank == Rank::Owner && pair.name == last.name))
            {
                last.name = arena.alloc_str(&format!("exported_{}", last.name));
            }
        }
        pairs.sort_by(|a, b| (a.name, a.rank).cmp(&(b.name, b.rank)));
        join_twins(&mut pairs, arena);
        Ok(Labels(pairs))
    }

    fn push<'a>(
        &self,
        attribute: &Attribute<'a>,
        prefix: &str,
        rank: Rank,
        arena: &'a Bump,
        out: &mut Vec<Pair<'a>>,
    ) -> Result<(), DecodeError> {
        let value = text(attribute.value, arena)?;
        if value.is_empty() {
            return Ok(());
        }
        let name = if prefix.is_empty() {
            match self.translation.label(attribute.key) {
                std::borrow::Cow::Borrowed(name) => name,
                std::borrow::Cow::Owned(name) => arena.alloc_str(&name),
            }
        } else {
            arena.alloc_str(&self.translation.label(&format!("{prefix}{}", attribute.key)))
        };
        out.push(Pair { name, rank, value });
        Ok(())
    }
}

/// Of labels with the same name one is left.
fn join_twins<'a>(pairs: &mut Vec<Pair<'a>>, arena: &'a Bump) {
    if pairs.windows(2).all(|two| two[0].name != two[1].name) {
        return;
    }
    let mut kept: Vec<Pair<'a>> = Vec::with_capacity(pairs.len());
    for pair in pairs.drain(..) {
        match kept.last_mut() {
            Some(last) if last.name == pair.name && last.rank == pair.rank => {
                last.value = arena.alloc_str(&format!("{};{}", last.value, pair.value));
            }
            Some(last) if last.name == pair.name => {}
            _ => kept.push(pair),
        }
    }
    *pairs = kept;
}

fn text<'a>(value: Value<'a>, arena: &'a Bump) -> Result<&'a str, DecodeError> {
    if let Value::Str(text) = value {
        return Ok(text);
    }
    if value.is_null() {
        return Ok("");
    }
    let mut out = Vec::new();
    plain::write_text(&mut out, &value)?;
    Ok(arena.alloc_str(&String::from_utf8_lossy(&out)))
}

impl<'a> Labels<'a> {
    /// The names and values, sorted, with `extra` ones (sorted too) put between.
    pub fn with<'l>(&'l self, extra: &'l [(&'l str, &'l str)]) -> impl Iterator<Item = (&'l str, &'l str)> {
        merged(&self.0, extra)
    }

    /// The same for `extra` ones that live as long.
    pub fn of<'l>(&'l self, extra: &'l [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a str, &'a str)> {
        merged(&self.0, extra)
    }

    /// Appends the labels as fields 1 (`name` 1, `value` 2), which is what a series of remote write 1.0 and a metric of the protobuf
    /// exposition begin with.
    pub fn put(&self, extra: &[(&str, &str)], out: &mut Vec<u8>) {
        for (name, value) in self.with(extra) {
            put_label(out, name, value);
        }
    }
}

fn merged<'x>(own: &[Pair<'x>], extra: &[(&'x str, &'x str)]) -> impl Iterator<Item = (&'x str, &'x str)> {
    let (mut own, mut extra) = (own.iter().peekable(), extra.iter().peekable());
    std::iter::from_fn(move || match (own.peek(), extra.peek()) {
        (Some(pair), Some((name, _))) if pair.name > *name => extra.next().copied(),
        (Some(_), _) => own.next().map(|pair| (pair.name, pair.value)),
        (None, _) => extra.next().copied(),
    })
}

/// Appends one label as field 1.
pub fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    let len = |text: &str| 1 + varint_len(text.len() as u64) + text.len();
    put_tag(out, 1, 2);
    put_varint(out, (len(name) + len(value)) as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_with_any_letters_for_a_star() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("a.*", "a.b", true),
            ("*.id", "a.id", true),
            ("a*c*e", "abcde", true),
            ("a", "ab", false),
            ("a*c", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn twins_are_joined_and_constant_labels_yield() {
        let arena = Bump::new();
        let pair = |name, rank, value| Pair { name, rank, value };
        let mut pairs = vec![
            pair("a", Rank::Point, "1"),
            pair("a", Rank::Point, "2"),
            pair("b", Rank::Owner, "3"),
            pair("b", Rank::Constant, "4"),
        ];
        join_twins(&mut pairs, &arena);
        let labels = Labels(pairs);
        let all: Vec<_> = labels.with(&[("__name__", "x"), ("aa", "y"), ("z", "w")]).collect();
        assert_eq!(all, [("__name__", "x"), ("a", "1;2"), ("aa", "y"), ("b", "3"), ("z", "w")]);
    }
}
