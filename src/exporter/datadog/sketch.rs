//! Distributions as Datadog's sketches: counts of values by key, where a key stands for values within 1.6 % of each other.
//!
//! The parameters are those of Datadog's own sketches (`pkg/quantile` of <https://github.com/DataDog/opentelemetry-mapping-go>):
//! `gamma = 1 + 2/128`, values below 1e-9 have the key 0. Within a bucket of a histogram, values are taken to lie evenly.

use super::points::{Buckets, Histogram};

const GAMMA: f64 = 1.0 + 2.0 / 128.0;
const VALUE_MIN: f64 = 1e-9;
/// The key of an infinite value.
const KEY_MAX: i32 = (1 << 15) - 1;

/// Counts by key, ascending, with what is known of the values beside that.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sketch {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) sum: f64,
    pub(super) bins: Vec<(i32, u32)>,
}

/// `1 - floor(log_gamma(1e-9))`.
fn bias() -> i32 {
    1 - (VALUE_MIN.ln() / GAMMA.ln()).floor() as i32
}

/// The key of a value.
pub(super) fn key(value: f64) -> i32 {
    if value < 0.0 {
        return -key(-value);
    }
    if value < VALUE_MIN || value.is_nan() {
        return 0;
    }
    // A cast from a float saturates: infinity is the largest key.
    let key = (value.ln() / GAMMA.ln()).round_ties_even() as i32;
    key.saturating_add(bias()).clamp(1, KEY_MAX)
}

/// The value that a key begins at.
fn value(key: i32) -> f64 {
    match key {
        0 => 0.0,
        key if key < 0 => -value(-key),
        KEY_MAX => f64::INFINITY,
        key => GAMMA.powi(key - bias()),
    }
}

impl Sketch {
    /// The sketch of a histogram; `None` when it counts nothing.
    pub(super) fn of(histogram: &Histogram) -> Option<Self> {
        let mut counts = std::collections::BTreeMap::new();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        each_bucket(histogram, |from, to, count| {
            // An open bucket ends where the values do, or has one bound for all that lie beyond it.
            let from = if from.is_finite() { from } else { histogram.min.unwrap_or(to) };
            let to = if to.is_finite() { to } else { histogram.max.unwrap_or(from) };
            let (from, to) = if from.is_finite() { (from, to.max(from)) } else { (0.0, 0.0) };
            low = low.min(from);
            high = high.max(to);
            spread(&mut counts, from, to, count);
        });
        let count: u64 = counts.values().sum();
        if count == 0 {
            return None;
        }
        let bins = counts.into_iter().filter(|(_, count)| *count > 0);
        let (min, max) = (histogram.min.unwrap_or(low), histogram.max.unwrap_or(high));
        Some(Self {
            count,
            min,
            max,
            sum: histogram.sum.unwrap_or((min + max) / 2.0 * as_f64(count)),
            bins: bins.map(|(key, count)| (key, u32::try_from(count).unwrap_or(u32::MAX))).collect(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts above 2^53 may be inexact")]
pub(super) const fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Shows `visit` the bounds and the count of every bucket that counts something.
fn each_bucket(histogram: &Histogram, mut visit: impl FnMut(f64, f64, u64)) {
    let mut each = |from: f64, to: f64, count: u64| {
        if count > 0 {
            visit(from, to, count);
        }
    };
    match &histogram.buckets {
        Buckets::Explicit { counts, .. } if counts.is_empty() => {
            each(histogram.min.unwrap_or(f64::NEG_INFINITY), histogram.max.unwrap_or(f64::INFINITY), histogram.count);
        }
        Buckets::Explicit { bounds, counts } => {
            for (at, count) in counts.iter().enumerate() {
                let from = at.checked_sub(1).and_then(|at| bounds.get(at)).copied().unwrap_or(f64::NEG_INFINITY);
                each(from, bounds.get(at).copied().unwrap_or(f64::INFINITY), *count);
            }
        }
        Buckets::Exponential { scale, zero, positive, negative } => {
            let bound = |index: i64| (as_exponent(index) * (-f64::from(*scale)).exp2()).exp2();
            each(0.0, 0.0, *zero);
            for (sign, (offset, counts)) in [(1.0, positive), (-1.0, negative)] {
                for (at, count) in (i64::from(*offset)..).zip(counts) {
                    let (near, far) = (sign * bound(at).min(f64::MAX), sign * bound(at + 1).min(f64::MAX));
                    each(near.min(far), near.max(far), *count);
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "offsets have 32 bits")]
const fn as_exponent(index: i64) -> f64 {
    index as f64
}

/// Counts `count` values that lie evenly between two bounds.
fn spread(counts: &mut std::collections::BTreeMap<i32, u64>, from: f64, to: f64, count: u64) {
    let (first, last) = (key(from), key(to));
    let width = to - from;
    let mut left = count;
    for at in first..last {
        // Keys are rounded: the values of one lie around where it begins.
        let until = (value(at) + value(at + 1)) / 2.0;
        let share = ((until - from) / width).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the count")]
        let below = (share * as_f64(count)).round() as u64;
        let here = below.saturating_sub(count - left).min(left);
        *counts.entry(at).or_default() += here;
        left -= here;
    }
    *counts.entry(last).or_default() += left;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(sketch: &Sketch, q: f64) -> f64 {
        let rank = (q * as_f64(sketch.count - 1)).round() as u64;
        let mut seen = 0;
        for (key, count) in &sketch.bins {
            seen += u64::from(*count);
            if seen > rank {
                return value(*key);
            }
        }
        sketch.max
    }

    #[test]
    fn keys_are_those_of_datadogs_sketches() {
        // Bins 1472 and 1532 of a sketch of 8 to 21 in VictoriaMetrics' tests, recorded from an agent.
        for (number, wanted) in
            [(0.0, 0), (1e-10, 0), (8.0, 1472), (20.99, 1534), (-8.0, -1472), (f64::INFINITY, KEY_MAX)]
        {
            let found = key(number);
            assert!((found - wanted).abs() <= 2, "{number}: {found}");
        }
        for number in [1e-9, 0.001, 1.0, 3.5, 1e6, 1e100] {
            let back = value(key(number));
            assert!((back / number - 1.0).abs() < 0.008, "{number}: {back}");
        }
    }

    #[test]
    fn every_value_of_a_histogram_is_counted_where_it_lies() {
        let explicit =
            |bounds: &[f64], counts: &[u64]| Buckets::Explicit { bounds: bounds.to_vec(), counts: counts.to_vec() };
        let of =
            |buckets| Sketch::of(&Histogram { count: 100, sum: Some(1.0), buckets, ..Histogram::default() }).unwrap();
        let sketch = of(explicit(&[0.0, 10.0, 20.0], &[0, 50, 50, 0]));
        assert_eq!((sketch.count, sketch.min, sketch.max, sketch.sum), (100, 0.0, 20.0, 1.0));
        for (q, wanted) in [(0.25, 5.0), (0.5, 10.0), (0.9, 18.0)] {
            assert!((quantile(&sketch, q) / wanted - 1.0).abs() < 0.03, "{q}: {}", quantile(&sketch, q));
        }
        let open = of(explicit(&[10.0, 20.0], &[30, 40, 30]));
        assert_eq!((open.count, open.min, open.max), (100, 10.0, 20.0));
        let one = of(explicit(&[], &[100]));
        assert_eq!((one.count, one.bins), (100, vec![(0, 100)]));
    }

    #[test]
    fn exponential_buckets_zeros_and_negative_values_are_counted() {
        let buckets = Buckets::Exponential { scale: 0, zero: 3, positive: (1, vec![5, 0, 7]), negative: (0, vec![2]) };
        let sketch = Sketch::of(&Histogram { count: 17, buckets, ..Histogram::default() }).unwrap();
        assert_eq!((sketch.count, sketch.min, sketch.max), (17, -2.0, 16.0));
        assert!(sketch.bins.is_sorted() && sketch.bins.contains(&(0, 3)));
        assert_eq!(sketch.bins.iter().filter(|(key, _)| *key < 0).map(|(_, count)| count).sum::<u32>(), 2);
    }

    #[test]
    fn nothing_counted_is_no_sketch_and_absurd_bounds_do_no_harm() {
        assert_eq!(Sketch::of(&Histogram::default()), None);
        for scale in [-400, 400, i32::MAX, i32::MIN] {
            let buckets =
                Buckets::Exponential { scale, zero: 0, positive: (i32::MAX, vec![1]), negative: (i32::MIN, vec![1]) };
            assert_eq!(Sketch::of(&Histogram { count: 2, buckets, ..Histogram::default() }).unwrap().count, 2);
        }
        let odd = Buckets::Explicit { bounds: vec![f64::NAN, 5.0, 1.0], counts: vec![1, 2, 3, 4, 5] };
        assert_eq!(Sketch::of(&Histogram { count: 15, buckets: odd, ..Histogram::default() }).unwrap().count, 15);
    }
}
