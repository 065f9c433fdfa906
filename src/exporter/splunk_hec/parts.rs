//! Events put together to requests: one token and one index each, bounded in bytes, and every event remembers its records.

use crate::exporter::Refusal;
use crate::otlp::DecodeError;

/// How many requests are filled side by side; with more, the oldest is closed.
const OPEN_MAX: usize = 64;

/// What all events of a request have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'k> {
    /// Which token.
    pub(super) token: usize,
    /// Which index; empty for the token's own.
    pub(super) index: &'k str,
    /// An attribute chose the index, not the configuration.
    pub(super) chosen: bool,
    /// It is for `/raw`, with this query.
    pub(super) raw: Option<&'k str>,
}

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) token: usize,
    pub(super) index: String,
    pub(super) chosen: bool,
    pub(super) is_raw: bool,
    pub(super) query: String,
    /// The events, end to end.
    pub(super) body: Vec<u8>,
    events: Vec<Event>,
    /// The records of all events, in the order of the events.
    records: Vec<u64>,
}

/// Where an event ends in `body`, and its records in `records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    body_end: usize,
    records_end: usize,
}

impl Part {
    fn new(key: Key<'_>) -> Self {
        let Key { token, index, chosen, raw } = key;
        let query = raw.unwrap_or_default().to_owned();
        Self { token, index: index.to_owned(), chosen, is_raw: raw.is_some(), query, ..Self::default() }
    }

    fn is(&self, key: Key<'_>) -> bool {
        let raw = self.is_raw.then_some(&*self.query);
        (self.token, &*self.index, self.chosen, raw) == (key.token, key.index, key.chosen, key.raw)
    }

    /// How many events it has.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The records of all its events, in order.
    pub(super) fn into_records(self) -> Vec<u64> {
        let mut records = self.records;
        records.sort_unstable();
        records.dedup();
        records
    }

    /// Cuts it in two before the event at `place`.
    pub(super) fn split_at(mut self, place: usize) -> (Self, Self) {
        let place = place.min(self.events.len());
        let (body_end, records_end) =
            place.checked_sub(1).map_or((0, 0), |last| (self.events[last].body_end, self.events[last].records_end));
        let mut events = self.events.split_off(place);
        for event in &mut events {
            event.body_end -= body_end;
            event.records_end -= records_end;
        }
        let rest = Self {
            token: self.token,
            index: self.index.clone(),
            chosen: self.chosen,
            is_raw: self.is_raw,
            query: self.query.clone(),
            body: self.body.split_off(body_end),
            events,
            records: self.records.split_off(records_end),
        };
        (self, rest)
    }
}

/// Requests being filled.
#[derive(Debug, Default)]
pub(super) struct Parts {
    length_max: usize,
    event_max: usize,
    done: Vec<Part>,
    open: Vec<Part>,
    too_large: Vec<u64>,
}

impl Parts {
    /// Nothing yet; requests are to have at most `length_max` bytes, events at most `event_max`.
    pub(super) fn new(length_max: usize, event_max: usize) -> Self {
        Self { length_max, event_max, ..Self::default() }
    }

    /// Adds the event that `write` appends and that stands for these records.
    pub(super) fn add(
        &mut self,
        key: Key<'_>,
        records: &[u64],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let at = self.open.iter().position(|part| part.is(key)).unwrap_or_else(|| self.begin(key));
        let part = &mut self.open[at];
        let start = part.body.len();
        write(&mut part.body)?;
        if part.body.len() - start > self.event_max {
            part.body.truncate(start);
            self.too_large.extend_from_slice(records);
            return Ok(());
        }
        part.records.extend_from_slice(records);
        part.events.push(Event { body_end: part.body.len(), records_end: part.records.len() });
        if part.body.len() > self.length_max && start > 0 {
            let last = part.len() - 1;
            let (full, rest) = std::mem::take(part).split_at(last);
            *part = rest;
            self.done.push(full);
        }
        Ok(())
    }

    /// A record that would be more events than anybody wants.
    pub(super) fn set_aside(&mut self, record: u64) {
        self.too_large.push(record);
    }

    fn begin(&mut self, key: Key<'_>) -> usize {
        if self.open.len() == OPEN_MAX {
            self.done.push(self.open.remove(0));
        }
        self.open.push(Part::new(key));
        self.open.len() - 1
    }

    /// All requests, and the records that no request can carry.
    pub(super) fn finish(mut self) -> (Vec<Part>, Vec<Refusal>) {
        self.done.append(&mut self.open);
        self.done.retain(|part| part.len() > 0);
        let cause =
            format!("not sent: larger than max_event_size ({} bytes), or more than 1000 buckets", self.event_max);
        let refused = if self.too_large.is_empty() {
            Vec::new()
        } else {
            self.too_large.sort_unstable();
            self.too_large.dedup();
            vec![Refusal { records: self.too_large, cause }]
        };
        (self.done, refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(token: usize, index: &str) -> Key<'_> {
        Key { token, index, chosen: false, raw: None }
    }

    fn filled(length_max: usize, events: &[(usize, &str, &str)]) -> (Vec<Part>, Vec<Refusal>) {
        let mut parts = Parts::new(length_max, 20);
        for (place, (token, index, text)) in events.iter().enumerate() {
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            };
            parts.add(key(*token, index), &[place as u64], write).unwrap();
        }
        parts.finish()
    }

    fn shown(parts: &[Part]) -> Vec<(String, Vec<u64>)> {
        parts.iter().map(|part| (String::from_utf8(part.body.clone()).unwrap(), part.clone().into_records())).collect()
    }

    #[test]
    fn a_request_has_one_token_and_one_index_and_is_never_too_long() {
        let (parts, refused) = filled(
            8,
            &[(0, "a", "11111"), (0, "b", "2"), (0, "a", "333"), (1, "a", "4"), (0, "a", "55"), (0, "b", "6")],
        );
        let found = shown(&parts);
        let wanted = [("11111333", vec![0, 2]), ("55", vec![4]), ("26", vec![1, 5]), ("4", vec![3])];
        assert_eq!(found, wanted.map(|(text, records)| (text.to_owned(), records)));
        assert!(refused.is_empty());
    }

    #[test]
    fn a_long_event_goes_alone_and_one_that_is_too_long_not_at_all() {
        let (parts, refused) = filled(4, &[(0, "", "1"), (0, "", "22222222"), (0, "", &"3".repeat(21)), (0, "", "4")]);
        assert_eq!(shown(&parts), [("1", 0), ("22222222", 1), ("4", 3)].map(|(t, n)| (t.to_owned(), vec![n])));
        assert_eq!(refused[0].records, [2]);
    }

    #[test]
    fn a_request_is_cut_between_events() {
        let (mut parts, _) = filled(100, &[(0, "x", "11"), (0, "x", "2"), (0, "x", "333")]);
        let (left, right) = parts.remove(0).split_at(1);
        assert_eq!(
            shown(&[left.clone(), right.clone()]),
            [("11".to_owned(), vec![0]), ("2333".to_owned(), vec![1, 2])]
        );
        let (middle, last) = right.split_at(1);
        assert_eq!(shown(&[middle, last.clone()]), [("2".to_owned(), vec![1]), ("333".to_owned(), vec![2])]);
        let (all, none) = last.split_at(9);
        assert_eq!((all.len(), none.len(), &*all.index), (1, 0, "x"));
        let (none, all) = left.split_at(0);
        assert_eq!((none.len(), all.len()), (0, 1));
    }
}
