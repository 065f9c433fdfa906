//! What senders send: OTLP in protobuf and JSON, compressed or not.

use std::convert::Infallible;

use telseal::http::compression::{Encoding, decompress};
use telseal::otlp::line::{LineWriter, write_request};
use telseal::otlp::{Signal, count, json};
use telseal::processor::redact::{Config, Redact};

use crate::mutate::fuzz;

const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Traces, Signal::Metrics];
const JSON_WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "NaN",
    "18446744073709551616",
    "\"intValue\":",
    "\"bytesValue\":",
    "\"kvlistValue\":{\"values\":[",
    "\"arrayValue\":{\"values\":[",
    "\"timeUnixNano\":\"",
    "\"traceId\":\"",
    "\"attributes\":[",
];

/// Requests of one signal: the recorded session, whole and as its single records are not: a small one, and none.
fn session(signal: Signal) -> Vec<Vec<u8>> {
    let path = format!("{}/examples/session/{signal}.json", env!("CARGO_MANIFEST_DIR"));
    let small = match signal {
        Signal::Logs => {
            r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"intValue":"1"}}]},"scopeLogs":[{"scope":{"name":"s"},"logRecords":[{"timeUnixNano":"1","severityNumber":9,"body":{"stringValue":"b"},"traceId":"0102030405060708090a0b0c0d0e0f10","attributes":[{"key":"k","value":{"kvlistValue":{"values":[{"key":"x","value":{"bytesValue":"AAE="}}]}}}]}]}]}]}"#
        }
        Signal::Traces => {
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"n","kind":2,"events":[{"name":"e","timeUnixNano":"3"}],"links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}],"status":{"code":2,"message":"m"}}]}]}]}"#
        }
        Signal::Metrics => {
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","unit":"1","histogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1","count":"3","sum":1.5,"bucketCounts":["1","2"],"explicitBounds":[1.0]}]}},{"name":"g","gauge":{"dataPoints":[{"asInt":"4"}]}}]}]}]}"#
        }
    };
    vec![std::fs::read(path).unwrap(), small.as_bytes().to_vec(), b"{}".to_vec()]
}

fn protobuf(signal: Signal) -> Vec<Vec<u8>> {
    session(signal).iter().map(|request| json::to_protobuf(signal, request).unwrap()).collect()
}

/// What a receiver would take, since it can be counted, has a line each record, or is an error; redacted it can be read again.
fn check_protobuf(signal: Signal, redact: &Redact, request: &[u8]) {
    let Ok(records) = count(signal, request) else { return };
    let mut lines = 0;
    let written = write_request(&mut LineWriter::default(), signal, request, &mut |line, _| {
        assert!(std::str::from_utf8(line).is_ok(), "a line is UTF-8");
        lines += 1;
    });
    if written.is_ok() {
        assert!(signal == Signal::Metrics || records == lines, "a line each record");
    }
    if let Ok(redacted) = redact.payload(signal, request) {
        assert_eq!(count(signal, &redacted).ok(), Some(records), "redacting loses no record");
    }
}

fn protobuf_of(signal: Signal) {
    let redact = Redact::new(&Config::default()).unwrap();
    fuzz(&protobuf(signal), &[], |request| check_protobuf(signal, &redact, request));
}

#[test]
fn logs_in_protobuf() {
    protobuf_of(Signal::Logs);
}

#[test]
fn traces_in_protobuf() {
    protobuf_of(Signal::Traces);
}

#[test]
fn metrics_in_protobuf() {
    protobuf_of(Signal::Metrics);
}

#[test]
fn requests_in_json() {
    let seeds: Vec<Vec<u8>> = SIGNALS.into_iter().flat_map(session).collect();
    fuzz(&seeds, &JSON_WORDS, |request| {
        for signal in SIGNALS {
            if let Ok(protobuf) = json::to_protobuf(signal, request) {
                count(signal, &protobuf).expect("what came of JSON is OTLP");
            }
        }
    });
}

#[test]
fn compressed_bodies() {
    const MAX: usize = 256 << 10;
    let plain = &session(Signal::Traces)[0];
    let gzip = {
        let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut out, plain).unwrap();
        out.finish().unwrap()
    };
    let deflate = {
        let mut out = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut out, plain).unwrap();
        out.finish().unwrap()
    };
    let zstd = zstd::bulk::compress(plain, 1).unwrap();
    let snappy = snap::raw::Encoder::new().compress_vec(plain).unwrap();
    fuzz(&[gzip, deflate, zstd, snappy], &[], |body| {
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Snappy] {
            let mut reserved = 0;
            let out = decompress(encoding, body, MAX, |bytes| {
                reserved = bytes;
                Ok::<_, Infallible>(())
            });
            // One byte more tells that there is too much.
            assert!(reserved <= MAX + 1, "no more memory than allowed: {reserved}");
            assert!(out.map_or(0, |out| out.len()) <= MAX, "no more bytes than allowed");
        }
    });
}
