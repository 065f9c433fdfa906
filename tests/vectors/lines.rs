//! `lines.json`: OTLP and its canonical lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use telseal::otlp::Signal;
use telseal::otlp::json::to_protobuf;
use telseal::otlp::line::{LineWriter, to_otlp, write_request};

/// The request, of OTLP/JSON where that can say it, else of protobuf.
fn request(case: &Value) -> (Signal, Vec<u8>) {
    let signal = Signal::from_name(case["signal"].as_str().unwrap()).unwrap();
    let bytes = match case.get("otlp") {
        Some(otlp) => to_protobuf(signal, otlp.to_string().as_bytes()).unwrap(),
        None => STANDARD.decode(case["protobuf"].as_str().unwrap()).unwrap(),
    };
    (signal, bytes)
}

fn lines(signal: Signal, request: &[u8]) -> Vec<Value> {
    let mut lines = vec![];
    write_request(&mut LineWriter::default(), signal, request, &mut |line, flags| {
        lines.push(json!({"line": std::str::from_utf8(line).unwrap(), "flags": flags}));
    })
    .unwrap();
    lines
}

#[test]
fn every_request_has_its_lines() {
    let mut cases = super::read("lines.json");
    for case in cases.as_array_mut().unwrap() {
        let (signal, bytes) = request(case);
        case["protobuf"] = STANDARD.encode(&bytes).into();
        case["lines"] = lines(signal, &bytes).into();
    }
    super::compare("lines.json", &cases);
}

#[test]
fn every_line_reads_back_as_a_request_with_the_same_lines() {
    for case in super::read("lines.json").as_array().unwrap() {
        let (signal, bytes) = request(case);
        let made = lines(signal, &bytes);
        let text: String = made.iter().map(|line| format!("{}\n", line["line"].as_str().unwrap())).collect();
        let back = lines(signal, &to_otlp(signal, text.as_bytes()).unwrap());
        let only = |lines: &[Value]| lines.iter().map(|line| line["line"].clone()).collect::<Vec<_>>();
        assert_eq!(only(&back), only(&made), "{}", case["name"]);
    }
}
