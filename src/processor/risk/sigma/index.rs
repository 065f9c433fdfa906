//! Which rules may fire on an event: one scan of its texts for the witnesses of all rules.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use super::super::event::{Command, Event, Field};
use super::rule::Rule;
use super::witness::{Spot, witness};

/// Rules by their place, as bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Those that are in both, first to last.
    pub(super) fn both<'b>(&'b self, other: &'b Self) -> impl Iterator<Item = usize> + 'b {
        self.0.iter().zip(&other.0).enumerate().flat_map(|(at, (word, other))| {
            let mut rest = word & other;
            std::iter::from_fn(move || {
                let next = (rest != 0).then(|| at * 64 + rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(next)
            })
        })
    }
}

/// The witnesses of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Index {
    programs: HashMap<String, Vec<u32>>,
    texts: Option<AhoCorasick>,
    /// For each text where it must stand, and whose witness it is.
    owners: Vec<Vec<(Spot, u32)>>,
    /// Fields that are scanned.
    fields: Vec<Field>,
    /// Rules without a witness.
    always: Bits,
    /// Rules that look at each command by itself, and those that look at the event.
    pub(super) by_command: Bits,
    pub(super) by_event: Bits,
    /// Rules about what others have found.
    pub(super) second: Vec<usize>,
    len: usize,
}

/// Rules that may fire, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Whatever command is looked at.
    pub(super) event: Bits,
    /// With the command last asked for.
    pub(super) command: Bits,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, BuildError> {
        let empty = || Bits::new(rules.len());
        let mut index =
            Self { always: empty(), by_command: empty(), by_event: empty(), len: rules.len(), ..Self::default() };
        let mut texts: BTreeMap<String, Vec<(Spot, u32)>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            if rule.scope.is_second() {
                index.second.push(place);
                continue;
            }
            let dialect = rule.scope.dialect;
            if dialect.by_command() { &mut index.by_command } else { &mut index.by_event }.insert(place);
            match witness(&rule.body, dialect) {
                None => index.always.insert(place),
                Some(all) => all.into_iter().for_each(|(spot, text)| index.add(spot, text, place, &mut texts)),
            }
        }
        index.fields.sort_unstable();
        index.fields.dedup();
        let (patterns, owners): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        index.owners = owners;
        if !patterns.is_empty() {
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
            index.texts = Some(builder.build(patterns)?);
        }
        Ok(index)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a set holds far fewer rules than 2^32")]
    fn add(&mut self, spot: Spot, text: String, place: usize, texts: &mut BTreeMap<String, Vec<(Spot, u32)>>) {
        let place = place as u32;
        let owners = match spot {
            Spot::Program => {
                let owners = self.programs.entry(text).or_default();
                if owners.last() != Some(&place) {
                    owners.push(place);
                }
                return;
            }
            Spot::Command => texts.entry(text).or_default(),
            Spot::Field(field) => {
                self.fields.push(field);
                texts.entry(text).or_default()
            }
        };
        if !owners.contains(&(spot, place)) {
            owners.push((spot, place));
        }
    }

    /// Rules that may fire whatever command is looked at.
    pub(super) fn event(&self, event: &Event<'_>) -> Candidates {
        let mut found = Candidates { event: self.always.clone(), command: Bits::new(self.len) };
        for field in &self.fields {
            event.values(*field).iter().for_each(|text| self.scan(text, Spot::Field(*field), &mut found.event));
        }
        found
    }

    /// Adds those that may fire on this command.
    pub(super) fn command(&self, command: &Command<'_>, found: &mut Candidates) {
        found.command.clear();
        found.command.add(&found.event);
        for place in self.of_program(command.program) {
            found.command.insert(*place as usize);
        }
        self.scan(command.text, Spot::Command, &mut found.command);
        if command.path.len() > command.program.len() {
            self.scan(command.path, Spot::Command, &mut found.command);
        }
        command.redirects.iter().for_each(|to| self.scan(to.target, Spot::Command, &mut found.command));
    }

    fn of_program(&self, program: &str) -> &[u32] {
        let found = self.programs.get(program);
        let found = match found {
            None if program.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => {
                self.programs.get(&program.to_lowercase())
            }
            found => found,
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Rules that are evaluated on every event, for want of a witness.
    #[cfg(test)]
    pub(super) fn always(&self) -> Vec<usize> {
        self.always.both(&self.always).collect()
    }

    fn scan(&self, text: &str, spot: Spot, found: &mut Bits) {
        let Some(texts) = &self.texts else { return };
        for hit in texts.find_overlapping_iter(text) {
            for (_, place) in self.owners[hit.pattern()].iter().filter(|(own, _)| *own == spot) {
                found.insert(*place as usize);
            }
        }
    }
}
