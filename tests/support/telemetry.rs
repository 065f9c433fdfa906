//! Requests of the three signals with every field of OTLP set, and requests taken apart into records that compare field by
//! field whatever batch they came in.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;
use telseal::otlp::Signal;

/// All signals.
pub(crate) const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Traces];
const TIME_NS: u64 = 1_792_000_000_123_456_789;
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// One log record, span or metric with the resource and scope it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) resource: Option<Resource>,
    pub(crate) resource_schema_url: String,
    pub(crate) scope: Option<InstrumentationScope>,
    pub(crate) scope_schema_url: String,
    pub(crate) item: Item,
}

/// What a signal is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Log(LogRecord),
    Span(Span),
    Metric(Metric),
}

/// A string value.
pub(crate) fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..KeyValue::default() }
}

/// One attribute of each type there is, nested ones too.
fn attributes() -> Vec<KeyValue> {
    let string = |text: &str| Some(Value::StringValue(text.to_owned()));
    let values = vec![text("a"), AnyValue { value: Some(Value::IntValue(-1)) }, AnyValue { value: None }];
    let entry = attribute("deep", Some(Value::KvlistValue(KeyValueList { values: vec![attribute("k", string("v"))] })));
    vec![
        attribute("zeta", string("last in the alphabet, first in the list")),
        attribute("bool", Some(Value::BoolValue(true))),
        attribute("int.max", Some(Value::IntValue(i64::MAX))),
        attribute("int.min", Some(Value::IntValue(i64::MIN))),
        attribute("double", Some(Value::DoubleValue(-0.1))),
        attribute("double.whole", Some(Value::DoubleValue(2.0))),
        attribute("double.huge", Some(Value::DoubleValue(f64::MAX))),
        attribute("bytes", Some(Value::BytesValue(vec![0, 255, 10]))),
        attribute("list", Some(Value::ArrayValue(ArrayValue { values }))),
        attribute("map", Some(Value::KvlistValue(KeyValueList { values: vec![entry, attribute("$dollar", None)] }))),
        attribute("empty", string("")),
        attribute("unicode \u{1F512} \"quoted\"\n", string("\u{0} \u{7f} \u{2028} \\")),
    ]
}

fn resource() -> Option<Resource> {
    let entity = EntityRef {
        schema_url: SCHEMA.to_owned(),
        r#type: "service".to_owned(),
        id_keys: vec!["service.name".to_owned()],
        description_keys: vec!["service.version".to_owned()],
    };
    let mut attributes = attributes();
    attributes.push(attribute("service.name", Some(Value::StringValue("shop".to_owned()))));
    Some(Resource { attributes, dropped_attributes_count: 3, entity_refs: vec![entity] })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("the.scope".to_owned(), "1.2.3".to_owned());
    Some(InstrumentationScope { name, version, attributes: attributes(), dropped_attributes_count: 4 })
}

/// Log records with every field set, one that is empty, and one without resource and scope.
pub(crate) fn logs() -> ExportLogsServiceRequest {
    let full = LogRecord {
        time_unix_nano: TIME_NS,
        observed_time_unix_nano: TIME_NS + 1,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        body: attributes().swap_remove(9).value,
        attributes: attributes(),
        dropped_attributes_count: 5,
        flags: 0x101,
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        event_name: "tool.result".to_owned(),
    };
    let plain = LogRecord { time_unix_nano: TIME_NS, body: Some(text("plain")), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs {
        scope: scope(),
        log_records: vec![full, LogRecord::default()],
        schema_url: SCHEMA.to_owned(),
    }];
    let bare = vec![ScopeLogs { log_records: vec![plain], ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![
            ResourceLogs { resource: resource(), scope_logs, schema_url: SCHEMA.to_owned() },
            ResourceLogs { scope_logs: bare, ..ResourceLogs::default() },
        ],
    }
}

/// Spans with every field set, and one that is empty.
pub(crate) fn traces() -> ExportTraceServiceRequest {
    let event = span::Event {
        time_unix_nano: TIME_NS + 5,
        name: "exception".to_owned(),
        attributes: attributes(),
        dropped_attributes_count: 6,
    };
    let link = span::Link {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        trace_state: "vendor=link".to_owned(),
        attributes: attributes(),
        dropped_attributes_count: 7,
        flags: 0x301,
    };
    let full = Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        trace_state: "vendor=span,other=1".to_owned(),
        parent_span_id: (9..=16).collect(),
        flags: 0x101,
        name: "POST /cart".to_owned(),
        kind: span::SpanKind::Server as i32,
        start_time_unix_nano: TIME_NS,
        end_time_unix_nano: TIME_NS + 10,
        attributes: attributes(),
        dropped_attributes_count: 8,
        events: vec![event, span::Event::default()],
        dropped_events_count: 9,
        links: vec![link],
        dropped_links_count: 10,
        status: Some(Status { message: "it broke".to_owned(), code: 2 }),
    };
    let spans = vec![full, Span::default()];
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, schema_url: SCHEMA.to_owned() }];
    let group = ResourceSpans { resource: resource(), scope_spans, schema_url: SCHEMA.to_owned() };
    ExportTraceServiceRequest { resource_spans: vec![group] }
}

fn exemplars() -> Vec<Exemplar> {
    let exemplar = |value| Exemplar {
        filtered_attributes: attributes(),
        time_unix_nano: TIME_NS + 2,
        span_id: (1..=8).collect(),
        trace_id: (1..=16).collect(),
        value: Some(value),
    };
    vec![exemplar(exemplar::Value::AsDouble(1.5)), exemplar(exemplar::Value::AsInt(-7))]
}

fn number_points() -> Vec<NumberDataPoint> {
    let point = |value| NumberDataPoint {
        attributes: attributes(),
        start_time_unix_nano: TIME_NS,
        time_unix_nano: TIME_NS + 1,
        exemplars: exemplars(),
        flags: 1,
        value,
    };
    let values = [number_data_point::Value::AsInt(i64::MIN), number_data_point::Value::AsDouble(f64::INFINITY)];
    values.into_iter().map(Some).chain([None]).map(point).collect()
}

fn histogram_point() -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(),
        start_time_unix_nano: TIME_NS,
        time_unix_nano: TIME_NS + 1,
        count: u64::MAX,
        sum: Some(12.5),
        bucket_counts: vec![1, 0, u64::MAX],
        explicit_bounds: vec![0.5, 10.0],
        exemplars: exemplars(),
        flags: 1,
        min: Some(0.0),
        max: Some(99.9),
    }
}

fn exponential_point() -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(),
        start_time_unix_nano: TIME_NS,
        time_unix_nano: TIME_NS + 1,
        count: 7,
        sum: Some(-3.25),
        scale: -4,
        zero_count: 2,
        positive: Some(Buckets { offset: -3, bucket_counts: vec![1, 0, 2] }),
        negative: Some(Buckets { offset: 5, bucket_counts: vec![2] }),
        flags: 1,
        exemplars: exemplars(),
        min: Some(-10.0),
        max: Some(4.0),
        zero_threshold: 1e-9,
    }
}

fn summary_point() -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: attributes(),
        start_time_unix_nano: TIME_NS,
        time_unix_nano: TIME_NS + 1,
        count: 3,
        sum: 4.5,
        quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 4.0 }, ValueAtQuantile::default()],
        flags: 1,
    }
}

/// A metric of each type with every field set, and one without data.
pub(crate) fn metrics() -> ExportMetricsServiceRequest {
    let metric = |name: &str, data| Metric {
        name: name.to_owned(),
        description: "what it counts".to_owned(),
        unit: "By".to_owned(),
        metadata: attributes(),
        data,
    };
    let sum = Sum { data_points: number_points(), aggregation_temporality: 2, is_monotonic: true };
    let histogram = Histogram { data_points: vec![histogram_point()], aggregation_temporality: 1 };
    let exponential = ExponentialHistogram { data_points: vec![exponential_point()], aggregation_temporality: 1 };
    let metrics = vec![
        metric("gauge", Some(metric::Data::Gauge(Gauge { data_points: number_points() }))),
        metric("sum", Some(metric::Data::Sum(sum))),
        metric("histogram", Some(metric::Data::Histogram(histogram))),
        metric("exponential", Some(metric::Data::ExponentialHistogram(exponential))),
        metric("summary", Some(metric::Data::Summary(Summary { data_points: vec![summary_point()] }))),
        metric("nothing", None),
    ];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, schema_url: SCHEMA.to_owned() }];
    let group = ResourceMetrics { resource: resource(), scope_metrics, schema_url: SCHEMA.to_owned() };
    ExportMetricsServiceRequest { resource_metrics: vec![group] }
}

/// The request with every field set, as bytes.
pub(crate) fn request(signal: Signal) -> Vec<u8> {
    match signal {
        Signal::Logs => logs().encode_to_vec(),
        Signal::Metrics => metrics().encode_to_vec(),
        Signal::Traces => traces().encode_to_vec(),
    }
}

/// A request of log records with the bodies `record <number>`.
pub(crate) fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let record = |number| LogRecord {
        time_unix_nano: TIME_NS + number,
        body: Some(text(&format!("record {number}"))),
        ..LogRecord::default()
    };
    let log_records = numbers.into_iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
        .encode_to_vec()
}

/// The numbers in a request made by [`numbered`].
pub(crate) fn numbers(body: &[u8]) -> Vec<u64> {
    let number = |record: Record| match record.item {
        Item::Log(LogRecord { body: Some(AnyValue { value: Some(Value::StringValue(text)) }), .. }) => {
            text.strip_prefix("record ").and_then(|number| number.parse().ok())
        }
        _ => None,
    };
    records(Signal::Logs, body).into_iter().map(|record| number(record).expect("a numbered record")).collect()
}

/// Takes a request apart.
pub(crate) fn records(signal: Signal, body: &[u8]) -> Vec<Record> {
    let mut found = vec![];
    macro_rules! take_apart {
        ($request:ty, $groups:ident, $scopes:ident, $items:ident, $item:expr) => {
            for group in <$request>::decode(body).expect("a request in protobuf").$groups {
                for scope in group.$scopes {
                    for item in scope.$items {
                        found.push(Record {
                            resource: group.resource.clone(),
                            resource_schema_url: group.schema_url.clone(),
                            scope: scope.scope.clone(),
                            scope_schema_url: scope.schema_url.clone(),
                            item: $item(item),
                        });
                    }
                }
            }
        };
    }
    match signal {
        Signal::Logs => take_apart!(ExportLogsServiceRequest, resource_logs, scope_logs, log_records, Item::Log),
        Signal::Metrics => {
            take_apart!(ExportMetricsServiceRequest, resource_metrics, scope_metrics, metrics, Item::Metric);
        }
        Signal::Traces => take_apart!(ExportTraceServiceRequest, resource_spans, scope_spans, spans, Item::Span),
    }
    found
}

/// Fails with the lines that differ unless both sides are the same records, in any order.
pub(crate) fn assert_same(what: &str, sent: &[Record], arrived: &[Record]) {
    let sorted = |records: &[Record]| {
        let mut texts: Vec<String> = records.iter().map(|record| format!("{record:#?}")).collect();
        texts.sort();
        texts
    };
    let (sent, arrived) = (sorted(sent), sorted(arrived));
    if let Some((sent, arrived)) = sent.iter().zip(&arrived).find(|(sent, arrived)| sent != arrived) {
        let lines = sent.lines().zip(arrived.lines()).enumerate();
        let differing: Vec<String> = lines
            .filter(|(_, (sent, arrived))| sent != arrived)
            .take(5)
            .map(|(number, (sent, arrived))| format!("line {number}:\n  sent    {sent}\n  arrived {arrived}"))
            .collect();
        panic!("{what}: a record arrived changed\n{}\nof\n{sent}", differing.join("\n"));
    }
    assert_eq!(sent.len(), arrived.len(), "{what}: how many records arrived");
}
