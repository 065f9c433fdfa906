//! The messages of OTLP, described once, from opentelemetry-proto 1.9 (`opentelemetry/proto/{logs,metrics,trace}/v1`).
//!
//! The table is data: counting, validation, rewriting of strings, OTLP/JSON and canonical lines are each one walk
//! over the wire that asks this table what a field is. A field the table does not know is kept as it came.

use crate::otlp::Signal;

/// One message type.
#[derive(Debug)]
pub struct Message {
    /// Its name in opentelemetry-proto.
    pub name: &'static str,
    /// Its fields, in the byte order of their names, which is the order of canonical lines.
    pub fields: &'static [Field],
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// The field number.
    pub number: u32,
    /// The name in the .proto file, used in canonical lines.
    pub name: &'static str,
    /// The lowerCamelCase name, used in OTLP/JSON.
    pub json: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How often it may stand.
    pub card: Card,
}

/// How often a field stands, and what its absence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// At most once; absence and the default value are the same.
    One,
    /// At most once; absence and the default value differ (`optional`, `oneof`, messages).
    Optional,
    /// Any number of times.
    Many,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// UTF-8 text.
    Str,
    /// A trace or span id: bytes, hexadecimal in JSON.
    Id,
    /// `bool`.
    Bool,
    /// `uint32`.
    Uint32,
    /// An enum, by number.
    Enum,
    /// `sint32`, zigzag on the wire.
    Sint32,
    /// `fixed32`.
    Fixed32,
    /// `fixed64`: times and counts; a decimal string in JSON.
    Fixed64,
    /// `sfixed64`; a decimal string in JSON.
    Sfixed64,
    /// `double`.
    Double,
    /// Packed `fixed64`.
    PackedFixed64,
    /// Packed `uint64` varints.
    PackedUint64,
    /// Packed `double`.
    PackedDouble,
    /// A nested message.
    Message(&'static Message),
    /// `AnyValue`.
    Value,
    /// `KeyValue`, always repeated: attributes.
    Attributes,
    /// Repeated `string` (entity references).
    Strings,
}

impl Message {
    /// The field with that number.
    #[inline]
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The number of the field that holds the attributes, 0 for a message without.
    #[must_use]
    pub fn attributes(&self) -> u32 {
        self.fields.iter().find(|field| matches!(field.kind, Kind::Attributes)).map_or(0, |field| field.number)
    }
}

impl Field {
    /// Whether it is a member of a `oneof` (its message has one such group): of these only the last on the wire counts.
    #[inline]
    #[must_use]
    pub fn is_alternative(&self) -> bool {
        self.card == Card::Optional
            && match self.kind {
                Kind::Double | Kind::Sfixed64 => matches!(self.name, "as_double" | "as_int"),
                Kind::Message(_) => {
                    matches!(self.name, "exponential_histogram" | "gauge" | "histogram" | "sum" | "summary")
                }
                _ => false,
            }
    }
}

/// The `Export*ServiceRequest` of a signal.
#[must_use]
pub const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Logs => &LOGS_REQUEST,
        Signal::Metrics => &METRICS_REQUEST,
        Signal::Traces => &TRACES_REQUEST,
    }
}

/// The message that is one record of a signal: `LogRecord`, `Metric` or `Span`.
#[must_use]
pub const fn record(signal: Signal) -> &'static Message {
    match signal {
        Signal::Logs => &LOG_RECORD,
        Signal::Metrics => &METRIC,
        Signal::Traces => &SPAN,
    }
}

/// In a `Resource*` message: the resource, the list of `Scope*` messages. The same numbers in a `Scope*` message are
/// the scope and the list of records. OTLP keeps this shape in all three signals.
pub const OWNER: u32 = 1;
/// See [`OWNER`].
pub const MEMBERS: u32 = 2;

macro_rules! messages {
    ($($constant:ident = $name:literal { $($number:literal $field:ident $json:literal $card:ident $kind:expr;)* })*) => {
        $(
            #[doc = concat!("`", $name, "`.")]
            pub static $constant: Message = Message {
                name: $name,
                fields: &[$(Field {
                    number: $number, name: stringify!($field), json: $json, kind: $kind, card: Card::$card,
                }),*],
            };
        )*
    };
}

use Kind::{
    Attributes, Bool, Double, Enum, Fixed32, Fixed64, Id, Message as Msg, PackedDouble, PackedFixed64, PackedUint64,
    Sfixed64, Sint32, Str, Strings, Uint32, Value,
};

messages! {
    LOGS_REQUEST = "ExportLogsServiceRequest" { 1 resource_logs "resourceLogs" Many Msg(&RESOURCE_LOGS); }
    RESOURCE_LOGS = "ResourceLogs" {
        1 resource "resource" Optional Msg(&RESOURCE);
        3 schema_url "schemaUrl" One Str;
        2 scope_logs "scopeLogs" Many Msg(&SCOPE_LOGS);
    }
    SCOPE_LOGS = "ScopeLogs" {
        2 log_records "logRecords" Many Msg(&LOG_RECORD);
        3 schema_url "schemaUrl" One Str;
        1 scope "scope" Optional Msg(&SCOPE);
    }
    LOG_RECORD = "LogRecord" {
        6 attributes "attributes" Many Attributes;
        5 body "body" Optional Value;
        7 dropped_attributes_count "droppedAttributesCount" One Uint32;
        12 event_name "eventName" One Str;
        8 flags "flags" One Fixed32;
        11 observed_time_unix_nano "observedTimeUnixNano" One Fixed64;
        2 severity_number "severityNumber" One Enum;
        3 severity_text "severityText" One Str;
        10 span_id "spanId" One Id;
        1 time_unix_nano "timeUnixNano" One Fixed64;
        9 trace_id "traceId" One Id;
    }
    RESOURCE = "Resource" {
        1 attributes "attributes" Many Attributes;
        2 dropped_attributes_count "droppedAttributesCount" One Uint32;
        3 entity_refs "entityRefs" Many Msg(&ENTITY_REF);
    }
    ENTITY_REF = "EntityRef" {
        4 description_keys "descriptionKeys" Many Strings;
        3 id_keys "idKeys" Many Strings;
        1 schema_url "schemaUrl" One Str;
        2 type "type" One Str;
    }
    SCOPE = "InstrumentationScope" {
        3 attributes "attributes" Many Attributes;
        4 dropped_attributes_count "droppedAttributesCount" One Uint32;
        1 name "name" One Str;
        2 version "version" One Str;
    }
    TRACES_REQUEST = "ExportTraceServiceRequest" { 1 resource_spans "resourceSpans" Many Msg(&RESOURCE_SPANS); }
    RESOURCE_SPANS = "ResourceSpans" {
        1 resource "resource" Optional Msg(&RESOURCE);
        3 schema_url "schemaUrl" One Str;
        2 scope_spans "scopeSpans" Many Msg(&SCOPE_SPANS);
    }
    SCOPE_SPANS = "ScopeSpans" {
        3 schema_url "schemaUrl" One Str;
        1 scope "scope" Optional Msg(&SCOPE);
        2 spans "spans" Many Msg(&SPAN);
    }
    SPAN = "Span" {
        9 attributes "attributes" Many Attributes;
        10 dropped_attributes_count "droppedAttributesCount" One Uint32;
        12 dropped_events_count "droppedEventsCount" One Uint32;
        14 dropped_links_count "droppedLinksCount" One Uint32;
        8 end_time_unix_nano "endTimeUnixNano" One Fixed64;
        11 events "events" Many Msg(&SPAN_EVENT);
        16 flags "flags" One Fixed32;
        6 kind "kind" One Enum;
        13 links "links" Many Msg(&SPAN_LINK);
        5 name "name" One Str;
        4 parent_span_id "parentSpanId" One Id;
        2 span_id "spanId" One Id;
        7 start_time_unix_nano "startTimeUnixNano" One Fixed64;
        15 status "status" Optional Msg(&STATUS);
        1 trace_id "traceId" One Id;
        3 trace_state "traceState" One Str;
    }
    SPAN_EVENT = "Span.Event" {
        3 attributes "attributes" Many Attributes;
        4 dropped_attributes_count "droppedAttributesCount" One Uint32;
        2 name "name" One Str;
        1 time_unix_nano "timeUnixNano" One Fixed64;
    }
    SPAN_LINK = "Span.Link" {
        4 attributes "attributes" Many Attributes;
        5 dropped_attributes_count "droppedAttributesCount" One Uint32;
        6 flags "flags" One Fixed32;
        2 span_id "spanId" One Id;
        1 trace_id "traceId" One Id;
        3 trace_state "traceState" One Str;
    }
    STATUS = "Status" {
        3 code "code" One Enum;
        2 message "message" One Str;
    }
    METRICS_REQUEST = "ExportMetricsServiceRequest" { 1 resource_metrics "resourceMetrics" Many Msg(&RESOURCE_METRICS); }
    RESOURCE_METRICS = "ResourceMetrics" {
        1 resource "resource" Optional Msg(&RESOURCE);
        3 schema_url "schemaUrl" One Str;
        2 scope_metrics "scopeMetrics" Many Msg(&SCOPE_METRICS);
    }
    SCOPE_METRICS = "ScopeMetrics" {
        2 metrics "metrics" Many Msg(&METRIC);
        3 schema_url "schemaUrl" One Str;
        1 scope "scope" Optional Msg(&SCOPE);
    }
    METRIC = "Metric" {
        2 description "description" One Str;
        10 exponential_histogram "exponentialHistogram" Optional Msg(&EXPONENTIAL_HISTOGRAM);
        5 gauge "gauge" Optional Msg(&GAUGE);
        9 histogram "histogram" Optional Msg(&HISTOGRAM);
        12 metadata "metadata" Many Attributes;
        1 name "name" One Str;
        7 sum "sum" Optional Msg(&SUM);
        11 summary "summary" Optional Msg(&SUMMARY);
        3 unit "unit" One Str;
    }
    GAUGE = "Gauge" { 1 data_points "dataPoints" Many Msg(&NUMBER_POINT); }
    SUM = "Sum" {
        2 aggregation_temporality "aggregationTemporality" One Enum;
        1 data_points "dataPoints" Many Msg(&NUMBER_POINT);
        3 is_monotonic "isMonotonic" One Bool;
    }
    HISTOGRAM = "Histogram" {
        2 aggregation_temporality "aggregationTemporality" One Enum;
        1 data_points "dataPoints" Many Msg(&HISTOGRAM_POINT);
    }
    EXPONENTIAL_HISTOGRAM = "ExponentialHistogram" {
        2 aggregation_temporality "aggregationTemporality" One Enum;
        1 data_points "dataPoints" Many Msg(&EXPONENTIAL_POINT);
    }
    SUMMARY = "Summary" { 1 data_points "dataPoints" Many Msg(&SUMMARY_POINT); }
    NUMBER_POINT = "NumberDataPoint" {
        4 as_double "asDouble" Optional Double;
        6 as_int "asInt" Optional Sfixed64;
        7 attributes "attributes" Many Attributes;
        5 exemplars "exemplars" Many Msg(&EXEMPLAR);
        8 flags "flags" One Uint32;
        2 start_time_unix_nano "startTimeUnixNano" One Fixed64;
        3 time_unix_nano "timeUnixNano" One Fixed64;
    }
    HISTOGRAM_POINT = "HistogramDataPoint" {
        9 attributes "attributes" Many Attributes;
        6 bucket_counts "bucketCounts" Many PackedFixed64;
        4 count "count" One Fixed64;
        8 exemplars "exemplars" Many Msg(&EXEMPLAR);
        7 explicit_bounds "explicitBounds" Many PackedDouble;
        10 flags "flags" One Uint32;
        12 max "max" Optional Double;
        11 min "min" Optional Double;
        2 start_time_unix_nano "startTimeUnixNano" One Fixed64;
        5 sum "sum" Optional Double;
        3 time_unix_nano "timeUnixNano" One Fixed64;
    }
    EXPONENTIAL_POINT = "ExponentialHistogramDataPoint" {
        1 attributes "attributes" Many Attributes;
        4 count "count" One Fixed64;
        11 exemplars "exemplars" Many Msg(&EXEMPLAR);
        10 flags "flags" One Uint32;
        13 max "max" Optional Double;
        12 min "min" Optional Double;
        9 negative "negative" Optional Msg(&BUCKETS);
        8 positive "positive" Optional Msg(&BUCKETS);
        6 scale "scale" One Sint32;
        2 start_time_unix_nano "startTimeUnixNano" One Fixed64;
        5 sum "sum" Optional Double;
        3 time_unix_nano "timeUnixNano" One Fixed64;
        7 zero_count "zeroCount" One Fixed64;
        14 zero_threshold "zeroThreshold" One Double;
    }
    BUCKETS = "ExponentialHistogramDataPoint.Buckets" {
        2 bucket_counts "bucketCounts" Many PackedUint64;
        1 offset "offset" One Sint32;
    }
    SUMMARY_POINT = "SummaryDataPoint" {
        7 attributes "attributes" Many Attributes;
        4 count "count" One Fixed64;
        8 flags "flags" One Uint32;
        6 quantile_values "quantileValues" Many Msg(&QUANTILE);
        2 start_time_unix_nano "startTimeUnixNano" One Fixed64;
        5 sum "sum" One Double;
        3 time_unix_nano "timeUnixNano" One Fixed64;
    }
    QUANTILE = "SummaryDataPoint.ValueAtQuantile" {
        1 quantile "quantile" One Double;
        2 value "value" One Double;
    }
    EXEMPLAR = "Exemplar" {
        3 as_double "asDouble" Optional Double;
        6 as_int "asInt" Optional Sfixed64;
        7 filtered_attributes "filteredAttributes" Many Attributes;
        4 span_id "spanId" One Id;
        2 time_unix_nano "timeUnixNano" One Fixed64;
        5 trace_id "traceId" One Id;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(message: &'static Message, seen: &mut BTreeSet<&'static str>, check: &mut dyn FnMut(&Message)) {
        if seen.insert(message.name) {
            check(message);
            for field in message.fields {
                if let Kind::Message(inner) = field.kind {
                    all(inner, seen, check);
                }
            }
        }
    }

    #[test]
    fn fields_stand_in_the_byte_order_of_their_names_and_numbers_are_unique() {
        let mut seen = BTreeSet::new();
        for signal in Signal::ALL {
            all(request(signal), &mut seen, &mut |message| {
                assert!(message.fields.is_sorted_by_key(|field| field.name), "{}", message.name);
                let numbers: BTreeSet<_> = message.fields.iter().map(|field| field.number).collect();
                assert_eq!(numbers.len(), message.fields.len(), "{}", message.name);
            });
        }
        assert_eq!(seen.len(), 30);
    }

    #[test]
    fn json_names_are_the_proto_names_in_lower_camel_case() {
        for signal in Signal::ALL {
            all(request(signal), &mut BTreeSet::new(), &mut |message| {
                for field in message.fields {
                    let mut camel = String::new();
                    for (index, word) in field.name.split('_').enumerate() {
                        let (first, rest) = word.split_at(1);
                        camel += &if index == 0 { first.to_owned() } else { first.to_uppercase() };
                        camel += rest;
                    }
                    assert_eq!(camel, field.json, "{}.{}", message.name, field.name);
                }
            });
        }
    }
}
