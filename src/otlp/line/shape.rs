//! The keys of a record, sorted and in JSON, kept from one record to the next: the records of a batch mostly have the
//! same keys in the same order, and then neither sorting nor escaping is done again.

use std::ops::Range;

use crate::otlp::line::write::write_key;
use crate::otlp::model::Attribute;

/// See the module.
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
    /// Makes this the shape of `attributes`, which it often is already.
    #[inline]
    pub(super) fn fit(&mut self, attributes: &[Attribute<'_>]) {
        if !self.fits(attributes) {
            self.set(attributes);
        }
    }

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
