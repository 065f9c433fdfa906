//! Which attributes of a record mean something, by their place: found once for each kind of record of a batch, and not by
//! looking up every key of every record.

use crate::otlp::model::Attribute;
use crate::processor::risk::agents::{Target, Vendor};
use crate::processor::risk::event::{Field, Reads};
use crate::processor::risk::memo::{Key, Memo};

/// How many kinds of records are told apart. One more replaces the one that came first.
const KEPT: usize = 8;

/// Fields that say who and not what: a verdict does not depend on them, unless a rule looks at them.
pub(in super::super) const IDENTITY: [Field; 4] = [Field::SessionId, Field::UserId, Field::UserEmail, Field::Sequence];

/// The plans of the latest kinds of records.
#[derive(Debug, Default)]
pub(in super::super) struct Plans<'v> {
    kept: Vec<Plan<'v>>,
    replaced: usize,
}

/// How a record with these keys is read.
#[derive(Debug)]
pub(in super::super) struct Plan<'v> {
    vendor: usize,
    /// The keys in the order received, end to end.
    keys: Vec<u8>,
    ends: Vec<usize>,
    /// Attributes that fill the event, and what they mean.
    pub(super) meant: Vec<(usize, &'v [Target])>,
    /// Attributes that rules name.
    pub(in super::super) named: Vec<usize>,
    /// Attributes that a verdict depends on.
    pub(in super::super) inputs: Vec<usize>,
    /// Attributes that say who, by what they say.
    pub(in super::super) identity: Vec<(Field, usize)>,
    /// It follows the conventions for generative AI.
    pub(super) is_gen_ai: bool,
    /// The digest of the keys of `inputs`, and of which fields `identity` has.
    pub(in super::super) names: Key,
}

impl<'v> Plans<'v> {
    /// The plan for a record of this vendor with these keys, which is often there already.
    pub(in super::super) fn of(
        &mut self,
        vendor: &'v Vendor,
        attributes: &[Attribute<'_>],
        reads: &Reads,
    ) -> &Plan<'v> {
        let known = self.kept.iter().position(|plan| plan.fits(vendor, attributes));
        let index = known.unwrap_or_else(|| self.add(Plan::new(vendor, attributes, reads)));
        &self.kept[index]
    }

    fn add(&mut self, plan: Plan<'v>) -> usize {
        if self.kept.len() < KEPT {
            self.kept.push(plan);
            return self.kept.len() - 1;
        }
        self.replaced = (self.replaced + 1) % KEPT;
        self.kept[self.replaced] = plan;
        self.replaced
    }
}

impl<'v> Plan<'v> {
    fn fits(&self, vendor: &Vendor, attributes: &[Attribute<'_>]) -> bool {
        let mut start = 0;
        self.vendor == vendor.place
            && self.ends.len() == attributes.len()
            && attributes.iter().zip(&self.ends).all(|(attribute, end)| {
                let known = &self.keys[start..*end];
                start = *end;
                known == attribute.key.as_bytes()
            })
    }

    fn new(vendor: &'v Vendor, attributes: &[Attribute<'_>], reads: &Reads) -> Self {
        let mut plan = Self {
            vendor: vendor.place,
            keys: vec![],
            ends: vec![],
            meant: vec![],
            named: vec![],
            inputs: vec![],
            identity: vec![],
            is_gen_ai: false,
            names: Key::default(),
        };
        let mut names = vec![];
        for (place, attribute) in attributes.iter().enumerate() {
            plan.add(vendor, place, attribute.key, reads, &mut names);
        }
        plan.names = Memo::key(&names);
        plan
    }

    fn add(&mut self, vendor: &'v Vendor, place: usize, key: &str, reads: &Reads, names: &mut Vec<u8>) {
        self.keys.extend_from_slice(key.as_bytes());
        self.ends.push(self.keys.len());
        self.is_gen_ai |= key.starts_with("gen_ai.");
        let targets = vendor.names.get(key);
        if !targets.is_empty() {
            self.meant.push((place, targets));
        }
        let is_named = reads.has_attribute(key);
        if is_named {
            self.named.push(place);
        }
        for target in targets {
            if let Target::Field(field) = target
                && IDENTITY.contains(field)
            {
                self.identity.push((*field, place));
                names.push(*field as u8);
            }
        }
        if is_named || targets.iter().any(|target| counts(*target, reads)) {
            self.inputs.push(place);
            names.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
            names.extend_from_slice(key.as_bytes());
        }
    }
}

/// A verdict may depend on what the attribute is good for.
fn counts(target: Target, reads: &Reads) -> bool {
    match target {
        Target::Ignore => false,
        Target::Field(field) => reads.has_field(field) || !(IDENTITY.contains(&field) || field == Field::Error),
        _ => true,
    }
}
