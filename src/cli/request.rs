//! OTLP/JSON requests as commands read them.

use bytes::Bytes;

use crate::otlp::{Signal, json};
use crate::stdx::json::{Reader, Value};

/// The signal of an OTLP/JSON request, by its first member.
pub(super) fn signal_of(text: &str) -> Option<Signal> {
    let mut reader = Reader::over(text);
    if reader.value().ok()? != Value::Object {
        return None;
    }
    match reader.next_member().ok()??.plain()? {
        "resourceLogs" => Some(Signal::Logs),
        "resourceSpans" => Some(Signal::Traces),
        "resourceMetrics" => Some(Signal::Metrics),
        _ => None,
    }
}

/// A request in protobuf, with its signal.
pub(super) fn read(text: &str) -> Result<(Signal, Bytes), String> {
    let wanted = "not OTLP/JSON: it begins with none of resourceLogs, resourceSpans, resourceMetrics";
    let signal = signal_of(text).ok_or(wanted)?;
    let bytes = json::to_protobuf(signal, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok((signal, bytes.into()))
}
