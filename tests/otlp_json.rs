//! OTLP/JSON: the probes that other implementations fail, both directions against opentelemetry-proto, hostile input.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{Random, request, understood};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric, exemplar};
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message as _;
use telseal::otlp::json::{JsonError, from_protobuf, to_protobuf};
use telseal::otlp::{DEPTH_MAX, DecodeError, Signal};

fn log(record: &str) -> Result<LogRecord, JsonError> {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    let bytes = to_protobuf(Signal::Logs, json.as_bytes())?;
    let mut request = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
    Ok(request.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0))
}

fn span(span: &str) -> Result<Span, JsonError> {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    let bytes = to_protobuf(Signal::Traces, json.as_bytes())?;
    let mut request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    Ok(request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0))
}

fn metric(metric: &str) -> Result<Metric, JsonError> {
    let json = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#);
    let bytes = to_protobuf(Signal::Metrics, json.as_bytes())?;
    let mut request = ExportMetricsServiceRequest::decode(&bytes[..]).unwrap();
    Ok(request.resource_metrics.remove(0).scope_metrics.remove(0).metrics.remove(0))
}

fn body(value: &str) -> Result<Option<Value>, JsonError> {
    log(&format!(r#"{{"body":{value}}}"#)).map(|record| record.body.unwrap().value)
}

/// The path of a log record's error, without what is the same for all.
fn path_of(record: &str) -> String {
    let error = log(record).unwrap_err();
    error.path().strip_prefix("resourceLogs[0].scopeLogs[0].logRecords[0]").unwrap().to_owned()
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn ids_are_hexadecimal_in_either_case() {
    let record = log(r#"{"traceId":"0123456789ABCDEFfedcba9876543210","spanId":"00ff00FF00fF00Ff"}"#).unwrap();
    assert_eq!(record.trace_id, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes());
    assert_eq!(record.span_id, 0x00ff_00ff_00ff_00ff_u64.to_be_bytes());
    assert!(log(r#"{"traceId":"","spanId":null}"#).unwrap().trace_id.is_empty());
}

#[test]
fn an_id_of_the_wrong_length_or_alphabet_is_an_error() {
    for id in [
        "\"abcd\"",
        "\"0\"",
        "\"0123456789abcdeffedcba98765432100\"",
        "\"zz\"",
        "1",
        "[]",
        "\"AAAAAAAAAAAAAAAAAAAAAA==\"",
    ] {
        assert_eq!(path_of(&format!(r#"{{"traceId":{id}}}"#)), ".traceId");
        assert_eq!(path_of(&format!(r#"{{"spanId":{id}}}"#)), ".spanId");
    }
    assert!(span(r#"{"parentSpanId":"01"}"#).is_err());
    assert!(log(r#"{"spanId":"0123456789abcdeffedcba9876543210"}"#).is_err());
}

#[test]
fn integers_of_64_bits_are_strings_or_numbers() {
    for value in [r#"{"intValue":"-42"}"#, r#"{"intValue":-42}"#, r#"{"intValue":-42.0}"#, r#"{"int_value":"-42"}"#] {
        assert_eq!(body(value), Ok(Some(Value::IntValue(-42))), "{value}");
    }
    assert_eq!(body(r#"{"intValue":"9223372036854775807"}"#), Ok(Some(Value::IntValue(i64::MAX))));
    let record = log(r#"{"timeUnixNano":"1700000000000000001","observedTimeUnixNano":1700000000000000001}"#).unwrap();
    assert_eq!(
        (record.time_unix_nano, record.observed_time_unix_nano),
        (1_700_000_000_000_000_001, 1_700_000_000_000_000_001)
    );
}

#[test]
fn an_empty_value_is_a_value_without_content() {
    assert_eq!(body("{}"), Ok(None));
    assert_eq!(body(r#"{"stringValue":null}"#), Ok(None));
    let list = body(r#"{"arrayValue":{"values":[{},null,{"intValue":1}]}}"#).unwrap();
    let values = vec![AnyValue::default(), AnyValue::default(), any(Value::IntValue(1))];
    assert_eq!(list, Some(Value::ArrayValue(ArrayValue { values })));
}

#[test]
fn unknown_fields_are_passed_over_wherever_they_stand() {
    let record = log(r#"{"new":{"deep":[1,{"x":null}]},"body":{"newValue":[],"stringValue":"b"},"attributes":[{"key":"k","n":1,"value":{"arrayValue":{"values":[],"n":{}}}}],"severityText":"s"}"#).unwrap();
    assert_eq!(record.severity_text, "s");
    assert_eq!(record.body, Some(any(Value::StringValue("b".into()))));
    assert_eq!(record.attributes[0].key, "k");
}

#[test]
fn names_may_be_written_with_escapes_and_in_either_spelling() {
    let record = log(r#"{"severity\u0054ext":"a","severity_number":9,"attributes":[{"k\u0065y":"k\u00e9\ud83d\ude00","value":{"string\u0056alue":"\/"}}]}"#).unwrap();
    assert_eq!((record.severity_text.as_str(), record.severity_number), ("a", 9));
    assert_eq!(record.attributes[0].key, "ké😀");
    assert_eq!(record.attributes[0].value, Some(any(Value::StringValue("/".into()))));
    let json = br#"{"resource_logs":[{"scope_logs":[{"log_records":[{"time_unix_nano":1}]}],"schema_url":"u"}]}"#;
    let request = ExportLogsServiceRequest::decode(&to_protobuf(Signal::Logs, json).unwrap()[..]).unwrap();
    assert_eq!(request.resource_logs[0].schema_url, "u");
    assert_eq!(request.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano, 1);
}

#[test]
fn lists_and_maps_nest() {
    let value = body(
        r#"{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[]}},{"boolValue":false}]}}},{"key":"b"}]}}"#,
    );
    let inner =
        ArrayValue { values: vec![any(Value::KvlistValue(KeyValueList::default())), any(Value::BoolValue(false))] };
    let pair = |key: &str, value| KeyValue { key: key.into(), value, key_strindex: 0 };
    let values = vec![pair("a", Some(any(Value::ArrayValue(inner)))), pair("b", None)];
    assert_eq!(value, Ok(Some(Value::KvlistValue(KeyValueList { values }))));
}

#[test]
fn enums_are_numbers_or_names() {
    for (text, number) in
        [("\"SEVERITY_NUMBER_INFO\"", 9), ("\"SEVERITY_NUMBER_FATAL4\"", 24), ("9", 9), ("\"9\"", 9), ("99", 99)]
    {
        assert_eq!(log(&format!(r#"{{"severityNumber":{text}}}"#)).unwrap().severity_number, number, "{text}");
    }
    let read = span(r#"{"kind":"SPAN_KIND_CLIENT","status":{"code":"STATUS_CODE_ERROR"}}"#).unwrap();
    assert_eq!((read.kind, read.status.unwrap().code), (3, 2));
    let read = metric(
        r#"{"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","dataPoints":[{"asInt":"1"}]}}"#,
    );
    let Some(Data::Sum(sum)) = read.unwrap().data else { panic!("the sum is there") };
    assert_eq!((sum.aggregation_temporality, sum.data_points.len()), (2, 1));
    assert_eq!(path_of(r#"{"severityNumber":"INFO"}"#), ".severityNumber");
    assert!(span(r#"{"kind":"SPAN_KIND_NONE"}"#).is_err());
    assert!(metric(r#"{"sum":{"aggregationTemporality":"DELTA"}}"#).is_err());
}

#[test]
fn doubles_are_numbers_or_strings() {
    let double = |text: &str| match body(&format!(r#"{{"doubleValue":{text}}}"#)) {
        Ok(Some(Value::DoubleValue(number))) => number,
        other => panic!("{text}: {other:?}"),
    };
    assert!(double("\"NaN\"").is_nan());
    for (text, number) in [
        ("\"Infinity\"", f64::INFINITY),
        ("\"-Infinity\"", f64::NEG_INFINITY),
        ("\"1.5\"", 1.5),
        ("1.5", 1.5),
        ("1", 1.0),
        ("1E-3", 0.001),
    ] {
        assert_eq!(double(text).to_bits(), number.to_bits(), "{text}");
    }
    for wrong in ["\"nan\"", "\"inf\"", "1e400", "\"1e400\"", "\"\"", "true", "\"0x1\""] {
        assert_eq!(path_of(&format!(r#"{{"body":{{"doubleValue":{wrong}}}}}"#)), ".body.doubleValue");
    }
}

#[test]
fn a_data_point_keeps_its_nan() {
    let read =
        metric(r#"{"name":"m","gauge":{"dataPoints":[{"asDouble":"NaN"},{"asDouble":1},{"asInt":"-7"},{}]}}"#).unwrap();
    let Some(Data::Gauge(gauge)) = read.data else { panic!("the gauge is there") };
    let values: Vec<_> = gauge.data_points.iter().map(|point| point.value).collect();
    assert!(matches!(values[0], Some(Number::AsDouble(number)) if number.is_nan()));
    assert_eq!(values[1..], [Some(Number::AsDouble(1.0)), Some(Number::AsInt(-7)), None]);
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_that_names_its_place() {
    let error = metric(r#"{"gauge":{"dataPoints":[{"asInt":"1"},{"asInt":true}]}}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[1].asInt: expected an integer of 64 bits"
    );
    for (record, path) in [
        (r#"{"body":"text"}"#, ".body"),
        (r#"{"body":{"stringValue":1}}"#, ".body.stringValue"),
        (r#"{"body":{"boolValue":"true"}}"#, ".body.boolValue"),
        (r#"{"body":{"intValue":1.5}}"#, ".body.intValue"),
        (r#"{"body":{"intValue":"9223372036854775808"}}"#, ".body.intValue"),
        (r#"{"body":{"arrayValue":[]}}"#, ".body.arrayValue"),
        (r#"{"body":{"arrayValue":{"values":{}}}}"#, ".body.arrayValue.values"),
        (r#"{"body":{"arrayValue":{"values":[{},1]}}}"#, ".body.arrayValue.values[1]"),
        (
            r#"{"body":{"kvlistValue":{"values":[{"value":{"intValue":{}}}]}}}"#,
            ".body.kvlistValue.values[0].value.intValue",
        ),
        (r#"{"attributes":{}}"#, ".attributes"),
        (r#"{"attributes":[null]}"#, ".attributes[0]"),
        (r#"{"attributes":[{"key":1}]}"#, ".attributes[0].key"),
        (r#"{"timeUnixNano":-1}"#, ".timeUnixNano"),
        (r#"{"timeUnixNano":"yesterday"}"#, ".timeUnixNano"),
        (r#"{"flags":4294967296}"#, ".flags"),
        (r#"{"droppedAttributesCount":-1}"#, ".droppedAttributesCount"),
        ("[]", ""),
        ("null", ""),
    ] {
        assert_eq!(path_of(record), path, "{record}");
    }
    assert_eq!(to_protobuf(Signal::Logs, b"[]").unwrap_err().to_string(), "the request: expected an object");
}

#[test]
fn an_error_never_shows_a_value() {
    for record in [
        r#"{"attributes":[{"key":"hunter2","value":{"intValue":"hunter2"}}]}"#,
        r#"{"traceId":"hunter2"}"#,
        r#"{"body":{"bytesValue":"hunter2!"}}"#,
        r#"{"hunter2":hunter2}"#,
    ] {
        assert!(!log(record).unwrap_err().to_string().contains("hunter2"), "{record}");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet_padded_or_not() {
    for text in ["+/8=", "-_8=", "+/8", "-_8", "+\\/8="] {
        assert_eq!(
            body(&format!(r#"{{"bytesValue":"{text}"}}"#)),
            Ok(Some(Value::BytesValue(vec![0xfb, 0xff]))),
            "{text}"
        );
    }
    for wrong in ["*", "+_8=", "A", "+/8==="] {
        assert!(body(&format!(r#"{{"bytesValue":"{wrong}"}}"#)).is_err(), "{wrong}");
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let record =
        log(r#"{"traceId":null,"attributes":null,"body":null,"timeUnixNano":null,"severityNumber":null,"flags":null}"#);
    assert_eq!(record, Ok(LogRecord::default()));
    assert_eq!(to_protobuf(Signal::Logs, br#"{"resourceLogs":null}"#), Ok(vec![]));
    assert_eq!(to_protobuf(Signal::Logs, b" {} "), Ok(vec![]));
}

#[test]
fn what_stands_twice_is_an_error() {
    for record in [
        r#"{"severityText":"a","severityText":"b"}"#,
        r#"{"severityText":"a","severity_text":"b"}"#,
        r#"{"body":{"stringValue":"a","intValue":1}}"#,
        r#"{"body":{"stringValue":"a","stringValue":"b"}}"#,
        r#"{"attributes":[{"key":"a","key":"b"}]}"#,
        r#"{"body":{"arrayValue":{"values":[],"values":[]}}}"#,
    ] {
        assert!(log(record).is_err(), "{record}");
    }
    assert!(metric(r#"{"gauge":{},"sum":{}}"#).is_err());
    assert!(metric(r#"{"gauge":{"dataPoints":[{"asInt":1,"asDouble":1}]}}"#).is_err());
    assert!(metric(r#"{"gauge":{},"sum":null}"#).is_ok());
}

#[test]
fn exponential_histograms_summaries_exemplars_and_links_are_read() {
    let read = metric(
        r#"{"exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"count":"3","sum":6.5,"scale":-2,"zeroCount":1,"positive":{"offset":-1,"bucketCounts":["1",2]},"negative":{},"min":0,"max":"Infinity","zeroThreshold":0.25,"exemplars":[{"asDouble":1.5,"traceId":"00000000000000000000000000000001","filteredAttributes":[{"key":"a"}]}]}]}}"#,
    );
    let Some(Data::ExponentialHistogram(histogram)) = read.unwrap().data else { panic!("it is there") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.scale, point.zero_count), (3, Some(6.5), -2, 1));
    assert_eq!((point.min, point.max, point.zero_threshold), (Some(0.0), Some(f64::INFINITY), 0.25));
    let positive = point.positive.as_ref().unwrap();
    assert_eq!((positive.offset, &positive.bucket_counts[..]), (-1, &[1, 2][..]));
    assert!(point.negative.is_some());
    let Exemplar { value, trace_id, filtered_attributes, .. } = &point.exemplars[0];
    assert_eq!((value, trace_id[15], &filtered_attributes[0].key[..]), (&Some(exemplar::Value::AsDouble(1.5)), 1, "a"));

    let read = metric(
        r#"{"summary":{"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":7},{"quantile":1,"value":"NaN"}]}]}}"#,
    );
    let Some(Data::Summary(summary)) = read.unwrap().data else { panic!("it is there") };
    assert_eq!(summary.data_points[0].quantile_values[0].value, 7.0);
    assert!(summary.data_points[0].quantile_values[1].value.is_nan());

    let read = span(r#"{"links":[{"traceId":"00000000000000000000000000000002","spanId":"0000000000000003","traceState":"a=b","flags":1}],"events":[{"name":"e","timeUnixNano":"5"}]}"#).unwrap();
    assert_eq!((read.links[0].trace_id[15], read.links[0].span_id[7], read.links[0].flags), (2, 3, 1));
    assert_eq!((&read.events[0].name[..], read.events[0].time_unix_nano), ("e", 5));
}

fn written(signal: Signal, bytes: &[u8]) -> Result<String, DecodeError> {
    let mut out = vec![];
    from_protobuf(signal, bytes, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn output_leaves_defaults_out() {
    let json = r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"n","value":{"intValue":"7"}},{"key":"l","value":{"arrayValue":{}}},{"key":"e","value":{}}],"body":{"stringValue":""},"severityNumber":9,"spanId":"00000000000000aa","timeUnixNano":"5"},{}]}]}]}"#;
    let bytes = to_protobuf(Signal::Logs, json.as_bytes()).unwrap();
    assert_eq!(written(Signal::Logs, &bytes).unwrap(), json);
    assert_eq!(written(Signal::Metrics, b"").unwrap(), "{}");
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"NaN"},{"asDouble":0.0},{"asInt":"0"}]}}]}]}]}"#;
    let bytes = to_protobuf(Signal::Metrics, json.as_bytes()).unwrap();
    assert_eq!(written(Signal::Metrics, &bytes).unwrap(), json);
}

#[test]
fn hostile_texts_are_errors() {
    let nested = |open: &str, close: &str, depth: usize| {
        let value = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
        let record = format!(r#"{{"body":{value}}}"#);
        let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
        to_protobuf(Signal::Logs, json.as_bytes()).map(drop)
    };
    let list = (r#"{"arrayValue":{"values":["#, "]}}");
    let map = (r#"{"kvlistValue":{"values":[{"value":"#, "}]}}");
    for (open, close) in [list, map] {
        nested(open, close, DEPTH_MAX).unwrap();
        assert!(nested(open, close, 10_000).unwrap_err().to_string().ends_with("nested deeper than 96 levels"));
    }
    assert!(nested(r#"{"unknown":["#, "]}", 10_000).is_err());
    for bad in [
        "",
        "{",
        "{\"resourceLogs\":[",
        "{\"resourceLogs\":[]}x",
        "{\"resourceLogs\":[],}",
        "{\"x\":\"\\ud800\"}",
        "{\"x\":01}",
        "{'x':1}",
    ] {
        assert!(to_protobuf(Signal::Logs, bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(to_protobuf(Signal::Logs, b"{\"x\":\"\xff\"}").is_err());
    assert!(log(r#"{"severityText":"\udc00"}"#).is_err());
    let digits = "9".repeat(100_000);
    assert!(log(&format!(r#"{{"flags":{digits}}}"#)).is_err());
    assert!(log(&format!(r#"{{"unknown":{digits}}}"#)).is_ok());
    assert!(body(&format!(r#"{{"doubleValue":{digits}}}"#)).is_err());
}

/// The random request as OTLP/JSON can say it.
fn plain(signal: Signal, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    random.plain_doubles = true;
    random.proper_ids = true;
    request(signal, &mut random)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn otlp_comes_back_from_json_field_by_field(seed: u64) {
        for signal in Signal::ALL {
            let sent = plain(signal, seed);
            let json = written(signal, &sent).unwrap();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            let back = to_protobuf(signal, json.as_bytes()).unwrap();
            prop_assert_eq!(understood(signal, &back), sent, "{}", json);
        }
    }

    #[test]
    fn damaged_json_is_an_error_or_another_request_and_never_a_panic(seed: u64, at: prop::sample::Index, byte: u8) {
        for signal in Signal::ALL {
            let mut json = written(signal, &plain(signal, seed)).unwrap().into_bytes();
            let at = at.index(json.len());
            prop_assert!(to_protobuf(signal, &json[..at]).is_err());
            json[at] = byte;
            if let Ok(bytes) = to_protobuf(signal, &json) {
                understood(signal, &bytes);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        for signal in Signal::ALL {
            let _ = written(signal, &bytes);
            let _ = to_protobuf(signal, &bytes);
        }
    }
}
