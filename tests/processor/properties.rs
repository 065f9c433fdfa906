//! What holds for any input: no panic, no record lost, none out of place.

use bumpalo::Bump;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use proptest::prelude::*;
use prost::Message as _;
use std::sync::LazyLock;
use telseal::otlp::Signal;
use telseal::otlp::model::Batch;
use telseal::processor::enrich::{Enrich, Findings};
use telseal::processor::filter::Filter;
use telseal::processor::risk::RiskTag;
use telseal::processor::{Outcome, Processor};

static ENRICH: LazyLock<Enrich> = LazyLock::new(|| {
    let config = "actions: [{action: upsert, key: command, from_attribute: tool_name}, {action: delete, key: file_path},\
                  {action: insert, key: env, value: prod, context: scope}]";
    Enrich::new(&serde_saphyr::from_str(config).unwrap(), &Findings::default()).unwrap()
});

/// Looks everywhere that an `enrich` can look.
static MATCHING: LazyLock<Enrich> = LazyLock::new(|| {
    let config = "{trusted: [tool_name], when: [{name: a}, {severity_below: warn}, {key: command, exists: false}],\
                  include: {match_type: regexp, services: ['x|^$'], libraries: [{name: '', version: ''}]},\
                  exclude: {match_type: strict, log_bodies: [a], log_severity_number: {min: 9}},\
                  hmac_key: 0123456789abcdef0123456789abcdef,\
                  actions: [{action: hash, pattern: '.'}, {action: convert, key: command, converted_type: int},\
                  {action: extract, key: command, pattern: '(?P<first>.)'}, {action: delete, pattern: ^s}]}";
    Enrich::new(&serde_saphyr::from_str(config).unwrap(), &Findings::default()).unwrap()
});

static RISK: LazyLock<RiskTag> = LazyLock::new(|| RiskTag::new(&serde_saphyr::from_str("{}").unwrap()));

static FILTER: LazyLock<Filter> = LazyLock::new(|| {
    let config = "drop: [{key: tool_name, matches: '[xyz]'}, {severity_below: warn}, {key: risk.level, equals: high}]";
    Filter::new(&serde_saphyr::from_str(config).unwrap()).unwrap()
});

/// Keys that mean something to a processor, and some that do not.
fn key() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "tool_name",
        "tool_input",
        "tool_parameters",
        "command",
        "arguments",
        "file_path",
        "to_mode",
        "source",
        "event.name",
        "url.full",
        "process.command_args",
        "risk.level",
        "risk.score",
        "risk.reported.level",
        "tool.name",
    ];
    prop_oneof![prop::sample::select(KNOWN).prop_map(str::to_owned), "[a-z.]{0,12}"]
}

fn text() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "Bash",
        "Edit",
        "rm -rf /",
        "{\"command\":\"curl x | sh\"}",
        "{\"command\":[\"sh\",\"-c\",{}]}",
        "[[[[",
        "{\"a\":",
        "~/.ssh/id_rsa",
        "bypassPermissions",
        "\\\n",
        "high",
    ];
    prop_oneof![prop::sample::select(KNOWN).prop_map(str::to_owned), "\\PC{0,40}"]
}

fn value() -> impl Strategy<Value = AnyValue> {
    use any_value::Value as V;
    let leaf = prop_oneof![
        text().prop_map(V::StringValue),
        any::<i64>().prop_map(V::IntValue),
        any::<bool>().prop_map(V::BoolValue),
        any::<f64>().prop_map(V::DoubleValue),
        any::<Vec<u8>>().prop_map(V::BytesValue),
    ];
    let value = |value| AnyValue { value: Some(value) };
    leaf.prop_map(value).prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| V::ArrayValue(ArrayValue { values })),
            prop::collection::vec((key(), inner).prop_map(pair), 0..4)
                .prop_map(|values| V::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(value)
    })
}

fn pair((key, value): (String, AnyValue)) -> KeyValue {
    KeyValue { key, value: Some(value), ..KeyValue::default() }
}

/// Records numbered by their time.
fn request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let record = (prop::collection::vec((key(), value()).prop_map(pair), 0..8), 0..25_i32);
    prop::collection::vec(record, 0..12).prop_map(|records| {
        let number = |(number, (attributes, severity_number))| LogRecord {
            time_unix_nano: number,
            attributes,
            severity_number,
            ..LogRecord::default()
        };
        let log_records = (0..).zip(records).map(number).collect();
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
    })
}

fn run<'a>(processors: &[&'a dyn Processor], bytes: &'a [u8], arena: &'a Bump) -> (Vec<Outcome>, Vec<LogRecord>) {
    let mut batch = Batch::open(Signal::Logs, bytes, arena).unwrap();
    let outcomes = processors.iter().map(|processor| processor.process(&mut batch).unwrap()).collect();
    let mut out = vec![];
    batch.encode(&mut out);
    let groups = ExportLogsServiceRequest::decode(&out[..]).unwrap().resource_logs;
    (outcomes, groups.into_iter().flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records).collect())
}

proptest! {
    #[test]
    fn enrich_and_risk_tag_keep_every_record_in_its_place(request in request()) {
        let (bytes, arena) = (request.encode_to_vec(), Bump::new());
        let before = &request.resource_logs[0].scope_logs[0].log_records;
        let (outcomes, after) = run(&[&*ENRICH, &*RISK], &bytes, &arena);
        prop_assert!(outcomes.iter().all(|outcome| outcome.dropped.is_empty()));
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            prop_assert_eq!(before.time_unix_nano, after.time_unix_nano);
            prop_assert!(after.attributes.iter().filter(|pair| pair.key == "risk.level").count() <= 1);
            for pair in &before.attributes {
                let moved = pair.key.starts_with("risk.") || ["command", "file_path"].contains(&pair.key.as_str());
                prop_assert!(moved || after.attributes.contains(pair), "{} is lost", pair.key);
            }
        }
    }

    #[test]
    fn filter_counts_exactly_what_it_drops_and_keeps_the_order(request in request()) {
        let (bytes, arena) = (request.encode_to_vec(), Bump::new());
        let before = &request.resource_logs[0].scope_logs[0].log_records;
        let (outcomes, after) = run(&[&*FILTER], &bytes, &arena);
        let dropped: u64 = outcomes[0].dropped.iter().map(|(_, records)| records).sum();
        prop_assert_eq!(dropped, (before.len() - after.len()) as u64);
        let mut rest = before.iter();
        prop_assert!(after.iter().all(|record| rest.any(|before| before == record)));
    }

    #[test]
    fn a_verdict_does_not_depend_on_the_order_of_attributes(request in request()) {
        let mut turned = request.clone();
        for record in &mut turned.resource_logs[0].scope_logs[0].log_records {
            // A key that stands twice is the sender's fault: what it means may depend on the order.
            record.attributes.reverse();
        }
        let (bytes, turned, arena) = (request.encode_to_vec(), turned.encode_to_vec(), Bump::new());
        let verdicts = |bytes| -> Vec<Vec<KeyValue>> {
            let own = |pair: &KeyValue| pair.key.starts_with("risk.") && !pair.key.starts_with("risk.reported.");
            let records = run(&[&*RISK], bytes, &arena).1;
            records.into_iter().map(|record| record.attributes.into_iter().filter(own).collect()).collect()
        };
        prop_assert_eq!(verdicts(&bytes), verdicts(&turned));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        for signal in Signal::ALL {
            let arena = Bump::new();
            let processors: [&dyn Processor; 4] = [&*ENRICH, &*MATCHING, &*RISK, &*FILTER];
            if let Ok(mut batch) = Batch::open(signal, &bytes, &arena) {
                for processor in processors {
                    let _ = processor.process(&mut batch);
                }
            }
        }
    }
}
