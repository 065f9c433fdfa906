//! Orders over bodies that are sealed: what may be deleted, what was erased, what must stay. Only the root key gives them.
//!
//! An order is `{"audit.control":"<kind>","order":{..},"sig":".."}`; the signature covers `telseal order/v1`, the ledger's
//! id, and the order's own bytes. A body that is gone must be covered by a retention or an erasure that stands where no
//! hold on that record was in force.

use std::collections::BTreeMap;

use super::checker::{Fault, Finding};
use super::entry::{Entry, Kind, Stream};
use super::members::Members;
use super::note::VerifyingKey;
use super::scan::base64_exact;

/// What the signature of an order covers: its ledger, and the order's own bytes.
#[must_use]
pub fn signed_bytes(stream: Stream, order: &[u8]) -> Vec<u8> {
    [format!("telseal order/v1\n{stream}\n").as_bytes(), order].concat()
}

/// Numbers of entries, the first and the last one included.
pub type Range = (u64, u64);

/// What an order says about bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// These may be gone, by policy.
    Retention(Range),
    /// These may be gone, on request.
    Erasure(Vec<u64>),
    /// Fields of these names may be gone in these; the records themselves stay.
    FieldErasure(Vec<String>, Vec<u64>),
    /// These must stay.
    Hold(String, Range),
    /// They need not stay any more for that reason.
    Release(String),
}

/// Reads and checks the order in one of the ledger's own events (its body, without the closing brace).
pub(super) fn read(body: &[u8], entry: &Entry, root: &VerifyingKey) -> Result<Order, Finding> {
    let whole = [body, b"}"].concat();
    let parts = || {
        let members = Members::read(&whole)?;
        let signature: [u8; 64] = base64_exact(members.text("sig")?.as_bytes())?;
        Some((members.raw("order")?, signature))
    };
    let malformed = || Finding::new(Fault::Malformed, entry.seq, "the entry is no order that this version knows");
    let (order, signature) = parts().ok_or_else(malformed)?;
    if !root.verify(&signed_bytes(entry.stream, order.as_bytes()), &signature) {
        return Err(Finding::new(Fault::WrongKey, entry.seq, "the order is not signed by the root key"));
    }
    parse(entry.kind, order).map(|order| order.before(entry.seq)).ok_or_else(malformed)
}

impl Order {
    /// What it says about entries before this one: it covers no others.
    fn before(mut self, seq: u64) -> Self {
        match &mut self {
            Self::Retention((_, last)) => *last = (*last).min(seq.saturating_sub(1)),
            Self::Erasure(seqs) | Self::FieldErasure(_, seqs) => seqs.retain(|one| *one < seq),
            Self::Hold(..) | Self::Release(_) => {}
        }
        self
    }
}

fn parse(kind: Kind, order: &str) -> Option<Order> {
    let members = Members::read(order.as_bytes())?;
    let range = || {
        let range = (members.number("first")?, members.number("last")?);
        (range.0 <= range.1).then_some(range)
    };
    match kind {
        Kind::Retention => Some(Order::Retention(range()?)),
        Kind::Erasure if members.raw("fields").is_some() => {
            Some(Order::FieldErasure(members.texts("fields")?, members.numbers("seqs")?))
        }
        Kind::Erasure => Some(Order::Erasure(members.numbers("seqs")?)),
        Kind::Hold if members.raw("release") == Some("true") => Some(Order::Release(members.text("hold")?)),
        Kind::Hold => Some(Order::Hold(members.text("hold")?, range()?)),
        _ => None,
    }
}

/// Which records may lack their body, after the orders seen so far.
#[derive(Debug, Default)]
pub(super) struct Authority {
    holds: BTreeMap<String, Range>,
    bodies: Allowed,
    /// Records of which the fields of a name may be gone.
    fields: BTreeMap<String, Allowed>,
}

/// Ranges that do not touch each other, by their first number.
#[derive(Debug, Default)]
struct Allowed(BTreeMap<u64, u64>);

impl Authority {
    /// Takes the next order into account. Orders must come in the order of the ledger.
    pub(super) fn add(&mut self, order: &Order) {
        match order {
            Order::Retention(range) => self.bodies.add(&self.holds, *range),
            Order::Erasure(seqs) => seqs.iter().for_each(|seq| self.bodies.add(&self.holds, (*seq, *seq))),
            Order::FieldErasure(names, seqs) => {
                for name in names {
                    let fields = self.fields.entry(name.clone()).or_default();
                    seqs.iter().for_each(|seq| fields.add(&self.holds, (*seq, *seq)));
                }
            }
            Order::Hold(id, range) => drop(self.holds.insert(id.clone(), *range)),
            Order::Release(id) => drop(self.holds.remove(id)),
        }
    }

    /// The first record of a range that no order allows to lack its body.
    pub(super) fn first_body(&self, range: Range) -> Option<u64> {
        self.bodies.first_outside(range)
    }

    /// The first record of a range that no order allows to lack its field of this name.
    pub(super) fn first_field(&self, name: &str, (first, last): Range) -> Option<u64> {
        let fields = self.fields.get(name);
        let mut at = first;
        // Whose body may be gone may lack any field of it.
        loop {
            let outside = fields.map_or(Some(at), |fields| fields.first_outside((at, last)))?;
            match self.bodies.covered_to(outside) {
                None => return Some(outside),
                Some(to) if to >= last => return None,
                Some(to) => at = to + 1,
            }
        }
    }

    /// True when something in some of these may be gone.
    pub(super) fn touches(&self, range: Range) -> bool {
        std::iter::once(&self.bodies).chain(self.fields.values()).any(|allowed| allowed.touches(range))
    }

    /// A hold in force over some of these.
    pub(super) fn hold_over(&self, (first, last): Range) -> Option<(&str, Range)> {
        let mut holds = self.holds.iter().map(|(id, range)| (id.as_str(), *range));
        holds.find(|(_, (from, to))| *from <= last && first <= *to)
    }

    /// The holds in force.
    pub(super) fn holds(&self) -> &BTreeMap<String, Range> {
        &self.holds
    }
}

impl Allowed {
    /// Adds a range, but for what is held.
    fn add(&mut self, holds: &BTreeMap<String, Range>, range: Range) {
        if range.0 > range.1 {
            return;
        }
        let mut rest = vec![range];
        for (from, to) in holds.values() {
            rest = rest.into_iter().flat_map(|range| without(range, (*from, *to))).collect();
        }
        rest.into_iter().for_each(|range| self.insert(range));
    }

    fn insert(&mut self, (mut first, mut last): Range) {
        // What touches the new range becomes one with it.
        while let Some((&from, &to)) = self.0.range(..=last.saturating_add(1)).next_back()
            && to.saturating_add(1) >= first
        {
            self.0.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.0.insert(first, last);
    }

    /// Up to where everything from this number on is allowed.
    fn covered_to(&self, first: u64) -> Option<u64> {
        self.0.range(..=first).next_back().map(|(_, to)| *to).filter(|to| *to >= first)
    }

    fn touches(&self, (first, last): Range) -> bool {
        self.0.range(..=last).next_back().is_some_and(|(_, to)| *to >= first)
    }

    fn first_outside(&self, (first, last): Range) -> Option<u64> {
        match self.covered_to(first) {
            None => Some(first),
            Some(to) if to >= last => None,
            Some(to) => self.first_outside((to + 1, last)),
        }
    }
}

fn without((first, last): Range, (from, to): Range) -> impl Iterator<Item = Range> {
    if to < first || last < from {
        return [Some((first, last)), None].into_iter().flatten();
    }
    let before = (first < from).then(|| (first, from - 1));
    let after = (to < last).then(|| (to + 1, last));
    [before, after].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_order() -> impl Strategy<Value = Order> {
        let range = || (0..40_u64, 0..12_u64).prop_map(|(first, more)| (first, first + more));
        prop_oneof![
            range().prop_map(Order::Retention),
            prop::collection::vec(0..40_u64, 0..5).prop_map(Order::Erasure),
            ("[ab]", range()).prop_map(|(id, range)| Order::Hold(id, range)),
            "[ab]".prop_map(Order::Release),
            prop::collection::vec(0..40_u64, 0..3).prop_map(|seqs| Order::FieldErasure(vec!["f".into()], seqs)),
        ]
    }

    proptest! {
        /// The same, record by record.
        #[test]
        fn a_body_may_be_gone_when_an_order_says_so_and_no_hold_was_in_force(orders in prop::collection::vec(any_order(), 0..12)) {
            let (mut authority, mut allowed) = (Authority::default(), [false; 60]);
            let mut fields = [false; 60];
            let mut holds: BTreeMap<String, Range> = BTreeMap::new();
            for order in &orders {
                authority.add(order);
                let held = |seq: u64| holds.values().any(|(from, to)| (*from..=*to).contains(&seq));
                match order {
                    Order::Retention((from, to)) => (*from..=*to).filter(|seq| !held(*seq)).for_each(|seq| allowed[seq as usize] = true),
                    Order::Erasure(seqs) => seqs.iter().filter(|seq| !held(**seq)).for_each(|seq| allowed[*seq as usize] = true),
                    Order::Hold(id, range) => drop(holds.insert(id.clone(), *range)),
                    Order::Release(id) => drop(holds.remove(id)),
                    Order::FieldErasure(_, seqs) => seqs.iter().filter(|seq| !held(**seq)).for_each(|seq| fields[*seq as usize] = true),
                }
            }
            for first in 0..59_u64 {
                let last = (first + 7).min(59);
                let expected = (first..=last).find(|seq| !allowed[*seq as usize]);
                prop_assert_eq!(authority.first_body((first, last)), expected);
                let expected = (first..=last).find(|seq| !allowed[*seq as usize] && !fields[*seq as usize]);
                prop_assert_eq!(authority.first_field("f", (first, last)), expected);
            }
        }
    }

    #[test]
    fn an_order_without_its_range_is_none() {
        assert_eq!(parse(Kind::Retention, r#"{"first":3,"last":9}"#), Some(Order::Retention((3, 9))));
        assert_eq!(parse(Kind::Retention, r#"{"first":9,"last":3}"#), None);
        assert_eq!(parse(Kind::Hold, r#"{"actor":"x","hold":"h","release":true}"#), Some(Order::Release("h".into())));
        assert_eq!(
            parse(Kind::Erasure, r#"{"fields":["a"],"seqs":[1]}"#),
            Some(Order::FieldErasure(vec!["a".into()], vec![1]))
        );
        let order = Order::Retention((3, 9)).before(5);
        assert_eq!(
            (order, Order::Erasure(vec![4, 5, 6]).before(5)),
            (Order::Retention((3, 4)), Order::Erasure(vec![4]))
        );
        assert_eq!(parse(Kind::Erasure, r#"{"seqs":[1,"2"]}"#), None);
    }
}
