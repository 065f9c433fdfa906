//! Manifests of agents' sessions: how many sealed records a session has, from which number to which, how bad the worst of
//! them was, and how many its producer numbered that never came.
//!
//! A session is open from its first record until it was silent for [`IDLE_NS`], the pipeline ends, or too many are open;
//! then one entry of the ledger tells what was seen. A session that goes on afterwards, or after a crash, gets another
//! manifest: they add up. Limits: [`OPEN_MAX`] sessions, ids of [`ID_BYTES_MAX`] bytes, [`RUNS_MAX`] runs of numbers a session.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::ledger::Control;
use crate::ledger::entry::Kind;
use crate::otlp::model::Entity;
use crate::otlp::value::Value;

/// A session without a record for so long is over: 30 minutes.
const IDLE_NS: u64 = 30 * 60 * 1_000_000_000;
/// How many sessions are open at most; the one that was silent longest goes first.
const OPEN_MAX: usize = 10_000;
/// Longer ids are not followed: 256 bytes.
const ID_BYTES_MAX: usize = 256;
/// How many separate runs of producer's numbers are remembered; more make the oldest gap final.
const RUNS_MAX: usize = 64;

/// Attributes that name the session, the first that is there counts.
const SESSION_NAMES: [&str; 3] = ["session.id", "gen_ai.conversation.id", "conversation.id"];
/// The attribute in which a producer (Claude Code) numbers the events of a session.
const SEQUENCE_NAME: &str = "event.sequence";

/// What one request says about its sessions: at most one element a run of neighbours.
#[derive(Debug, Default)]
pub struct Marks {
    marks: Vec<Mark>,
    /// The sessions' ids, end to end, and the numbers that producers gave.
    ids: String,
    sequences: Vec<u64>,
}

#[derive(Debug)]
struct Mark {
    /// Where its id and its numbers end; they begin where those of the mark before end.
    id_end: usize,
    sequences_end: usize,
    /// Which of the request's lines: the first, and how many follow each other.
    first: u64,
    count: u64,
    risk: u8,
}

impl Marks {
    /// Notes the record that became line `index` of the request.
    pub(super) fn see(&mut self, record: &Entity<'_>, index: u64, risk: u8) {
        let Some(session) = session_of(record) else { return };
        self.sequences.extend(record.get(SEQUENCE_NAME).and_then(number));
        let (sequences_end, last_id) = (self.sequences.len(), self.last_id_start());
        if let Some(last) = self.marks.last_mut()
            && self.ids[last_id..] == *session
            && last.first + last.count == index
        {
            last.count += 1;
            last.risk = last.risk.max(risk);
            last.sequences_end = sequences_end;
            return;
        }
        self.ids.push_str(session);
        self.marks.push(Mark { id_end: self.ids.len(), sequences_end, first: index, count: 1, risk });
    }

    fn last_id_start(&self) -> usize {
        self.marks.len().checked_sub(2).map_or(0, |before| self.marks[before].id_end)
    }

    /// Each mark with its session and the numbers of its producer.
    fn iter(&self) -> impl Iterator<Item = (&Mark, &str, &[u64])> {
        let (mut id_start, mut sequences_start) = (0, 0);
        self.marks.iter().map(move |mark| {
            let (id, numbers) = (id_start..mark.id_end, sequences_start..mark.sequences_end);
            (id_start, sequences_start) = (id.end, numbers.end);
            (mark, &self.ids[id], &self.sequences[numbers])
        })
    }
}

fn session_of<'a>(record: &Entity<'a>) -> Option<&'a str> {
    let id = SESSION_NAMES.iter().find_map(|name| record.get(name)?.as_str())?;
    (!id.is_empty() && id.len() <= ID_BYTES_MAX).then_some(id)
}

fn number(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).ok(),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    }
}

/// The sessions of a pipeline that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<Box<str>, Session>,
}

#[derive(Debug)]
struct Session {
    count: u64,
    first: u64,
    last: u64,
    risk: u8,
    seen_ns: u64,
    numbers: Numbers,
}

impl Sessions {
    /// Takes the marks of a request into account whose first line got the number `first`. Gives back the manifest of
    /// the session that had to make room, if one had to.
    pub(super) fn seal(&mut self, marks: &Marks, first: u64, now_ns: u64) -> Vec<Control> {
        let mut evicted = Vec::new();
        for (mark, id, sequences) in marks.iter() {
            let begin = first + mark.first;
            if let Some(session) = self.open.get_mut(id) {
                session.see(mark, begin, sequences, now_ns);
                continue;
            }
            if self.open.len() >= OPEN_MAX {
                evicted.extend(self.close_oldest());
            }
            let mut session = Session::new(begin);
            session.see(mark, begin, sequences, now_ns);
            self.open.insert(id.into(), session);
        }
        evicted
    }

    /// The manifests of sessions that are over at `now_ns`; they are closed.
    pub(super) fn idle(&mut self, now_ns: u64) -> Vec<Control> {
        self.close(|session| now_ns.saturating_sub(session.seen_ns) >= IDLE_NS)
    }

    /// The manifests of all open sessions, at the end.
    pub(super) fn end(&mut self) -> Vec<Control> {
        self.close(|_| true)
    }

    fn close(&mut self, is_over: impl Fn(&Session) -> bool) -> Vec<Control> {
        let mut over: Vec<_> = self.open.extract_if(|_, session| is_over(session)).collect();
        over.sort_by_key(|(_, session)| session.first);
        over.into_iter().map(|(id, session)| session.manifest(&id)).collect()
    }

    fn close_oldest(&mut self) -> Option<Control> {
        let oldest = self.open.iter().min_by_key(|(_, session)| session.seen_ns)?.0.clone();
        let session = self.open.remove(&oldest)?;
        Some(session.manifest(&oldest))
    }
}

impl Session {
    fn new(first: u64) -> Self {
        Self { count: 0, first, last: first, risk: 0, seen_ns: 0, numbers: Numbers::default() }
    }

    fn see(&mut self, mark: &Mark, begin: u64, sequences: &[u64], now_ns: u64) {
        self.count += mark.count;
        self.last = begin + mark.count - 1;
        self.risk = self.risk.max(mark.risk);
        self.seen_ns = now_ns;
        sequences.iter().for_each(|sequence| self.numbers.see(*sequence));
    }

    /// `producer_gap` stands there only where the producer numbers its events.
    fn manifest(&self, id: &str) -> Control {
        let control = Control::new(Kind::Session)
            .number("count", self.count)
            .number("first", self.first)
            .number("last", self.last);
        let control = match self.numbers.missing() {
            Some(missing) => control.number("producer_gap", missing),
            None => control,
        };
        control.number("risk_max", self.risk.into()).text("session", id)
    }
}

/// Which numbers a producer has used, as runs without a hole. They may come in any order and twice.
#[derive(Debug, Default)]
struct Numbers {
    runs: Vec<RangeInclusive<u64>>,
    /// Missing between runs that were joined for lack of room.
    given_up: u64,
}

impl Numbers {
    fn see(&mut self, number: u64) {
        let at = self.runs.partition_point(|run| run.end().saturating_add(1) < number);
        match self.runs.get_mut(at) {
            Some(run) if run.contains(&number) => return,
            Some(run) if run.end().checked_add(1) == Some(number) => *run = *run.start()..=number,
            Some(run) if number.checked_add(1) == Some(*run.start()) => *run = number..=*run.end(),
            _ => self.runs.insert(at, number..=number),
        }
        if let Some(next) = self.runs.get(at + 1)
            && self.runs[at].end().checked_add(1) == Some(*next.start())
        {
            self.join(at);
        }
        if self.runs.len() > RUNS_MAX {
            self.given_up += hole(&self.runs[0], &self.runs[1]);
            self.join(0);
        }
    }

    fn join(&mut self, at: usize) {
        let next = self.runs.remove(at + 1);
        self.runs[at] = *self.runs[at].start()..=*next.end();
    }

    /// How many numbers between the smallest and the largest never came; `None` without numbers.
    fn missing(&self) -> Option<u64> {
        let holes = self.runs.windows(2).map(|pair| hole(&pair[0], &pair[1])).fold(0, u64::saturating_add);
        (!self.runs.is_empty()).then_some(holes.saturating_add(self.given_up))
    }
}

fn hole(left: &RangeInclusive<u64>, right: &RangeInclusive<u64>) -> u64 {
    right.start().saturating_sub(*left.end()).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bumpalo::Bump;
    use proptest::prelude::*;

    use super::*;
    use crate::otlp::Signal;
    use crate::otlp::json::to_protobuf;
    use crate::otlp::model::Batch;

    /// The marks of a request with these records: session and number each.
    fn marks(records: &[(&str, Option<u64>)]) -> Marks {
        let records: Vec<_> = records
            .iter()
            .map(|(session, sequence)| {
                let mut attributes = vec![serde_json::json!({"key": "session.id", "value": {"stringValue": session}})];
                attributes.extend(
                    sequence
                        .map(|n| serde_json::json!({"key": "event.sequence", "value": {"intValue": n.to_string()}})),
                );
                serde_json::json!({ "attributes": attributes })
            })
            .collect();
        let request = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
        let bytes = to_protobuf(Signal::Logs, request.as_bytes()).unwrap();
        let arena = Bump::new();
        let mut batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
        let mut marks = Marks::default();
        batch.records().enumerate().for_each(|(index, record)| marks.see(record, index as u64, index as u8));
        marks
    }

    fn texts(controls: &[Control]) -> Vec<String> {
        controls.iter().map(|control| control.to_string()).collect()
    }

    #[test]
    fn a_manifest_counts_a_sessions_records_and_what_its_producer_lost() {
        let mut sessions = Sessions::default();
        assert!(sessions.seal(&marks(&[("a", Some(1)), ("a", Some(2)), ("b", None), ("", None)]), 10, 1).is_empty());
        assert!(sessions.seal(&marks(&[("a", Some(5)), ("a", Some(4))]), 20, 2).is_empty());
        assert_eq!(
            texts(&sessions.end()),
            [
                r#"{"audit.control":"session","count":4,"first":10,"last":21,"producer_gap":1,"risk_max":1,"session":"a"}"#,
                r#"{"audit.control":"session","count":1,"first":12,"last":12,"risk_max":2,"session":"b"}"#,
            ]
        );
        assert!(sessions.end().is_empty());
    }

    #[test]
    fn a_session_is_over_when_it_was_silent_for_half_an_hour() {
        let mut sessions = Sessions::default();
        sessions.seal(&marks(&[("old", None)]), 0, 0);
        sessions.seal(&marks(&[("new", None)]), 1, 1);
        let over = texts(&sessions.idle(IDLE_NS));
        assert_eq!(over.len(), 1);
        assert!(over[0].ends_with(r#""session":"old"}"#), "{over:?}");
    }

    #[test]
    fn the_number_of_open_sessions_is_bounded() {
        let mut sessions = Sessions::default();
        for n in 0..=OPEN_MAX as u64 {
            let closed = sessions.seal(&marks(&[(&format!("s{n}"), None)]), n, n);
            assert_eq!(closed.len(), usize::from(n == OPEN_MAX as u64));
        }
        assert_eq!(sessions.open.len(), OPEN_MAX);
        assert!(!sessions.open.contains_key("s0"));
    }

    proptest! {
        #[test]
        fn missing_numbers_are_counted_in_any_order(numbers in proptest::collection::vec(0..200_u64, 1..60)) {
            let mut seen = Numbers::default();
            numbers.iter().for_each(|number| seen.see(*number));
            let distinct: BTreeSet<_> = numbers.iter().collect();
            let span = *distinct.last().unwrap() - *distinct.first().unwrap() + 1;
            prop_assert_eq!(seen.missing(), Some(span - distinct.len() as u64));
        }
    }

    #[test]
    fn too_many_runs_are_joined_and_their_gaps_stay_counted() {
        let mut seen = Numbers::default();
        (0..1000).for_each(|n| seen.see(n * 2));
        assert!(seen.runs.len() <= RUNS_MAX);
        assert_eq!(seen.missing(), Some(999));
        seen.see(u64::MAX);
        seen.see(u64::MAX);
    }
}
