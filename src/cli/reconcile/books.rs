//! The comparison: every record of the ledger and every record of the copy ends up under one heading.

use std::collections::BTreeMap;

use super::copy::{self, Copied, Found, Grade, short};
use crate::cli::Exit;
use crate::cli::failed::Result;
use crate::cli::select::Select;
use crate::exporter::Payload;
use crate::ledger::entry::Kind;
use crate::ledger::replay::Seen;
use crate::otlp::record::Record;
use crate::pipeline::lens::Lens;

/// How many ranges of numbers are listed under a heading.
pub(super) const RANGES_MAX: usize = 20;

/// Why a record may be absent from the copy.
#[derive(Debug)]
pub(super) struct Reasons {
    /// The copy holds only these.
    pub(super) select: Select,
    /// The exporter that made the copy gets only these.
    pub(super) lens: Lens,
    /// How many records were sent; the rest is under way.
    pub(super) delivered: Option<u64>,
    /// What a destination refused: number and reason.
    pub(super) refused: Vec<(u64, String)>,
}

/// Some numbers, as ranges where they follow each other.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) ranges: Vec<(u64, u64)>,
}

impl Numbers {
    fn add(&mut self, seq: u64) {
        self.count += 1;
        if let Some((_, last)) = self.ranges.last_mut().filter(|(_, last)| *last + 1 == seq) {
            *last = seq;
        } else if self.ranges.len() < RANGES_MAX {
            self.ranges.push((seq, seq));
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) origin: String,
    pub(super) stream: String,
    reasons: Reasons,
    /// The copy, by number.
    copied: Vec<Copied>,
    /// How far the copy has been compared.
    at: usize,
    /// Lines of the copy without any seal, and records of other ledgers.
    pub(super) unsealed: u64,
    pub(super) foreign: u64,
    /// Records of the ledger.
    pub(super) records: u64,
    pub(super) grades: [u64; 3],
    pub(super) duplicates: u64,
    pub(super) filtered: u64,
    pub(super) in_flight: u64,
    pub(super) refused: BTreeMap<String, u64>,
    /// Bodies that are gone from the ledger, so that nobody can say whether they were asked for.
    pub(super) undecided: Numbers,
    pub(super) unexplained: Numbers,
    pub(super) altered: Numbers,
    /// In the copy under a number that is no record of the ledger.
    pub(super) extra: Numbers,
    /// In the copy under a number that the ledger has not reached.
    pub(super) beyond: Numbers,
}

impl Books {
    pub(super) fn new(stream: &str, origin: &str, mut reasons: Reasons) -> Self {
        reasons.refused.sort();
        Self {
            origin: origin.to_owned(),
            stream: stream.to_owned(),
            reasons,
            copied: Vec::new(),
            at: 0,
            unsealed: 0,
            foreign: 0,
            records: 0,
            grades: [0; 3],
            duplicates: 0,
            filtered: 0,
            in_flight: 0,
            refused: BTreeMap::new(),
            undecided: Numbers::default(),
            unexplained: Numbers::default(),
            altered: Numbers::default(),
            extra: Numbers::default(),
            beyond: Numbers::default(),
        }
    }

    /// Takes a line of the copy.
    pub(super) fn read(&mut self, line: &[u8]) {
        let mut found: Vec<Found> = Vec::new();
        copy::read(line, &mut found);
        self.unsealed += u64::from(found.is_empty());
        for one in found {
            if one.stream == self.stream {
                self.copied.push(one.copied);
            } else {
                self.foreign += 1;
            }
        }
    }

    /// The copy is complete. The best of several copies of a record comes first.
    pub(super) fn close(&mut self) {
        self.copied.sort_unstable_by_key(|copied| (copied.seq, copied.grade));
    }

    /// How many records of this ledger the copy has, duplicates included.
    pub(super) fn copies(&self) -> u64 {
        self.copied.len() as u64
    }

    /// Compares the next entry of the ledger.
    pub(super) fn compare(&mut self, seen: &Seen<'_>) -> Result<()> {
        let seq = seen.entry.seq;
        self.skip_to(seq);
        let copies = self.copied[self.at..].iter().take_while(|copied| copied.seq == seq).count();
        let copies = &self.copied[self.at..self.at + copies];
        self.at += copies.len();
        if seen.entry.kind != Kind::Record {
            if !copies.is_empty() {
                self.extra.add(seq);
            }
            return Ok(());
        }
        self.records += 1;
        let Some(best) = copies.first() else {
            self.missing(seen);
            return Ok(());
        };
        self.duplicates += copies.len() as u64 - 1;
        let leaf = short(&seen.leaf);
        let is_wrong = |copied: &Copied| copied.grade == Grade::Altered || copied.leaf.is_some_and(|own| own != leaf);
        if copies.iter().any(is_wrong) {
            self.altered.add(seq);
        } else {
            self.grades[best.grade as usize] += 1;
        }
        Ok(())
    }

    /// What the copy has under numbers before `seq` that the ledger does not have.
    fn skip_to(&mut self, seq: u64) {
        while let Some(copied) = self.copied.get(self.at).filter(|copied| copied.seq < seq) {
            self.extra.add(copied.seq);
            self.at += 1;
        }
    }

    fn missing(&mut self, seen: &Seen<'_>) {
        let seq = seen.entry.seq;
        let refused = self.reasons.refused.partition_point(|(refused, _)| *refused < seq);
        let refused = self.reasons.refused.get(refused).filter(|(refused, _)| *refused == seq);
        if let Some((_, reason)) = refused {
            *self.refused.entry(reason.clone()).or_default() += 1;
        } else if self.reasons.delivered.is_some_and(|delivered| seen.records_before >= delivered) {
            self.in_flight += 1;
        } else if self.reasons.select.is_all() && self.reasons.lens.is_clear() {
            self.unexplained.add(seq);
        } else {
            match seen.sealed.and_then(|sealed| self.takes(sealed.line, seen)) {
                Some(true) => self.unexplained.add(seq),
                Some(false) => self.filtered += 1,
                None => self.undecided.add(seq),
            }
        }
    }

    /// Whether a record should be in the copy.
    fn takes(&self, line: &[u8], seen: &Seen<'_>) -> Option<bool> {
        let Reasons { select, lens, .. } = &self.reasons;
        let record = Record::parse(line).ok()?;
        let payload = Payload::from_lines(record.signal()?, [line, b"\n"].concat().into(), 1);
        Some(select.takes(&record, seen.entry.sealed_at_ns) && lens.look(payload).ok()?.is_some())
    }

    /// The ledger ends.
    pub(super) fn finish(&mut self, size: u64) {
        self.skip_to(size);
        for copied in &self.copied[self.at..] {
            self.beyond.add(copied.seq);
        }
        self.at = self.copied.len();
    }

    /// 4 when something is unexplained or not what was sealed, 6 when that cannot be said of everything.
    pub(super) fn exit(&self) -> Exit {
        let wrong = [&self.unexplained, &self.altered, &self.extra, &self.beyond];
        if wrong.iter().any(|numbers| numbers.count > 0) {
            Exit::Integrity
        } else if self.undecided.count > 0 {
            Exit::Inconclusive
        } else {
            Exit::Ok
        }
    }
}
