//! OTLP/HTTP: what a stranger may not do, and how the receiver ends.

use std::sync::Arc;

use telseal::pipeline::Receipt;
use telseal::receiver::Routes;
use telseal::receiver::otlp::{Config, Otlp};
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::tasks::detached;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::*;

#[tokio::test]
async fn a_body_over_the_limit_is_413_by_its_length_by_its_chunks_and_by_what_comes_out_of_it() {
    let (id, script) = (unique("large"), Script::new([]));
    let receiver = start(&id, "max_request_body_size: 100 KiB,", "", &script);
    let large = vec![0; 3 << 20];
    let bomb = zstd::bulk::compress(&large, 1).expect("compressed");
    let mut chunks = vec![];
    for chunk in large.chunks(50_000) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let chunked = Sent {
        head: format!("POST /v1/logs HTTP/1.1\r\nhost: x\r\n{PROTOBUF}transfer-encoding: chunked\r\n\r\n"),
        body: chunks,
    };
    let requests = [
        post("/v1/logs", PROTOBUF, &large),
        chunked,
        post("/v1/logs", &format!("{PROTOBUF}content-encoding: zstd\r\n"), &bomb),
        post("/v1/logs", PROTOBUF, &logs(1)),
    ];
    // All on one connection: what is refused is read to its end, so that the sender sees the answer and goes on.
    let answers = exchange(receiver.http, &requests).await;
    for answer in &answers[..3] {
        assert_eq!(
            (answer.status, answer.rpc_status()),
            (413, (3, "the request is larger than 102400 bytes".to_owned()))
        );
    }
    assert_eq!(answers[3].status, 200);
    assert_eq!(script.seen().len(), 1);
    assert_eq!(receiver.budget.in_flight(), 0);
    assert_eq!(counter("telseal_receiver_refused_requests_total", &[&id, "reason=\"too_large\""]), 3);
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_asked_for_when_the_sender_waits_for_leave() {
    let receiver = start(&unique("expect"), "max_request_body_size: 1 KiB,", "", &Script::new([]));
    let mut stream = TcpStream::connect(receiver.http).await.expect("connected");
    let head =
        format!("POST /v1/logs HTTP/1.1\r\nhost: x\r\n{PROTOBUF}expect: 100-continue\r\ncontent-length: 9999\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(read_answer(&mut stream).await.expect("an answer").status, 413);
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_429_before_the_body_is_read() {
    let script = Script::new([]);
    let gate = script.gated();
    let routes = Routes { logs: vec![intake(&script)], ..Routes::default() };
    let body = logs(100);
    let receiver = start_with(&unique("budget"), "", "", ByteSize(body.len() as u64 + 10), routes);
    let address = receiver.http;
    let first = detached({
        let request = post("/v1/logs", PROTOBUF, &body);
        async move { send(address, request).await }
    });
    timeout(PATIENCE, script.arrived.notified()).await.expect("arrived");
    assert_eq!(receiver.budget.in_flight(), body.len());

    let refused = send(address, post("/v1/logs", PROTOBUF, &body)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.rpc_status().0, 8);
    let packed = zstd::bulk::compress(&vec![0; 1000], 1).expect("compressed");
    let refused = send(address, post("/v1/logs", &format!("{PROTOBUF}content-encoding: zstd\r\n"), &packed)).await;
    assert_eq!(refused.status, 429, "what comes out of a body is reserved too");

    gate.notify_one();
    assert_eq!(first.await.expect("ended").status, 200);
    assert_eq!(receiver.budget.in_flight(), 0);
    gate.notify_one();
    assert_eq!(send(address, post("/v1/logs", PROTOBUF, &body)).await.status, 200);
}

#[tokio::test]
async fn one_request_too_many_at_a_time_is_429() {
    let script = Script::new([]);
    let gate = script.gated();
    let receiver = start(&unique("busy"), "max_concurrent_requests: 1,", "", &script);
    let address = receiver.http;
    let first = detached(async move { send(address, post("/v1/logs", PROTOBUF, &logs(1))).await });
    timeout(PATIENCE, script.arrived.notified()).await.expect("arrived");
    let refused = send(address, post("/v1/traces", PROTOBUF, &spans(1))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    gate.notify_one();
    assert_eq!(first.await.expect("ended").status, 200);
    gate.notify_one();
    assert_eq!(send(address, post("/v1/traces", PROTOBUF, &spans(1))).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let (id, script) = (unique("slow"), Script::new([]));
    let receiver = start(&id, "read_timeout: 100ms,", "", &script);
    for start in ["content-length: 1000\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut stream = TcpStream::connect(receiver.http).await.expect("connected");
        let head = format!("POST /v1/logs HTTP/1.1\r\nhost: x\r\n{PROTOBUF}{start}");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let answer = read_answer(&mut stream).await.expect("an answer");
        assert_eq!((answer.status, answer.rpc_status().0), (408, 4));
        assert!(read_answer(&mut stream).await.is_none(), "the connection is closed");
    }
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn a_header_that_does_not_come_closes_the_connection_but_waiting_between_requests_does_not() {
    let script = Script::new([]);
    let receiver = start(&unique("loris"), "read_header_timeout: 200ms, idle_timeout: 1h,", "", &script);
    let mut silent = TcpStream::connect(receiver.http).await.expect("connected");
    let mut partial = TcpStream::connect(receiver.http).await.expect("connected");
    let mut patient = TcpStream::connect(receiver.http).await.expect("connected");
    partial.write_all(b"POST /v1/logs HTTP/1.1\r\nhost").await.expect("sent");
    let request = post("/v1/logs", PROTOBUF, &logs(1));
    let bytes = [request.head.as_bytes(), &request.body].concat();
    patient.write_all(&bytes).await.expect("sent");
    assert_eq!(read_answer(&mut patient).await.expect("an answer").status, 200);
    // Both of these take longer than the header time-out, so the third has waited that long too.
    assert!(read_answer(&mut silent).await.is_none());
    assert!(read_answer(&mut partial).await.is_none());
    patient.write_all(&bytes).await.expect("sent");
    assert_eq!(read_answer(&mut patient).await.expect("an answer").status, 200);
    patient.write_all(b"POST /v1/lo").await.expect("sent");
    assert!(read_answer(&mut patient).await.is_none(), "a later header has the same time");
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_the_idle_time() {
    let receiver = start(&unique("idle"), "idle_timeout: 150ms,", "", &Script::new([]));
    let mut stream = TcpStream::connect(receiver.http).await.expect("connected");
    let request = post("/v1/logs", PROTOBUF, &logs(1));
    stream.write_all(&[request.head.as_bytes(), &request.body].concat()).await.expect("sent");
    assert_eq!(read_answer(&mut stream).await.expect("an answer").status, 200);
    assert!(read_answer(&mut stream).await.is_none());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let script = Script::new([]);
    let receiver = start(&unique("crowd"), "max_connections: 1,", "", &script);
    let mut first = TcpStream::connect(receiver.http).await.expect("connected");
    let request = post("/v1/logs", PROTOBUF, &logs(1));
    let bytes = [request.head.as_bytes(), &request.body].concat();
    first.write_all(&bytes).await.expect("sent");
    assert_eq!(read_answer(&mut first).await.expect("an answer").status, 200);
    let mut second = TcpStream::connect(receiver.http).await.expect("queued by the system");
    second.write_all(&bytes).await.expect("buffered");
    first.write_all(&bytes).await.expect("sent");
    assert_eq!(read_answer(&mut first).await.expect("an answer").status, 200);
    assert_eq!(script.seen().len(), 2, "the second connection has not been looked at");
    drop(first);
    assert_eq!(read_answer(&mut second).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_sender_that_hangs_up_after_its_request_is_counted_all_the_same() {
    let (id, script) = (unique("hangup"), Script::new([Ok(Receipt::default())]));
    let gate = script.gated();
    let receiver = start(&id, "", "", &script);
    let mut stream = TcpStream::connect(receiver.http).await.expect("connected");
    let request = post("/v1/logs", PROTOBUF, &logs(3));
    stream.write_all(&[request.head.as_bytes(), &request.body].concat()).await.expect("sent");
    timeout(PATIENCE, script.arrived.notified()).await.expect("arrived");
    drop(stream);
    // Long enough for the receiver to notice; were it slower, the test would pass for another reason, not fail.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    gate.notify_one();
    timeout(PATIENCE, script.finished.notified()).await.expect("finished without its sender");
    let counted = async {
        while counter("telseal_receiver_accepted_records_total", &[&id, "http", "logs"]) != 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("counted");
    assert_eq!(receiver.budget.in_flight(), 0);
}

#[tokio::test]
async fn stopping_lets_requests_finish_takes_no_new_ones_and_lets_go_of_the_pipelines() {
    let script = Script::new([]);
    let gate = script.gated();
    let mut receiver = start(&unique("stop"), "", "", &script);
    let address = receiver.http;
    let idle = TcpStream::connect(address).await.expect("connected");
    let under_way = detached(async move { send(address, post("/v1/logs", PROTOBUF, &logs(1))).await });
    timeout(PATIENCE, script.arrived.notified()).await.expect("arrived");
    receiver.stop.send_replace(true);
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("nothing listens any more");
    assert!(!receiver.served.is_finished());
    gate.notify_one();
    assert_eq!(under_way.await.expect("ended").status, 200);
    timeout(PATIENCE, &mut receiver.served).await.expect("ended in time").expect("without a panic");
    drop((idle, receiver));
    assert_eq!(Arc::strong_count(&script), 1, "no door to the pipeline is left open");
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_peer_that_says_nothing() {
    let script = Script::new([]);
    let receiver = start(&unique("mute"), "", "", &script);
    let mut half = TcpStream::connect(receiver.http).await.expect("connected");
    half.write_all(b"POST /v1/logs HTTP/1.1\r\nhost").await.expect("sent");
    let mut mute = TcpStream::connect(receiver.grpc).await.expect("connected");
    // The preface and empty settings: an HTTP/2 connection whose peer answers nothing ever after.
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    assert_eq!(send(receiver.http, post("/v1/logs", PROTOBUF, &logs(1))).await.status, 200, "all were accepted by now");
    receiver.stop.send_replace(true);
    timeout(PATIENCE / 2, receiver.served).await.expect("well before the drain limit").expect("without a panic");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it_its_key_and_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let config: Config =
        serde_saphyr::from_str(&format!("protocols: {{http: {{endpoint: '{address}'}}}}")).expect("read");
    let error = Otlp::bind("otlp/edge", &config).expect_err("taken");
    assert_eq!(
        error.to_string(),
        format!("receivers.otlp/edge.protocols.http.endpoint: cannot listen on {address}: the port is in use")
    );
    assert!(error.hint().expect("a hint").contains("choose another port"));
}
