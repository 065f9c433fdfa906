//! What exporters read of metrics is what opentelemetry-proto reads of the same bytes. prost is the oracle.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[path = "support/arbitrary.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod arbitrary;
#[path = "support/wild.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod wild;

use arbitrary::Random;
use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point as exponential;
use opentelemetry_proto::tonic::metrics::v1::metric::Data as Oracle;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Held;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, exemplar,
};
use proptest::prelude::*;
use prost::Message;
use telseal::otlp::model::{Batch, Entity};
use telseal::otlp::points::{Buckets, Data, Kind, Number, Place, Point, Temporality, each_point};
use telseal::otlp::{self, DecodeError, Signal};
use wild::Wild;

/// A point in one comparable form: where it stands, what it is, and itself as prost encodes it.
type Seen = (Vec<String>, Vec<u8>);

fn keys(attributes: &[KeyValue]) -> String {
    attributes.iter().map(|pair| format!("{},", pair.key)).collect()
}

fn keys_of(entity: &Entity<'_>) -> String {
    entity.attributes().iter().map(|attribute| format!("{},", attribute.key)).collect()
}

/// `exemplars` with their attributes taken out, and the keys of those.
fn bare(exemplars: &mut [Exemplar]) -> String {
    let take = |it: &mut Exemplar| keys(&std::mem::take(&mut it.filtered_attributes));
    exemplars.iter_mut().map(take).collect::<Vec<_>>().join("|")
}

fn temporality(number: i32) -> Temporality {
    match number {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}

/// An absent message of buckets says what an empty one does.
trait Bucketed {
    fn fill(&mut self) {}
}

impl Bucketed for NumberDataPoint {}
impl Bucketed for HistogramDataPoint {}
impl Bucketed for SummaryDataPoint {}
impl Bucketed for ExponentialHistogramDataPoint {
    fn fill(&mut self) {
        self.positive.get_or_insert_default();
        self.negative.get_or_insert_default();
    }
}

macro_rules! points {
    ($points:expr, $kind:expr, $head:expr, $out:expr $(, $exemplars:ident)?) => {
        for mut point in $points {
            let mut texts = $head.clone();
            texts.extend([format!("{:?}", $kind), keys(&std::mem::take(&mut point.attributes))]);
            texts.push(String::new() $(+ &bare(&mut point.$exemplars))?);
            point.fill();
            $out.push((texts, point.encode_to_vec()));
        }
    };
}

fn expected_of(metric: Metric, mut head: Vec<String>, out: &mut Vec<Seen>) {
    head.extend([metric.name, metric.description, metric.unit, keys(&metric.metadata)]);
    match metric.data {
        None => {}
        Some(Oracle::Gauge(it)) => points!(it.data_points, Kind::Gauge, head, out, exemplars),
        Some(Oracle::Sum(it)) => {
            let temporality = temporality(it.aggregation_temporality);
            let kind = Kind::Sum { temporality, is_monotonic: it.is_monotonic };
            points!(it.data_points, kind, head, out, exemplars);
        }
        Some(Oracle::Histogram(it)) => {
            points!(it.data_points, Kind::Histogram(temporality(it.aggregation_temporality)), head, out, exemplars);
        }
        Some(Oracle::ExponentialHistogram(it)) => {
            points!(it.data_points, Kind::Exponential(temporality(it.aggregation_temporality)), head, out, exemplars);
        }
        Some(Oracle::Summary(it)) => points!(it.data_points, Kind::Summary, head, out),
    }
}

/// What prost reads.
fn expected(bytes: &[u8]) -> Vec<Seen> {
    let mut out = vec![];
    for group in ExportMetricsServiceRequest::decode(bytes).unwrap().resource_metrics {
        let resource = keys(&group.resource.unwrap_or_default().attributes);
        for scope in group.scope_metrics {
            let name = scope.scope.unwrap_or_default().name;
            for metric in scope.metrics {
                expected_of(metric, vec![resource.clone(), name.clone()], &mut out);
            }
        }
    }
    out
}

fn exemplars(point: &Point<'_>) -> (Vec<Exemplar>, String) {
    let (mut all, mut names) = (vec![], vec![]);
    point
        .each_exemplar::<DecodeError>(|it| {
            names.push(keys_of(&it.entity));
            all.push(Exemplar {
                time_unix_nano: it.time,
                span_id: it.span_id.to_vec(),
                trace_id: it.trace_id.to_vec(),
                value: it.value.map(|value| match value {
                    Number::Int(value) => exemplar::Value::AsInt(value),
                    Number::Double(value) => exemplar::Value::AsDouble(value),
                }),
                ..Exemplar::default()
            });
            Ok(())
        })
        .unwrap();
    (all, names.join("|"))
}

fn buckets(it: Buckets<'_>) -> Option<exponential::Buckets> {
    Some(exponential::Buckets { offset: it.offset, bucket_counts: it.counts.to_vec() })
}

/// The point as prost's type of it, without attributes.
fn encoded(point: &Point<'_>, exemplars: Vec<Exemplar>) -> Vec<u8> {
    let (start_time_unix_nano, time_unix_nano, flags) = (point.start_time, point.time, point.flags);
    let attributes = vec![];
    match point.data {
        Data::Number(number) => {
            let value = number.map(|number| match number {
                Number::Int(value) => Held::AsInt(value),
                Number::Double(value) => Held::AsDouble(value),
            });
            NumberDataPoint { attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value }
                .encode_to_vec()
        }
        Data::Histogram(it) => HistogramDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            count: it.count,
            sum: it.sum,
            bucket_counts: it.counts.to_vec(),
            explicit_bounds: it.bounds.to_vec(),
            exemplars,
            flags,
            min: it.min,
            max: it.max,
        }
        .encode_to_vec(),
        Data::Exponential(it) => ExponentialHistogramDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            count: it.count,
            sum: it.sum,
            scale: it.scale,
            zero_count: it.zero_count,
            positive: buckets(it.positive),
            negative: buckets(it.negative),
            flags,
            exemplars,
            min: it.min,
            max: it.max,
            zero_threshold: it.zero_threshold,
        }
        .encode_to_vec(),
        Data::Summary(it) => SummaryDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            count: it.count,
            sum: it.sum,
            quantile_values: it
                .quantiles
                .iter()
                .map(|&(quantile, value)| ValueAtQuantile { quantile, value })
                .collect(),
            flags,
        }
        .encode_to_vec(),
    }
}

fn seen(place: &Place<'_, '_>, point: &Point<'_>) -> Seen {
    let (exemplars, names) = exemplars(point);
    let metric = place.metric;
    let mut texts = vec![keys_of(&place.group.resource), place.scope.scope.text(1).unwrap().to_owned()];
    texts.extend([metric.name, metric.description, metric.unit].map(str::to_owned));
    texts.extend([keys_of(metric.entity), format!("{:?}", metric.kind), keys_of(&point.entity), names]);
    (texts, encoded(point, exemplars))
}

fn check(bytes: &[u8]) {
    let arena = Bump::new();
    let batch = Batch::open(Signal::Metrics, bytes, &arena).unwrap();
    let mut found = vec![];
    each_point::<DecodeError>(&batch, |place, point| {
        assert_eq!(place.index, found.len() as u64);
        found.push(seen(&place, &point));
        Ok(())
    })
    .unwrap();
    let count = otlp::count(Signal::Metrics, bytes).unwrap();
    assert_eq!(count, found.len() as u64);
    assert_eq!(found, expected(bytes));
}

proptest! {
    #[test]
    fn points_are_read_as_prost_reads_them(seed: u64) {
        check(&arbitrary::request(Signal::Metrics, &mut Random::new(seed)));
    }

    #[test]
    fn points_are_read_so_too_where_fields_stand_twice_in_any_order_and_unknown_ones_between(seed: u64) {
        check(&Wild::new(seed).request(Signal::Metrics));
    }

    #[test]
    fn broken_points_are_errors_and_never_panics(seed: u64, at: prop::sample::Index, byte: u8) {
        let mut bytes = arbitrary::request(Signal::Metrics, &mut Random::new(seed));
        let at = at.index(bytes.len().max(1));
        if let Some(old) = bytes.get_mut(at) {
            *old = byte;
        }
        let arena = Bump::new();
        if let Ok(batch) = Batch::open(Signal::Metrics, &bytes, &arena) {
            let _ = each_point::<DecodeError>(&batch, |_, point| point.each_exemplar(|_| Ok(())));
        }
    }
}
