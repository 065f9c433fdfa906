//! Every example of every detector, in five carriers and four forms: as a body, an attribute, in a nested map, in JSON in a
//! string, on an event of a span; plain, escaped as JSON, URL-encoded, in base64.

use base64::Engine as _;

use super::*;
use crate::processor::redact::detector::{DETECTORS, Detector, Find};

/// How a text is written.
type Form = (&'static str, fn(&str) -> String);

const FORMS: [Form; 4] = [
    ("plain", str::to_owned),
    ("JSON-escaped", |text| serde_json::json!(text).to_string()),
    ("URL-encoded", |text| {
        let byte = |byte: u8| match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    }),
    ("base64", |text| base64::engine::general_purpose::STANDARD.encode(text)),
];

/// Base64 is opened for what is found by a mark of its own.
fn is_claimed(detector: &Detector, form: &str) -> bool {
    form != "base64" || matches!(detector.find, Find::Formats(_))
}

fn log(body: Option<AnyValue>, attributes: Vec<KeyValue>) -> Vec<u8> {
    let record = LogRecord { body, attributes, ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] }.encode_to_vec()
}

fn event(text: &str) -> Vec<u8> {
    let event = span::Event { attributes: vec![pair("note", string(text))], ..span::Event::default() };
    let span = Span { events: vec![event], ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] }
        .encode_to_vec()
}

fn carriers(text: &str) -> [(&'static str, Signal, Vec<u8>); 5] {
    let map = Any::KvlistValue(KeyValueList { values: vec![pair("deep", string(text))] });
    let nested = pair("outer", Some(AnyValue { value: Some(map) }));
    let json = serde_json::json!({ "tool": "Bash", "input": { "note": text } }).to_string();
    [
        ("body", Signal::Logs, log(string(text), vec![])),
        ("attribute", Signal::Logs, log(None, vec![pair("note", string(text))])),
        ("nested map", Signal::Logs, log(None, vec![nested])),
        ("JSON in a string", Signal::Logs, log(string(&json), vec![])),
        ("span event", Signal::Traces, event(text)),
    ]
}

/// The lines of the secret are asked for one by one, as forms differ in how they break lines.
fn survives(out: &[u8], secret: &str, form: fn(&str) -> String) -> bool {
    let longest = secret.lines().max_by_key(|line| line.len()).unwrap_or_default();
    contains(out, longest) || contains(out, form(longest).trim_matches('"'))
}

#[test]
fn every_example_is_masked_in_every_carrier_and_form() {
    let mut wrong = vec![];
    for detector in DETECTORS.iter().filter(|detector| detector.profiles.contains(&"ai-agent")) {
        for hit in detector.hits.iter().take(2) {
            let secret = hit.split(['«', '»']).nth(1).unwrap();
            let text = hit.replace(['«', '»'], "");
            for (name, form) in FORMS.iter().filter(|(name, _)| is_claimed(detector, name)) {
                for (carrier, signal, request) in carriers(&form(&text)) {
                    let (out, changed) = redacted(signal, &request);
                    if changed == 0 || survives(&out, secret, *form) {
                        wrong.push(format!("{} {name} in {carrier}: {text}", detector.id));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_no_detector_should_find_passes_in_every_carrier() {
    for text in
        ["commit 3f786850e387550fdab836ed7e6dc881de23001b", "password = get_password()", "left-pad@1.3.0 sha512-Zm9v"]
    {
        for (carrier, signal, request) in carriers(text) {
            assert_eq!(redacted(signal, &request), (request, 0), "{carrier}: {text}");
        }
    }
}
