//! OTLP in equals OTLP out, field by field, where no processor touches it; and through a sealed ledger but for the order
//! of attributes and the attributes of the seal.

use bytes::Bytes;
use telseal::otlp::Signal;

use crate::destination::{Destination, Got};
use crate::process::{Site, assert_verified};
use crate::sender::{call, send};
use crate::telemetry::{Record, SIGNALS, assert_same, records, request};
use crate::unknown::with_unknown_fields;
use crate::walk::{Met, walk, without_order_and_seal};

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
exporters:
  otlp_http/next: {endpoint: $NEXT, compression: none}
  otlp_grpc/next: {endpoint: $NEXT, compression: none, tls: {insecure: true}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http/next], $PIPELINE}
    traces: {receivers: [otlp], exporters: [otlp_grpc/next], $PIPELINE}
    metrics: {receivers: [otlp], exporters: [otlp_http/next], $PIPELINE}
";

/// The "Configuration by example"; the same text is in `config/sidecar.yaml`.
const SIDECAR: &str = include_str!("../../config/sidecar.yaml");

fn unknown(depth: usize) -> String {
    format!("unknown at depth {depth}")
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn bodies(got: &[Got], signal: Signal) -> Vec<Bytes> {
    got.iter().filter(|got| got.signal == signal).map(|got| got.body.clone()).collect()
}

/// Sends `body` over HTTP and then over gRPC; what arrived for each.
fn exchange(site: &Site, next: &Destination, signal: Signal, body: &[u8]) -> [Bytes; 2] {
    let answer = send(site.http, signal, body).expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]), "{}", answer.text());
    let first = next.wait_for("what came over HTTP", |got| bodies(got, signal).len() == 1);
    assert_eq!(call(site.grpc, signal, &[], body).code, 0);
    let both = next.wait_for("what came over gRPC", |got| bodies(got, signal).len() == 2);
    [bodies(&first, signal).remove(0), bodies(&both, signal).remove(1)]
}

#[test]
fn otlp_in_equals_otlp_out_without_processors() {
    for pipeline in ["storage: memory", "storage: disk"] {
        let next = Destination::start();
        let site = Site::new(TEMPLATE, &[("$NEXT", &next.url()), ("$PIPELINE", pipeline)]);
        let telseal = site.start();
        for signal in SIGNALS {
            let sent = with_unknown_fields(&request(signal), unknown);
            let records_sent = records(signal, &sent);
            assert_eq!(records_sent, records(signal, &request(signal)), "unknown fields change no known one");
            for arrived in exchange(&site, &next, signal, &sent) {
                assert_same(signal.name(), &records_sent, &records(signal, &arrived));
                assert!(arrived == sent, "{}: the same fields, but not the same bytes", signal.name());
            }
        }
        site.wait_until_delivered();
        assert!(site.metric("telseal_pipeline_unaccounted_records").abs() < f64::EPSILON);
        assert_eq!(telseal.terminate().status.code(), Some(0));
    }
}

fn plain(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().for_each(without_order_and_seal);
    records
}

#[test]
fn otlp_in_equals_otlp_out_through_a_sealed_ledger() {
    let template = TEMPLATE.replace("exporters:\n", "processors: {seal: {}}\nexporters:\n");
    let next = Destination::start();
    let site = Site::new(&template, &[("$NEXT", &next.url()), ("$PIPELINE", "processors: [seal]")]);
    let telseal = site.start();
    for signal in SIGNALS {
        let sent = with_unknown_fields(&request(signal), unknown);
        let records_sent = plain(records(signal, &sent));
        for arrived in exchange(&site, &next, signal, &sent) {
            let sealed = records(signal, &arrived);
            // A line of metrics stands for a whole request: there is no record downstream to carry its seal.
            let has_seal = format!("{sealed:?}").contains("audit.sequence.number");
            assert_eq!(has_seal, signal != Signal::Metrics, "{}: the attributes of the seal", signal.name());
            assert_same(signal.name(), &records_sent, &plain(sealed));
            for depth in 1..=3 {
                assert!(contains(&arrived, &unknown(depth)), "{}: lost the field {}", signal.name(), unknown(depth));
            }
        }
    }
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_verified(&site);
}

/// Every attribute name that the requests use, and the body: all of it promised in the lines and disclosed beside them.
#[test]
fn otlp_in_equals_otlp_out_when_every_field_is_erasable() {
    let erasable: std::collections::BTreeSet<String> =
        SIGNALS.iter().flat_map(|signal| records(*signal, &request(*signal))).flat_map(keys_of).collect();
    let erasable: Vec<_> = erasable.into_iter().chain(["body".to_owned()]).collect();
    let seal = format!("processors: {{seal: {{erasable: {erasable:?}}}}}\nexporters:\n");
    let template = TEMPLATE.replace("exporters:\n", &seal);
    let next = Destination::start();
    let site = Site::new(&template, &[("$NEXT", &next.url()), ("$PIPELINE", "processors: [seal]")]);
    let telseal = site.start();
    for signal in SIGNALS {
        let sent = request(signal);
        for arrived in exchange(&site, &next, signal, &sent) {
            let got = records(signal, &arrived);
            let has_salts = format!("{got:?}").contains("audit.seal.disclosed");
            assert_eq!(has_salts, signal != Signal::Metrics, "{}: the salts of the fields", signal.name());
            assert_same(signal.name(), &plain(records(signal, &sent)), &plain(got));
        }
    }
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_verified(&site);
    let segment = site.files("logs/ledger", ".ndjson").remove(0);
    let text = std::fs::read_to_string(&segment).unwrap();
    assert!(text.contains("\"body\":{\"$sd\":"), "{text}");
    std::fs::write(&segment, text.replacen("\"body\",\"", "\"body\",\"x", 1)).unwrap();
    assert_eq!(site.verify().status.code(), Some(4), "another value than the one promised");
}

fn keys_of(mut record: Record) -> Vec<String> {
    let mut keys = Vec::new();
    walk(&mut record, &mut |met| {
        if let Met::List(attributes) = met {
            keys.extend(attributes.iter().map(|attribute| attribute.key.clone()));
        }
    });
    keys
}

/// What is delivered at once may take another way than what is read back from the ledger: both must bring the same.
#[test]
fn what_is_delivered_after_a_restart_is_what_would_have_been_delivered_at_once() {
    let template = TEMPLATE.replace("exporters:\n", "processors: {seal: {}}\nexporters:\n");
    let (at_once, mut later) = (Destination::start(), Destination::start_down());
    let other = format!("exporters:\n  otlp_http/later: {{endpoint: \"{}\", compression: none}}\n", later.url());
    let template = template
        .replace("exporters:\n", &other)
        .replace("[otlp_http/next]", "[otlp_http/next, otlp_http/later]")
        .replace("[otlp_grpc/next]", "[otlp_grpc/next, otlp_http/later]");
    let site = Site::new(&template, &[("$NEXT", &at_once.url()), ("$PIPELINE", "processors: [seal]")]);
    let telseal = site.start();
    for signal in SIGNALS {
        let sent = with_unknown_fields(&request(signal), unknown);
        assert_eq!(send(site.http, signal, &sent).expect("an answer").status, 200);
    }
    let all = |got: &[Got]| SIGNALS.iter().all(|signal| !bodies(got, *signal).is_empty());
    let first = at_once.wait_for("what is delivered at once", all);
    telseal.kill();
    later.up();
    let _telseal = site.start();
    let second = later.wait_for("what is delivered after the restart", all);
    for signal in SIGNALS {
        let [first, second] = [&first, &second].map(|got| bodies(got, signal).remove(0));
        for depth in 1..=3 {
            assert!(contains(&second, &unknown(depth)), "{}: lost the field {}", signal.name(), unknown(depth));
        }
        let [first, second] = [first, second].map(|body| records(signal, &body));
        assert_same(signal.name(), &with_order(first), &with_order(second));
    }
}

/// With the attributes in order, those of the seal among them.
fn with_order(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        walk(record, &mut |met| {
            if let Met::List(attributes) = met {
                attributes.sort_by(|one, other| one.key.cmp(&other.key));
            }
        });
    }
    records
}

#[test]
fn the_sidecar_example_runs_as_it_stands() {
    let next = Destination::start();
    let words = [
        ("127.0.0.1:4317", "$GRPC"),
        ("127.0.0.1:4318", "$HTTP"),
        ("http://127.0.0.1:9400", &*next.url()),
        ("./telseal-data", "./data"),
        ("service:\n", "service:\n  telemetry: {metrics: {endpoint: $ADMIN}}\n"),
    ];
    let site = Site::new(SIDECAR, &words);
    let telseal = site.start();
    for signal in SIGNALS {
        let sent = request(signal);
        let arrived = exchange(&site, &next, signal, &sent);
        if signal == Signal::Logs {
            let text = format!("{:?}", records(signal, &arrived[0]));
            assert!(text.contains("deployment.environment.name"), "not enriched: {text}");
            assert!(text.contains("audit.seal.entry"), "not sealed: {text}");
        } else {
            assert!(arrived.iter().all(|arrived| *arrived == sent), "{} did not pass unchanged", signal.name());
        }
    }
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_verified(&site);
}
