//! What data points say, as it is remembered and turned into Datadog's types.

use crate::otlp::points::{self, Kind, Temporality};

/// What a point says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// It says that there is nothing to say.
    Missing,
    /// The value of a gauge.
    Gauge(f64),
    /// The value of a sum.
    Sum(f64),
    Histogram(Histogram),
    Summary {
        count: u64,
        sum: f64,
        quantiles: Vec<(f64, f64)>,
    },
}

/// A distribution: how many values lie between two bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) buckets: Buckets,
}

/// The two ways to write buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Buckets {
    Explicit { bounds: Vec<f64>, counts: Vec<u64> },
    Exponential { scale: i32, zero: u64, positive: (i32, Vec<u64>), negative: (i32, Vec<u64>) },
}

impl Default for Buckets {
    fn default() -> Self {
        Self::Explicit { bounds: vec![], counts: vec![] }
    }
}

impl Data {
    /// What a point of a metric of that kind says.
    pub(super) fn of(kind: Kind, point: &points::Point<'_>) -> Self {
        if point.has_no_value() {
            return Self::Missing;
        }
        match (&point.data, kind) {
            (points::Data::Number(None), _) => Self::Missing,
            (points::Data::Number(Some(number)), Kind::Gauge) => Self::Gauge(number.as_f64()),
            (points::Data::Number(Some(number)), _) => Self::Sum(number.as_f64()),
            (points::Data::Histogram(own), _) => Self::Histogram(Histogram {
                count: own.count,
                sum: own.sum,
                min: own.min,
                max: own.max,
                buckets: Buckets::Explicit { bounds: own.bounds.to_vec(), counts: own.counts.to_vec() },
            }),
            (points::Data::Exponential(own), _) => {
                let part = |buckets: &points::Buckets<'_>| (buckets.offset, buckets.counts.to_vec());
                let (positive, negative) = (part(&own.positive), part(&own.negative));
                let (scale, zero) = (own.scale, own.zero_count);
                Self::Histogram(Histogram {
                    count: own.count,
                    sum: own.sum,
                    min: own.min,
                    max: own.max,
                    buckets: Buckets::Exponential { scale, zero, positive, negative },
                })
            }
            (points::Data::Summary(own), _) => {
                Self::Summary { count: own.count, sum: own.sum, quantiles: own.quantiles.to_vec() }
            }
        }
    }
}

/// True for points that count since the start, and not since the point before. Summaries have no temporality and do.
pub(super) fn is_cumulative(kind: Kind) -> bool {
    matches!(kind, Kind::Summary) || kind.temporality() == Some(Temporality::Cumulative)
}

/// True for the sums of a counter that only grows.
pub(super) const fn is_monotonic(kind: Kind) -> bool {
    matches!(kind, Kind::Sum { is_monotonic: true, .. })
}
