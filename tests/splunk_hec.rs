//! The `splunk_hec` exporter against a strict fake of the collector (`tests/support/hec.rs`): where every field goes, answers and
//! acknowledgements of all kinds, and what is lost or doubled when either side goes away.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the helpers write files and print what went wrong"
)]

#[path = "splunk_hec/answers.rs"]
mod answers;
#[path = "splunk_hec/faults.rs"]
mod faults;
#[path = "splunk_hec/mapping.rs"]
mod mapping;

#[path = "support/hec.rs"]
mod hec;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/process.rs"]
mod process;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/sender.rs"]
mod sender;
#[path = "support/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/telemetry.rs"]
mod telemetry;

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use telseal::exporter::splunk_hec::{Config, SplunkHec};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use tokio::runtime::Runtime;

use hec::{Hec, TOKEN};
use telemetry::numbered;

/// An exporter for this collector; `more` are members of its configuration.
fn exporter(hec: &Hec, more: &Value) -> SplunkHec {
    let mut config = serde_json::json!({"endpoint": hec.url(), "token": TOKEN, "timeout": "2s", "compression": "none"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let config: Config = serde_json::from_value(config).unwrap();
    SplunkHec::new("splunk_hec/siem", &config).unwrap()
}

/// Log records with the bodies `record <number>`.
fn records(numbers: std::ops::Range<u64>) -> Payload {
    let count = numbers.end - numbers.start;
    Payload::from_otlp(Signal::Logs, vec![numbered(numbers).into()], count)
}

/// Exports once. The collector has a runtime of its own, which must not be dropped inside another one.
fn export(exporter: &SplunkHec, payload: &Payload) -> Result<(), ExportError> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    let in_time = async { tokio::time::timeout(Duration::from_secs(20), exporter.export(payload)).await };
    RUNTIME.block_on(in_time).expect("an answer in time")
}

/// The numbers in the events, in order.
fn numbers(events: &[Value]) -> Vec<u64> {
    let number = |event: &Value| {
        let text = event["event"].as_str().unwrap();
        let text = if text.starts_with('{') {
            serde_json::from_str::<Value>(text).unwrap()["body"].as_str().unwrap().to_owned()
        } else {
            text.to_owned()
        };
        text.strip_prefix("record ").unwrap().parse().unwrap()
    };
    events.iter().map(number).collect()
}
