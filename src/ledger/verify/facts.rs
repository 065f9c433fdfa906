//! What a checked segment tells, in numbers: collected while its lines go by, and joined over segments.

use std::collections::BTreeMap;

use super::super::bodies::KeyId;
use super::super::chain::Chain;
use super::super::checker::{Body, Checked};
use super::super::disclosed::plain_name;
use super::super::entry::{Entry, Kind};
use super::super::members::Members;
use super::super::note::VerifyingKey;
use super::super::order::{self, Order, Range};

/// Records that the ledger itself says are missing, for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// How many entries say so.
    pub entries: u64,
    /// How many records.
    pub records: u64,
}

/// What entries say, beside being there.
#[derive(Debug)]
enum Event {
    Start { heartbeat_seconds: Option<u64> },
    Reload,
    UncleanStart,
    End,
    Gap { cause: String, records: u64 },
    Order(Order),
    Hole(u64),
    Closed(u64, String),
}

/// One entry, as the next one sees it.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at_ns: u64,
    kind: Kind,
    /// A process began with it.
    is_start: bool,
}

/// What is known after the last checkpoint that was seen.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) records: u64,
    pub(super) controls: u64,
    pub(super) checkpoints: u64,
    /// How many records there were under the last signature of the root key, counted from the ledger's beginning, and
    /// how many entries.
    pub(super) root_signed: Option<(u64, u64)>,
    pub(super) starts: u64,
    pub(super) unclean_starts: u64,
    pub(super) heartbeat_seconds: Option<u64>,
    /// The longest time without an entry while the process ran, in nanoseconds, and when it began.
    pub(super) silence: (u64, u64),
    pub(super) gaps: BTreeMap<String, Gap>,
    pub(super) orders: Vec<Order>,
    /// Records whose bodies are encrypted and were not opened, and a key that would open some of them.
    pub(super) locked: u64,
    pub(super) missing_key: Option<KeyId>,
    /// Records without bodies.
    pub(super) holes: Vec<Range>,
    /// Records that lack an erasable field, by its name.
    pub(super) closed: BTreeMap<String, Vec<Range>>,
    first: Option<Moment>,
    last: Option<Moment>,
    /// Not covered by a checkpoint yet.
    events: Vec<Event>,
    open: (u64, u64),
    open_locked: u64,
}

impl Facts {
    /// Takes a good line into account.
    pub(super) fn add(&mut self, checked: &Checked<'_>, chain: &Chain, root: &VerifyingKey) {
        match checked {
            Checked::Record { entry, body, closed } => {
                self.open.0 += 1;
                match body {
                    Body::Here => {}
                    Body::Gone => self.events.push(Event::Hole(entry.seq)),
                    Body::Locked => self.open_locked += 1,
                }
                self.events.extend(closed.iter().map(|name| Event::Closed(entry.seq, plain_name(name))));
                self.moment(entry, false);
            }
            Checked::Control { entry, body } => {
                self.open.1 += 1;
                let event = event(entry, body, root);
                self.moment(entry, matches!(event, Some(Event::Start { .. } | Event::UncleanStart)));
                self.events.extend(event);
            }
            Checked::Checkpoint { by_root } => self.checkpoint(chain, *by_root),
        }
    }

    fn checkpoint(&mut self, chain: &Chain, by_root: bool) {
        let (records, controls) = std::mem::take(&mut self.open);
        self.records += records;
        self.controls += controls;
        self.locked += std::mem::take(&mut self.open_locked);
        self.checkpoints += 1;
        if by_root {
            self.root_signed = Some((chain.records, chain.size()));
        }
        for event in std::mem::take(&mut self.events) {
            self.settle(event);
        }
    }

    fn settle(&mut self, event: Event) {
        match event {
            Event::Start { heartbeat_seconds } => {
                self.starts += 1;
                self.heartbeat_seconds = heartbeat_seconds.or(self.heartbeat_seconds);
            }
            Event::UncleanStart => self.unclean_starts += 1,
            Event::End | Event::Reload => {}
            Event::Gap { cause, records } => {
                let gap = self.gaps.entry(cause).or_default();
                *gap = Gap { entries: gap.entries + 1, records: gap.records + records };
            }
            Event::Order(order) => self.orders.push(order),
            Event::Hole(seq) => extend(&mut self.holes, (seq, seq)),
            Event::Closed(seq, name) => extend(self.closed.entry(name).or_default(), (seq, seq)),
        }
    }

    fn moment(&mut self, entry: &Entry, is_start: bool) {
        let now = Moment { at_ns: entry.sealed_at_ns, kind: entry.kind, is_start };
        self.silent_between(self.last, now);
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// A process that starts was not there before.
    fn silent_between(&mut self, before: Option<Moment>, now: Moment) {
        let Some(before) = before else { return };
        let is_start = now.is_start || before.kind == Kind::End;
        let silent_ns = now.at_ns.saturating_sub(before.at_ns);
        if !is_start && silent_ns > self.silence.0 {
            self.silence = (silent_ns, before.at_ns);
        }
    }

    /// When the first and the last entry were sealed.
    pub(super) fn sealed_at_ns(&self) -> (u64, u64) {
        let at = |moment: Option<Moment>| moment.map_or(0, |moment| moment.at_ns);
        (at(self.first), at(self.last))
    }

    /// True when the last entry is the orderly end of a run.
    pub(super) fn is_ended(&self) -> bool {
        self.last.is_some_and(|last| last.kind == Kind::End)
    }

    /// Joins the facts of the segment that follows.
    pub(super) fn join(&mut self, next: Self) {
        self.records += next.records;
        self.controls += next.controls;
        self.checkpoints += next.checkpoints;
        self.locked += next.locked;
        self.missing_key = self.missing_key.or(next.missing_key);
        self.root_signed = next.root_signed.or(self.root_signed);
        self.starts += next.starts;
        self.unclean_starts += next.unclean_starts;
        self.heartbeat_seconds = next.heartbeat_seconds.or(self.heartbeat_seconds);
        self.silence = self.silence.max(next.silence);
        if let Some(first) = next.first {
            self.silent_between(self.last, first);
        }
        self.first = self.first.or(next.first);
        self.last = next.last.or(self.last);
        for (cause, more) in next.gaps {
            let gap = self.gaps.entry(cause).or_default();
            *gap = Gap { entries: gap.entries + more.entries, records: gap.records + more.records };
        }
        self.orders.extend(next.orders);
        next.holes.into_iter().for_each(|range| extend(&mut self.holes, range));
        for (name, ranges) in next.closed {
            let closed = self.closed.entry(name).or_default();
            ranges.into_iter().for_each(|range| extend(closed, range));
        }
    }
}

/// Adds a range behind the others; neighbours become one.
fn extend(ranges: &mut Vec<Range>, (first, last): Range) {
    match ranges.last_mut() {
        Some(before) if before.1 + 1 == first => before.1 = last,
        _ => ranges.push((first, last)),
    }
}

/// What one of the ledger's own events says. Its form was checked where it matters; what is not there is not counted.
fn event(entry: &Entry, body: &[u8], root: &VerifyingKey) -> Option<Event> {
    match entry.kind {
        Kind::UncleanStart => Some(Event::UncleanStart),
        Kind::End => Some(Event::End),
        Kind::Retention | Kind::Erasure | Kind::Hold => order::read(body, entry, root).ok().map(Event::Order),
        Kind::Config | Kind::Gap => {
            let whole = [body, b"}"].concat();
            let members = Members::read(&whole);
            let number = |name| members.as_ref().and_then(|members| members.number(name));
            if entry.kind == Kind::Config && number("reload").is_some() {
                return Some(Event::Reload);
            }
            if entry.kind == Kind::Config {
                return Some(Event::Start { heartbeat_seconds: number("heartbeat_seconds") });
            }
            let cause = members.as_ref().and_then(|members| members.text("cause")).unwrap_or_default();
            Some(Event::Gap { cause, records: number("count").unwrap_or(0) })
        }
        _ => None,
    }
}
