//! From a payload of OTLP to requests of remote write, which are kept until they are taken.
//!
//! Every series goes to the shard that the hash of its labels says, and a shard sends one request after the other: samples of a series
//! keep their order. A request is a head (symbols or metadata) and whole series after it, so that a part of it is a request too.
//! Field numbers: `prompb/{remote,types}.proto` and `prompb/io/prometheus/write/v2/types.proto` of Prometheus.

use std::collections::{HashMap, HashSet};

use bumpalo::Bump;

use crate::exporter::prom::delta::{Deltas, NotAdded};
use crate::exporter::prom::exemplar::{Exemplar, exemplars, millis};
use crate::exporter::prom::labels::{Labeller, Labels};
use crate::exporter::prom::value::{Classic, Native, REMOTE, Value, put_double};
use crate::exporter::prom::{Type, unfit};
use crate::exporter::prometheusremotewrite::Version;
use crate::otlp::model::{Batch, Group, Scope};
use crate::otlp::points::{Metric, Point, Temporality};
use crate::otlp::wire::{put_bytes, put_message, put_tag, put_varint};
use crate::otlp::{DecodeError, Signal};
use crate::stdx::clock;

/// The place of a series that stands for no record: `target_info`.
pub(super) const NO_PLACE: u64 = u64::MAX;
/// A series ends here: <https://prometheus.io/docs/specs/prw/remote_write_spec/>, "Stale Markers".
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A request, and which of its series came of which record.
#[derive(Debug, Default)]
pub(super) struct Request {
    head: Vec<u8>,
    series: Vec<u8>,
    parts: Vec<Part>,
}

/// Where a series ends, and the data point that it came of.
#[derive(Debug, Clone, Copy)]
struct Part {
    end: usize,
    place: u64,
    has_sample: bool,
}

impl Request {
    /// How many series.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The bytes of the request with the series from `from` to before `to`.
    pub(super) fn body(&self, from: usize, to: usize) -> Vec<u8> {
        let end =
            |index: usize| index.checked_sub(1).and_then(|index| self.parts.get(index)).map_or(0, |part| part.end);
        let series = self.series.get(end(from)..end(to)).unwrap_or_default();
        [&self.head, series].concat()
    }

    /// The places of the records that those series came of.
    pub(super) fn places(&self, from: usize, to: usize) -> impl Iterator<Item = u64> {
        self.parts[from..to].iter().map(|part| part.place).filter(|place| *place != NO_PLACE)
    }

    /// How many samples and histograms those series hold.
    pub(super) fn counts(&self, from: usize, to: usize) -> (u64, u64) {
        let samples = self.parts[from..to].iter().filter(|part| part.has_sample).count();
        (samples as u64, (to - from - samples) as u64)
    }
}

/// What became of a payload.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// The requests of each shard, in order.
    pub(super) shards: Vec<Vec<Request>>,
    /// Data points that cannot be sent, and why.
    pub(super) refused: Vec<(u64, &'static str)>,
    /// How many data points the payload has.
    pub(super) points: u64,
}

/// What the encoder is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) version: Version,
    pub(super) shards: usize,
    pub(super) request_bytes_max: usize,
    pub(super) send_metadata: bool,
    pub(super) target_info: bool,
}

/// A request being filled.
#[derive(Default)]
struct Open<'a> {
    request: Request,
    symbols: HashMap<&'a str, u32>,
    families: HashSet<&'a str>,
}

/// What is said of a metric.
#[derive(Clone, Copy)]
struct About<'a> {
    kind: Type,
    name: &'a str,
    help: &'a str,
    unit: &'a str,
}

/// A sample of one series.
struct Sample<'s, 'a> {
    about: About<'a>,
    name: &'a str,
    labels: &'s Labels<'a>,
    extra: Option<(&'a str, &'a str)>,
    place: u64,
    start: i64,
    time: i64,
    held: Held<'s>,
    exemplars: &'s [Exemplar],
}

#[derive(Clone, Copy)]
enum Held<'s> {
    Number(f64),
    Native(&'s Native),
}

pub(super) struct Encoder<'e, 'a> {
    options: Options,
    labeller: Labeller<'e>,
    deltas: &'e mut Deltas,
    arena: &'a Bump,
    open: Vec<Open<'a>>,
    encoded: Encoded,
    /// The labels of the series at hand, encoded.
    key: Vec<u8>,
    now: u64,
}

impl<'e, 'a> Encoder<'e, 'a> {
    pub(super) fn new(options: Options, labeller: Labeller<'e>, deltas: &'e mut Deltas, arena: &'a Bump) -> Self {
        let shards = (0..options.shards).map(|_| Vec::new()).collect();
        let open = (0..options.shards).map(|_| Open::default()).collect();
        let encoded = Encoded { shards, ..Encoded::default() };
        Self { options, labeller, deltas, arena, open, encoded, key: Vec::new(), now: clock::unix_nanos() }
    }

    /// Encodes the bytes of an `ExportMetricsServiceRequest`.
    pub(super) fn encode(
        mut self,
        request: &'a [u8],
        name: impl Fn(&Metric<'_, 'a>) -> String,
    ) -> Result<Encoded, DecodeError> {
        let batch = Batch::open(Signal::Metrics, request, self.arena)?;
        for group in &batch.groups {
            self.group(group, &name)?;
        }
        for shard in 0..self.open.len() {
            self.close(shard);
        }
        Ok(self.encoded)
    }

    fn group(&mut self, group: &Group<'a>, name: &impl Fn(&Metric<'_, 'a>) -> String) -> Result<(), DecodeError> {
        let resource = self.labeller.resource(group, self.arena)?;
        let mut newest = 0;
        for scope in &group.scopes {
            newest = newest.max(self.scope(&resource, scope, name)?);
        }
        if self.options.target_info
            && newest > 0
            && let Some(labels) = self.labeller.target_info(group, self.arena)?
        {
            let about = About { kind: Type::Gauge, name: "target_info", help: "Target metadata", unit: "" };
            let held = Held::Number(1.0);
            let (name, time) = (about.name, millis(newest));
            self.put(&Sample {
                about,
                name,
                labels: &labels,
                extra: None,
                place: NO_PLACE,
                start: 0,
                time,
                held,
                exemplars: &[],
            });
        }
        Ok(())
    }

    /// The time of the newest point.
    fn scope(
        &mut self,
        resource: &crate::exporter::prom::labels::Base<'a>,
        scope: &Scope<'a>,
        name: &impl Fn(&Metric<'_, 'a>) -> String,
    ) -> Result<u64, DecodeError> {
        let base = self.labeller.scope(resource, scope, self.arena)?;
        let mut newest = 0;
        for record in &scope.records {
            let Some(metric) = Metric::read(record, self.arena)? else { continue };
            let kind = Type::of(metric.kind);
            let name = self.arena.alloc_str(&name(&metric));
            let about = About { kind, name, help: metric.description, unit: metric.unit };
            let reserved = match kind {
                Type::Histogram => "le",
                Type::Summary => "quantile",
                _ => "",
            };
            for point in metric.points(self.arena) {
                let point = point?;
                let place = self.encoded.points;
                self.encoded.points += 1;
                newest = newest.max(point.time);
                if let Some(why) = unfit(&metric, &point) {
                    self.encoded.refused.push((place, why));
                    continue;
                }
                let labels = self.labeller.point(&base, &point.entity, reserved, self.arena)?;
                self.point(&metric, about, &point, &labels, place)?;
            }
        }
        Ok(newest)
    }

    fn point(
        &mut self,
        metric: &Metric<'_, 'a>,
        about: About<'a>,
        point: &Point<'a>,
        labels: &Labels<'a>,
        place: u64,
    ) -> Result<(), DecodeError> {
        let exemplars = exemplars(point)?;
        let time = if point.time == 0 { self.now } else { point.time };
        let is_delta = metric.kind.temporality() == Some(Temporality::Delta);
        let sample = |start, time| Sample {
            about,
            name: about.name,
            labels,
            extra: None,
            place,
            start: millis(start),
            time: millis(time),
            held: Held::Number(0.0),
            exemplars: &exemplars,
        };
        if is_delta {
            self.key.clear();
            labels.put(&[("__name__", about.name)], &mut self.key);
        }
        if point.has_no_value() {
            if is_delta {
                self.deltas.forget(&self.key);
            }
            self.ended(about, &sample(0, time));
            return Ok(());
        }
        let Some(value) = Value::of(&point.data) else { return Ok(()) };
        if !is_delta {
            self.value(&value, &sample(point.start_time, time));
            return Ok(());
        }
        match self.deltas.add(&self.key, point.start_time, time, value, self.now) {
            Ok(total) => {
                let (start, time, value) = (total.start, total.time, total.value.clone());
                self.value(&value, &sample(start, time));
            }
            Err(NotAdded::Late) => self.encoded.refused.push((place, "the delta came twice or too late")),
            Err(NotAdded::Full) => self.encoded.refused.push((place, "there are more delta series than `max_streams`")),
        }
        Ok(())
    }

    /// Says that a series has ended.
    fn ended(&mut self, about: About<'a>, sample: &Sample<'_, 'a>) {
        let held = Held::Number(f64::from_bits(STALE));
        match about.kind {
            Type::Counter | Type::Gauge => self.put(&Sample { held, exemplars: &[], ..*sample }),
            Type::Histogram | Type::Summary => {
                for suffix in ["_count", "_sum"] {
                    let name = self.suffixed(about.name, suffix);
                    self.put(&Sample { name, held, exemplars: &[], ..*sample });
                }
            }
        }
    }

    fn value(&mut self, value: &Value, sample: &Sample<'_, 'a>) {
        match value {
            Value::Number(number) => self.put(&Sample { held: Held::Number(*number), ..*sample }),
            Value::Native(native) => self.put(&Sample { held: Held::Native(native), ..*sample }),
            Value::Classic(classic) => self.classic(classic, sample),
            Value::Summary { count, sum, quantiles } => {
                for (quantile, value) in quantiles {
                    let extra = Some(("quantile", self.number(*quantile)));
                    self.put(&Sample { extra, held: Held::Number(*value), ..*sample });
                }
                self.count_and_sum(*count, Some(*sum), sample);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus' samples are doubles")]
    fn classic(&mut self, classic: &Classic, sample: &Sample<'_, 'a>) {
        let name = self.suffixed(sample.about.name, "_bucket");
        let (mut below, mut lower) = (0_u64, f64::NEG_INFINITY);
        for (bound, count) in classic.bounds.iter().zip(&classic.counts) {
            below = below.saturating_add(*count);
            let own: Vec<_> =
                sample.exemplars.iter().filter(|it| it.value > lower && it.value <= *bound).cloned().collect();
            let extra = Some(("le", self.number(*bound)));
            self.put(&Sample { name, extra, held: Held::Number(below as f64), exemplars: &own, ..*sample });
            lower = *bound;
        }
        let own: Vec<_> = sample.exemplars.iter().filter(|it| it.value > lower).cloned().collect();
        let held = Held::Number(classic.count as f64);
        self.put(&Sample { name, extra: Some(("le", "+Inf")), held, exemplars: &own, ..*sample });
        self.count_and_sum(classic.count, classic.sum, sample);
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus' samples are doubles")]
    fn count_and_sum(&mut self, count: u64, sum: Option<f64>, sample: &Sample<'_, 'a>) {
        let name = self.suffixed(sample.about.name, "_count");
        self.put(&Sample { name, held: Held::Number(count as f64), exemplars: &[], ..*sample });
        if let Some(sum) = sum {
            let name = self.suffixed(sample.about.name, "_sum");
            self.put(&Sample { name, held: Held::Number(sum), exemplars: &[], ..*sample });
        }
    }

    fn suffixed(&self, name: &str, suffix: &str) -> &'a str {
        self.arena.alloc_str(&format!("{name}{suffix}"))
    }

    fn number(&self, number: f64) -> &'a str {
        if number == f64::INFINITY { "+Inf" } else { self.arena.alloc_str(&number.to_string()) }
    }

    /// Appends a series to the request of its shard.
    fn put(&mut self, sample: &Sample<'_, 'a>) {
        let named = [("__name__", sample.name), sample.extra.unwrap_or_default()];
        let extra = if sample.extra.is_some() { &named[..] } else { &named[..1] };
        self.key.clear();
        sample.labels.put(extra, &mut self.key);
        let shard = crc32c::crc32c(&self.key) as usize % self.open.len();
        if self.open[shard].request.series.len() + self.open[shard].request.head.len() > self.options.request_bytes_max
        {
            self.close(shard);
        }
        let open = &mut self.open[shard];
        let result = match self.options.version {
            Version::One => {
                if self.options.send_metadata && open.families.insert(sample.about.name) {
                    put_metadata(&mut open.request.head, &sample.about);
                }
                put_message(&mut open.request.series, 1, |out| -> Result<(), std::convert::Infallible> {
                    out.extend_from_slice(&self.key);
                    put_values(sample, [2, 3, 4], |exemplar, out| exemplar.put_remote(out), out);
                    Ok(())
                })
            }
            Version::Two => put_second(open, sample, extra, self.arena),
        };
        let Ok(()) = result;
        let (end, place) = (open.request.series.len(), sample.place);
        open.request.parts.push(Part { end, place, has_sample: matches!(sample.held, Held::Number(_)) });
    }

    fn close(&mut self, shard: usize) {
        let Open { request, .. } = std::mem::take(&mut self.open[shard]);
        if request.len() > 0 {
            self.encoded.shards[shard].push(request);
        }
    }
}

/// The sample, the exemplars and the histogram, under these numbers.
fn put_values(
    sample: &Sample<'_, '_>,
    [values, exemplars, histograms]: [u32; 3],
    mut put: impl FnMut(&Exemplar, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let mut inner = Vec::new();
    match sample.held {
        Held::Number(number) => {
            put_double(&mut inner, 1, number);
            put_tag(&mut inner, 2, 0);
            put_varint(&mut inner, sample.time.cast_unsigned());
            put_bytes(out, values, &inner);
        }
        Held::Native(native) => {
            native.put(&REMOTE, &mut inner);
            put_tag(&mut inner, 15, 0);
            put_varint(&mut inner, sample.time.cast_unsigned());
            put_bytes(out, histograms, &inner);
        }
    }
    for exemplar in sample.exemplars {
        inner.clear();
        put(exemplar, &mut inner);
        put_bytes(out, exemplars, &inner);
    }
}

/// `prometheus.MetricMetadata`.
fn put_metadata(out: &mut Vec<u8>, about: &About<'_>) {
    let mut inner = Vec::new();
    put_tag(&mut inner, 1, 0);
    put_varint(&mut inner, type_number(about.kind));
    put_bytes(&mut inner, 2, about.name.as_bytes());
    put_bytes(&mut inner, 4, about.help.as_bytes());
    put_bytes(&mut inner, 5, about.unit.as_bytes());
    put_bytes(out, 3, &inner);
}

/// `MetricType` of both versions.
const fn type_number(kind: Type) -> u64 {
    match kind {
        Type::Counter => 1,
        Type::Gauge => 2,
        Type::Histogram => 3,
        Type::Summary => 5,
    }
}

/// A series of `io.prometheus.write.v2.Request`.
fn put_second<'a>(
    open: &mut Open<'a>,
    sample: &Sample<'_, 'a>,
    extra: &[(&'a str, &'a str)],
    arena: &'a Bump,
) -> Result<(), std::convert::Infallible> {
    let Open { request: Request { head, series, .. }, symbols, .. } = open;
    put_message(series, 5, |out| {
        let mut refs = Vec::with_capacity(64);
        for (name, value) in sample.labels.of(extra) {
            put_varint(&mut refs, u64::from(symbol(symbols, head, name)));
            put_varint(&mut refs, u64::from(symbol(symbols, head, value)));
        }
        put_bytes(out, 1, &refs);
        let exemplar = |exemplar: &Exemplar, out: &mut Vec<u8>| {
            let mut refs = Vec::new();
            for (name, value) in &exemplar.labels {
                put_varint(&mut refs, u64::from(symbol(symbols, head, arena.alloc_str(name))));
                put_varint(&mut refs, u64::from(symbol(symbols, head, arena.alloc_str(value))));
            }
            put_bytes(out, 1, &refs);
            put_double(out, 2, exemplar.value);
            put_tag(out, 3, 0);
            put_varint(out, exemplar.millis.cast_unsigned());
        };
        put_values(sample, [2, 4, 3], exemplar, out);
        let mut about = Vec::new();
        put_tag(&mut about, 1, 0);
        put_varint(&mut about, type_number(sample.about.kind));
        for (number, text) in [(3, sample.about.help), (4, sample.about.unit)] {
            put_tag(&mut about, number, 0);
            put_varint(&mut about, u64::from(symbol(symbols, head, text)));
        }
        put_bytes(out, 5, &about);
        if sample.about.kind != Type::Gauge && sample.start > 0 {
            put_tag(out, 6, 0);
            put_varint(out, sample.start.cast_unsigned());
        }
        Ok(())
    })
}

/// The number of a text in the request's table of symbols, which begins with the empty one.
fn symbol<'a>(symbols: &mut HashMap<&'a str, u32>, head: &mut Vec<u8>, text: &'a str) -> u32 {
    if symbols.is_empty() {
        symbols.insert("", 0);
        put_bytes(head, 4, &[]);
    }
    if let Some(number) = symbols.get(text) {
        return *number;
    }
    let number = u32::try_from(symbols.len()).unwrap_or_default();
    symbols.insert(text, number);
    put_bytes(head, 4, text.as_bytes());
    number
}
