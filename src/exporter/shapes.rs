//! What a destination calls the attributes of a record, worked out once for each kind of record: a payload has records of a few
//! kinds, each with the same keys in the same order.

use crate::otlp::model::Attribute;

/// How many kinds of records are told apart. One more replaces the one that came first.
const KEPT: usize = 8;

/// One name an attribute; `None` for one that is left out.
pub(super) type Named = Vec<Option<String>>;

/// The names of the latest kinds of records.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    kept: Vec<Kind>,
    replaced: usize,
}

/// One kind of record: the same keys in the same order below the same owner.
#[derive(Debug, Default)]
struct Kind {
    owner: usize,
    keys: Vec<u8>,
    ends: Vec<usize>,
    names: Named,
}

impl Shapes {
    /// The name of each attribute of a record below the owner with this number; `name` gives those of a new kind.
    pub(super) fn of(
        &mut self,
        owner: usize,
        attributes: &[Attribute<'_>],
        name: impl FnOnce(&[Attribute<'_>]) -> Named,
    ) -> &[Option<String>] {
        let known = self.kept.iter().position(|kind| kind.owner == owner && kind.fits(attributes));
        let index = known.unwrap_or_else(|| self.add(owner, attributes, name(attributes)));
        &self.kept[index].names
    }

    fn add(&mut self, owner: usize, attributes: &[Attribute<'_>], names: Named) -> usize {
        let kind = Kind::new(owner, attributes, names);
        if self.kept.len() < KEPT {
            self.kept.push(kind);
            return self.kept.len() - 1;
        }
        self.replaced = (self.replaced + 1) % KEPT;
        self.kept[self.replaced] = kind;
        self.replaced
    }
}

impl Kind {
    fn fits(&self, attributes: &[Attribute<'_>]) -> bool {
        let mut start = 0;
        self.ends.len() == attributes.len()
            && attributes.iter().zip(&self.ends).all(|(attribute, end)| {
                let known = &self.keys[start..*end];
                start = *end;
                known == attribute.key.as_bytes()
            })
    }

    fn new(owner: usize, attributes: &[Attribute<'_>], names: Named) -> Self {
        let mut kind = Self { owner, names, ..Self::default() };
        for attribute in attributes {
            kind.keys.extend_from_slice(attribute.key.as_bytes());
            kind.ends.push(kind.keys.len());
        }
        kind
    }
}

/// True for an attribute whose key comes again later: of those the last value counts.
pub(super) fn comes_again(attributes: &[Attribute<'_>], at: usize) -> bool {
    attributes[at + 1..].iter().any(|other| other.key == attributes[at].key)
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::otlp::model::Entity;
    use crate::otlp::schema;
    use crate::otlp::value::Value;

    #[test]
    fn records_of_more_kinds_than_are_kept_all_get_their_own_names() {
        let arena = Bump::new();
        let mut shapes = Shapes::default();
        for _ in 0..3 {
            for kind in 0..KEPT * 2 + 1 {
                let mut record = Entity::open(&schema::LOG_RECORD, &[], &arena).unwrap();
                record.push(arena.alloc_str(&format!("k{kind}")), Value::Int(1));
                for owner in 0..2 {
                    let name = |attributes: &[Attribute<'_>]| vec![Some(format!("{}-{owner}", attributes[0].key))];
                    assert_eq!(shapes.of(owner, record.attributes(), name), [Some(format!("k{kind}-{owner}"))]);
                }
            }
        }
    }
}
