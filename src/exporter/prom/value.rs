//! Values that are kept between points: what deltas add up to, and native histograms.
//!
//! A native histogram has the bounds `2^(2^-schema * i)` for schemas from -4 to 8; finer OTLP histograms are made coarser by joining
//! neighbours, which loses nothing but resolution. Bucket `i` of OTLP ends where bucket `i + 1` of Prometheus ends.
//! Source: <https://prometheus.io/docs/specs/native_histograms/>.

use std::collections::BTreeMap;

use crate::otlp::points::{Buckets, Data, Exponential};
use crate::otlp::wire::{put_bytes, put_tag, put_varint};

/// The coarsest native histogram.
pub const SCHEMA_MIN: i32 = -4;
/// The finest.
const SCHEMA_MAX: i32 = 8;
/// More buckets than any producer keeps (SDKs: 160); a bound on memory and work a point.
pub const BUCKETS_MAX: usize = 10_000;
/// Empty buckets between two spans are cheaper written out up to this many.
const GAP_MAX: i64 = 2;

/// A value as it is exposed.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a gauge or counter.
    Number(f64),
    /// A histogram with bounds of its own.
    Classic(Classic),
    /// A native histogram.
    Native(Native),
    /// Quantiles.
    Summary {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Quantiles and values.
        quantiles: Box<[(f64, f64)]>,
    },
}

/// A histogram with bounds of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Classic {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// All upper bounds but that of the last bucket.
    pub bounds: Box<[f64]>,
    /// How many values fell into each bucket.
    pub counts: Box<[u64]>,
}

/// A native histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Native {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The resolution.
    pub schema: i32,
    /// Values around 0.
    pub zero_count: u64,
    /// How far around.
    pub zero_threshold: f64,
    /// Prometheus' bucket index and count, positive values.
    pub positive: BTreeMap<i64, u64>,
    /// The same of negative values.
    pub negative: BTreeMap<i64, u64>,
}

impl Value {
    /// The value of a point; `None` where it has none.
    #[must_use]
    pub fn of(data: &Data<'_>) -> Option<Self> {
        Some(match data {
            Data::Number(number) => Self::Number((*number)?.as_f64()),
            Data::Histogram(it) => Self::Classic(Classic {
                count: it.count,
                sum: it.sum,
                bounds: it.bounds.into(),
                counts: it.counts.into(),
            }),
            Data::Exponential(it) => Self::Native(Native::of(it)),
            Data::Summary(it) => Self::Summary { count: it.count, sum: it.sum, quantiles: it.quantiles.into() },
        })
    }

    /// Adds a delta. False when the two do not fit together: then the value starts again with the delta.
    pub fn add(&mut self, delta: &Self) -> bool {
        match (&mut *self, delta) {
            (Self::Number(total), Self::Number(more)) => *total += more,
            (Self::Classic(total), Self::Classic(more))
                if total.bounds == more.bounds && total.counts.len() == more.counts.len() =>
            {
                total.count = total.count.saturating_add(more.count);
                total.sum = both(total.sum, more.sum);
                total
                    .counts
                    .iter_mut()
                    .zip(&more.counts)
                    .for_each(|(total, more)| *total = total.saturating_add(*more));
            }
            (Self::Native(total), Self::Native(more)) => total.add(more),
            _ => {
                *self = delta.clone();
                return false;
            }
        }
        true
    }
}

fn both(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| a + b)
}

impl Native {
    /// The native form of an exponential histogram.
    #[must_use]
    pub fn of(it: &Exponential<'_>) -> Self {
        let schema = it.scale.clamp(SCHEMA_MIN, SCHEMA_MAX);
        let coarser = it.scale.saturating_sub(schema);
        let zero_threshold = if it.zero_threshold > 0.0 { it.zero_threshold } else { 0.0 };
        Self {
            count: it.count,
            sum: it.sum,
            schema,
            zero_count: it.zero_count,
            zero_threshold,
            positive: indexed(&it.positive, coarser),
            negative: indexed(&it.negative, coarser),
        }
    }

    fn add(&mut self, more: &Self) {
        let schema = self.schema.min(more.schema);
        self.coarsen(schema);
        self.count = self.count.saturating_add(more.count);
        self.sum = both(self.sum, more.sum);
        self.zero_count = self.zero_count.saturating_add(more.zero_count);
        self.zero_threshold = self.zero_threshold.max(more.zero_threshold);
        let steps = more.schema - schema;
        for (own, others) in [(&mut self.positive, &more.positive), (&mut self.negative, &more.negative)] {
            for (index, count) in others {
                add_to(own, coarser_index(*index, steps), *count);
            }
        }
        self.fit();
    }

    /// Makes it coarser until it has a bearable number of buckets.
    fn fit(&mut self) {
        while self.positive.len() + self.negative.len() > BUCKETS_MAX && self.schema > SCHEMA_MIN {
            self.coarsen(self.schema - 1);
        }
    }

    fn coarsen(&mut self, schema: i32) {
        let steps = self.schema - schema;
        if steps > 0 {
            for buckets in [&mut self.positive, &mut self.negative] {
                let finer = std::mem::take(buckets);
                finer.into_iter().for_each(|(index, count)| add_to(buckets, coarser_index(index, steps), count));
            }
            self.schema = schema;
        }
    }

    /// Appends what both protobuf formats hold of a native histogram; they differ in the numbers of fields only.
    pub fn put(&self, fields: &Fields, out: &mut Vec<u8>) {
        put_tag(out, fields.count, 0);
        put_varint(out, self.count);
        put_double(out, fields.sum, self.sum.unwrap_or_default());
        put_tag(out, fields.schema, 0);
        put_varint(out, u64::from(zigzag32(self.schema)));
        put_double(out, fields.zero_threshold, self.zero_threshold);
        put_tag(out, fields.zero_count, 0);
        put_varint(out, self.zero_count);
        put_buckets(&self.negative, fields.negative, false, out);
        put_buckets(&self.positive, fields.positive, true, out);
    }
}

/// Numbers of the fields of a native histogram.
#[derive(Debug)]
pub struct Fields {
    count: u32,
    sum: u32,
    schema: u32,
    zero_threshold: u32,
    zero_count: u32,
    /// Spans, deltas.
    negative: (u32, u32),
    /// Spans, deltas.
    positive: (u32, u32),
}

/// `prometheus.Histogram` and `io.prometheus.write.v2.Histogram`.
pub const REMOTE: Fields =
    Fields { count: 1, sum: 3, schema: 4, zero_threshold: 5, zero_count: 6, negative: (8, 9), positive: (11, 12) };
/// `io.prometheus.client.Histogram`.
pub const EXPOSED: Fields =
    Fields { count: 1, sum: 2, schema: 5, zero_threshold: 6, zero_count: 7, negative: (9, 10), positive: (12, 13) };

/// Appends a `double` field.
pub fn put_double(out: &mut Vec<u8>, number: u32, value: f64) {
    put_tag(out, number, 1);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn indexed(buckets: &Buckets<'_>, coarser: i32) -> BTreeMap<i64, u64> {
    let mut out = BTreeMap::new();
    for (index, count) in (i64::from(buckets.offset)..).zip(buckets.counts).filter(|(_, count)| **count > 0) {
        add_to(&mut out, (index >> coarser.min(63)) + 1, *count);
    }
    out
}

/// Prometheus' index after so many halvings of the resolution.
fn coarser_index(index: i64, steps: i32) -> i64 {
    ((index - 1) >> steps.clamp(0, 63)) + 1
}

fn add_to(buckets: &mut BTreeMap<i64, u64>, index: i64, count: u64) {
    let total = buckets.entry(index).or_default();
    *total = total.saturating_add(count);
}

/// Runs of buckets as spans, and each count as the difference from the one before. `marked`: a histogram without buckets gets an
/// empty span, without which it would be taken for a classic one.
fn put_buckets(buckets: &BTreeMap<i64, u64>, (spans, deltas): (u32, u32), marked: bool, out: &mut Vec<u8>) {
    if buckets.is_empty() {
        if marked {
            put_bytes(out, spans, &[]);
        }
        return;
    }
    let (mut runs, mut packed, mut last, mut end) = (Vec::<(i64, u64)>::new(), Vec::new(), 0_u64, 0_i64);
    let mut put = |count: u64, packed: &mut Vec<u8>| {
        put_varint(packed, zigzag64(count.wrapping_sub(last).cast_signed()));
        last = count;
    };
    for (&index, &count) in buckets {
        let gap = index - end;
        match runs.last_mut() {
            Some((_, length)) if gap <= GAP_MAX => {
                (0..gap).for_each(|_| put(0, &mut packed));
                *length += gap.unsigned_abs() + 1;
            }
            _ => runs.push((gap, 1)),
        }
        put(count, &mut packed);
        end = index + 1;
    }
    for (offset, length) in runs {
        let mut span = Vec::new();
        put_tag(&mut span, 1, 0);
        put_varint(&mut span, zigzag64(offset));
        put_tag(&mut span, 2, 0);
        put_varint(&mut span, length);
        put_bytes(out, spans, &span);
    }
    put_bytes(out, deltas, &packed);
}

const fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

const fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential<'a>(scale: i32, offset: i32, counts: &'a [u64]) -> Exponential<'a> {
        let count = counts.iter().sum();
        Exponential { count, sum: Some(1.0), scale, positive: Buckets { offset, counts }, ..Exponential::default() }
    }

    /// Where a value of this size falls in a native histogram, by the definition of the bounds.
    fn bucket(schema: i32, upper: f64) -> i64 {
        let index = upper.log2() * f64::from(schema).exp2();
        #[expect(clippy::cast_possible_truncation)]
        let index = index.round() as i64;
        index
    }

    #[test]
    fn buckets_end_where_otlp_says_also_when_made_coarser() {
        // The bucket at OTLP index i ends at base^(i+1).
        for (scale, schema) in [(3, 3), (0, 0), (-4, -4), (8, 8)] {
            let native = Native::of(&exponential(scale, 5, &[7]));
            let upper = (6.0 * (-f64::from(scale)).exp2()).exp2();
            assert_eq!(native.positive, [(bucket(schema, upper), 7)].into(), "{scale}");
        }
        // Scale 10 to 8: four buckets become one. Indices -1 to 4 are (-1), (0..=3), (4).
        let native = Native::of(&exponential(10, -1, &[1, 2, 3, 4, 5, 6]));
        assert_eq!((native.schema, native.positive), (8, [(0, 1), (1, 14), (2, 6)].into()));
    }

    #[test]
    fn deltas_of_different_resolution_add_up_to_the_coarser() {
        let mut total = Value::Native(Native::of(&exponential(2, 0, &[1, 1, 1, 1, 1])));
        assert!(total.add(&Value::Native(Native::of(&exponential(0, 0, &[10, 20])))));
        let Value::Native(total) = total else { unreachable!() };
        assert_eq!((total.schema, total.count, total.sum), (0, 35, Some(2.0)));
        assert_eq!(total.positive, [(1, 14), (2, 21)].into());
    }

    #[test]
    fn a_histogram_with_other_bounds_starts_again() {
        let classic = |bounds: &[f64], counts: &[u64]| {
            Value::Classic(Classic { count: 3, sum: None, bounds: bounds.into(), counts: counts.into() })
        };
        let mut total = classic(&[1.0], &[1, 2]);
        assert!(total.add(&classic(&[1.0], &[2, 1])));
        assert_eq!(total, Value::Classic(Classic { count: 6, sum: None, bounds: [1.0].into(), counts: [3, 3].into() }));
        assert!(!total.add(&classic(&[2.0], &[2, 1])));
        assert_eq!(total, classic(&[2.0], &[2, 1]));
    }

    #[test]
    fn spans_and_deltas_say_where_each_bucket_is() {
        let mut out = vec![];
        put_buckets(&[(-2, 3), (0, 1), (9, 4)].into(), (1, 2), true, &mut out);
        // Spans (-2, 3) and (gap 8, 1); counts 3, 0, 1, 4 as 3, -3, 1, 3.
        assert_eq!(out, [0x0a, 4, 8, 3, 16, 3, 0x0a, 4, 8, 16, 16, 1, 0x12, 4, 6, 5, 2, 6]);
        out.clear();
        put_buckets(&BTreeMap::new(), (1, 2), true, &mut out);
        assert_eq!(out, [0x0a, 0]);
    }
}
