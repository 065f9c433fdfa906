//! Random OTLP messages from opentelemetry-proto, the oracle of the codecs. A seed gives the same message again.
//!
//! Attributes have distinct keys in byte order, every group has a resource or scope of its own and at least one
//! record: that is the form in which nothing is lost on the way through canonical lines.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use telseal::otlp::Signal;

const TEXTS: [&str; 14] = [
    "",
    "GET /v1/models",
    "a",
    "$int",
    "$",
    "$$twice",
    "quote\" back\\slash",
    "line\nfeed\ttab\u{0}\u{1f}\u{7f}",
    "ünïcode ☃ 😀 \u{2028}",
    "{\"json\":\"inside\"}",
    "resource",
    "audit.seal",
    "a text that is longer than one hundred and twenty-seven bytes, so that its length needs two bytes on the wire, and so do the messages around it",
    "$unknown",
];
const NUMBERS: [u64; 12] = [
    0,
    1,
    127,
    128,
    1_700_000_000_000_000_000,
    (1 << 53) - 1,
    1 << 53,
    u64::MAX,
    1 << 63,
    (1 << 63) - 1,
    0u64.wrapping_sub((1 << 53) - 1),
    0u64.wrapping_sub(1 << 53),
];
const DOUBLES: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    1e-5,
    1e15,
    1e16,
    1e21,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.1 + 0.2,
];

pub(crate) struct Random {
    state: u64,
    /// No NaN whose bits are unusual, no -0.0: what OTLP/JSON can say.
    pub(crate) plain_doubles: bool,
    /// Ids have their proper length or none.
    pub(crate) proper_ids: bool,
}

/// A request of that signal, encoded.
pub(crate) fn request(signal: Signal, random: &mut Random) -> Vec<u8> {
    match signal {
        Signal::Logs => random.logs().encode_to_vec(),
        Signal::Metrics => random.metrics().encode_to_vec(),
        Signal::Traces => random.traces().encode_to_vec(),
    }
}

/// What opentelemetry-proto understands of the bytes, encoded anew.
pub(crate) fn understood(signal: Signal, bytes: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Logs => ExportLogsServiceRequest::decode(bytes).unwrap().encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).unwrap().encode_to_vec(),
        Signal::Traces => ExportTraceServiceRequest::decode(bytes).unwrap().encode_to_vec(),
    }
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed | 1, plain_doubles: false, proper_ids: false }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next()).unwrap() % n
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    fn text(&mut self) -> String {
        TEXTS[self.below(TEXTS.len())].to_owned()
    }

    fn number(&mut self) -> u64 {
        NUMBERS[self.below(NUMBERS.len())]
    }

    fn u32(&mut self) -> u32 {
        [0, 0, 1, 300, u32::MAX][self.below(5)]
    }

    fn i32(&mut self) -> i32 {
        [0, 1, 9, -1, i32::MAX, i32::MIN][self.below(6)]
    }

    fn double(&mut self) -> f64 {
        if !self.plain_doubles && self.below(20) == 0 {
            return f64::from_bits(0x7ff0_0000_0000_0002);
        }
        let double = DOUBLES[self.below(DOUBLES.len())];
        if self.plain_doubles && double == 0.0 { 0.0 } else { double }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn id(&mut self, len: usize) -> Vec<u8> {
        let len = [len, len, 0, if self.proper_ids { 0 } else { 3 }][self.below(4)];
        self.bytes(len)
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance() { Some(make(self)) } else { None }
    }

    fn list<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }

    pub(crate) fn attributes(&mut self, depth: usize) -> Vec<KeyValue> {
        let keys: BTreeSet<String> = self.list(5, Self::text).into_iter().collect();
        keys.into_iter().map(|key| KeyValue { key, value: self.some(|r| r.value(depth)), key_strindex: 0 }).collect()
    }

    pub(crate) fn value(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth < 4 { 8 } else { 6 }) {
            0 => None,
            1 => Some(Value::StringValue(self.text())),
            2 => Some(Value::BoolValue(self.chance())),
            3 => Some(Value::IntValue(self.number().cast_signed())),
            4 => Some(Value::DoubleValue(self.double())),
            5 => {
                let len = self.below(5);
                Some(Value::BytesValue(self.bytes(len)))
            }
            6 => Some(Value::ArrayValue(ArrayValue { values: self.list(4, |r| r.value(depth + 1)) })),
            _ => Some(Value::KvlistValue(KeyValueList { values: self.attributes(depth + 1) })),
        };
        AnyValue { value }
    }

    /// Distinct by `index`.
    fn resource(&mut self, index: u32) -> Option<Resource> {
        if index == 0 {
            return None;
        }
        Some(Resource {
            attributes: self.attributes(0),
            dropped_attributes_count: index - 1,
            entity_refs: self.list(2, |r| EntityRef {
                schema_url: r.text(),
                r#type: r.text(),
                id_keys: r.list(3, Self::text),
                description_keys: r.list(3, Self::text),
            }),
        })
    }

    /// Distinct by `index`.
    fn scope(&mut self, index: u32) -> Option<InstrumentationScope> {
        if index == 0 {
            return None;
        }
        Some(InstrumentationScope {
            name: self.text(),
            version: self.text(),
            attributes: self.attributes(0),
            dropped_attributes_count: index - 1,
        })
    }

    /// One to three of something that gets its index.
    fn some_of<T>(&mut self, mut make: impl FnMut(&mut Self, u32) -> T) -> Vec<T> {
        (0..=u32::try_from(self.below(3)).unwrap()).map(|index| make(self, index)).collect()
    }

    pub(crate) fn logs(&mut self) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest {
            resource_logs: self.some_of(|r, index| ResourceLogs {
                resource: r.resource(index),
                scope_logs: r.some_of(|r, index| ScopeLogs {
                    scope: r.scope(index),
                    log_records: r.some_of(|r, _| r.log_record()),
                    schema_url: r.text(),
                }),
                schema_url: r.text(),
            }),
        }
    }

    pub(crate) fn log_record(&mut self) -> LogRecord {
        LogRecord {
            time_unix_nano: self.number(),
            observed_time_unix_nano: self.number(),
            severity_number: self.i32(),
            severity_text: self.text(),
            body: self.some(|r| r.value(0)),
            attributes: self.attributes(0),
            dropped_attributes_count: self.u32(),
            flags: self.u32(),
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: self.text(),
        }
    }

    pub(crate) fn traces(&mut self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: self.some_of(|r, index| ResourceSpans {
                resource: r.resource(index),
                scope_spans: r.some_of(|r, index| ScopeSpans {
                    scope: r.scope(index),
                    spans: r.some_of(|r, _| r.span()),
                    schema_url: r.text(),
                }),
                schema_url: r.text(),
            }),
        }
    }

    pub(crate) fn span(&mut self) -> Span {
        Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: self.text(),
            parent_span_id: self.id(8),
            flags: self.u32(),
            name: self.text(),
            kind: self.i32(),
            start_time_unix_nano: self.number(),
            end_time_unix_nano: self.number(),
            attributes: self.attributes(0),
            dropped_attributes_count: self.u32(),
            events: self.list(3, |r| Event {
                time_unix_nano: r.number(),
                name: r.text(),
                attributes: r.attributes(0),
                dropped_attributes_count: r.u32(),
            }),
            dropped_events_count: self.u32(),
            links: self.list(3, |r| Link {
                trace_id: r.id(16),
                span_id: r.id(8),
                trace_state: r.text(),
                attributes: r.attributes(0),
                dropped_attributes_count: r.u32(),
                flags: r.u32(),
            }),
            dropped_links_count: self.u32(),
            status: self.some(|r| Status { message: r.text(), code: r.i32() }),
        }
    }

    pub(crate) fn metrics(&mut self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest {
            resource_metrics: self.some_of(|r, index| ResourceMetrics {
                resource: r.resource(index),
                scope_metrics: r.some_of(|r, index| ScopeMetrics {
                    scope: r.scope(index),
                    metrics: r.some_of(|r, _| r.metric()),
                    schema_url: r.text(),
                }),
                schema_url: r.text(),
            }),
        }
    }

    pub(crate) fn metric(&mut self) -> Metric {
        Metric {
            name: self.text(),
            description: self.text(),
            unit: self.text(),
            metadata: self.attributes(0),
            data: self.data(),
        }
    }

    fn data(&mut self) -> Option<Data> {
        Some(match self.below(6) {
            0 => return None,
            1 => Data::Gauge(Gauge { data_points: self.list(3, Self::number_point) }),
            2 => Data::Sum(Sum {
                data_points: self.list(3, Self::number_point),
                aggregation_temporality: self.i32(),
                is_monotonic: self.chance(),
            }),
            3 => Data::Histogram(Histogram {
                data_points: self.list(3, Self::histogram_point),
                aggregation_temporality: self.i32(),
            }),
            4 => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.list(3, Self::exponential_point),
                aggregation_temporality: self.i32(),
            }),
            _ => Data::Summary(Summary { data_points: self.list(3, Self::summary_point) }),
        })
    }

    fn number_point(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            exemplars: self.list(2, Self::exemplar),
            flags: self.u32(),
            value: match self.below(3) {
                0 => None,
                1 => Some(number_data_point::Value::AsDouble(self.double())),
                _ => Some(number_data_point::Value::AsInt(self.number().cast_signed())),
            },
        }
    }

    fn exemplar(&mut self) -> Exemplar {
        Exemplar {
            filtered_attributes: self.attributes(0),
            time_unix_nano: self.number(),
            span_id: self.id(8),
            trace_id: self.id(16),
            value: match self.below(3) {
                0 => None,
                1 => Some(exemplar::Value::AsDouble(self.double())),
                _ => Some(exemplar::Value::AsInt(self.number().cast_signed())),
            },
        }
    }

    fn histogram_point(&mut self) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.some(Self::double),
            bucket_counts: self.list(5, Self::number),
            explicit_bounds: self.list(5, Self::double),
            exemplars: self.list(2, Self::exemplar),
            flags: self.u32(),
            min: self.some(Self::double),
            max: self.some(Self::double),
        }
    }

    fn exponential_point(&mut self) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.some(Self::double),
            scale: self.i32(),
            zero_count: self.number(),
            positive: self.some(Self::buckets),
            negative: self.some(Self::buckets),
            flags: self.u32(),
            exemplars: self.list(2, Self::exemplar),
            min: self.some(Self::double),
            max: self.some(Self::double),
            zero_threshold: self.double(),
        }
    }

    fn buckets(&mut self) -> Buckets {
        Buckets { offset: self.i32(), bucket_counts: self.list(5, Self::number) }
    }

    fn summary_point(&mut self) -> SummaryDataPoint {
        SummaryDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.double(),
            quantile_values: self.list(3, |r| ValueAtQuantile { quantile: r.double(), value: r.double() }),
            flags: self.u32(),
        }
    }
}
