//! Every action of `enrich` in every context, on every signal and every kind of data point.

use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use telseal::otlp::Signal;
use telseal::otlp::model::Batch;
use telseal::processor::Processor as _;
use telseal::processor::enrich::{Config, Enrich, Findings};

const POINTS: u64 = 5;

fn old() -> Vec<KeyValue> {
    vec![pair("other", "o"), pair("here", "old")]
}

fn pair(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn request(signal: Signal) -> Vec<u8> {
    let resource = Some(Resource { attributes: old(), ..Resource::default() });
    let scope = Some(InstrumentationScope { name: "s".into(), attributes: old(), ..InstrumentationScope::default() });
    match signal {
        Signal::Logs => {
            let log_records = vec![LogRecord { attributes: old(), ..LogRecord::default() }];
            let scope_logs = vec![ScopeLogs { scope, log_records, ..ScopeLogs::default() }];
            let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
            ExportLogsServiceRequest { resource_logs }.encode_to_vec()
        }
        Signal::Traces => {
            let spans = vec![Span { attributes: old(), name: "n".into(), ..Span::default() }];
            let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
            let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
            ExportTraceServiceRequest { resource_spans }.encode_to_vec()
        }
        Signal::Metrics => {
            let scope_metrics = vec![ScopeMetrics { scope, metrics: metrics(), ..ScopeMetrics::default() }];
            let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
            ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
        }
    }
}

fn metrics() -> Vec<Metric> {
    let number = vec![NumberDataPoint { attributes: old(), ..NumberDataPoint::default() }];
    let histogram = vec![HistogramDataPoint { attributes: old(), ..HistogramDataPoint::default() }];
    let exponential = vec![ExponentialHistogramDataPoint { attributes: old(), ..Default::default() }];
    let summary = vec![SummaryDataPoint { attributes: old(), ..SummaryDataPoint::default() }];
    let data = [
        Data::Gauge(Gauge { data_points: number.clone() }),
        Data::Sum(Sum { data_points: number, is_monotonic: true, ..Sum::default() }),
        Data::Histogram(Histogram { data_points: histogram, ..Histogram::default() }),
        Data::ExponentialHistogram(ExponentialHistogram { data_points: exponential, ..Default::default() }),
        Data::Summary(Summary { data_points: summary }),
    ];
    data.into_iter().map(|data| Metric { name: "m".into(), data: Some(data), ..Metric::default() }).collect()
}

/// The attributes of each place that has the context, as `key=value` words.
fn attributes(signal: Signal, bytes: &[u8], context: &str) -> Vec<Vec<String>> {
    let lists: Vec<Vec<KeyValue>> = match signal {
        Signal::Logs => {
            let group = ExportLogsServiceRequest::decode(bytes).unwrap().resource_logs.remove(0);
            let scope = group.scope_logs.into_iter().next().unwrap();
            match context {
                "resource" => vec![group.resource.unwrap().attributes],
                "scope" => vec![scope.scope.unwrap().attributes],
                _ => scope.log_records.into_iter().map(|record| record.attributes).collect(),
            }
        }
        Signal::Traces => {
            let group = ExportTraceServiceRequest::decode(bytes).unwrap().resource_spans.remove(0);
            let scope = group.scope_spans.into_iter().next().unwrap();
            match context {
                "resource" => vec![group.resource.unwrap().attributes],
                "scope" => vec![scope.scope.unwrap().attributes],
                _ => scope.spans.into_iter().map(|span| span.attributes).collect(),
            }
        }
        Signal::Metrics => {
            let group = ExportMetricsServiceRequest::decode(bytes).unwrap().resource_metrics.remove(0);
            let scope = group.scope_metrics.into_iter().next().unwrap();
            match context {
                "resource" => vec![group.resource.unwrap().attributes],
                "scope" => vec![scope.scope.unwrap().attributes],
                _ => scope.metrics.into_iter().flat_map(points).collect(),
            }
        }
    };
    lists.iter().map(|list| list.iter().map(word).collect()).collect()
}

fn points(metric: Metric) -> Vec<Vec<KeyValue>> {
    match metric.data.unwrap() {
        Data::Gauge(data) => data.data_points.into_iter().map(|point| point.attributes).collect(),
        Data::Sum(data) => data.data_points.into_iter().map(|point| point.attributes).collect(),
        Data::Histogram(data) => data.data_points.into_iter().map(|point| point.attributes).collect(),
        Data::ExponentialHistogram(data) => data.data_points.into_iter().map(|point| point.attributes).collect(),
        Data::Summary(data) => data.data_points.into_iter().map(|point| point.attributes).collect(),
    }
}

fn word(pair: &KeyValue) -> String {
    let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(value)) => value.to_string(),
        Some(any_value::Value::DoubleValue(number)) => format!("{number:?}"),
        other => format!("{other:?}"),
    };
    format!("{}={value}", pair.key)
}

fn ready(config: &Config) -> Enrich {
    Enrich::new(config, &Findings::default()).unwrap()
}

/// Runs one action; how many records changed, and the request afterwards.
fn run(signal: Signal, action: &str) -> (u64, Vec<u8>) {
    let config: Config = serde_saphyr::from_str(&format!("actions: [{{{action}}}]")).unwrap();
    let (enrich, bytes, arena) = (ready(&config), request(signal), Bump::new());
    let mut batch = Batch::open(signal, &bytes, &arena).unwrap();
    let outcome = enrich.process(&mut batch).unwrap();
    assert!(outcome.dropped.is_empty());
    let mut out = vec![];
    batch.encode(&mut out);
    (outcome.changed, out)
}

/// Action, and the attributes after it; they begin as `other=o here=old`.
const CASES: &[(&str, &[&str])] = &[
    ("action: insert, key: new, value: 1", &["other=o", "here=old", "new=1"]),
    ("action: insert, key: here, value: 1", &["other=o", "here=old"]),
    ("action: update, key: new, value: 1", &["other=o", "here=old"]),
    ("action: update, key: here, value: true", &["other=o", "here=true"]),
    ("action: upsert, key: new, value: 0.5", &["other=o", "here=old", "new=0.5"]),
    ("action: upsert, key: here, value: '1'", &["other=o", "here=1"]),
    ("action: upsert, key: here, value: old", &["other=o", "here=old"]),
    ("action: delete, key: here", &["other=o"]),
    ("action: delete, key: new", &["other=o", "here=old"]),
    ("action: upsert, key: new, from_attribute: here", &["other=o", "here=old", "new=old"]),
    ("action: upsert, key: here, from_attribute: missing", &["other=o", "here=old"]),
    (
        "action: insert, key: new, from: telseal.version",
        &["other=o", "here=old", concat!("new=", env!("CARGO_PKG_VERSION"))],
    ),
];

#[test]
fn every_action_does_in_every_context_what_it_does_in_the_collector() {
    for signal in Signal::ALL {
        let records = if signal == Signal::Metrics { POINTS } else { 1 };
        for context in ["resource", "scope", "record"] {
            for (action, expected) in CASES {
                let (changed, out) = run(signal, &format!("{action}, context: {context}"));
                let differs = *expected != ["other=o", "here=old"];
                assert_eq!(changed, if differs { records } else { 0 }, "{signal} {context} {action}");
                for other in ["resource", "scope", "record"] {
                    let expected: &[&str] = if other == context { expected } else { &["other=o", "here=old"] };
                    for found in attributes(signal, &out, other) {
                        assert_eq!(found, expected, "{signal} {context} {action}: {other}");
                    }
                }
                if !differs {
                    assert_eq!(out, request(signal), "{signal} {context} {action}: untouched bytes");
                }
            }
        }
    }
}

#[test]
fn the_record_is_where_an_action_works_unless_told_otherwise() {
    for signal in Signal::ALL {
        let (_, out) = run(signal, "action: insert, key: new, value: x");
        assert!(attributes(signal, &out, "record").iter().all(|found| found.contains(&"new=x".to_owned())));
        assert!(attributes(signal, &out, "resource").iter().all(|found| !found.contains(&"new=x".to_owned())));
    }
}

#[test]
fn actions_run_in_the_order_written() {
    let two = "action: insert, key: a, value: 1}, {action: upsert, key: b, from_attribute: a}, {action: delete, key: a";
    let (_, out) = run(Signal::Logs, two);
    assert_eq!(attributes(Signal::Logs, &out, "record"), [["other=o", "here=old", "b=1"]]);
}

#[test]
fn detectors_describe_the_machine_and_telseal_but_never_overrule_the_sender() {
    let config: Config = serde_saphyr::from_str(
        "{host: true, process: true, actions: [{action: insert, key: os.type, value: no, context: resource}]}",
    )
    .unwrap();
    let enrich = ready(&config);
    let (arena, bytes) = (Bump::new(), request(Signal::Logs));
    let mut batch = Batch::open(Signal::Logs, &bytes, &arena).unwrap();
    enrich.process(&mut batch).unwrap();
    let resource = &mut batch.groups[0].resource;
    let os = resource.get("os.type").and_then(|value| value.as_str()).map(str::to_owned);
    assert_ne!(os.as_deref(), Some("no"));
    assert!(resource.get("host.arch").is_some() && resource.get("telseal.process.pid").is_some());
    assert!(resource.get("process.pid").is_none(), "process.pid is the sender's");
    resource.set("os.type", telseal::otlp::value::Value::Str("plan9"));
    enrich.process(&mut batch).unwrap();
    assert_eq!(batch.groups[0].resource.get("os.type").and_then(|value| value.as_str()), Some("plan9"));
}
