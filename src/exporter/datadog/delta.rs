//! Cumulative points as the increments that Datadog counts: what each series said last, for so long.
//!
//! What a payload changes is kept apart until the payload is delivered: sent again, it gives the same increments. A series starts
//! anew when its start time moves or its value falls; what it had counted until then is its first increment. The first point of a
//! series whose start lies before ours is only remembered, since we cannot know what was counted of it by whom.

use std::collections::HashMap;

use super::points::{Buckets, Data, Histogram};

/// Series that are remembered. One more replaces what was silent for longest.
const SERIES_MAX: usize = 1_000_000;

/// A series: a hash of its name, kind, host and tags. Two of a million share 128 bits never.
pub(super) type Series = u128;

/// What series said last, as far as payloads are delivered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Each with the moment at which it was heard of last.
    known: HashMap<Series, (Last, u64)>,
    swept_at: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Last {
    start: u64,
    time: u64,
    data: Data,
}

/// What a payload changes in the memory.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Series, Last>);

/// What became of a cumulative point.
#[derive(Debug, PartialEq)]
pub(super) enum Delta {
    /// This much was added since `from`.
    Added { data: Data, from: u64 },
    /// It is the first of its series, and only remembered.
    First,
    /// It is no later than the one before.
    Old,
}

impl Memory {
    /// The increment of a point. `began_at` is when this process began.
    pub(super) fn delta(
        &self,
        changes: &mut Changes,
        series: Series,
        (start, time): (u64, u64),
        data: &Data,
        began_at: u64,
    ) -> Delta {
        let last = changes.0.get(&series).or_else(|| self.known.get(&series).map(|(last, _)| last));
        let delta = match last {
            Some(last) if time <= last.time => return Delta::Old,
            Some(last) => match less(data, &last.data).filter(|_| start == 0 || start <= last.time) {
                Some(data) => Delta::Added { data, from: last.time },
                None => Delta::Added { data: data.clone(), from: if start > last.time { start } else { last.time } },
            },
            None if start != 0 && start >= began_at => Delta::Added { data: data.clone(), from: start },
            None => Delta::First,
        };
        changes.0.insert(series, Last { start, time, data: data.clone() });
        delta
    }

    /// The payload with these changes is delivered. What was silent for longer than `ttl` nanoseconds is forgotten.
    pub(super) fn apply(&mut self, changes: Changes, now: u64, ttl: u64) {
        self.known.extend(changes.0.into_iter().map(|(series, last)| (series, (last, now))));
        if now.saturating_sub(self.swept_at) > ttl / 4 || self.known.len() > SERIES_MAX {
            self.swept_at = now;
            self.known.retain(|_, (_, heard)| now.saturating_sub(*heard) <= ttl);
        }
        if self.known.len() > SERIES_MAX {
            let mut times: Vec<u64> = self.known.values().map(|(_, heard)| *heard).collect();
            let (_, cut, _) = times.select_nth_unstable(self.known.len() - SERIES_MAX);
            let cut = *cut;
            self.known.retain(|_, (_, heard)| *heard >= cut);
        }
    }
}

/// What lies between two points of a series; `None` where the series began anew in between.
fn less(data: &Data, last: &Data) -> Option<Data> {
    match (data, last) {
        (Data::Sum(now), Data::Sum(before)) => (now >= before).then(|| Data::Sum(now - before)),
        (Data::Histogram(now), Data::Histogram(before)) => histogram(now, before).map(Data::Histogram),
        (Data::Summary { count, sum, quantiles }, Data::Summary { count: before, sum: sum_before, .. }) => {
            let count = count.checked_sub(*before)?;
            Some(Data::Summary { count, sum: sum - sum_before, quantiles: quantiles.clone() })
        }
        _ => None,
    }
}

fn histogram(now: &Histogram, before: &Histogram) -> Option<Histogram> {
    let count = now.count.checked_sub(before.count)?;
    let sum = now.sum.zip(before.sum).map(|(now, before)| now - before);
    let buckets = match (&now.buckets, &before.buckets) {
        (Buckets::Explicit { bounds, counts }, Buckets::Explicit { bounds: same, counts: less }) if bounds == same => {
            Buckets::Explicit { bounds: bounds.clone(), counts: without(counts, less, 0)? }
        }
        (
            Buckets::Exponential { scale, zero, positive, negative },
            Buckets::Exponential { scale: other, zero: less, positive: p, negative: n },
        ) => {
            // Buckets widen as values spread: what was counted before is brought to the same width.
            let wider = u32::try_from(other.checked_sub(*scale)?).ok()?;
            let part = |(offset, counts): &(i32, Vec<u64>), before: &(i32, Vec<u64>)| {
                let (from, counted) = widened(before, wider);
                Some((*offset, without(counts, &counted, i64::from(*offset) - i64::from(from))?))
            };
            Buckets::Exponential {
                scale: *scale,
                zero: zero.checked_sub(*less)?,
                positive: part(positive, p)?,
                negative: part(negative, n)?,
            }
        }
        _ => return None,
    };
    // The extremes since the start say nothing of what came since the last point.
    Some(Histogram { count, sum, min: None, max: None, buckets })
}

/// Counts less those of before, which begin `shift` buckets earlier.
fn without(counts: &[u64], before: &[u64], shift: i64) -> Option<Vec<u64>> {
    let old = |at: i64| usize::try_from(at).ok().and_then(|at| before.get(at)).copied().unwrap_or(0);
    let outside: u64 = (0_i64..)
        .zip(before)
        .filter(|(at, _)| *at < shift || *at - shift >= counts.len() as i64)
        .map(|(_, count)| *count)
        .sum();
    if outside > 0 {
        return None;
    }
    (0_i64..).zip(counts).map(|(at, count)| count.checked_sub(old(at + shift))).collect()
}

/// The same counts in buckets twice as wide, `times` times.
fn widened((offset, counts): &(i32, Vec<u64>), times: u32) -> (i32, Vec<u64>) {
    let place = |index: i64| if times < 63 { index >> times } else { index.signum().min(0) };
    let first = place(i64::from(*offset));
    let mut out = vec![];
    for (at, count) in (i64::from(*offset)..).zip(counts) {
        let to = usize::try_from(place(at) - first).unwrap_or_default();
        if out.len() <= to {
            out.resize(to + 1, 0);
        }
        out[to] += count;
    }
    (i32::try_from(first).unwrap_or_default(), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: u64 = 1_000;

    fn sum(memory: &mut Memory, start: u64, time: u64, value: f64) -> Delta {
        let mut changes = Changes::default();
        let delta = memory.delta(&mut changes, 7, (start, time), &Data::Sum(value), 100);
        memory.apply(changes, time, TTL);
        delta
    }

    fn added(value: f64, from: u64) -> Delta {
        Delta::Added { data: Data::Sum(value), from }
    }

    #[test]
    fn increments_are_exact_over_restarts_of_the_producer() {
        let mut memory = Memory::default();
        assert_eq!(sum(&mut memory, 50, 200, 10.0), Delta::First, "it began before us");
        assert_eq!(sum(&mut memory, 50, 210, 15.0), added(5.0, 200));
        assert_eq!(sum(&mut memory, 50, 210, 15.0), Delta::Old);
        assert_eq!(sum(&mut memory, 50, 205, 12.0), Delta::Old);
        assert_eq!(sum(&mut memory, 220, 230, 20.0), added(20.0, 220), "a new start, though the value is larger");
        assert_eq!(sum(&mut memory, 220, 240, 3.0), added(3.0, 230), "the value fell");
        assert_eq!(sum(&mut Memory::default(), 150, 200, 10.0), added(10.0, 150), "it began after us");
        assert_eq!(sum(&mut memory, 220, 240 + 2 * TTL, 3.0), added(0.0, 240));
        memory.apply(Changes::default(), 240 + 4 * TTL, TTL);
        assert_eq!(sum(&mut memory, 50, 240 + 5 * TTL, 9.0), Delta::First, "it was silent for too long");
    }

    #[test]
    fn a_payload_that_is_sent_again_gives_the_same_increments() {
        let mut memory = Memory::default();
        sum(&mut memory, 50, 200, 10.0);
        for _ in 0..3 {
            let mut changes = Changes::default();
            let first = memory.delta(&mut changes, 7, (50, 210), &Data::Sum(15.0), 100);
            let second = memory.delta(&mut changes, 7, (50, 220), &Data::Sum(16.0), 100);
            assert_eq!((first, second), (added(5.0, 200), added(1.0, 210)));
        }
    }

    fn exponential(scale: i32, zero: u64, positive: (i32, Vec<u64>)) -> Histogram {
        let count = zero + positive.1.iter().sum::<u64>();
        let buckets = Buckets::Exponential { scale, zero, positive, negative: (0, vec![]) };
        Histogram { count, sum: Some(1.0), buckets, ..Histogram::default() }
    }

    #[test]
    fn exponential_histograms_are_subtracted_though_their_buckets_widen() {
        let before = exponential(1, 1, (-1, vec![1, 2, 3, 4]));
        let now = exponential(0, 2, (-1, vec![3, 5, 9]));
        // Buckets -1 | 0 1 | 2 become -1 | 0 | 1 at half the scale: 1, 5, 4.
        assert_eq!(histogram(&now, &before).unwrap().buckets, exponential(0, 1, (-1, vec![2, 0, 5])).buckets);
        assert_eq!(histogram(&before, &now), None, "buckets do not become narrower");
        assert_eq!(histogram(&exponential(0, 2, (1, vec![9])), &before), None, "a count was lost");
    }
}
