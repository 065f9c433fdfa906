//! `syslog` against receivers that read everything, something or nothing, and what each of these means.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use telseal::exporter::Exporter;
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::syslog::{Config, Confirm, Network, Syslog};
use telseal::http::client::Tls;
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::duration::Span;
use telseal::stdx::tasks;

use crate::syslog_rfc::{frames, message};
use crate::{Outcome, TELEMETRY, check, closed_port, outcome_of, payload};

const DELIVERED: Outcome = Outcome::Delivered { rejected: 0 };

/// What a receiver does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Reads to the end and closes.
    Take,
    /// Reads to the end and does not close.
    Keep,
    /// Reads a few bytes and closes: the system then resets the connection.
    Cut,
    /// Reads as much as a payload here has, and closes before the end.
    CloseEarly,
    /// Reads nothing.
    Hang,
}

/// A receiver; hands out what it read of each connection.
fn serve(script: Script) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    tasks::thread("receiver", move || {
        let mut kept = vec![];
        for mut stream in listener.incoming().map_while(Result::ok) {
            let read = read(&mut stream, script);
            // Before the connection is closed: whoever sees the end finds it here.
            sender.send(read).unwrap_or(());
            if matches!(script, Script::Keep | Script::Hang) {
                kept.push(stream);
            }
        }
    })
    .unwrap();
    (port, receiver)
}

fn read(stream: &mut TcpStream, script: Script) -> Vec<u8> {
    let mut bytes = vec![];
    match script {
        Script::Take | Script::Keep => drop(stream.read_to_end(&mut bytes)),
        Script::Cut => drop(stream.read(&mut [0; 10])),
        Script::CloseEarly => {
            // Until nothing more comes, so that nothing is unread.
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let _ = stream.read_to_end(&mut bytes);
            stream.write_all(b"").unwrap_or(());
        }
        Script::Hang => {}
    }
    bytes
}

fn config(port: u16) -> Config {
    Config {
        endpoint: Endpoints::one(format!("127.0.0.1:{port}")),
        tls: Tls { insecure: true, ..Tls::default() },
        timeout: Span::secs(1),
        ..Config::default()
    }
}

fn exporter(config: &Config) -> Syslog {
    Syslog::new("syslog", config).unwrap()
}

/// The bodies of messages are those of the payload.
fn assert_whole(read: &[u8]) {
    let messages = frames(read);
    assert_eq!(messages.len(), 10);
    assert!(messages.iter().all(|message| message.text == TELEMETRY.repeat(50)), "{messages:?}");
}

#[tokio::test]
async fn syslog_is_delivered_when_the_receiver_has_read_to_the_end_and_closed() {
    for (script, wanted) in [
        (Script::Take, DELIVERED),
        (Script::Keep, Outcome::Retry(None)),
        (Script::Cut, Outcome::Retry(None)),
        (Script::Hang, Outcome::Retry(None)),
    ] {
        let (port, connections) = serve(script);
        check(&format!("{script:?}"), &exporter(&config(port)), wanted).await;
        if matches!(script, Script::Take | Script::Keep) {
            assert_whole(&connections.recv_timeout(Duration::from_secs(10)).unwrap());
        }
        assert!(script != Script::Take || connections.try_recv().is_err(), "sent more than once");
    }
    check("connection refused", &exporter(&config(closed_port())), Outcome::Retry(None)).await;
}

#[tokio::test]
async fn syslog_writes_into_no_connection_that_the_receiver_has_closed() {
    let (port, connections) = serve(Script::CloseEarly);
    let exporter = exporter(&Config { confirm: Confirm::Write, ..config(port) });
    for _ in 0..3 {
        check("kept", &exporter, DELIVERED).await;
        assert_whole(&connections.recv_timeout(Duration::from_secs(10)).unwrap());
        // The end is on its way to the exporter's socket.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn syslog_keeps_its_connection_where_it_is_told_so_and_ends_it_in_order() {
    let (port, connections) = serve(Script::Take);
    let exporter = exporter(&Config { confirm: Confirm::Write, ..config(port) });
    for _ in 0..3 {
        check("kept", &exporter, DELIVERED).await;
    }
    assert!(connections.try_recv().is_err());
    exporter.close().await.unwrap();
    let read = connections.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(frames(&read).len(), 30);
}

#[tokio::test]
async fn syslog_goes_to_the_next_endpoint_that_works() {
    let (port, connections) = serve(Script::Take);
    let endpoints = format!(r#"["127.0.0.1:{}", "127.0.0.1:{port}"]"#, closed_port());
    let endpoint: Endpoints = serde_json::from_str(&endpoints).unwrap();
    check("second endpoint", &exporter(&Config { endpoint, ..config(port) }), DELIVERED).await;
    assert_whole(&connections.recv_timeout(Duration::from_secs(10)).unwrap());
}

#[tokio::test]
async fn syslog_trusts_whom_it_is_told_to_trust() {
    let (plain, _connections) = serve(Script::Take);
    let make = |port, tls| exporter(&Config { tls, timeout: Span::secs(3), ..config(port) });
    crate::tls::holds(plain, b"", make).await;
}

#[tokio::test]
async fn syslog_sends_one_message_a_datagram_and_cuts_what_is_too_long() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let port = socket.local_addr().unwrap().port();
    let config = Config { network: Network::Udp, tls: Tls::default(), ..config(port) };
    let mut buffer = [0; 65_536];
    let mut receive = || {
        let len = socket.recv(&mut buffer).unwrap();
        (message(&buffer[..len]), len)
    };
    check("datagrams", &exporter(&config), DELIVERED).await;
    assert!((0..10).all(|_| receive().0.text == TELEMETRY.repeat(50)));
    let short = Config { max_message_bytes: Some(ByteSize(480)), ..config };
    check("cut", &exporter(&short), DELIVERED).await;
    for _ in 0..10 {
        let (message, len) = receive();
        assert_eq!(len, 480);
        assert!(TELEMETRY.repeat(50).starts_with(&message.text) && message.text.len() > 300, "{message:?}");
    }
}

#[tokio::test]
async fn syslog_puts_aside_what_is_too_long_where_nothing_is_to_be_cut() {
    let (port, connections) = serve(Script::Take);
    let short = Config { max_message_bytes: Some(ByteSize(480)), ..config(port) };
    let result = exporter(&short).export(&payload().0).await;
    assert_eq!(outcome_of(&result, 0), Outcome::Partial(10));
    assert!(!format!("{result:?}").contains(TELEMETRY));
    assert!(connections.try_recv().is_err(), "nothing was left to send");
}
