//! Canonical lines: what they look like, and that OTLP goes through them and comes out as it was. opentelemetry-proto
//! and prost are the oracle.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{Random, request, understood};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message as _;
use telseal::otlp::line::{DUPLICATE_KEYS, LineWriter, UNKNOWN_FIELDS, to_otlp, write_request};
use telseal::otlp::schema::{self, Kind, Message};
use telseal::otlp::wire::{Cursor, WireValue, put_bytes, put_message, put_varint};
use telseal::otlp::{DEPTH_MAX, DecodeError, Signal};
use telseal::stdx::json::{self, Reader};

/// Every line of a request, each ended by a line feed, and all flags.
fn lines(signal: Signal, request: &[u8]) -> Result<(String, u16), DecodeError> {
    let (mut out, mut all) = (String::new(), 0);
    write_request(&mut LineWriter::default(), signal, request, &mut |line, flags| {
        out += std::str::from_utf8(line).unwrap();
        out.push('\n');
        all |= flags;
    })?;
    Ok((out, all))
}

fn value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> AnyValue {
    value(Value::StringValue(text.to_owned()))
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

fn one_record(record: LogRecord) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn line_of_body(body: AnyValue) -> String {
    let request = one_record(LogRecord { body: Some(body), ..LogRecord::default() });
    let (lines, _) = lines(Signal::Logs, &request).unwrap();
    lines.strip_prefix("{\"body\":").unwrap().strip_suffix(",\"signal\":\"log\"}\n").unwrap().to_owned()
}

fn full_log() -> ExportLogsServiceRequest {
    let record = LogRecord {
        time_unix_nano: 1_700_000_000_000_000_001,
        observed_time_unix_nano: 2,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(text("run \"ls\"")),
        attributes: vec![pair("z", value(Value::IntValue(1))), pair("a.b", value(Value::BoolValue(true)))],
        dropped_attributes_count: 3,
        flags: 1,
        trace_id: (1..=16).collect(),
        span_id: (0xa1..=0xa8).collect(),
        event_name: "tool".into(),
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![pair("service.name", text("agent"))],
                dropped_attributes_count: 4,
                entity_refs: vec![],
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "lib".into(),
                    version: "1".into(),
                    attributes: vec![pair("k", text("v"))],
                    dropped_attributes_count: 5,
                }),
                log_records: vec![record],
                schema_url: "https://scope".into(),
            }],
            schema_url: "https://resource".into(),
        }],
    }
}

const FULL_LOG: &str = concat!(
    r#"{"attributes":{"a.b":true,"z":1},"body":"run \"ls\"","dropped_attributes_count":3,"event_name":"tool","flags":1,"#,
    r#""observed_time_unix_nano":"2","#,
    r#""resource":{"attributes":{"service.name":"agent"},"dropped_attributes_count":4,"schema_url":"https://resource"},"#,
    r#""scope":{"attributes":{"k":"v"},"dropped_attributes_count":5,"name":"lib","schema_url":"https://scope","version":"1"},"#,
    r#""severity_number":9,"severity_text":"INFO","signal":"log","span_id":"a1a2a3a4a5a6a7a8","#,
    r#""time_unix_nano":"1700000000000000001","trace_id":"0102030405060708090a0b0c0d0e0f10"}"#
);

#[test]
fn a_log_record_with_every_field_has_this_line() {
    let (lines, flags) = lines(Signal::Logs, &full_log().encode_to_vec()).unwrap();
    assert_eq!(lines.trim_end(), FULL_LOG);
    assert_eq!(flags, 0);
}

#[test]
fn a_span_with_every_field_has_this_line() {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=b".into(),
        parent_span_id: vec![3; 8],
        flags: 257,
        name: "chat".into(),
        kind: 3,
        start_time_unix_nano: 10,
        end_time_unix_nano: 20,
        attributes: vec![pair("n", value(Value::DoubleValue(1.0)))],
        dropped_attributes_count: 1,
        events: vec![Event {
            time_unix_nano: 11,
            name: "e".into(),
            attributes: vec![pair("x", AnyValue::default())],
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![
            Link {
                trace_id: vec![4; 16],
                span_id: vec![5; 8],
                trace_state: "c=d".into(),
                attributes: vec![],
                dropped_attributes_count: 6,
                flags: 7,
            },
            Link::default(),
        ],
        dropped_links_count: 8,
        status: Some(Status { message: "no".into(), code: 2 }),
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let (lines, _) = lines(Signal::Traces, &ExportTraceServiceRequest { resource_spans }.encode_to_vec()).unwrap();
    assert_eq!(
        lines.trim_end(),
        concat!(
            r#"{"attributes":{"n":1.0},"dropped_attributes_count":1,"dropped_events_count":3,"dropped_links_count":8,"#,
            r#""end_time_unix_nano":"20","#,
            r#""events":[{"attributes":{"x":null},"dropped_attributes_count":2,"name":"e","time_unix_nano":"11"}],"#,
            r#""flags":257,"kind":3,"links":[{"dropped_attributes_count":6,"flags":7,"span_id":"0505050505050505","#,
            r#""trace_id":"04040404040404040404040404040404","trace_state":"c=d"},{}],"name":"chat","#,
            r#""parent_span_id":"0303030303030303","signal":"span","span_id":"0202020202020202","#,
            r#""start_time_unix_nano":"10","status":{"code":2,"message":"no"},"#,
            r#""trace_id":"01010101010101010101010101010101","trace_state":"a=b"}"#
        )
    );
}

#[test]
fn each_kind_of_value_has_a_text_of_its_own() {
    let double = |number| value(Value::DoubleValue(number));
    let int = |number| value(Value::IntValue(number));
    let map = |pairs| value(Value::KvlistValue(KeyValueList { values: pairs }));
    let cases = [
        (AnyValue::default(), "null"),
        (text(""), "\"\""),
        (text("{\"$int\":\"1\"}"), r#""{\"$int\":\"1\"}""#),
        (value(Value::BoolValue(false)), "false"),
        (int(0), "0"),
        (int(9_007_199_254_740_991), "9007199254740991"),
        (int(-9_007_199_254_740_991), "-9007199254740991"),
        (int(9_007_199_254_740_992), r#"{"$int":"9007199254740992"}"#),
        (int(i64::MIN), r#"{"$int":"-9223372036854775808"}"#),
        (double(0.0), "0.0"),
        (double(-0.0), r#"{"$double":"-0.0"}"#),
        (double(1.0), "1.0"),
        (double(0.1 + 0.2), "0.30000000000000004"),
        (double(0.0001), "0.0001"),
        (double(0.00001), "1e-5"),
        (double(1e15), "1000000000000000.0"),
        (double(1e16), "1e16"),
        (double(f64::NAN), r#"{"$double":"NaN"}"#),
        (double(f64::from_bits(0x7ff0_0000_0000_0002)), r#"{"$double":"NaN:7ff0000000000002"}"#),
        (double(f64::INFINITY), r#"{"$double":"Infinity"}"#),
        (double(f64::NEG_INFINITY), r#"{"$double":"-Infinity"}"#),
        (value(Value::BytesValue(vec![])), r#"{"$bytes":""}"#),
        (value(Value::BytesValue(vec![0xfb, 0xff])), r#"{"$bytes":"+/8="}"#),
        (value(Value::ArrayValue(ArrayValue { values: vec![] })), "[]"),
        (value(Value::ArrayValue(ArrayValue { values: vec![int(1), AnyValue::default()] })), "[1,null]"),
        (map(vec![]), "{}"),
        (map(vec![pair("$int", text("5"))]), r#"{"$$int":"5"}"#),
        (map(vec![pair("$$", int(1)), pair("$", int(2))]), r#"{"$$":2,"$$$":1}"#),
        (map(vec![KeyValue { key: "k".into(), value: None, key_strindex: 0 }]), r#"{"k":{"$absent":true}}"#),
        (map(vec![pair("", text("a\u{1}"))]), "{\"\":\"a\\u0001\"}"),
    ];
    for (body, expected) in cases {
        assert_eq!(line_of_body(body), expected);
    }
}

#[test]
fn keys_stand_in_byte_order_and_of_equal_ones_the_last_counts() {
    let keys = ["b", "a", "a.very.long.key.2", "a.very.long.key.1", "é", "Z", "", "a\u{0}", "b"];
    let attributes = keys.iter().enumerate().map(|(at, key)| pair(key, value(Value::IntValue(at as i64)))).collect();
    let request = one_record(LogRecord { attributes, ..LogRecord::default() });
    let (lines, flags) = lines(Signal::Logs, &request).unwrap();
    let expected =
        r#"{"attributes":{"":6,"Z":5,"a":1,"a\u0000":7,"a.very.long.key.1":3,"a.very.long.key.2":2,"b":8,"é":4},"#;
    assert!(lines.starts_with(expected), "{lines}");
    assert_eq!(flags, DUPLICATE_KEYS);
}

#[test]
fn a_seal_becomes_attributes_of_its_record() {
    let seal = r#","audit.seal":{"entry":"AAEC","n":12345,"salt":"/w==","stream":"01J","v":1}}"#;
    let sealed = format!("{}{seal}\n{FULL_LOG}\n", FULL_LOG.strip_suffix('}').unwrap());
    let mut expected = full_log();
    let records = &mut expected.resource_logs[0].scope_logs[0].log_records;
    records[0].attributes.reverse();
    records.push(records[0].clone());
    records[0].attributes.extend([
        pair("audit.seal.entry", value(Value::BytesValue(vec![0, 1, 2]))),
        pair("audit.sequence.number", value(Value::IntValue(12345))),
        pair("audit.seal.salt", value(Value::BytesValue(vec![0xff]))),
        pair("audit.sequence.stream_id", text("01J")),
    ]);
    let bytes = to_otlp(Signal::Logs, sealed.as_bytes()).unwrap();
    assert_eq!(ExportLogsServiceRequest::decode(&bytes[..]).unwrap(), expected);
}

#[test]
fn lines_of_equal_resource_and_scope_become_one_group() {
    let line = |resource: &str, scope: &str, body: &str| {
        format!("{{\"body\":\"{body}\",\"resource\":{resource},\"scope\":{scope},\"signal\":\"log\"}}\n")
    };
    let (r1, r2) = (r#"{"attributes":{"r":1}}"#, r#"{"attributes":{"r":1},"schema_url":"u"}"#);
    let (s1, s2) = (r#"{"name":"s1"}"#, "{}");
    let text: String = [
        line(r1, s1, "1"),
        line(r1, s1, "2"),
        line(r1, s2, "3"),
        line(r2, s2, "4"),
        "{\"body\":\"5\",\"signal\":\"log\"}\n".into(),
        line(r1, s1, "6"),
    ]
    .concat();
    let bytes = to_otlp(Signal::Logs, text.as_bytes()).unwrap();
    let request = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
    let shape: Vec<Vec<usize>> = request
        .resource_logs
        .iter()
        .map(|group| group.scope_logs.iter().map(|scope| scope.log_records.len()).collect())
        .collect();
    assert_eq!(shape, [vec![2, 1], vec![1], vec![1], vec![1]]);
    assert_eq!(request.resource_logs[1].schema_url, "u");
    assert!(request.resource_logs[2].resource.is_none());
    assert_eq!(lines(Signal::Logs, &bytes).unwrap().0, text);
}

/// The request with unknown fields in every message, list, map, value and attribute below it.
fn with_unknown_fields(message: &'static Message, bytes: &[u8], out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field().unwrap() {
        match (message.field(field.number).map(|known| known.kind), field.value) {
            (Some(Kind::Message(inner)), WireValue::Bytes(bytes)) => {
                nested(out, field.number, |out| with_unknown_fields(inner, bytes, out));
            }
            (Some(Kind::Value), WireValue::Bytes(bytes)) => nested(out, field.number, |out| in_value(bytes, out)),
            (Some(Kind::Attributes), WireValue::Bytes(bytes)) => nested(out, field.number, |out| in_pair(bytes, out)),
            _ => out.extend_from_slice(field.raw),
        }
    }
    put_bytes(out, 200, message.name.as_bytes());
}

fn in_value(bytes: &[u8], out: &mut Vec<u8>) {
    put_bytes(out, 201, b"value");
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field().unwrap() {
        match field.value {
            WireValue::Bytes(bytes) if matches!(field.number, 5 | 6) => nested(out, field.number, |out| {
                in_list(bytes, field.number == 6, out);
            }),
            _ => out.extend_from_slice(field.raw),
        }
    }
}

fn in_list(bytes: &[u8], map: bool, out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field().unwrap() {
        let WireValue::Bytes(bytes) = field.value else { panic!("a message") };
        nested(out, 1, |out| if map { in_pair(bytes, out) } else { in_value(bytes, out) });
    }
    put_bytes(out, 202, b"list or map");
}

fn in_pair(bytes: &[u8], out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(bytes);
    while let Some(field) = cursor.next_field().unwrap() {
        match field.value {
            WireValue::Bytes(bytes) if field.number == 2 => nested(out, 2, |out| in_value(bytes, out)),
            _ => out.extend_from_slice(field.raw),
        }
    }
    put_varint(out, 203 << 3);
    put_varint(out, 5);
}

fn nested(out: &mut Vec<u8>, number: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    put_message(out, number, |out| {
        fill(out);
        Ok::<(), ()>(())
    })
    .unwrap();
}

/// Counts the fields 200 to 203 at any depth by their tags, which no generated text contains.
fn unknown_fields(bytes: &[u8]) -> usize {
    let tag = |number: u32, wire: u8| {
        let mut tag = vec![];
        put_varint(&mut tag, u64::from(number) << 3 | u64::from(wire));
        tag
    };
    let count = |tag: &[u8]| bytes.windows(tag.len()).filter(|window| window == &tag).count();
    count(&[&tag(201, 2)[..], b"\x05value"].concat())
        + count(&[&tag(202, 2)[..], b"\x0blist or map"].concat())
        + count(&[&tag(203, 0)[..], b"\x05"].concat())
}

/// Reads one value and checks that the keys of every object in it ascend.
fn sorted(reader: &mut Reader<'_>) {
    match reader.value().unwrap() {
        json::Value::Object => {
            let mut last: Option<String> = None;
            while let Some(key) = reader.next_member().unwrap() {
                let mut buffer = String::new();
                let key = key.read(&mut buffer).to_owned();
                assert!(last.as_ref() < Some(&key), "{last:?} {key}");
                last = Some(key);
                sorted(reader);
            }
        }
        json::Value::Array => {
            while reader.next_element().unwrap() {
                sorted(reader);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn otlp_comes_back_from_lines_field_by_field(seed: u64) {
        for signal in Signal::ALL {
            let sent = request(signal, &mut Random::new(seed));
            let (text, flags) = lines(signal, &sent).unwrap();
            prop_assert_eq!(flags, 0);
            for line in text.lines() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", line);
            }
            let back = to_otlp(signal, text.as_bytes()).unwrap();
            prop_assert_eq!(understood(signal, &back), sent, "{}", text);
        }
    }

    #[test]
    fn unknown_fields_come_back_from_lines(seed: u64) {
        for signal in Signal::ALL {
            let known = request(signal, &mut Random::new(seed));
            let mut sent = vec![];
            with_unknown_fields(schema::request(signal), &known, &mut sent);
            let (text, flags) = lines(signal, &sent).unwrap();
            prop_assert_eq!(flags, UNKNOWN_FIELDS);
            let back = to_otlp(signal, text.as_bytes()).unwrap();
            prop_assert_eq!(understood(signal, &back), known);
            prop_assert_eq!(unknown_fields(&back), unknown_fields(&sent));
            prop_assert_eq!(lines(signal, &back).unwrap().0, text);
        }
    }

    #[test]
    fn records_that_differ_have_lines_that_differ(left: u64, right: u64) {
        let one = |seed| { let mut r = Random::new(seed); r.value(0) };
        let (left, right) = (one(left), one(right));
        let same = left.encode_to_vec() == right.encode_to_vec();
        prop_assert_eq!(line_of_body(left) == line_of_body(right), same);
    }

    #[test]
    fn members_stand_in_byte_order_at_every_level(seed: u64) {
        for signal in Signal::ALL {
            let mut sent = vec![];
            with_unknown_fields(schema::request(signal), &request(signal, &mut Random::new(seed)), &mut sent);
            for line in lines(signal, &sent).unwrap().0.lines() {
                let mut reader = Reader::over(line);
                sorted(&mut reader);
                reader.end().unwrap();
            }
        }
    }

    #[test]
    fn repeated_parts_are_read_as_protobuf_reads_them(seed: u64) {
        let mut random = Random::new(seed);
        for (signal, number) in [(Signal::Logs, 5), (Signal::Traces, 15)] {
            let mut record = match signal {
                Signal::Logs => random.log_record().encode_to_vec(),
                _ => random.span().encode_to_vec(),
            };
            for _ in 0..random.below(4) {
                let again = match signal {
                    Signal::Logs => random.value(0).encode_to_vec(),
                    _ => Status { message: "again".into(), code: 0 }.encode_to_vec(),
                };
                put_bytes(&mut record, number, &again);
            }
            let mut sent = vec![];
            nested(&mut sent, 1, |out| nested(out, 2, |out| put_bytes(out, 2, &record)));
            let text = lines(signal, &sent).unwrap().0;
            prop_assert_eq!(lines(signal, &understood(signal, &sent)).unwrap().0, text);
        }
    }

    #[test]
    fn damaged_lines_are_errors_or_other_records_and_never_a_panic(seed: u64, at: prop::sample::Index, byte: u8) {
        for signal in Signal::ALL {
            let mut sent = vec![];
            with_unknown_fields(schema::request(signal), &request(signal, &mut Random::new(seed)), &mut sent);
            let mut text = lines(signal, &sent).unwrap().0.into_bytes();
            let _ = to_otlp(signal, &text[..at.index(text.len())]);
            let at = at.index(text.len());
            text[at] = byte;
            let _ = to_otlp(signal, &text);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_lines_and_no_request(bytes: Vec<u8>) {
        for signal in Signal::ALL {
            let _ = lines(signal, &bytes);
            let _ = to_otlp(signal, &bytes);
        }
    }
}

#[test]
fn what_is_no_line_of_the_signal_is_an_error() {
    for bad in [
        "\n",
        "{}\n",
        "{\"signal\":\"span\"}\n",
        "{\"signal\":\"log\"}x\n",
        "{\"signal\":\"log\",\"nme\":\"x\"}\n",
        "{\"signal\":\"log\",\"body\":{\"$int\":\"x\"}}\n",
        "{\"signal\":\"log\",\"body\":{\"$int\":\"1\",\"a\":1}}\n",
        "{\"signal\":\"log\",\"body\":{\"$other\":\"1\"}}\n",
        "{\"signal\":\"log\",\"body\":{\"$bytes\":\"*\"}}\n",
        "{\"signal\":\"log\",\"body\":{\"$double\":\"1.0\"}}\n",
        "{\"signal\":\"log\",\"body\":99999999999999999999}\n",
        "{\"signal\":\"log\",\"trace_id\":\"0g\"}\n",
        "{\"signal\":\"log\",\"trace_id\":\"012\"}\n",
        "{\"signal\":\"log\",\"$unknown\":\"AA==\"}\n",
        "{\"signal\":\"log\",\"time_unix_nano\":1}\n",
        "{\"signal\":\"log\",\"flags\":-1}\n",
        "{\"signal\":\"log\"",
    ] {
        let error = to_otlp(Signal::Logs, bad.as_bytes());
        assert!(error.is_err(), "{bad}");
    }
    assert!(to_otlp(Signal::Logs, b"{\"body\":\"\xff\",\"signal\":\"log\"}\n").is_err());
    assert_eq!(to_otlp(Signal::Logs, b""), Ok(vec![]));
}

/// Arrays in arrays, as wire bytes of the innermost to the outermost `AnyValue`.
fn nested_value(depth: usize) -> Vec<u8> {
    let mut value = vec![0x10, 1];
    for _ in 0..depth {
        let mut outer = vec![];
        nested(&mut outer, 5, |out| put_bytes(out, 1, &value));
        value = outer;
    }
    value
}

#[test]
fn nesting_has_a_limit_both_ways() {
    let body = |depth| {
        let mut record = vec![];
        put_bytes(&mut record, 5, &nested_value(depth));
        let mut request = vec![];
        nested(&mut request, 1, |out| nested(out, 2, |out| put_bytes(out, 2, &record)));
        request
    };
    let (text, _) = lines(Signal::Logs, &body(DEPTH_MAX)).unwrap();
    assert_eq!(to_otlp(Signal::Logs, text.as_bytes()).unwrap(), body(DEPTH_MAX));
    assert_eq!(lines(Signal::Logs, &body(DEPTH_MAX + 1)), Err(DecodeError::TooDeep));
    assert_eq!(lines(Signal::Logs, &body(10_000)), Err(DecodeError::TooDeep));
    for (open, close) in
        [("[", "]"), ("{\"a\":", "}"), ("{\"$unknown\":\"\",\"$value\":", "}"), ("{\"$array\":[", "]}")]
    {
        let deep = format!("{{\"body\":{}1{},\"signal\":\"log\"}}\n", open.repeat(10_000), close.repeat(10_000));
        assert!(to_otlp(Signal::Logs, deep.as_bytes()).is_err(), "{open}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_an_error_wherever_it_stands() {
    let bad = [0xff, 0xfe];
    for number in [3, 12] {
        let mut record = vec![];
        put_bytes(&mut record, number, &bad);
        let mut request = vec![];
        nested(&mut request, 1, |out| nested(out, 2, |out| put_bytes(out, 2, &record)));
        assert_eq!(lines(Signal::Logs, &request), Err(DecodeError::Utf8 { message: "LogRecord" }));
    }
    for (key, inner) in [(true, "KeyValue"), (false, "AnyValue")] {
        let mut request = vec![];
        nested(&mut request, 1, |out| {
            nested(out, 1, |out| {
                nested(out, 1, |out| match key {
                    true => put_bytes(out, 1, &bad),
                    false => nested(out, 2, |out| put_bytes(out, 1, &bad)),
                });
            });
        });
        assert_eq!(lines(Signal::Logs, &request), Err(DecodeError::Utf8 { message: inner }));
    }
}
