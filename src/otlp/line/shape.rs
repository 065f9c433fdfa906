//! The keys of a record, sorted and in JSON, kept for the next ones: a batch has records of a few kinds, each with the
//! same keys in the same order, and then neither sorting nor escaping is done again.

use std::ops::Range;

use crate::otlp::line::write::write_key;
use crate::otlp::model::Attribute;

/// How many kinds of records are told apart. One more replaces the one that came first.
const KEPT: usize = 8;

/// The shapes of the latest records.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    kept: Vec<Shape>,
    replaced: usize,
}

impl Shapes {
    /// The shape of `attributes`, which is often there already.
    #[inline]
    pub(super) fn of(&mut self, attributes: &[Attribute<'_>]) -> &Shape {
        let known = self.kept.iter().position(|shape| shape.fits(attributes));
        let index = known.unwrap_or_else(|| self.add(attributes));
        &self.kept[index]
    }

    fn add(&mut self, attributes: &[Attribute<'_>]) -> usize {
        let index = if self.kept.len() < KEPT {
            self.kept.push(Shape::default());
            self.kept.len() - 1
        } else {
            self.replaced = (self.replaced + 1) % KEPT;
            self.replaced
        };
        self.kept[index].set(attributes);
        index
    }
}

/// The keys of one kind of record.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The keys in the order received, end to end.
    keys: Vec<u8>,
    ends: Vec<usize>,
    members: Vec<Member>,
    /// The keys as JSON, each with its comma and colon, in the order of the line.
    names: Vec<u8>,
    has_duplicates: bool,
}

#[derive(Debug)]
struct Member {
    /// The place among the attributes received.
    place: usize,
    name: Range<usize>,
}

impl Shape {
    #[inline]
    fn fits(&self, attributes: &[Attribute<'_>]) -> bool {
        let mut start = 0;
        self.ends.len() == attributes.len()
            && attributes.iter().zip(&self.ends).all(|(attribute, end)| {
                let known = &self.keys[start..*end];
                start = *end;
                known == attribute.key.as_bytes()
            })
    }

    fn set(&mut self, attributes: &[Attribute<'_>]) {
        self.keys.clear();
        self.ends.clear();
        for attribute in attributes {
            self.keys.extend_from_slice(attribute.key.as_bytes());
            self.ends.push(self.keys.len());
        }
        let mut order: Vec<usize> = (0..attributes.len()).collect();
        order.sort_by_key(|place| attributes[*place].key);
        self.members.clear();
        self.names.clear();
        self.has_duplicates = false;
        for (index, place) in order.iter().enumerate() {
            let key = attributes[*place].key;
            // The sort is stable: of equal keys the last is the one received last, and that one counts.
            if order.get(index + 1).is_some_and(|next| attributes[*next].key == key) {
                self.has_duplicates = true;
                continue;
            }
            let start = self.names.len();
            if start > 0 {
                self.names.push(b',');
            }
            write_key(&mut self.names, key);
            self.names.push(b':');
            self.members.push(Member { place: *place, name: start..self.names.len() });
        }
    }

    /// True when a key stands twice.
    pub(super) fn has_duplicates(&self) -> bool {
        self.has_duplicates
    }

    /// What to write: a comma, name and colon, and the place of the attribute whose value follows.
    #[inline]
    pub(super) fn members(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.members.iter().map(|member| (&self.names[member.name.clone()], member.place))
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::otlp::model::Entity;
    use crate::otlp::schema;
    use crate::otlp::value::Value;

    #[test]
    fn records_of_more_kinds_than_are_kept_all_get_their_own_keys() {
        let arena = Bump::new();
        let mut shapes = Shapes::default();
        for round in 0..3 {
            for kind in 0..KEPT * 2 + 1 {
                let mut record = Entity::open(&schema::LOG_RECORD, &[], &arena).unwrap();
                let keys = [format!("z{kind}"), "$m".to_owned(), "a".to_owned(), "a".to_owned()];
                keys.iter().for_each(|key| record.push(arena.alloc_str(key), Value::Int(round)));
                let shape = shapes.of(record.attributes());
                let text: Vec<u8> = shape.members().flat_map(|(name, _)| name.to_vec()).collect();
                assert_eq!(String::from_utf8(text).unwrap(), format!("\"$$m\":,\"a\":,\"z{kind}\":"));
                assert_eq!(shape.members().map(|(_, place)| place).collect::<Vec<_>>(), [1, 3, 0]);
                assert!(shape.has_duplicates());
            }
        }
    }
}
