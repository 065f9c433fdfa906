//! The sessions of agents, as far as their producers can be checked: numbers that are missing, clocks that are ahead,
//! sessions that never end.
//!
//! Bounded at [`SESSIONS_MAX`]. A number counts as missing when it has not come [`GRACE_NANOS`] after its successor did:
//! requests overtake each other.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::super::event::{Event, Field};

/// The most sessions that are kept, about 200 bytes each.
pub const SESSIONS_MAX: usize = 100_000;
/// How late a number may come.
const GRACE_NANOS: u64 = 60 * 1_000_000_000;
/// How far a producer's clock may be ahead of ours.
const AHEAD_NANOS_MAX: u64 = 300 * 1_000_000_000;
/// Holes that are watched in one session.
const HOLES_MAX: usize = 8;

/// Names of events with which a session begins and ends.
const STARTS: [&str; 4] = ["session_start", "session.start", "conversation_starts", "agent.start"];
const ENDS: [&str; 5] = ["session_end", "session.end", "session_finish", "agent.finish", "conversation_ends"];

/// What a record says about its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Note {
    session: String,
    vendor: String,
    sequence: Option<u64>,
    starts: bool,
    ends: bool,
}

impl Note {
    /// Nothing for a record that is no agent's, or has no session.
    pub(in super::super) fn of(event: &Event<'_>) -> Option<Self> {
        let (session, vendor) = (event.first(Field::SessionId)?, event.first(Field::Vendor)?);
        let named = |names: &[&str]| event.first(Field::EventName).is_some_and(|name| names.contains(&name));
        let note = Self {
            session: session.to_owned(),
            vendor: vendor.to_owned(),
            sequence: event.first(Field::Sequence).and_then(|number| number.parse().ok()),
            starts: named(&STARTS),
            ends: named(&ENDS),
        };
        Some(note)
    }
}

/// Something that is to be known about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// `sequence_gap`, `clock_ahead`, `session_without_end`.
    pub(super) name: &'static str,
    pub(super) vendor: String,
    pub(super) session: String,
    /// How many numbers are missing; how many seconds the clock is ahead.
    pub(super) count: u64,
}

impl Fact {
    /// Tells it from any other.
    pub(super) fn id(&self) -> String {
        let text = format!("{}\0{}\0{}\0{}", self.name, self.vendor, self.session, self.count);
        digest(&SHA256, text.as_bytes()).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// The highest number that came; 0 for none.
    pub(super) highest: u64,
    /// Numbers that did not come, from and to, and when that was noticed.
    pub(super) holes: Vec<(u64, u64, u64)>,
    pub(super) started: bool,
    pub(super) ended: bool,
    pub(super) is_ahead: bool,
    pub(super) touched: u64,
}

/// All sessions, by vendor and id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) all: HashMap<(String, String), Session>,
    /// Vendors that report when a session ends.
    pub(super) enders: Vec<String>,
    evicted: u64,
    is_changed: bool,
}

impl Sessions {
    pub(super) fn open(&self) -> usize {
        self.all.len()
    }

    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Takes in what a record says; gives what is to be known now.
    pub(super) fn see(&mut self, note: Note, time: u64, now: u64) -> Vec<Fact> {
        self.is_changed = true;
        if note.ends && !self.enders.contains(&note.vendor) && self.enders.len() < 64 {
            self.enders.push(note.vendor.clone());
        }
        let key = (note.vendor, note.session);
        let session = self.all.entry(key.clone()).or_default();
        session.touched = now;
        session.started |= note.starts;
        session.ended = note.ends || (session.ended && !note.starts);
        let fact = |name, count| Fact { name, vendor: key.0.clone(), session: key.1.clone(), count };
        let mut facts = vec![];
        if let Some(number) = note.sequence {
            session.number(number, now);
        }
        let missing = session.overdue(now);
        if missing > 0 {
            facts.push(fact("sequence_gap", missing));
        }
        let ahead = time.saturating_sub(now);
        if ahead > AHEAD_NANOS_MAX && !session.is_ahead {
            session.is_ahead = true;
            facts.push(fact("clock_ahead", ahead / 1_000_000_000));
        }
        self.keep_bounds();
        facts
    }

    /// Forgets sessions that nobody touched for so long; gives those that began and did not end, of vendors that report ends.
    pub(super) fn drop_stale(&mut self, now: u64, keep_nanos: u64) -> Vec<Fact> {
        let mut facts = vec![];
        let enders = &self.enders;
        self.all.retain(|(vendor, id), session| {
            let stays = session.touched.saturating_add(keep_nanos) >= now;
            if !stays && session.started && !session.ended && enders.contains(vendor) {
                let (vendor, session) = (vendor.clone(), id.clone());
                facts.push(Fact { name: "session_without_end", vendor, session, count: 1 });
            }
            stays
        });
        facts.sort_by(|a, b| (&a.vendor, &a.session).cmp(&(&b.vendor, &b.session)));
        facts
    }

    /// Gives up the quarter that was not touched for longest.
    fn keep_bounds(&mut self) {
        if self.all.len() <= SESSIONS_MAX {
            return;
        }
        let mut ages: Vec<u64> = self.all.values().map(|session| session.touched).collect();
        let quarter = ages.len() / 4;
        let limit = *ages.select_nth_unstable(quarter).1;
        let mut left = quarter + 1;
        self.all.retain(|_, session| {
            let goes = session.touched <= limit && left > 0;
            left -= usize::from(goes);
            !goes
        });
        self.evicted += (quarter + 1 - left) as u64;
    }
}

impl Session {
    /// A number came.
    fn number(&mut self, number: u64, now: u64) {
        if self.highest == 0 || number == self.highest + 1 {
            self.highest = number;
        } else if number > self.highest {
            self.holes.push((self.highest + 1, number - 1, now));
            self.highest = number;
        } else if let Some(place) = self.holes.iter().position(|(from, to, _)| (*from..=*to).contains(&number)) {
            let (from, to, since) = self.holes.remove(place);
            let rest = [(from, number.wrapping_sub(1), since), (number + 1, to, since)];
            self.holes.extend(rest.into_iter().filter(|(from, to, _)| from <= to && *from > 0));
        }
    }

    /// How many numbers will not come any more.
    fn overdue(&mut self, now: u64) -> u64 {
        let mut missing = 0;
        let full = self.holes.len() > HOLES_MAX;
        self.holes.retain(|(from, to, since)| {
            let waits = !full && since.saturating_add(GRACE_NANOS) > now;
            missing += if waits { 0 } else { to - from + 1 };
            waits
        });
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn note(sequence: u64) -> Note {
        let (session, vendor) = ("s".to_owned(), "v".to_owned());
        Note { session, vendor, sequence: Some(sequence), starts: sequence == 1, ends: false }
    }

    fn run(numbers: &[(u64, u64)]) -> Vec<(&'static str, u64)> {
        let mut sessions = Sessions::default();
        let facts = numbers.iter().flat_map(|(number, at)| sessions.see(note(*number), at * SECOND, at * SECOND));
        facts.map(|fact| (fact.name, fact.count)).collect()
    }

    #[test]
    fn a_number_that_does_not_come_is_missed() {
        assert_eq!(run(&[(1, 1), (2, 2), (5, 3), (6, 70)]), [("sequence_gap", 2)]);
        assert_eq!(run(&[(1, 1), (3, 2), (2, 3), (4, 70)]), [], "requests overtake each other");
        assert_eq!(run(&[(17, 1), (18, 70)]), [], "it began before we looked");
        assert_eq!(run(&[(1, 1), (9, 2), (5, 3), (10, 70)]), [("sequence_gap", 6)]);
    }

    #[test]
    fn a_clock_that_is_ahead_is_told_once() {
        let mut sessions = Sessions::default();
        let mut see = |number, time| sessions.see(note(number), time * SECOND, 1000 * SECOND);
        assert_eq!(see(1, 1200).len(), 0);
        assert_eq!(see(2, 4600)[0].count, 3600);
        assert_eq!(see(3, 4600).len(), 0);
    }

    #[test]
    fn a_session_without_end_is_told_when_others_end() {
        let mut sessions = Sessions::default();
        sessions.see(note(1), SECOND, SECOND);
        assert_eq!(sessions.drop_stale(10 * SECOND, 100 * SECOND).len(), 0);
        let other = Note { session: "t".into(), ends: true, ..note(1) };
        sessions.see(other, SECOND, SECOND);
        let facts = sessions.drop_stale(200 * SECOND, 100 * SECOND);
        assert_eq!((facts.len(), facts[0].name, &*facts[0].session), (1, "session_without_end", "s"));
        assert_eq!(sessions.open(), 0);
    }

    #[test]
    fn more_sessions_than_there_is_room_for_make_room() {
        let mut sessions = Sessions::default();
        for number in 0..SESSIONS_MAX as u64 + 1 {
            sessions.see(Note { session: number.to_string(), ..note(1) }, number, number);
        }
        assert!(sessions.open() <= SESSIONS_MAX && sessions.open() >= SESSIONS_MAX / 2);
        assert!(sessions.take_evicted() > 0 && !sessions.all.contains_key(&("v".into(), "0".into())));
    }
}
