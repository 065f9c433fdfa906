//! What a ledger holds, segment by segment, and what its orders say: one pass over all lines, memory for one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::RetainError;
use crate::ledger::bodies::Keyring;
use crate::ledger::disclosed;
use crate::ledger::entry::{Entry, Kind, SealedLine};
use crate::ledger::files;
use crate::ledger::note::VerifyingKey;
use crate::ledger::order::{self, Authority, Order};
use crate::ledger::walk::{Item, SegmentReader, WalkError};

/// What is known of one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last entry.
    pub last: u64,
    /// How many records stand before it, and in it.
    pub records_before: u64,
    /// How many records it has.
    pub records: u64,
    /// How many of them still have their bodies.
    pub bodies: u64,
    /// When its first entry was sealed, in nanoseconds since 1970.
    pub from_ns: u64,
    /// When its last one was.
    pub to_ns: u64,
}

/// A ledger as it is.
#[derive(Debug, Default)]
pub struct Survey {
    segments: Vec<SegmentFacts>,
    pub(super) authority: Authority,
    /// The records that were asked for: how many records stand before each, and the names of its erasable fields that are
    /// still there, or `None` without a body.
    pub(super) records: BTreeMap<u64, (u64, Option<Vec<String>>)>,
    /// Orders that no checkpoint covers yet.
    open: Vec<Order>,
}

impl Survey {
    /// Reads the folder; of the records `wanted`, it is noted what could be erased.
    ///
    /// # Errors
    /// When lines cannot be read. Nothing is verified here.
    pub fn read(
        dir: &Path,
        root: &VerifyingKey,
        keyring: &Keyring,
        wanted: &BTreeSet<u64>,
    ) -> Result<Self, RetainError> {
        let mut survey = Self::default();
        for file in files::list(dir)? {
            survey.segment(SegmentReader::open(&file.path, keyring)?, root, wanted)?;
        }
        Ok(survey)
    }

    /// The segments that grow no more.
    #[must_use]
    pub fn closed(&self) -> &[SegmentFacts] {
        self.segments.split_last().map_or(&[], |(_, closed)| closed)
    }

    /// The holds in force: id, first and last number.
    #[must_use]
    pub fn holds(&self) -> Vec<(String, u64, u64)> {
        self.authority.holds().iter().map(|(id, (first, last))| (id.clone(), *first, *last)).collect()
    }

    /// The number of the next entry.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.last + 1)
    }

    fn segment(
        &mut self,
        mut reader: SegmentReader,
        root: &VerifyingKey,
        wanted: &BTreeSet<u64>,
    ) -> Result<(), RetainError> {
        let header = match reader.header() {
            Ok(header) => header,
            // A crash came before the first group.
            Err(WalkError::Malformed { .. }) if reader.line_number() == 0 => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut facts =
            SegmentFacts { first: header.first(), records_before: header.records, ..SegmentFacts::default() };
        facts.last = facts.first.saturating_sub(1);
        while let Some(item) = reader.next_item()? {
            self.item(&item, root, wanted, &mut facts);
        }
        self.segments.push(facts);
        Ok(())
    }

    fn item(&mut self, item: &Item<'_>, root: &VerifyingKey, wanted: &BTreeSet<u64>, facts: &mut SegmentFacts) {
        let Some(entry) = item.entry().and_then(Entry::decode) else {
            if matches!(item, Item::Checkpoint(_)) {
                let covered = std::mem::take(&mut self.open);
                covered.iter().for_each(|order| self.authority.add(order));
            }
            return;
        };
        if entry.seq == facts.first {
            facts.from_ns = entry.sealed_at_ns;
        }
        (facts.last, facts.to_ns) = (entry.seq, entry.sealed_at_ns);
        let sealed = if let Item::Sealed(sealed) = item { Some(sealed) } else { None };
        match entry.kind {
            Kind::Record => {
                if wanted.contains(&entry.seq) {
                    let names = sealed.map(|sealed| disclosed_names(sealed.line));
                    self.records.insert(entry.seq, (facts.records_before + facts.records, names));
                }
                facts.records += 1;
                facts.bodies += u64::from(!matches!(item, Item::Stub(_)));
            }
            Kind::Retention | Kind::Erasure | Kind::Hold => {
                let order = sealed.and_then(|sealed| order::read(sealed.open_body, &entry, root).ok());
                self.open.extend(order);
            }
            _ => {}
        }
    }
}

/// The names of the erasable fields that a line discloses.
fn disclosed_names(line: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(sealed) = SealedLine::parse(line).filter(|sealed| !sealed.disclosures.is_empty()) {
        let _ = disclosed::each(sealed.disclosures, |_, name, _| {
            names.push(disclosed::plain_name(name.as_bytes()));
            true
        });
    }
    names
}
