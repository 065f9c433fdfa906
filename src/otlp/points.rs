//! Metrics as exporters read them: each data point with all its numbers, in one pass over its bytes.
//!
//! Names and texts are borrowed from the request; attributes come as everywhere else ([`Entity::attributes`]); lists of
//! numbers (buckets, bounds, quantiles) are laid out in the batch's arena. What stands twice counts as protobuf has it:
//! of a scalar the last, messages are merged, of the kinds of a metric the last with all its parts. Points come in the order in which
//! [`crate::otlp::count`] counts them, so a point's place is its record number within the payload.

mod reading;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::DecodeError;
use crate::otlp::model::{Batch, Entity, Group, Scope, delimited};
use crate::otlp::schema::{self, Message};
use crate::otlp::value::joined;
use crate::otlp::wire::{Cursor, WireValue};
use reading::{Reading, fixed, flags, text_of};

/// A metric: its name, and its points still unread.
#[derive(Debug)]
pub struct Metric<'e, 'a> {
    /// The name.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// In UCUM, as OpenTelemetry has it.
    pub unit: &'a str,
    /// What its points are.
    pub kind: Kind,
    /// Itself; its attributes are the `metadata`.
    pub entity: &'e Entity<'a>,
    /// The bytes of the `Gauge`, `Sum`, ..
    data: &'a [u8],
}

/// What the points of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A current value.
    Gauge,
    /// A sum.
    Sum {
        /// Since when.
        temporality: Temporality,
        /// It never goes down.
        is_monotonic: bool,
    },
    /// A histogram with bounds of its own.
    Histogram(Temporality),
    /// A histogram with bounds that are powers of a base.
    Exponential(Temporality),
    /// Quantiles that were computed by the producer.
    Summary,
}

/// What the numbers of a point cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    /// Not said, which is an error of the producer, or a kind that this version does not know.
    Unspecified,
    /// What came since the last point.
    Delta,
    /// Everything since the start time.
    Cumulative,
}

/// One data point.
#[derive(Debug)]
pub struct Point<'a> {
    /// When what it covers began, in nanoseconds since 1970; 0: not said.
    pub start_time: u64,
    /// When it was taken.
    pub time: u64,
    /// See [`Point::has_no_value`].
    pub flags: u32,
    /// Its numbers.
    pub data: Data<'a>,
    /// Itself, with its attributes.
    pub entity: Entity<'a>,
    /// The number of the exemplars' field, 0 where there are none.
    exemplars: u32,
    arena: &'a Bump,
}

/// The numbers of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Data<'a> {
    /// Of a gauge or sum; none when the producer set none.
    Number(Option<Number>),
    /// Of a histogram.
    Histogram(Histogram<'a>),
    /// Of an exponential histogram.
    Exponential(Exponential<'a>),
    /// Of a summary.
    Summary(Summary<'a>),
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// `as_int`.
    Int(i64),
    /// `as_double`.
    Double(f64),
}

/// The numbers of a `HistogramDataPoint`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Histogram<'a> {
    /// How many values.
    pub count: u64,
    /// Their sum, where it means something.
    pub sum: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// The upper bounds of all buckets but the last, which has none; ascending when the producer is right.
    pub bounds: &'a [f64],
    /// How many values fell into each bucket: one more than bounds, or none at all.
    pub counts: &'a [u64],
}

/// The numbers of an `ExponentialHistogramDataPoint`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Exponential<'a> {
    /// How many values.
    pub count: u64,
    /// Their sum, where it means something.
    pub sum: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// The base of the bounds is `2^(2^-scale)`.
    pub scale: i32,
    /// Values as close to 0 as `zero_threshold`.
    pub zero_count: u64,
    /// The width of the bucket around 0.
    pub zero_threshold: f64,
    /// The buckets of positive values.
    pub positive: Buckets<'a>,
    /// The buckets of negative values.
    pub negative: Buckets<'a>,
}

/// Buckets of an exponential histogram: that at `i` holds values in `(base^(offset+i), base^(offset+i+1)]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buckets<'a> {
    /// The index of the first.
    pub offset: i32,
    /// How many values fell into each.
    pub counts: &'a [u64],
}

/// The numbers of a `SummaryDataPoint`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary<'a> {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantiles from 0 to 1 with their values.
    pub quantiles: &'a [(f64, f64)],
}

/// A sample of what a point summarises.
#[derive(Debug)]
pub struct Exemplar<'a> {
    /// When it was taken.
    pub time: u64,
    /// Its value; none when the producer set none.
    pub value: Option<Number>,
    /// 8 bytes, or none.
    pub span_id: &'a [u8],
    /// 16 bytes, or none.
    pub trace_id: &'a [u8],
    /// Itself; its attributes are the `filtered_attributes`.
    pub entity: Entity<'a>,
}

/// Where a point stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'e, 'a> {
    /// Its resource, and the schema URL of that.
    pub group: &'e Group<'a>,
    /// Its instrumentation scope.
    pub scope: &'e Scope<'a>,
    /// Its metric.
    pub metric: &'e Metric<'e, 'a>,
    /// How many points of the batch came before.
    pub index: u64,
}

/// Visits the data points of a batch of metrics, in order.
///
/// # Errors
/// When a metric or point is not what the schema says, or what `visit` fails with.
pub fn each_point<'a, E: From<DecodeError>>(
    batch: &Batch<'a>,
    mut visit: impl FnMut(Place<'_, 'a>, Point<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut index = 0;
    for group in &batch.groups {
        for scope in &group.scopes {
            for record in &scope.records {
                let Some(metric) = Metric::read(record, batch.arena())? else { continue };
                for point in metric.points(batch.arena()) {
                    visit(Place { group, scope, metric: &metric, index }, point?)?;
                    index += 1;
                }
            }
        }
    }
    Ok(())
}

impl<'e, 'a> Metric<'e, 'a> {
    /// Reads an open `Metric`; `None` when it has no data of a kind that this version knows.
    ///
    /// # Errors
    /// When a field is not what the schema says.
    pub fn read(entity: &'e Entity<'a>, arena: &'a Bump) -> Result<Option<Self>, DecodeError> {
        let message = &schema::METRIC;
        let (mut number, mut parts) = (0, ArenaVec::<&[u8]>::new_in(arena));
        let (mut name, mut description, mut unit) = ("", "", "");
        let mut cursor = Cursor::new(entity.raw());
        while let Some(field) = cursor.next_field()? {
            match field.number {
                1 => name = text_of(message, &field)?,
                2 => description = text_of(message, &field)?,
                3 => unit = text_of(message, &field)?,
                5 | 7 | 9 | 10 | 11 => {
                    if number != field.number {
                        parts.clear();
                    }
                    number = field.number;
                    parts.push(delimited(message, &field)?);
                }
                _ => {}
            }
        }
        let data = joined(&parts, arena);
        let kind = kind(number, data)?;
        Ok(kind.map(|kind| Self { name, description, unit, kind, entity, data }))
    }

    /// Its points, in order. Nothing comes after an error.
    pub fn points(&self, arena: &'a Bump) -> impl Iterator<Item = Result<Point<'a>, DecodeError>> + use<'a> {
        let (kind, mut cursor) = (self.kind, Cursor::new(self.data));
        std::iter::from_fn(move || {
            let next = next_point(kind, &mut cursor, arena);
            if next.is_err() {
                cursor = Cursor::new(&[]);
            }
            next.transpose()
        })
    }
}

/// The number of `data_points` in every kind of data.
const DATA_POINTS: u32 = 1;

fn next_point<'a>(kind: Kind, cursor: &mut Cursor<'a>, arena: &'a Bump) -> Result<Option<Point<'a>>, DecodeError> {
    while let Some(field) = cursor.next_field()? {
        if field.number == DATA_POINTS {
            return Point::read(kind, delimited(kind.data(), &field)?, arena).map(Some);
        }
    }
    Ok(None)
}

fn kind(number: u32, data: &[u8]) -> Result<Option<Kind>, DecodeError> {
    let (mut temporality, mut is_monotonic) = (Temporality::Unspecified, false);
    if matches!(number, 7 | 9 | 10) {
        let mut cursor = Cursor::new(data);
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (2, WireValue::Varint(1)) => temporality = Temporality::Delta,
                (2, WireValue::Varint(2)) => temporality = Temporality::Cumulative,
                (2, _) => temporality = Temporality::Unspecified,
                (3, WireValue::Varint(set)) => is_monotonic = set != 0,
                _ => {}
            }
        }
    }
    Ok(Some(match number {
        5 => Kind::Gauge,
        7 => Kind::Sum { temporality, is_monotonic },
        9 => Kind::Histogram(temporality),
        10 => Kind::Exponential(temporality),
        11 => Kind::Summary,
        _ => return Ok(None),
    }))
}

impl Kind {
    /// Since when its points count; gauges and summaries have no choice.
    #[must_use]
    pub const fn temporality(self) -> Option<Temporality> {
        match self {
            Self::Sum { temporality, .. } | Self::Histogram(temporality) | Self::Exponential(temporality) => {
                Some(temporality)
            }
            Self::Gauge | Self::Summary => None,
        }
    }

    /// The message that holds its points.
    const fn data(self) -> &'static Message {
        match self {
            Self::Gauge => &schema::GAUGE,
            Self::Sum { .. } => &schema::SUM,
            Self::Histogram(_) => &schema::HISTOGRAM,
            Self::Exponential(_) => &schema::EXPONENTIAL_HISTOGRAM,
            Self::Summary => &schema::SUMMARY,
        }
    }

    /// The message that a point of it is.
    const fn point(self) -> &'static Message {
        match self {
            Self::Gauge | Self::Sum { .. } => &schema::NUMBER_POINT,
            Self::Histogram(_) => &schema::HISTOGRAM_POINT,
            Self::Exponential(_) => &schema::EXPONENTIAL_POINT,
            Self::Summary => &schema::SUMMARY_POINT,
        }
    }
}

/// "There is no value": what was reported here before is no longer.
const NO_RECORDED_VALUE: u32 = 1;

impl<'a> Point<'a> {
    /// Reads the bytes of a data point of that kind.
    fn read(kind: Kind, raw: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let message = kind.point();
        let entity = Entity::open(message, raw, arena)?;
        let (flags_number, exemplars) = match kind {
            Kind::Gauge | Kind::Sum { .. } => (8, 5),
            Kind::Histogram(_) => (10, 8),
            Kind::Exponential(_) => (10, 11),
            Kind::Summary => (8, 0),
        };
        let data = Data::Number(None);
        let mut point = Self { start_time: 0, time: 0, flags: 0, data, entity, exemplars: 0, arena };
        let mut reading = Reading::new(kind, message, arena);
        let mut cursor = Cursor::new(raw);
        while let Some(field) = cursor.next_field()? {
            match field.number {
                2 => point.start_time = fixed(message, &field)?,
                3 => point.time = fixed(message, &field)?,
                number if number == flags_number => point.flags = flags(message, &field)?,
                number if number == exemplars => point.exemplars = exemplars,
                _ => reading.field(&field)?,
            }
        }
        point.data = reading.finish()?;
        Ok(point)
    }

    /// The producer says that there is no value: the series ends here.
    #[must_use]
    pub const fn has_no_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    /// Its exemplars, in order.
    ///
    /// # Errors
    /// When one of them is broken, or what `visit` fails with.
    pub fn each_exemplar<E: From<DecodeError>>(
        &self,
        mut visit: impl FnMut(Exemplar<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.exemplars == 0 {
            return Ok(());
        }
        let mut cursor = Cursor::new(self.entity.raw());
        while let Some(field) = cursor.next_field()? {
            if field.number == self.exemplars {
                visit(Exemplar::read(delimited(self.entity.message(), &field)?, self.arena)?)?;
            }
        }
        Ok(())
    }
}

impl Number {
    /// As a double; integers beyond 2^53 lose digits.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "said in the documentation")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }
}

impl<'a> Exemplar<'a> {
    fn read(raw: &'a [u8], arena: &'a Bump) -> Result<Self, DecodeError> {
        let message = &schema::EXEMPLAR;
        let entity = Entity::open(message, raw, arena)?;
        let mut exemplar = Self { time: 0, value: None, span_id: &[], trace_id: &[], entity };
        let mut cursor = Cursor::new(raw);
        while let Some(field) = cursor.next_field()? {
            match field.number {
                2 => exemplar.time = fixed(message, &field)?,
                3 => exemplar.value = Some(Number::Double(f64::from_bits(fixed(message, &field)?))),
                4 => exemplar.span_id = delimited(message, &field)?,
                5 => exemplar.trace_id = delimited(message, &field)?,
                6 => exemplar.value = Some(Number::Int(fixed(message, &field)?.cast_signed())),
                _ => {}
            }
        }
        Ok(exemplar)
    }
}
