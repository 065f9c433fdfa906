//! Data points of all kinds of metrics, opened.

use bumpalo::Bump;

use crate::otlp::model::{Entity, delimited};
use crate::otlp::schema::{self, Message};
use crate::otlp::value::joined;
use crate::otlp::wire::{Cursor, Field, WireValue};
use crate::otlp::{DecodeError, gather};

/// The flag of a point that says that there is no value.
const NO_RECORDED_VALUE: u64 = 1;

/// A metric with its points.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    /// Numbers of a counter that only grows.
    pub(super) is_monotonic: bool,
    /// Each point tells what came since the start, and not since the point before.
    pub(super) is_cumulative: bool,
    pub(super) points: Vec<Point<'a>>,
}

/// A data point.
pub(super) struct Point<'a> {
    pub(super) entity: Entity<'a>,
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) data: Data,
}

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

impl<'a> Metric<'a> {
    /// Opens a metric. One of a kind that this version does not know has no points.
    ///
    /// # Errors
    /// When the framing is broken.
    pub(super) fn read(metric: &Entity<'a>, arena: &'a Bump) -> Result<Self, DecodeError> {
        let (name, unit) = (metric.text(1)?, metric.text(3)?);
        let mut own = Self { name, unit, is_monotonic: false, is_cumulative: false, points: vec![] };
        let (mut kind, mut parts) = (0, Vec::new());
        each_field(metric.raw(), |field| {
            if matches!(field.number, 5 | 7 | 9..=11) {
                if field.number != kind {
                    parts.clear();
                }
                kind = field.number;
                parts.push(delimited(&schema::METRIC, &field)?);
            }
            Ok(())
        })?;
        each_field(joined(&parts, arena), |field| {
            match field.number {
                1 => own.points.push(Point::read(kind, gather::content("Metric", &field)?, arena)?),
                2 => own.is_cumulative = number(&field) == 2,
                3 => own.is_monotonic = number(&field) != 0,
                _ => {}
            }
            Ok(())
        })?;
        Ok(own)
    }
}

impl<'a> Point<'a> {
    fn read(kind: u32, bytes: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let (message, flags_at): (&'static Message, u32) = match kind {
            9 => (&schema::HISTOGRAM_POINT, 10),
            10 => (&schema::EXPONENTIAL_POINT, 10),
            11 => (&schema::SUMMARY_POINT, 8),
            _ => (&schema::NUMBER_POINT, 8),
        };
        let entity = Entity::open(message, bytes, arena)?;
        let (mut start, mut time, mut flags) = (0, 0, 0);
        each_field(bytes, |field| {
            match field.number {
                2 => start = number(&field),
                3 => time = number(&field),
                n if n == flags_at => flags = number(&field),
                _ => {}
            }
            Ok(())
        })?;
        let data = match kind {
            _ if flags & NO_RECORDED_VALUE != 0 => Data::Missing,
            9 => Data::Histogram(explicit(bytes)?),
            10 => Data::Histogram(exponential(bytes)?),
            11 => summary(bytes)?,
            7 => scalar(bytes)?.map_or(Data::Missing, Data::Sum),
            _ => scalar(bytes)?.map_or(Data::Missing, Data::Gauge),
        };
        Ok(Self { entity, start, time, data })
    }
}

#[expect(clippy::cast_precision_loss, reason = "Datadog's values are doubles")]
fn scalar(bytes: &[u8]) -> Result<Option<f64>, DecodeError> {
    let mut value = None;
    each_field(bytes, |field| {
        match (field.number, field.value) {
            (4, WireValue::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (6, WireValue::Fixed64(bits)) => value = Some(bits.cast_signed() as f64),
            _ => {}
        }
        Ok(())
    })?;
    Ok(value)
}

fn explicit(bytes: &[u8]) -> Result<Histogram, DecodeError> {
    let (mut own, mut bounds, mut counts) = (Histogram::default(), vec![], vec![]);
    each_field(bytes, |field| {
        match field.number {
            4 => own.count = number(&field),
            5 => own.sum = Some(double(&field)),
            6 => fixed(&field, &mut counts),
            7 => {
                let mut bits = vec![];
                fixed(&field, &mut bits);
                bounds.extend(bits.into_iter().map(f64::from_bits));
            }
            11 => own.min = Some(double(&field)),
            12 => own.max = Some(double(&field)),
            _ => {}
        }
        Ok(())
    })?;
    own.buckets = Buckets::Explicit { bounds, counts };
    Ok(own)
}

fn exponential(bytes: &[u8]) -> Result<Histogram, DecodeError> {
    let mut own = Histogram::default();
    let (mut scale, mut zero, mut positive, mut negative) = (0, 0, (0, vec![]), (0, vec![]));
    each_field(bytes, |field| {
        match field.number {
            4 => own.count = number(&field),
            5 => own.sum = Some(double(&field)),
            6 => scale = zigzag(&field),
            7 => zero = number(&field),
            8 => buckets(&field, &mut positive)?,
            9 => buckets(&field, &mut negative)?,
            12 => own.min = Some(double(&field)),
            13 => own.max = Some(double(&field)),
            _ => {}
        }
        Ok(())
    })?;
    own.buckets = Buckets::Exponential { scale, zero, positive, negative };
    Ok(own)
}

fn buckets(field: &Field<'_>, out: &mut (i32, Vec<u64>)) -> Result<(), DecodeError> {
    each_field(delimited(&schema::BUCKETS, field)?, |field| {
        match (field.number, field.value) {
            (1, _) => out.0 = zigzag(&field),
            (2, WireValue::Varint(count)) => out.1.push(count),
            (2, WireValue::Bytes(packed)) => {
                let mut rest = Cursor::new(packed);
                while !rest.is_empty() {
                    out.1.push(rest.varint()?);
                }
            }
            _ => {}
        }
        Ok(())
    })
}

fn summary(bytes: &[u8]) -> Result<Data, DecodeError> {
    let (mut count, mut sum, mut quantiles) = (0, 0.0, vec![]);
    each_field(bytes, |field| {
        match field.number {
            4 => count = number(&field),
            5 => sum = double(&field),
            6 => {
                let (mut quantile, mut value) = (0.0, 0.0);
                each_field(delimited(&schema::QUANTILE, &field)?, |field| {
                    match field.number {
                        1 => quantile = double(&field),
                        2 => value = double(&field),
                        _ => {}
                    }
                    Ok(())
                })?;
                quantiles.push((quantile, value));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(Data::Summary { count, sum, quantiles })
}

fn each_field<'a>(
    message: &'a [u8],
    mut visit: impl FnMut(Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(message);
    while let Some(field) = cursor.next_field()? {
        visit(field)?;
    }
    Ok(())
}

const fn number(field: &Field<'_>) -> u64 {
    match field.value {
        WireValue::Varint(number) | WireValue::Fixed64(number) => number,
        _ => 0,
    }
}

const fn double(field: &Field<'_>) -> f64 {
    f64::from_bits(number(field))
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits are what protobuf keeps of a sint32")]
const fn zigzag(field: &Field<'_>) -> i32 {
    let bits = number(field) as u32;
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

/// Packed `fixed64` or `double`, or one of them alone.
fn fixed(field: &Field<'_>, out: &mut Vec<u64>) {
    match field.value {
        WireValue::Bytes(packed) => {
            out.extend(packed.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)))
        }
        _ => out.push(number(field)),
    }
}
