//! The sessions of agents, as far as their producers can be checked: numbers that are missing, clocks that are ahead,
//! sessions that never end.
//!
//! Bounded at [`SESSIONS_MAX`]. A number counts as missing when it has not come [`GRACE_NANOS`] after its successor did:
//! requests overtake each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::digest::{SHA256, digest};

use super::super::event::{Event, Field};

/// The most sessions that are kept, about 150 bytes each.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Note<'a> {
    session: &'a str,
    vendor: &'a str,
    sequence: Option<u64>,
    starts: bool,
    ends: bool,
}

impl<'a> Note<'a> {
    /// Nothing for a record that is no agent's, or has no session.
    pub(in super::super) fn of(event: &Event<'a>) -> Option<Self> {
        let (session, vendor) = (event.first(Field::SessionId)?, event.first(Field::Vendor)?);
        let name = event.first(Field::EventName);
        let note = Self {
            session,
            vendor,
            sequence: event.first(Field::Sequence).and_then(|number| number.parse().ok()),
            starts: name.is_some_and(|name| STARTS.contains(&name)),
            ends: name.is_some_and(|name| ENDS.contains(&name)),
        };
        Some(note)
    }
}

/// A session begins or ends with an event of this name.
pub(in super::super) fn is_boundary(event: &str) -> bool {
    STARTS.contains(&event) || ENDS.contains(&event)
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
    /// Its own id.
    pub(super) id: Box<str>,
    /// The agent's place among those that were seen.
    pub(super) vendor: u16,
    /// The highest number that came; 0 for none.
    pub(super) highest: u64,
    /// Numbers that did not come, from and to, and when that was noticed.
    pub(super) holes: Vec<(u64, u64, u64)>,
    pub(super) started: bool,
    pub(super) ended: bool,
    pub(super) is_ahead: bool,
    pub(super) touched: u64,
}

/// All sessions, under the hash of vendor and id, with a key of this process. Should two share it, the younger one counts.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: HashMap<u64, Session>,
    hasher: RandomState,
    /// Names of agents.
    vendors: Vec<String>,
    /// Vendors that report when a session ends.
    pub(super) enders: Vec<String>,
    evicted: u64,
    is_changed: bool,
}

impl Sessions {
    pub(super) fn open(&self) -> usize {
        self.all.len()
    }

    /// Every session with its vendor.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &Session)> {
        self.all.values().map(|session| (self.vendor_name(session), session))
    }

    /// Puts a session back.
    pub(super) fn put(&mut self, vendor: &str, session: Session) {
        let key = self.hasher.hash_one((vendor, &*session.id));
        let vendor = self.vendor(vendor);
        self.all.insert(key, Session { vendor, ..session });
    }

    /// The place of a vendor's name. Names come from tables, there are few; one too many shares the last place.
    fn vendor(&mut self, name: &str) -> u16 {
        let known = self.vendors.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            if self.vendors.len() < usize::from(u16::MAX) {
                self.vendors.push(name.to_owned());
            }
            self.vendors.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn vendor_name(&self, session: &Session) -> &str {
        self.vendors.get(usize::from(session.vendor)).map_or("", |name| name)
    }

    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Takes in what a record says; gives what is to be known now.
    pub(super) fn see(&mut self, note: &Note<'_>, time: u64, now: u64) -> Vec<Fact> {
        self.is_changed = true;
        if note.ends && !self.enders.iter().any(|known| known == note.vendor) && self.enders.len() < 64 {
            self.enders.push(note.vendor.to_owned());
        }
        let key = self.hasher.hash_one((note.vendor, note.session));
        let vendor = self.vendor(note.vendor);
        let session = self.all.entry(key).or_default();
        if *session.id != *note.session || session.vendor != vendor {
            *session = Session { id: note.session.into(), vendor, ..Session::default() };
        }
        session.touched = now;
        session.started |= note.starts;
        session.ended = note.ends || (session.ended && !note.starts);
        let fact = |name, count| {
            let (vendor, session) = (note.vendor.to_owned(), note.session.to_owned());
            Fact { name, vendor, session, count }
        };
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
        let (enders, vendors) = (&self.enders, &self.vendors);
        self.all.retain(|_, session| {
            let stays = session.touched.saturating_add(keep_nanos) >= now;
            let vendor = vendors.get(usize::from(session.vendor)).map_or("", |name| name);
            if !stays && session.started && !session.ended && enders.iter().any(|ender| ender == vendor) {
                let (vendor, session) = (vendor.to_owned(), session.id.to_string());
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

    fn note(sequence: u64) -> Note<'static> {
        Note { session: "s", vendor: "v", sequence: Some(sequence), starts: sequence == 1, ends: false }
    }

    fn run(numbers: &[(u64, u64)]) -> Vec<(&'static str, u64)> {
        let mut sessions = Sessions::default();
        let facts = numbers.iter().flat_map(|(number, at)| sessions.see(&note(*number), at * SECOND, at * SECOND));
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
        let mut see = |number, time| sessions.see(&note(number), time * SECOND, 1000 * SECOND);
        assert_eq!(see(1, 1200).len(), 0);
        assert_eq!(see(2, 4600)[0].count, 3600);
        assert_eq!(see(3, 4600).len(), 0);
    }

    #[test]
    fn a_session_without_end_is_told_when_others_end() {
        let mut sessions = Sessions::default();
        sessions.see(&note(1), SECOND, SECOND);
        assert_eq!(sessions.drop_stale(10 * SECOND, 100 * SECOND).len(), 0);
        let other = Note { session: "t", ends: true, ..note(1) };
        sessions.see(&other, SECOND, SECOND);
        let facts = sessions.drop_stale(200 * SECOND, 100 * SECOND);
        assert_eq!((facts.len(), facts[0].name, &*facts[0].session), (1, "session_without_end", "s"));
        assert_eq!(sessions.open(), 0);
    }

    #[test]
    fn more_sessions_than_there_is_room_for_make_room() {
        let mut sessions = Sessions::default();
        for number in 0..SESSIONS_MAX as u64 + 1 {
            sessions.see(&Note { session: &number.to_string(), ..note(1) }, number, number);
        }
        assert!(sessions.open() <= SESSIONS_MAX && sessions.open() >= SESSIONS_MAX / 2);
        assert!(sessions.take_evicted() > 0 && sessions.each().all(|(_, session)| *session.id != *"0"));
    }
}
