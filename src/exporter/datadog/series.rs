//! Data points as Datadog's series and distributions, by its mapping of OTLP:
//! <https://docs.datadoghq.com/metrics/open_telemetry/otlp_metric_types/>. Series are JSON for `/api/v2/series`
//! (<https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>), distributions protobuf for `/api/beta/sketches`
//! (`SketchPayload` of <https://github.com/DataDog/agent-payload/blob/master/proto/metrics/agent_payload.proto>).

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use bumpalo::Bump;

use super::delta::{Changes, Delta, Memory, Series};
use super::points::{Data, Histogram, is_cumulative, is_monotonic};
use super::resource::{clean, hostname, tags};
use super::sketch::{Sketch, as_f64};
use super::{Histograms, Metrics, MonotonicMode};
use crate::exporter::{ExportError, Payload, Refusal};
use crate::otlp::model::{Batch, Entity, Group, Scope};
use crate::otlp::plain::write_text;
use crate::otlp::points::{Metric, Point};
use crate::otlp::wire::{put_bytes, put_tag, put_varint};
use crate::otlp::{DecodeError, Signal};
use crate::stdx::json::{write_f64, write_str, write_u64};

/// Before compression. Datadog takes 5 MB, and 500 kB when compressed, which this stays below at a third.
const REQUEST_BYTES_MAX: usize = 1_500_000;
const SECOND: u64 = 1_000_000_000;

/// What is needed beside the payload.
pub(super) struct Rules<'r> {
    pub(super) config: &'r Metrics,
    pub(super) hostname: &'r str,
    pub(super) tags: &'r [String],
    /// When this process began.
    pub(super) began_at: u64,
}

/// Where a part goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    Series,
    Sketches,
}

/// Points, encoded. Places are counted twice: those of series are even, those of distributions odd, since a point can be both.
#[derive(Debug, Default)]
pub(super) struct Points {
    bytes: Vec<u8>,
    /// For each place what it holds, if anything.
    ranges: Vec<Range<usize>>,
    /// Points that are nothing to send, by reason.
    pub(super) skipped: HashMap<&'static str, u64>,
    pub(super) changes: Changes,
}

/// What the points of a metric have in common.
struct Owner {
    host: String,
    tags: Vec<String>,
}

/// A value as one of Datadog's types.
#[derive(Clone, Copy)]
enum Kind {
    /// With the seconds it was counted in.
    Count(u64),
    Gauge,
}

impl Points {
    /// Encodes all points of a payload.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(super) fn encode(payload: &Payload, rules: &Rules<'_>, memory: &Memory) -> Result<Self, DecodeError> {
        let (bytes, arena) = (payload.otlp()?, Bump::new());
        let batch = Batch::open(Signal::Metrics, &bytes, &arena)?;
        let mut points = Self::default();
        for group in &batch.groups {
            for scope in &group.scopes {
                let owner = Owner::new(group, scope, rules)?;
                for metric in &scope.records {
                    let Some(metric) = Metric::read(metric, &arena)? else { continue };
                    for point in metric.points(&arena) {
                        points.point(&owner, &metric, &point?, rules, memory)?;
                    }
                }
            }
        }
        Ok(points)
    }

    fn point(
        &mut self,
        owner: &Owner,
        metric: &Metric<'_, '_>,
        point: &Point<'_>,
        rules: &Rules<'_>,
        memory: &Memory,
    ) -> Result<(), DecodeError> {
        let mut tags = owner.tags.clone();
        of_attributes(&mut tags, &point.entity)?;
        let (kind, data) = (metric.kind, Data::of(metric.kind, point));
        let item = Item { metric, point, owner, tags: &tags };
        let start = self.bytes.len();
        let (data, from) = match self.increment(&item, data, rules, memory) {
            Ok(found) => found,
            Err(reason) => {
                *self.skipped.entry(reason).or_default() += 1;
                self.ranges.extend([start..start, start..start]);
                return Ok(());
            }
        };
        let count = Kind::Count(point.time.saturating_sub(from) / SECOND);
        let mut sketch = None;
        match &data {
            Data::Missing => {}
            Data::Gauge(value) => item.series(&mut self.bytes, "", Kind::Gauge, *value, None),
            Data::Sum(value) => {
                let is_count = is_monotonic(kind) || !is_cumulative(kind);
                let is_raw =
                    is_cumulative(kind) && rules.config.sums.cumulative_monotonic_mode == MonotonicMode::RawValue;
                let kind = if is_count && !is_raw { count } else { Kind::Gauge };
                item.series(&mut self.bytes, "", kind, *value, None);
            }
            Data::Histogram(histogram) => {
                sketch = Sketch::of(histogram);
                if rules.config.histograms.send_aggregation_metrics
                    || rules.config.histograms.mode == Histograms::Nobuckets
                {
                    item.aggregates(&mut self.bytes, histogram, count);
                }
            }
            Data::Summary { count: number, sum, quantiles } => {
                item.series(&mut self.bytes, ".count", count, as_f64(*number), None);
                item.series(&mut self.bytes, ".sum", count, *sum, None);
                for (quantile, value) in quantiles {
                    item.series(&mut self.bytes, ".quantile", Kind::Gauge, *value, Some(*quantile));
                }
            }
        }
        let middle = self.bytes.len();
        if let Some(sketch) = sketch.filter(|_| rules.config.histograms.mode == Histograms::Distributions) {
            item.sketch(&mut self.bytes, &sketch);
        }
        if self.bytes.len() == start {
            *self.skipped.entry("no_value").or_default() += 1;
        }
        self.ranges.extend([start..middle, middle..self.bytes.len()]);
        Ok(())
    }

    /// What a point adds, and since when; or why it says nothing.
    fn increment(
        &mut self,
        item: &Item<'_>,
        data: Data,
        rules: &Rules<'_>,
        memory: &Memory,
    ) -> Result<(Data, u64), &'static str> {
        let (kind, point) = (item.metric.kind, item.point);
        let is_counted = match data {
            Data::Missing => return Err("no_value"),
            Data::Gauge(_) => false,
            Data::Sum(_) => is_monotonic(kind) && rules.config.sums.cumulative_monotonic_mode == MonotonicMode::ToDelta,
            Data::Histogram(_) | Data::Summary { .. } => true,
        };
        if !is_counted || !is_cumulative(kind) {
            return Ok((data, point.start_time));
        }
        let times = (point.start_time, point.time);
        match memory.delta(&mut self.changes, item.series_key(&data), times, &data, rules.began_at) {
            Delta::Added { data, from } => Ok((data, from)),
            Delta::First => Err("first_of_cumulative"),
            Delta::Old => Err("not_newer"),
        }
    }

    /// The requests that the points need.
    pub(super) fn parts(&self) -> Vec<Vec<u64>> {
        let mut parts = vec![];
        for intake in [0, 1] {
            let mut bytes = usize::MAX;
            for (place, range) in
                (0..).zip(&self.ranges).filter(|(place, range)| place % 2 == intake && !range.is_empty())
            {
                if bytes.saturating_add(range.len()) > REQUEST_BYTES_MAX {
                    parts.push(vec![]);
                    bytes = 0;
                }
                bytes += range.len();
                parts.last_mut().into_iter().for_each(|part: &mut Vec<u64>| part.push(place));
            }
        }
        parts
    }

    /// The request of these places, which are of one intake.
    pub(super) fn request(&self, places: &[u64]) -> (Intake, Vec<u8>) {
        let ranges = places.iter().filter_map(|place| self.ranges.get(usize::try_from(*place).ok()?));
        if places.first().is_some_and(|place| place % 2 == 1) {
            let mut out: Vec<u8> = ranges.flat_map(|range| &self.bytes[range.clone()]).copied().collect();
            // The metadata of an agent, which Datadog's own sender always writes, empty.
            put_bytes(&mut out, 2, b"");
            return (Intake::Sketches, out);
        }
        let mut out = b"{\"series\":[".to_vec();
        for range in ranges {
            // Each ends with a comma.
            out.extend_from_slice(&self.bytes[range.clone()]);
        }
        out.pop();
        out.extend_from_slice(b"]}");
        (Intake::Series, out)
    }
}

/// Refusals by the places of points, of which one may be refused twice.
pub(super) fn by_point(error: ExportError) -> ExportError {
    let ExportError::Partial { refused } = error else { return error };
    let mut known = std::collections::BTreeSet::new();
    let one = |Refusal { records, cause }: Refusal| {
        let records: Vec<u64> =
            records.into_iter().map(|place| place / 2).filter(|place| known.insert(*place)).collect();
        (!records.is_empty()).then_some(Refusal { records, cause })
    };
    ExportError::Partial { refused: refused.into_iter().filter_map(one).collect() }
}

impl Owner {
    fn new(group: &Group<'_>, scope: &Scope<'_>, rules: &Rules<'_>) -> Result<Self, DecodeError> {
        let mut all = tags(&group.resource)?;
        if rules.config.resource_attributes_as_tags {
            of_attributes(&mut all, &group.resource)?;
        }
        if rules.config.instrumentation_scope_metadata_as_tags {
            for (tag, value) in [
                ("instrumentation_scope", scope.scope.text(1)?),
                ("instrumentation_scope_version", scope.scope.text(2)?),
            ] {
                if !value.is_empty() {
                    all.push(format!("{tag}:{}", clean(value)));
                }
            }
            of_attributes(&mut all, &scope.scope)?;
        }
        all.extend(rules.tags.iter().cloned());
        Ok(Self { host: hostname(&group.resource, rules.hostname), tags: all })
    }
}

/// Adds a tag for each attribute; of a key that stands twice the last value counts.
fn of_attributes(tags: &mut Vec<String>, entity: &Entity<'_>) -> Result<(), DecodeError> {
    let attributes = entity.attributes();
    for (at, attribute) in attributes.iter().enumerate() {
        if attributes[at + 1..].iter().any(|other| other.key == attribute.key) {
            continue;
        }
        let mut text = Vec::new();
        write_text(&mut text, &attribute.value)?;
        let value = clean(&String::from_utf8_lossy(&text));
        let tag = if value.is_empty() { clean(attribute.key) } else { format!("{}:{value}", clean(attribute.key)) };
        tags.push(tag);
    }
    Ok(())
}

/// A point with all that identifies it.
struct Item<'p> {
    metric: &'p Metric<'p, 'p>,
    point: &'p Point<'p>,
    owner: &'p Owner,
    tags: &'p [String],
}

impl Item<'_> {
    fn series_key(&self, data: &Data) -> Series {
        let mut tags: Vec<&String> = self.tags.iter().collect();
        tags.sort_unstable();
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (salt, self.metric.name, is_monotonic(self.metric.kind), &self.owner.host, &tags).hash(&mut hasher);
            std::mem::discriminant(data).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }

    /// A series with one point, and a comma behind it. What is no number has no place there.
    fn series(&self, out: &mut Vec<u8>, suffix: &str, kind: Kind, value: f64, quantile: Option<f64>) {
        if !value.is_finite() {
            return;
        }
        out.extend_from_slice(b"{\"metric\":");
        write_str(out, &format!("{}{suffix}", self.metric.name));
        match kind {
            Kind::Count(seconds) => {
                out.extend_from_slice(b",\"type\":1,\"interval\":");
                write_u64(out, seconds.max(1));
            }
            Kind::Gauge => out.extend_from_slice(b",\"type\":3"),
        }
        out.extend_from_slice(b",\"points\":[{\"timestamp\":");
        write_u64(out, self.point.time / SECOND);
        out.extend_from_slice(b",\"value\":");
        write_f64(out, value);
        out.extend_from_slice(b"}]");
        let unit = if suffix == ".count" { "" } else { unit(self.metric.unit) };
        if !unit.is_empty() {
            out.extend_from_slice(b",\"unit\":");
            write_str(out, unit);
        }
        if !self.owner.host.is_empty() {
            out.extend_from_slice(b",\"resources\":[{\"type\":\"host\",\"name\":");
            write_str(out, &self.owner.host);
            out.extend_from_slice(b"}]");
        }
        out.extend_from_slice(b",\"tags\":[");
        let quantile = quantile.map(|quantile| format!("quantile:{quantile:?}"));
        for (at, tag) in self.tags.iter().chain(&quantile).enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b"," });
            write_str(out, tag);
        }
        out.extend_from_slice(b"]},");
    }

    fn aggregates(&self, out: &mut Vec<u8>, histogram: &Histogram, count: Kind) {
        self.series(out, ".count", count, as_f64(histogram.count), None);
        for (suffix, kind, value) in
            [(".sum", count, histogram.sum), (".min", Kind::Gauge, histogram.min), (".max", Kind::Gauge, histogram.max)]
        {
            self.series(out, suffix, kind, value.unwrap_or(f64::NAN), None);
        }
    }

    /// A field `sketches` of a `SketchPayload`.
    fn sketch(&self, out: &mut Vec<u8>, sketch: &Sketch) {
        let mut own = Vec::new();
        put_tag(&mut own, 1, 0);
        put_varint(&mut own, self.point.time / SECOND);
        put_tag(&mut own, 2, 0);
        put_varint(&mut own, sketch.count);
        let average = sketch.sum / as_f64(sketch.count);
        for (number, value) in [(3, sketch.min), (4, sketch.max), (5, average), (6, sketch.sum)] {
            put_tag(&mut own, number, 1);
            own.extend_from_slice(&value.to_le_bytes());
        }
        let (mut keys, mut counts) = (Vec::new(), Vec::new());
        for (key, count) in &sketch.bins {
            put_varint(&mut keys, u64::from((key << 1 ^ key >> 31).cast_unsigned()));
            put_varint(&mut counts, u64::from(*count));
        }
        put_bytes(&mut own, 7, &keys);
        put_bytes(&mut own, 8, &counts);
        let mut message = Vec::new();
        put_bytes(&mut message, 1, self.metric.name.as_bytes());
        put_bytes(&mut message, 2, self.owner.host.as_bytes());
        self.tags.iter().for_each(|tag| put_bytes(&mut message, 4, tag.as_bytes()));
        put_bytes(&mut message, 7, &own);
        put_bytes(out, 1, &message);
    }
}

/// Datadog's name of a unit that OpenTelemetry writes in UCUM: <https://docs.datadoghq.com/metrics/units/>. One in braces is a word.
fn unit(ucum: &str) -> &str {
    match ucum {
        "1" => "",
        "%" => "percent",
        "By" => "byte",
        "KiBy" => "kibibyte",
        "MiBy" => "mebibyte",
        "GiBy" => "gibibyte",
        "kBy" => "kilobyte",
        "MBy" => "megabyte",
        "GBy" => "gigabyte",
        "bit" => "bit",
        "ns" => "nanosecond",
        "us" => "microsecond",
        "ms" => "millisecond",
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "Cel" => "degree celsius",
        "Hz" => "hertz",
        "W" => "watt",
        "$" | "USD" => "dollar",
        other => other.strip_prefix('{').and_then(|word| word.strip_suffix('}')).unwrap_or(other),
    }
}
