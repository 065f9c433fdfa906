//! The configuration; whole batches: nothing planted survives, in whatever position of whatever signal; the prefilter misses nothing.

mod carriers;
mod linear;

use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::otlp::Signal;
use crate::otlp::rewrite::{Place, Visitor};
use crate::otlp::value::Value;
use crate::processor::redact::detector::DETECTORS;
use crate::processor::redact::text::tests::pieces;
use crate::stdx::problem::{At, Problems};

/// A text of each rule, and the part of it that must not survive.
const SECRETS: &[(&str, &str)] = &[
    ("mail bob@leak.example.com now", "bob@leak"),
    ("pan=4111 1111 1111 1111", "1111"),
    ("x4111111111111111", "4111"),
    ("ssn 123-45-6789", "123-45"),
    ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
    ("ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8", "a1B2c3"),
    ("xoxb-123456789012-abcdefABCDEF", "abcdefABC"),
    ("sk-ant-api03-abcdefghijklmnopqrstuvwx", "abcdefghij"),
    ("sk-proj-a1B2c3D4e5F6g7H8i9J0", "a1B2c3"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln", "eyJzdWIi"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----", "MIIEvQ"),
    ("Bearer abc123def456", "abc123"),
    ("curl -H 'Authorization: Basic dXNlcjpwYXNz'", "dXNlc"),
    ("postgres://app:hunter2@db/x", "hunter2"),
    ("PASSWORD=hunter2 run", "hunter2"),
    ("login --token hunter2", "hunter2"),
    ("{\"nested\": {\"api_key\": \"hunter2\"}}", "hunter2"),
    ("{\"to\": \"bob\\u0040leak.example.com\"}", "leak.example"),
    ("{\"apiKey\": {\"a\": [1, \"hunter2\"]}}", "hunter2"),
];

fn string(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Any::StringValue(text.to_owned())) })
}

fn pair(key: &str, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// The text as key and value, in a list, a map, a map in a list, and bytes.
fn attributes(text: &str) -> Vec<KeyValue> {
    let map = |entries| Some(AnyValue { value: Some(Any::KvlistValue(KeyValueList { values: entries })) });
    let list = |items: Vec<Option<AnyValue>>| {
        Some(AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: items.into_iter().flatten().collect() })) })
    };
    vec![
        pair("benign", string("benign")),
        pair("plain", string(text)),
        pair(text, string("benign")),
        pair("list", list(vec![string("benign"), string(text)])),
        pair("map", map(vec![pair(text, string(text))])),
        pair("deep", list(vec![map(vec![pair("deeper", list(vec![string(text)]))])])),
        pair("bytes", Some(AnyValue { value: Some(Any::BytesValue(text.as_bytes().to_vec())) })),
        pair("int", Some(AnyValue { value: Some(Any::IntValue(7)) })),
    ]
}

fn resource(text: &str) -> Option<Resource> {
    let reference = EntityRef {
        schema_url: text.to_owned(),
        r#type: text.to_owned(),
        id_keys: vec![text.to_owned()],
        description_keys: vec![text.to_owned()],
    };
    Some(Resource { attributes: attributes(text), entity_refs: vec![reference], ..Resource::default() })
}

fn scope(text: &str) -> Option<InstrumentationScope> {
    let (name, version) = (text.to_owned(), text.to_owned());
    Some(InstrumentationScope { name, version, attributes: attributes(text), ..InstrumentationScope::default() })
}

fn logs(text: &str) -> Vec<u8> {
    let record = |body| LogRecord {
        body,
        severity_text: text.to_owned(),
        event_name: text.to_owned(),
        attributes: attributes(text),
        ..LogRecord::default()
    };
    let bodies = attributes(text).into_iter().map(|pair| record(pair.value)).collect();
    let scope_logs = vec![ScopeLogs { scope: scope(text), log_records: bodies, schema_url: text.to_owned() }];
    let group = ResourceLogs { resource: resource(text), scope_logs, schema_url: text.to_owned() };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
}

fn traces(text: &str) -> Vec<u8> {
    let event = span::Event { name: text.to_owned(), attributes: attributes(text), ..span::Event::default() };
    let link = span::Link { trace_state: text.to_owned(), attributes: attributes(text), ..span::Link::default() };
    let span = Span {
        name: text.to_owned(),
        trace_state: text.to_owned(),
        attributes: attributes(text),
        events: vec![event],
        links: vec![link],
        status: Some(Status { message: text.to_owned(), code: 2 }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope(text), spans: vec![span], schema_url: text.to_owned() }];
    let group = ResourceSpans { resource: resource(text), scope_spans, schema_url: text.to_owned() };
    ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec()
}

fn metrics(text: &str) -> Vec<u8> {
    let exemplars = vec![Exemplar { filtered_attributes: attributes(text), ..Exemplar::default() }];
    let attributes = attributes(text);
    let number =
        NumberDataPoint { attributes: attributes.clone(), exemplars: exemplars.clone(), ..NumberDataPoint::default() };
    let histogram = HistogramDataPoint {
        attributes: attributes.clone(),
        exemplars: exemplars.clone(),
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes.clone(),
        exemplars,
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint { attributes: attributes.clone(), ..SummaryDataPoint::default() };
    let data = [
        metric::Data::Gauge(Gauge { data_points: vec![number.clone()] }),
        metric::Data::Sum(Sum { data_points: vec![number], ..Sum::default() }),
        metric::Data::Histogram(Histogram { data_points: vec![histogram], ..Histogram::default() }),
        metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            ..ExponentialHistogram::default()
        }),
        metric::Data::Summary(Summary { data_points: vec![summary] }),
    ];
    let metric = |data| Metric {
        name: text.to_owned(),
        description: text.to_owned(),
        unit: text.to_owned(),
        metadata: attributes.clone(),
        data: Some(data),
    };
    let metrics = data.into_iter().map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { scope: scope(text), metrics, schema_url: text.to_owned() }];
    let group = ResourceMetrics { resource: resource(text), scope_metrics, schema_url: text.to_owned() };
    ExportMetricsServiceRequest { resource_metrics: vec![group] }.encode_to_vec()
}

static REDACT: std::sync::LazyLock<Redact> = std::sync::LazyLock::new(|| Redact::new(&quiet()).unwrap());

fn requests(text: &str) -> [(Signal, Vec<u8>); 3] {
    [(Signal::Logs, logs(text)), (Signal::Traces, traces(text)), (Signal::Metrics, metrics(text))]
}

/// What a second pass must leave as it is: records carry no word of the first.
fn quiet() -> Config {
    Config { provenance: false, ..Config::default() }
}

fn redacted(signal: Signal, request: &[u8]) -> (Vec<u8>, u64) {
    let redact = &*REDACT;
    let arena = Bump::new();
    let mut batch = Batch::open(signal, request, &arena).unwrap();
    let outcome = redact.process(&mut batch).unwrap();
    let mut out = Vec::new();
    batch.encode(&mut out);
    (out, outcome.changed)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[test]
fn no_planted_secret_survives_in_any_position_of_any_signal() {
    for (text, secret) in SECRETS {
        for (signal, request) in requests(text) {
            assert!(contains(&request, secret) || text.contains("\\u0040"));
            let (out, changed) = redacted(signal, &request);
            assert!(!contains(&out, secret), "{text} in {signal:?}");
            assert!(changed >= 1);
            assert_eq!(redacted(signal, &out), (out, 0), "{text} in {signal:?}, the second time");
        }
    }
}

#[test]
fn a_batch_without_a_secret_is_passed_on_byte_by_byte() {
    for (signal, request) in requests("gen_ai.usage.input_tokens of task-runner at 2026-11-21") {
        assert_eq!(redacted(signal, &request), (request, 0));
    }
}

#[test]
fn values_under_secret_keys_are_masked_whatever_their_type() {
    let attributes = attributes("benign").into_iter().map(|pair| KeyValue { key: "db.password".to_owned(), ..pair });
    let record = LogRecord { attributes: attributes.collect(), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    let (out, changed) = redacted(Signal::Logs, &request.encode_to_vec());
    assert!(!contains(&out, "benign") && changed == 1);
    let mut out = ExportLogsServiceRequest::decode(&*out).unwrap();
    for pair in out.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0).attributes {
        assert_eq!(pair.value, string("[REDACTED:secret-key-name]"));
    }
}

#[test]
fn what_earlier_processors_set_is_scanned_too() {
    let redact = &*REDACT;
    let request = logs("benign");
    let arena = Bump::new();
    let mut batch = Batch::open(Signal::Logs, &request, &arena).unwrap();
    for record in batch.records() {
        record.push("owner", Value::Str("bob@leak.example.com"));
        record.set("plain", Value::Str("eve@leak.example.com"));
        record.push("db.password", Value::Int(1_234_567));
        record.rename("list", "alice@leak.example.com");
    }
    batch.owners().for_each(|owner| owner.push("owner", Value::Str("dan@leak.example.com")));
    redact.process(&mut batch).unwrap();
    let mut out = Vec::new();
    batch.encode(&mut out);
    assert!(!contains(&out, "@leak"));
    assert!(contains(&out, "[REDACTED:secret-key-name]"));
}

#[test]
fn the_value_behind_an_option_is_masked_in_a_list_of_arguments() {
    let items = ["mysql", "--password", "swordfish", "db"].map(|text| string(text).unwrap()).to_vec();
    let list = AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: items })) };
    let record = LogRecord { attributes: vec![pair("process.command_args", Some(list))], ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    let (out, _) = redacted(Signal::Logs, &request.encode_to_vec());
    assert!(!contains(&out, "swordfish") && contains(&out, "--password") && contains(&out, "mysql"));
}

/// Redacts every string, prefilter or not.
struct Plain<'a>(&'a Rulebook, &'a Bump);

impl<'a> Visitor<'a> for Plain<'a> {
    fn pair(&mut self, key: &'a str, value: Value<'a>) -> Option<Value<'a>> {
        let mut pass = Pass::new(self.0, None, self.1);
        pass.without_raw();
        pass.pair(key, value)
    }

    fn text(&mut self, _: Place<'a>, text: &'a str) -> Option<&'a str> {
        let mut pass = Pass::new(self.0, None, self.1);
        pass.without_raw();
        pass.text(Place::Field { name: "any" }, text)
    }
}

fn redacted_without_prefilter(signal: Signal, request: &[u8]) -> Vec<u8> {
    let redact = &*REDACT;
    let arena = Bump::new();
    let mut batch = Batch::open(signal, request, &arena).unwrap();
    let mut plain = Plain(&redact.rules, &arena);
    for owner in batch.owners() {
        owner.rewrite(&arena, &mut plain).unwrap();
    }
    for record in batch.records() {
        record.rewrite(&arena, &mut plain).unwrap();
    }
    batch.rewrite_rest(&mut plain).unwrap();
    let mut out = Vec::new();
    batch.encode(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn the_prefilter_changes_nothing_but_the_time(head in pieces(), index in 0..SECRETS.len(), tail in "\\PC{0,9}", plant: bool) {
        let text = if plant { format!("{head}{}{tail}", SECRETS[index].0) } else { head };
        for (signal, request) in requests(&text) {
            prop_assert_eq!(redacted(signal, &request).0, redacted_without_prefilter(signal, &request));
        }
    }
}

fn problems(config: &Config) -> Vec<(String, String, Option<String>)> {
    let mut problems = Problems::default();
    config.check(&At::new("processors.redact"), &mut problems);
    problems.0.into_iter().map(|problem| (problem.path, problem.message, problem.hint)).collect()
}

fn in_force(config: &Config) -> Vec<&'static str> {
    DETECTORS.iter().filter(|detector| config.has(detector)).map(|detector| detector.id).collect()
}

#[test]
fn the_default_configuration_is_right() {
    assert_eq!(problems(&Config::default()), []);
    assert!(in_force(&Config::default()).len() >= 16);
}

#[test]
fn an_unknown_profile_and_an_unknown_rule_are_named_with_a_hint() {
    let rules = Rules { disabled: vec!["emial".to_owned()], ..Rules::default() };
    let config = Config { profile: "secret".to_owned(), rules, ..Config::default() };
    let expected = [
        ("processors.redact.profile", "no profile named `secret`", "did you mean `secrets`?"),
        ("processors.redact.rules.disabled[0]", "no rule named `emial`", "did you mean `email`?"),
    ];
    let expected = expected.map(|(path, message, hint)| (path.to_owned(), message.to_owned(), Some(hint.to_owned())));
    assert_eq!(problems(&config), expected);
}

#[test]
fn profiles_and_lists_choose_the_rules() {
    let rules = Rules { enabled: vec!["email".to_owned()], disabled: vec!["jwt".to_owned()] };
    let config = Config { profile: "secrets".to_owned(), rules, ..Config::default() };
    let names = in_force(&config);
    assert!(names.contains(&"email") && names.contains(&"github-token"));
    assert!(!names.contains(&"jwt") && !names.contains(&"us-ssn"));
}
