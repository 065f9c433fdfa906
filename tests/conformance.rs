//! What every network exporter must do with every kind of answer, against scripted servers on real sockets: the kind of
//! error, the bytes on the wire, and that no credential and no telemetry gets into a message.
//!
//! A new exporter over HTTP adds one test that calls `http::conforms` with its constructor and its decoder.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

#[cfg(feature = "s3")]
#[path = "conformance/awss3.rs"]
mod awss3;
#[path = "conformance/datadog.rs"]
mod datadog;
#[path = "conformance/grpc.rs"]
mod grpc;
#[path = "conformance/http.rs"]
mod http;
#[path = "conformance/loki.rs"]
mod loki;
#[path = "conformance/remote_write.rs"]
mod remote_write;
#[path = "conformance/splunk_hec.rs"]
mod splunk_hec;
#[path = "conformance/syslog.rs"]
mod syslog;
#[path = "conformance/syslog_fields.rs"]
mod syslog_fields;
#[path = "conformance/syslog_rfc.rs"]
mod syslog_rfc;
#[path = "conformance/tls.rs"]
mod tls;

use std::fmt::Debug;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use telseal::exporter::{ExportError, Exporter, Payload, refused_records};
use telseal::otlp::Signal;

/// In a configured header, user name, password or query.
const CREDENTIAL: &str = "credential-hunter2";
/// In the telemetry.
const TELEMETRY: &str = "telemetry-hunter2";
/// In what the server writes back.
const ANSWER: &str = "answer-hunter2";

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Delivered, but for so many records that the server rejected.
    Delivered { rejected: u64 },
    /// To be tried again, after so many seconds if the server said so.
    Retry(Option<u64>),
    /// Never.
    Permanent,
    /// So many records never, the rest is delivered.
    Partial(u64),
    /// Kept until somebody looks after it.
    Pause,
}

fn outcome_of(result: &Result<(), ExportError>, rejected: u64) -> Outcome {
    match result {
        Ok(()) => Outcome::Delivered { rejected },
        Err(ExportError::Retry { after, .. }) => Outcome::Retry(after.map(|after| after.as_secs())),
        Err(ExportError::Permanent { .. }) => Outcome::Permanent,
        Err(ExportError::Partial { refused }) => Outcome::Partial(refused_records(refused)),
        Err(ExportError::Pause { .. }) => Outcome::Pause,
    }
}

/// A request of five log records.
fn request() -> Vec<u8> {
    let body = Some(AnyValue { value: Some(any_value::Value::StringValue(TELEMETRY.repeat(50))) });
    let log_records =
        (1..=5).map(|time_unix_nano| LogRecord { time_unix_nano, body: body.clone(), ..LogRecord::default() });
    let scope_logs = vec![ScopeLogs { log_records: log_records.collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// The same as two stored requests, so that joining them is tested too.
fn payload() -> (Payload, Vec<u8>) {
    let bytes = [request(), request()].concat();
    (Payload::from_otlp(Signal::Logs, vec![request().into(), request().into()], 10), bytes)
}

/// Exports once and checks what comes of it.
async fn check<E: Exporter + Debug>(case: &str, exporter: &E, wanted: Outcome) {
    check_payload(case, exporter, &payload().0, wanted).await;
}

/// The same with a payload of one's own.
async fn check_payload<E: Exporter + Debug>(case: &str, exporter: &E, payload: &Payload, wanted: Outcome) {
    let before = exporter.rejected_records();
    let result = tokio::time::timeout(Duration::from_secs(10), exporter.export(payload)).await.expect(case);
    let found = outcome_of(&result, exporter.rejected_records() - before);
    assert_eq!(found, wanted, "{case}: {result:?}");
    let said = format!(
        "{exporter:?} {exporter:#?} {result:?} {}",
        result.as_ref().err().map(ToString::to_string).unwrap_or_default()
    );
    for secret in [CREDENTIAL, TELEMETRY, ANSWER] {
        assert!(!said.contains(secret), "{case}: `{secret}` is in {said}");
    }
    if let Err(error) = result {
        assert!(error.to_string().starts_with("127.0.0.1:"), "{case}: no address in `{error}`");
    }
}

/// A port where nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
