//! Deltas added up: Prometheus knows totals only, and what an agent reports since its last report must not be lost on it.
//!
//! A delta that ends no later than what was added already is one that came twice or too late: it is not added.

use std::collections::HashMap;
use std::time::Duration;

use crate::exporter::prom::value::Value;

/// A total so far.
#[derive(Debug, Clone)]
pub struct Running {
    /// Since when it counts, in nanoseconds since 1970.
    pub start: u64,
    /// Up to when.
    pub time: u64,
    /// What it comes to.
    pub value: Value,
    /// When a delta last came in.
    pub touched: u64,
}

/// Why a delta was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdded {
    /// What it covers is in the total already.
    Late,
    /// There are as many totals as there may be.
    Full,
}

impl Running {
    /// Begins with a delta. One that does not say when it began counts from its end.
    #[must_use]
    pub fn new(start: u64, time: u64, value: Value, now: u64) -> Self {
        Self { start: if start == 0 { time } else { start }, time, value, touched: now }
    }

    /// Adds a delta.
    ///
    /// # Errors
    /// When it came already.
    pub fn add(&mut self, start: u64, time: u64, delta: &Value, now: u64) -> Result<(), NotAdded> {
        if time <= self.time {
            return Err(NotAdded::Late);
        }
        if !self.value.add(delta) {
            self.start = if start == 0 { self.time } else { start };
        }
        (self.time, self.touched) = (time, now);
        Ok(())
    }
}

/// Totals of many series, by their labels.
#[derive(Debug)]
pub struct Deltas {
    max: usize,
    stale: Duration,
    totals: HashMap<Box<[u8]>, Running>,
}

impl Deltas {
    /// At most `max` totals. One without a delta for `stale` may make room for a new one.
    #[must_use]
    pub fn new(max: usize, stale: Duration) -> Self {
        Self { max, stale, totals: HashMap::new() }
    }

    /// Adds a delta to the total of its series.
    ///
    /// # Errors
    /// When it came already, or there is no room for another series.
    pub fn add(&mut self, key: &[u8], start: u64, time: u64, delta: Value, now: u64) -> Result<&Running, NotAdded> {
        if !self.totals.contains_key(key) {
            if self.totals.len() >= self.max {
                self.make_room(now);
            }
            if self.totals.len() >= self.max {
                return Err(NotAdded::Full);
            }
            let first = Running::new(start, time, delta, now);
            return Ok(self.totals.entry(key.into()).or_insert(first));
        }
        let Some(total) = self.totals.get_mut(key) else { return Err(NotAdded::Full) };
        total.add(start, time, &delta, now)?;
        Ok(total)
    }

    /// The series ends: its total is not needed any more.
    pub fn forget(&mut self, key: &[u8]) {
        self.totals.remove(key);
    }

    fn make_room(&mut self, now: u64) {
        let stale = u64::try_from(self.stale.as_nanos()).unwrap_or(u64::MAX);
        self.totals.retain(|_, total| now.saturating_sub(total.touched) < stale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_add_up_and_one_that_comes_twice_counts_once() {
        let mut deltas = Deltas::new(10, Duration::from_secs(1));
        deltas.add(b"a", 1, 2, Value::Number(1.0), 0).unwrap();
        deltas.add(b"a", 2, 3, Value::Number(2.0), 0).unwrap();
        assert_eq!(deltas.add(b"a", 2, 3, Value::Number(2.0), 0).unwrap_err(), NotAdded::Late);
        let total = deltas.add(b"a", 3, 4, Value::Number(4.0), 0).unwrap();
        assert_eq!((total.start, total.time, &total.value), (1, 4, &Value::Number(7.0)));
    }

    #[test]
    fn a_new_series_finds_no_room_until_an_old_one_is_stale() {
        let mut deltas = Deltas::new(1, Duration::from_nanos(10));
        deltas.add(b"a", 1, 2, Value::Number(1.0), 0).unwrap();
        assert_eq!(deltas.add(b"b", 1, 2, Value::Number(1.0), 9).unwrap_err(), NotAdded::Full);
        assert!(deltas.add(b"b", 1, 2, Value::Number(1.0), 10).is_ok());
        assert_eq!(deltas.totals.len(), 1);
    }
}
