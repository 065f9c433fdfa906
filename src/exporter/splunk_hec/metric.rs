//! Metrics in Splunk's multi-metric form: an event holds all values of one time and one set of dimensions, each as
//! `metric_name:<name>` ("Get metrics in from other sources", Splunk Enterprise 10).
//!
//! Dimensions are the attributes of point, scope and resource, and what the metric is. A histogram becomes `_sum`, `_count`, `_min`,
//! `_max` and cumulative `_bucket`s by `le`, a summary its quantiles by `qt`, as the Collector's exporter has them; an exponential
//! histogram gets the bounds of its buckets. Without a place in Splunk are descriptions, exemplars, start times and seals.

use std::collections::HashMap;
use std::fmt::Write as _;

use bumpalo::Bump;

use crate::exporter::Payload;
use crate::exporter::splunk_hec::config::Config;
use crate::exporter::splunk_hec::encode::{Shared, each_field, resource_metadata, write_time};
use crate::exporter::splunk_hec::fields::Fields;
use crate::exporter::splunk_hec::metadata::Metadata;
use crate::exporter::splunk_hec::parts::Parts;
use crate::otlp::line::to_otlp;
use crate::otlp::model::{Batch, Scope};
use crate::otlp::points::{Data, Exponential, Histogram, Kind, Metric, Number, Point, Summary, Temporality};
use crate::otlp::{DecodeError, Signal};
use crate::stdx::json::{write_f64, write_i64, write_u64};

/// A point with more buckets is put aside: each would be an event.
const BUCKETS_MAX: usize = 1000;
/// Names of dimensions that are not attributes.
const DIMENSIONS: [&str; 8] = [
    "metric_type",
    "le",
    "qt",
    "_value",
    "otel.metric.name",
    "otel.metric.unit",
    "otel.metric.temporality",
    "otel.metric.is_monotonic",
];

/// Adds the events of a payload. Returns how many of its records have no number that Splunk could take.
pub(super) fn encode(config: &Config, payload: &Payload, parts: &mut Parts) -> Result<u64, DecodeError> {
    let mut encoder = Encoder { config, parts, record: 0, unsent: 0 };
    let Some(lines) = payload.lines() else {
        encoder.request(&payload.otlp()?, false)?;
        return Ok(encoder.unsent);
    };
    // A sealed line is one record, whatever is in it.
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        encoder.request(&to_otlp(Signal::Metrics, line)?, true)?;
        encoder.record += 1;
    }
    Ok(encoder.unsent)
}

struct Encoder<'c, 'p> {
    config: &'c Config,
    parts: &'p mut Parts,
    /// The record that is being read.
    record: u64,
    unsent: u64,
}

/// The bundles of one scope.
#[derive(Default)]
struct Bundles {
    /// By time and dimensions, the latest of that kind.
    places: HashMap<(u64, Vec<u8>), usize>,
    all: Vec<Open>,
}

/// A bundle being filled.
struct Open {
    time: u64,
    dimensions: Vec<u8>,
    values: Vec<(String, Vec<u8>)>,
    records: Vec<u64>,
}

impl Bundles {
    fn add(&mut self, time: u64, dimensions: &[u8], name: String, value: Vec<u8>, record: u64) {
        let key = (time, dimensions.to_vec());
        let known = self.places.get(&key).copied();
        // A second value of one name cannot stand in the same event.
        let known = known.filter(|place| self.all[*place].values.iter().all(|(known, _)| *known != name));
        let place = known.unwrap_or_else(|| {
            self.all.push(Open { time, dimensions: dimensions.to_vec(), values: Vec::new(), records: Vec::new() });
            self.places.insert(key, self.all.len() - 1);
            self.all.len() - 1
        });
        let open = &mut self.all[place];
        open.values.push((name, value));
        if open.records.last() != Some(&record) {
            open.records.push(record);
        }
    }
}

impl Encoder<'_, '_> {
    fn request(&mut self, bytes: &[u8], sealed: bool) -> Result<(), DecodeError> {
        let arena = Bump::new();
        let batch = Batch::open(Signal::Metrics, bytes, &arena)?;
        let mut sent = false;
        for group in &batch.groups {
            let metadata = resource_metadata(self.config, &group.resource);
            let resource = Shared::resource(self.config, group)?;
            for scope in &group.scopes {
                let shared = Shared::scope(self.config, scope)?;
                sent |= self.scope(scope, &resource, &shared, &metadata, sealed, &arena)?;
            }
        }
        self.unsent += u64::from(sealed && !sent);
        Ok(())
    }

    /// True when there was a value to send.
    fn scope<'a>(
        &mut self,
        scope: &Scope<'a>,
        resource: &Shared<'_, 'a>,
        shared: &Shared<'_, 'a>,
        metadata: &Metadata<'_>,
        sealed: bool,
        arena: &'a Bump,
    ) -> Result<bool, DecodeError> {
        let mut bundles = Bundles::default();
        let mut sent = false;
        for entity in &scope.records {
            let Some(metric) = Metric::read(entity, arena)? else { continue };
            for point in metric.points(arena) {
                let found = self.point(&metric, &point?, resource, &mut bundles)?;
                sent |= found;
                self.unsent += u64::from(!found && !sealed);
                self.record += u64::from(!sealed);
            }
        }
        for open in bundles.all {
            self.parts.add(metadata.key(), &open.records, |out| {
                out.extend_from_slice(b"{\"event\":\"metric\"");
                write_time(out, open.time);
                metadata.write(out);
                let mut members = Fields::begin(out);
                for (name, value) in &open.values {
                    members.with("metric_name:", name, |out| out.extend_from_slice(value));
                }
                members.raw(&open.dimensions);
                shared.put(&mut members);
                members.end();
                out.extend_from_slice(b"}\n");
                Ok(())
            })?;
        }
        Ok(sent)
    }

    /// True when the point has a value that Splunk can take.
    fn point<'a>(
        &mut self,
        metric: &Metric<'_, 'a>,
        point: &Point<'a>,
        resource: &Shared<'_, 'a>,
        bundles: &mut Bundles,
    ) -> Result<bool, DecodeError> {
        if point.has_no_value() {
            return Ok(false);
        }
        let mut series = Series {
            name: splunk_name(metric.name),
            dimensions: self.dimensions(metric, point, resource)?,
            time: point.time,
            record: self.record,
            bundles,
            found: false,
        };
        let buckets = match &point.data {
            Data::Number(number) => {
                series.number("", "", *number);
                0
            }
            Data::Histogram(histogram) => series.histogram(histogram),
            Data::Exponential(histogram) => series.exponential(histogram),
            Data::Summary(summary) => series.summary(summary),
        };
        let found = series.found;
        if buckets > BUCKETS_MAX {
            self.parts.set_aside(self.record);
        }
        Ok(found || buckets > BUCKETS_MAX)
    }

    /// The dimensions of a point but those of its scope.
    fn dimensions(
        &self,
        metric: &Metric<'_, '_>,
        point: &Point<'_>,
        resource: &Shared<'_, '_>,
    ) -> Result<Vec<u8>, DecodeError> {
        let attributes = point.entity.attributes();
        let mut out = Vec::with_capacity(256);
        let mut fields = Fields::loose(&mut out);
        fields.text("metric_type", type_name(metric.kind));
        if splunk_name(metric.name) != metric.name {
            fields.text("otel.metric.name", metric.name);
        }
        fields.text("otel.metric.unit", metric.unit);
        fields.text("otel.metric.temporality", temporality_name(metric.kind.temporality()));
        if let Kind::Sum { is_monotonic, .. } = metric.kind {
            fields.text("otel.metric.is_monotonic", if is_monotonic { "true" } else { "false" });
        }
        resource.put_beside(self.config, attributes, &mut fields)?;
        each_field(self.config, attributes, |attribute, reserved| {
            let reserved = reserved || DIMENSIONS.contains(&attribute.key);
            fields.attribute(if reserved { "attributes." } else { "" }, attribute, attributes)
        })?;
        Ok(out)
    }
}

/// One point on its way into bundles.
struct Series<'b> {
    name: String,
    dimensions: Vec<u8>,
    time: u64,
    record: u64,
    bundles: &'b mut Bundles,
    found: bool,
}

impl Series<'_> {
    fn put(&mut self, suffix: &str, more: &str, value: Vec<u8>) {
        let name = format!("{}{suffix}", self.name);
        let mut dimensions = self.dimensions.clone();
        dimensions.extend_from_slice(more.as_bytes());
        self.bundles.add(self.time, &dimensions, name, value, self.record);
        self.found = true;
    }

    /// A value; none, and what is no number to Splunk, is left out.
    fn number(&mut self, suffix: &str, more: &str, number: Option<Number>) {
        let mut value = Vec::new();
        match number {
            Some(Number::Int(number)) => write_i64(&mut value, number),
            Some(Number::Double(number)) if number.is_finite() => write_f64(&mut value, number),
            _ => return,
        }
        self.put(suffix, more, value);
    }

    fn count(&mut self, suffix: &str, more: &str, count: u64) {
        let mut value = Vec::new();
        write_u64(&mut value, count);
        self.put(suffix, more, value);
    }

    fn totals(&mut self, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
        self.count("_count", "", count);
        for (suffix, value) in [("_sum", sum), ("_min", min), ("_max", max)] {
            self.number(suffix, "", value.map(Number::Double));
        }
    }

    /// Returns how many buckets there are; of too many none is written.
    fn histogram(&mut self, histogram: &Histogram<'_>) -> usize {
        let Histogram { count, sum, min, max, bounds, counts } = *histogram;
        if counts.len() > BUCKETS_MAX {
            return counts.len();
        }
        self.totals(count, sum, min, max);
        let buckets = counts.iter().enumerate().map(|(place, count)| (bounds.get(place).copied(), *count));
        self.buckets(buckets.collect());
        counts.len()
    }

    fn exponential(&mut self, histogram: &Exponential<'_>) -> usize {
        let Exponential { count, sum, min, max, scale, zero_count, zero_threshold, positive, negative } = *histogram;
        let total = positive.counts.len() + negative.counts.len();
        if total > BUCKETS_MAX {
            return total;
        }
        self.totals(count, sum, min, max);
        let bound = |index: i64| (index as f64 * f64::from(-scale).exp2()).exp2();
        let index = |offset: i32, place: usize| i64::from(offset) + place as i64;
        let mut buckets = Vec::with_capacity(total + 2);
        for (place, count) in negative.counts.iter().enumerate().rev() {
            buckets.push((Some(-bound(index(negative.offset, place))), *count));
        }
        buckets.push((Some(zero_threshold), zero_count));
        for (place, count) in positive.counts.iter().enumerate() {
            buckets.push((Some(bound(index(positive.offset, place) + 1)), *count));
        }
        // Most buckets of a wide histogram are empty, and say nothing beside the one before.
        buckets.retain(|(_, count)| *count > 0);
        buckets.push((None, 0));
        self.buckets(buckets);
        total
    }

    /// Buckets in ascending order, each with its upper bound and its own count; they are written as Splunk sums them up.
    fn buckets(&mut self, buckets: Vec<(Option<f64>, u64)>) {
        let mut sum = 0_u64;
        for (bound, count) in buckets {
            sum = sum.saturating_add(count);
            let le =
                bound.filter(|bound| bound.is_finite()).map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            self.count("_bucket", &dimension("le", &le), sum);
        }
    }

    fn summary(&mut self, summary: &Summary<'_>) -> usize {
        if summary.quantiles.len() > BUCKETS_MAX {
            return summary.quantiles.len();
        }
        self.totals(summary.count, Some(summary.sum), None, None);
        for (quantile, value) in summary.quantiles {
            let quantile = quantile.to_string();
            self.number(&format!("_{quantile}"), &dimension("qt", &quantile), Some(Number::Double(*value)));
        }
        summary.quantiles.len()
    }
}

fn dimension(name: &str, value: &str) -> String {
    let mut out = String::new();
    // Writing to memory cannot fail; neither text needs an escape.
    let _ = write!(out, ",\"{name}\":\"{value}\"");
    out
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "Gauge",
        Kind::Sum { .. } => "Sum",
        Kind::Histogram(_) => "Histogram",
        Kind::Exponential(_) => "ExponentialHistogram",
        Kind::Summary => "Summary",
    }
}

const fn temporality_name(temporality: Option<Temporality>) -> &'static str {
    match temporality {
        Some(Temporality::Delta) => "delta",
        Some(Temporality::Cumulative) => "cumulative",
        Some(Temporality::Unspecified) | None => "",
    }
}

/// A name that Splunk takes: letters, digits, `_`, `.` and `:`, a letter first, and not `metric_name` within.
fn splunk_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_.:".contains(c) { c } else { '_' };
    let name: String = name.chars().map(legal).collect::<String>().replace("metric_name", "metricname");
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("m{name}") }
}

#[cfg(test)]
mod tests {
    use super::splunk_name;

    #[test]
    fn names_are_made_such_that_splunk_takes_them() {
        for (name, wanted) in [
            ("http.server.duration", "http.server.duration"),
            ("a-b/c d", "a_b_c_d"),
            ("1st", "m1st"),
            ("_x", "m_x"),
            ("my.metric_name", "my.metricname"),
            ("", "m"),
        ] {
            assert_eq!(splunk_name(name), wanted);
        }
    }
}
