//! The official OpenTelemetry SDKs as senders: what arrives downstream of telseal is, field by field, what the SDK sent.
//!
//! Each script under `tests/sdk` sends everything twice: straight to a recording receiver, and through telseal to another.
//! The SDKs are installed on first use, at the versions pinned there, into `target/sdk-cache`. Without Python, Node or a
//! package registry a test is skipped and says so; `TELSEAL_REQUIRE_SDKS=1` makes that a failure.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/destination.rs"]
mod destination;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/process.rs"]
mod process;
#[path = "support/sdk.rs"]
mod sdk;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/sender.rs"]
mod sender;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/telemetry.rs"]
mod telemetry;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/walk.rs"]
mod walk;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use destination::{Destination, Got};
use process::Site;
use sdk::{cache, install, or_skip, python, root, run};
use telemetry::{Record, SIGNALS, assert_same, records};
use telseal::otlp::Signal;
use walk::without_order_and_seal;

const PASSES: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
exporters: {otlp_http: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http]}
    traces: {receivers: [otlp], exporters: [otlp_http], storage: disk}
    metrics: {receivers: [otlp], exporters: [otlp_http]}
";
const SEALS: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters: {otlp_grpc: {endpoint: $NEXT, compression: none, tls: {insecure: true}}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_grpc]}
    traces: {receivers: [otlp], processors: [seal], exporters: [otlp_grpc]}
    metrics: {receivers: [otlp], processors: [seal], exporters: [otlp_grpc]}
";

/// What both scripts send and a comparison of nothing with nothing would not have.
const SENT: [(Signal, &[&str]); 3] = [
    (
        Signal::Logs,
        &["KvlistValue", "BytesValue", "ArrayValue", "DoubleValue", "BoolValue", "IntValue", ".event", "ERROR2"],
    ),
    (Signal::Metrics, &["ExponentialHistogram", "Histogram(", "Gauge(", "is_monotonic: true", "is_monotonic: false"]),
    (Signal::Traces, &["Link {", "Event {", "vendor=far", "it broke", "dropped_events_count: 2", "schemas/1.37.0"]),
];
/// What only the Python SDK can do.
const SENT_BY_PYTHON: [(Signal, &[&str]); 3] = [
    (Signal::Logs, &["dropped_attributes_count: 3", "scope.kind", "schemas/1.37.0"]),
    (Signal::Metrics, &["Exemplar {", "scope.kind", "schemas/1.37.0", "AsInt(9223372036854775807)"]),
    (Signal::Traces, &["dropped_attributes_count: 2", "dropped_links_count: 1", "scope.kind", "exception.stacktrace"]),
];

/// The script in a folder with the SDK, or why not.
fn js() -> Result<PathBuf, String> {
    let dir = cache("js");
    let pins = root("tests/sdk/js/package.json");
    install(&dir, &pins, || {
        fs::copy(&pins, dir.join("package.json")).unwrap();
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"])
            .current_dir(&dir))
    })?;
    let script = dir.join("send.mjs");
    fs::copy(root("tests/sdk/js/send.mjs"), &script).unwrap();
    run(Command::new("node").arg("--version"))?;
    Ok(script)
}

fn of_signal(got: &[Got], signal: Signal) -> Vec<Record> {
    got.iter().filter(|got| got.signal == signal).flat_map(|got| records(signal, &got.body)).collect()
}

/// Sends through telseal with this configuration, and compares per signal.
fn compare(
    template: &str,
    command: impl FnOnce(&str, &Site) -> Command,
    sent_also: &[(Signal, &[&str])],
    sealed: bool,
) {
    let (direct, next) = (Destination::start(), Destination::start());
    let site = Site::new(template, &[("$NEXT", &next.url())]);
    let telseal = site.start();
    run(&mut command(&direct.url(), &site)).unwrap();
    site.wait_until_delivered();
    for signal in SIGNALS {
        let mut sent = of_signal(&direct.got(), signal);
        let mut arrived = of_signal(&next.got(), signal);
        let text = format!("{sent:?}");
        for (_, needles) in SENT.iter().chain(sent_also).filter(|(of, _)| *of == signal) {
            let missing: Vec<_> = needles.iter().filter(|needle| !text.contains(**needle)).collect();
            assert!(missing.is_empty(), "the SDK did not send {missing:?} of {}", signal.name());
        }
        if sealed {
            sent.iter_mut().chain(&mut arrived).for_each(without_order_and_seal);
        }
        assert_same(signal.name(), &sent, &arrived);
    }
    assert!(site.metric("telseal_pipeline_unaccounted_records").abs() < f64::EPSILON);
    assert_eq!(telseal.terminate().status.code(), Some(0));
}

fn compare_python(template: &str, protocol: &str, sealed: bool) {
    let Some(python) = or_skip(python()) else { return };
    let command = |direct: &str, site: &Site| {
        let port = if protocol == "grpc" { site.grpc } else { site.http };
        let mut command = Command::new(python);
        command.arg(root("tests/sdk/python/send.py")).args([protocol, direct, &format!("http://127.0.0.1:{port}")]);
        command
    };
    compare(template, command, &SENT_BY_PYTHON, sealed);
}

#[test]
fn what_the_python_sdk_sends_over_grpc_arrives_field_by_field() {
    compare_python(PASSES, "grpc", false);
}

#[test]
fn what_the_python_sdk_sends_over_http_arrives_field_by_field() {
    compare_python(PASSES, "http", false);
}

#[test]
fn what_the_python_sdk_sends_arrives_through_a_sealed_ledger() {
    compare_python(SEALS, "grpc", true);
}

#[test]
fn what_the_js_sdk_sends_as_json_arrives_field_by_field() {
    let Some(script) = or_skip(js()) else { return };
    let command = |direct: &str, site: &Site| {
        let mut command = Command::new("node");
        command.arg(script).args([direct, &format!("http://127.0.0.1:{}", site.http)]);
        command
    };
    compare(PASSES, command, &[], false);
}
