//! OTLP/HTTP: what is answered to what.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use telseal::otlp::Signal;
use telseal::pipeline::{Receipt, Refused};
use telseal::receiver::Routes;
use telseal::stdx::bytesize::ByteSize;

use crate::support::*;

fn compressed(name: &str, body: &[u8]) -> Vec<u8> {
    match name {
        "gzip" => {
            let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            out.write_all(body).expect("written");
            out.finish().expect("finished")
        }
        "deflate" => {
            let mut out = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
            out.write_all(body).expect("written");
            out.finish().expect("finished")
        }
        "zstd" => zstd::stream::encode_all(body, 1).expect("compressed"),
        "snappy" => snap::raw::Encoder::new().compress_vec(body).expect("compressed"),
        _ => body.to_vec(),
    }
}

fn chunked(path: &str, headers: &str, body: &[u8], size: usize) -> Sent {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}transfer-encoding: chunked\r\n\r\n");
    let mut out = vec![];
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    Sent { head, body: out }
}

#[tokio::test]
async fn each_signal_arrives_at_its_path_and_the_answer_is_an_empty_message() {
    let (id, script) = (unique("signals"), Script::new([]));
    let receiver = start(&id, "", "", &script);
    let sent = [
        (Signal::Logs, "/v1/logs", logs(3)),
        (Signal::Traces, "/v1/traces", spans(4)),
        (Signal::Metrics, "/v1/metrics", points(5)),
    ];
    let requests: Vec<Sent> = sent.iter().map(|(_, path, body)| post(path, PROTOBUF, body)).collect();
    for answer in exchange(receiver.http, &requests).await {
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b""[..]), "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    }
    let seen = script.seen();
    assert_eq!(seen.len(), 3);
    for ((signal, _, body), seen) in sent.iter().zip(&seen) {
        assert_eq!((seen.signal, seen.body.as_ref()), (*signal, body.as_slice()));
        assert!(seen.permit >= body.len(), "{} bytes are held for {}", seen.permit, body.len());
    }
    assert_eq!(receiver.budget.in_flight(), 0);
    for (signal, records) in [("logs", 3), ("traces", 4), ("metrics", 5)] {
        let labels = [id.as_str(), "transport=\"http\"", signal];
        assert_eq!(counter("telseal_receiver_accepted_records_total", &labels), records);
        assert_eq!(counter("telseal_receiver_requests_total", &labels), 1);
    }
}

#[tokio::test]
async fn zero_records_are_a_success_that_no_pipeline_sees() {
    let script = Script::new([]);
    let receiver = start(&unique("zero"), "", "", &script);
    for body in [vec![], logs(0)] {
        let answer = send(receiver.http, post("/v1/logs", PROTOBUF, &body)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn every_content_encoding_is_read_with_a_length_and_in_chunks() {
    let script = Script::new([]);
    let receiver = start(&unique("encodings"), "", "", &script);
    let body = logs(2_000);
    let mut count = 0;
    for name in ["gzip", "zstd", "deflate", "snappy", "identity"] {
        let packed = compressed(name, &body);
        let headers = format!("{PROTOBUF}content-encoding: {name}\r\n");
        let requests = [
            post("/v1/logs", &headers, &packed),
            chunked("/v1/logs", &headers, &packed, 1_000),
            chunked("/v1/logs", &headers, &packed, 100_000),
        ];
        for answer in exchange(receiver.http, &requests).await {
            assert_eq!(answer.status, 200, "{name}: {}", answer.head);
            count += 1;
        }
    }
    let seen = script.seen();
    assert_eq!(seen.len(), count);
    assert!(seen.iter().all(|seen| seen.body == body && seen.permit >= body.len()));
}

#[tokio::test]
async fn what_pipelines_refuse_is_said_in_the_encoding_of_the_request() {
    let full = |millis| Refused::Full { retry_after: Duration::from_millis(millis), reason: "no \"room\"".to_owned() };
    let cases = [
        (full(2_500), 429, 8, Some("3"), "no \"room\""),
        (full(0), 429, 8, Some("1"), "no \"room\""),
        (Refused::Closed, 503, 14, Some("5"), "shutting down"),
        (Refused::Invalid { reason: "a string is not UTF-8".to_owned() }, 400, 3, None, "a string is not UTF-8"),
    ];
    let id = unique("refused");
    let script = Script::new(cases.iter().map(|(refused, ..)| Err(refused.clone())));
    let receiver = start(&id, "", "", &script);
    for (refused, status, code, retry_after, message) in &cases {
        let answer = send(receiver.http, post("/v1/logs", PROTOBUF, &logs(2))).await;
        assert_eq!(answer.status, *status, "{refused:?}");
        assert_eq!(answer.header("retry-after"), *retry_after, "{refused:?}");
        assert_eq!(answer.rpc_status(), (*code, (*message).to_owned()));
    }
    let labels = |reason| [id.clone(), "signal=\"logs\"".to_owned(), format!("reason=\"{reason}\"")];
    for (reason, requests) in [("full", 2), ("closed", 1), ("invalid", 1)] {
        let labels = labels(reason);
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert_eq!(counter("telseal_receiver_refused_requests_total", &labels), requests, "{reason}");
        assert_eq!(counter("telseal_receiver_refused_records_total", &labels), 2 * requests, "{reason}");
    }
    assert_eq!(counter("telseal_receiver_accepted_records_total", &[&id, "http", "logs"]), 0);
}

#[tokio::test]
async fn records_rejected_one_by_one_are_a_partial_success() {
    let receipt = Receipt { rejected: 2, reason: Some("too \"deep\"".to_owned()) };
    let script = Script::new([Ok(receipt)]);
    let id = unique("partial");
    let receiver = start(&id, "", "", &script);
    let answer = send(receiver.http, post("/v1/logs", PROTOBUF, &logs(5))).await;
    assert_eq!(answer.status, 200);
    let response = ExportLogsServiceResponse::decode(answer.body.as_slice()).expect("a response");
    let partial = response.partial_success.expect("partial");
    assert_eq!((partial.rejected_log_records, partial.error_message.as_str()), (2, "too \"deep\""));
    assert_eq!(counter("telseal_receiver_accepted_records_total", &[&id, "http", "logs"]), 3);
    assert_eq!(counter("telseal_receiver_refused_records_total", &[&id, "reason=\"rejected\""]), 2);
}

#[tokio::test]
async fn a_body_that_is_no_otlp_is_400_with_a_status() {
    let script = Script::new([]);
    let receiver = start(&unique("garbage"), "", "", &script);
    let truncated = &logs(3)[..40];
    let gzip = compressed("gzip", &logs(100));
    let gzipped = format!("{PROTOBUF}content-encoding: gzip\r\n");
    for request in [
        post("/v1/logs", PROTOBUF, truncated),
        post("/v1/logs", PROTOBUF, b"{\"resourceLogs\":[]}"),
        post("/v1/logs", &gzipped, &gzip[..gzip.len() / 2]),
        post("/v1/logs", &gzipped, b"no gzip at all"),
    ] {
        let answer = send(receiver.http, request).await;
        assert_eq!(answer.status, 400, "{}", answer.head);
        let (code, message) = answer.rpc_status();
        assert!(code == 3 && !message.is_empty(), "{code} {message}");
    }
    assert!(script.seen().is_empty());
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn wrong_addresses_methods_and_types_are_told_what_is_right() {
    let script = Script::new([]);
    let receiver = start(&unique("wrong"), "logs_url_path: custom/logs,", "", &script);
    let body = logs(1);
    let get = |path: &str| Sent { head: format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"), body: vec![] };
    let cases = [
        (post("/v1/logs", PROTOBUF, &body), 404, "/custom/logs"),
        (get("/"), 404, "POST to /custom/logs, /v1/traces or /v1/metrics"),
        (get("/v1/traces"), 405, "POST"),
        (post("/v1/traces", "", &body), 415, "application/x-protobuf or application/json"),
        (post("/v1/traces", "content-type: text/plain\r\n", &body), 415, "application/x-protobuf"),
        (post("/v1/x", "content-type: application/grpc\r\n", b""), 404, "gRPC has its own, usually 4317"),
    ];
    for (request, status, text) in cases {
        let answer = send(receiver.http, request).await;
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.text().contains(text), "{}", answer.text());
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"));
    }
    let ok = send(receiver.http, post("/custom/logs", "Content-Type: Application/X-Protobuf; a=b\r\n", &body)).await;
    assert_eq!(ok.status, 200);
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn an_unknown_content_encoding_is_415_and_says_what_is_known() {
    let script = Script::new([]);
    let receiver = start(&unique("encoding"), "", "", &script);
    let headers = format!("{PROTOBUF}content-encoding: br\r\n");
    let answer = send(receiver.http, post("/v1/logs", &headers, &logs(1))).await;
    assert_eq!((answer.status, answer.rpc_status().0), (415, 12));
    assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd, deflate, snappy, identity"));
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn a_signal_without_a_pipeline_is_404_until_a_reload_brings_one() {
    let (id, script) = (unique("reload"), Script::new([]));
    let only_traces = Routes { traces: vec![intake(&script)], ..Routes::default() };
    let receiver = start_with(&id, "", "", ByteSize::mib(1), only_traces);
    let answer = send(receiver.http, post("/v1/logs", PROTOBUF, &logs(1))).await;
    assert_eq!((answer.status, answer.rpc_status()), (404, (12, "no pipeline takes logs".to_owned())));
    receiver.routes.send_replace(Arc::new(Routes { logs: vec![intake(&script)], ..Routes::default() }));
    assert_eq!(send(receiver.http, post("/v1/logs", PROTOBUF, &logs(1))).await.status, 200);
    assert_eq!(send(receiver.http, post("/v1/traces", PROTOBUF, &spans(1))).await.status, 404);
}

#[tokio::test]
async fn several_pipelines_get_the_same_bytes_and_one_that_is_full_is_the_answer() {
    let full = Refused::Full { retry_after: Duration::from_secs(7), reason: "full".to_owned() };
    let invalid = Refused::Invalid { reason: "invalid".to_owned() };
    let (first, second) =
        (Script::new([Ok(Receipt::default()), Err(invalid)]), Script::new([Ok(Receipt::default()), Err(full)]));
    let routes = Routes { logs: vec![intake(&first), intake(&second)], ..Routes::default() };
    let receiver = start_with(&unique("several"), "", "", ByteSize::mib(1), routes);
    let body = logs(10);
    assert_eq!(send(receiver.http, post("/v1/logs", PROTOBUF, &body)).await.status, 200);
    let answer = send(receiver.http, post("/v1/logs", PROTOBUF, &body)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    for script in [&first, &second] {
        let seen = script.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.body == body && seen.permit == body.len()));
    }
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let script = Script::new([]);
    let receiver = start(&unique("h2"), "", "", &script);
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client");
    let body = logs(30_000);
    let answer = client
        .post(format!("http://{}/v1/logs", receiver.http))
        .header("content-type", "application/x-protobuf")
        .body(body.clone())
        .send()
        .await
        .expect("answered");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(script.seen()[0].body, body);
}
