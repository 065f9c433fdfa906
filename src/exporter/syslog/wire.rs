//! The way to the receiver: datagrams, or connections with and without TLS.
//!
//! Endpoints stand in for each other: the first that works is stayed with until it fails. A kept connection is looked at before
//! it is used, since a write into one that the receiver has closed would succeed and be lost.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tracing::warn;

use super::config::{Config, Confirm, Network};
use super::message::Messages;
use crate::exporter::ExportError;
use crate::http::client::BuildError;
use crate::http::dial::{Dialer, Stream};

/// So many datagrams go out at once, before there is a rest in which a receiver can take them.
const BURST: usize = 64;
const REST: Duration = Duration::from_millis(1);

/// The destination.
#[derive(Debug)]
pub(super) struct Wire {
    dialers: Vec<Dialer>,
    /// Which of them worked last.
    current: AtomicUsize,
    network: Network,
    confirm: Confirm,
    timeout: Duration,
    kept: Mutex<Option<Kept>>,
}

/// What is kept open between payloads, and the endpoint that it leads to.
enum Kept {
    Stream(Stream, usize),
    Socket(UdpSocket, usize),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Wire {
    pub(super) fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let dialer = |(host, port): (String, u16)| match config.is_encrypted() {
            true => Dialer::encrypted(&host, port, &config.tls),
            false => Ok(Dialer::plain(&host, port)),
        };
        let dialers = config.endpoints().into_iter().map(dialer).collect::<Result<Vec<_>, _>>()?;
        if !config.is_encrypted() && !config.tls.insecure && dialers.iter().any(|dialer| !is_local(dialer)) {
            warn!(exporter = id, "records are sent in clear over UDP: use TLS, or set tls.insecure if that is meant");
        }
        Ok(Self {
            dialers,
            current: AtomicUsize::new(0),
            network: config.network,
            confirm: config.confirm,
            timeout: config.timeout.0,
            kept: Mutex::new(None),
        })
    }

    /// Sends all messages, to the endpoint that worked last or else the others in turn.
    ///
    /// # Errors
    /// `Retry` when none of them took all.
    pub(super) async fn send(&self, messages: &Messages) -> Result<(), ExportError> {
        if messages.ranges.is_empty() {
            return Ok(());
        }
        let first = self.current.load(Relaxed);
        let mut kept = self.kept.lock().await;
        let mut last = ExportError::Pause { cause: "no `endpoint` is configured".to_owned() };
        for turn in 0..self.dialers.len() {
            let at = (first + turn) % self.dialers.len();
            let sent = tokio::time::timeout(self.timeout, self.send_to(at, &mut kept, messages)).await;
            let cause = match sent {
                Ok(Ok(())) => {
                    self.current.store(at, Relaxed);
                    return Ok(());
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not confirmed within {:?}", self.timeout),
            };
            *kept = None;
            last = ExportError::Retry { after: None, cause: format!("{}: {cause}", self.dialers[at].name()) };
        }
        Err(last)
    }

    async fn send_to(&self, at: usize, kept: &mut Option<Kept>, messages: &Messages) -> io::Result<()> {
        match (self.network, self.confirm) {
            (Network::Udp, _) => {
                let socket = match kept.take() {
                    Some(Kept::Socket(socket, to)) if to == at => socket,
                    _ => self.dialers[at].datagrams().await?,
                };
                send_datagrams(&socket, messages).await?;
                *kept = Some(Kept::Socket(socket, at));
            }
            (Network::Tcp, Confirm::Write) => {
                let mut stream = match still_open(kept.take(), at).await {
                    Some(stream) => stream,
                    None => self.dialers[at].connect().await?,
                };
                stream.write_all(&messages.bytes).await?;
                stream.flush().await?;
                *kept = Some(Kept::Stream(stream, at));
            }
            (Network::Tcp, Confirm::Close) => {
                let mut stream = self.dialers[at].connect().await?;
                stream.write_all(&messages.bytes).await?;
                stream.flush().await?;
                if is_closed(&mut stream).await {
                    return Err(io::Error::other("the receiver closed the connection before the end"));
                }
                stream.shutdown().await?;
                until_closed(&mut stream).await?;
            }
        }
        Ok(())
    }

    /// Ends what is kept open in order, so that the receiver sees the end of it.
    pub(super) async fn close(&self) {
        if let Some(Kept::Stream(mut stream, _)) = self.kept.lock().await.take() {
            // All of it was written; a receiver that is gone cannot be told.
            let _ = tokio::time::timeout(self.timeout, async {
                stream.shutdown().await?;
                until_closed(&mut stream).await
            })
            .await;
        }
    }
}

fn is_local(dialer: &Dialer) -> bool {
    let (host, _) = dialer.address();
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

async fn send_datagrams(socket: &UdpSocket, messages: &Messages) -> io::Result<()> {
    for burst in messages.ranges.chunks(BURST) {
        for range in burst {
            socket.send(&messages.bytes[range.clone()]).await?;
        }
        tokio::time::sleep(REST).await;
    }
    Ok(())
}

/// A kept connection to this endpoint that the receiver has not closed.
async fn still_open(kept: Option<Kept>, at: usize) -> Option<Stream> {
    let Some(Kept::Stream(mut stream, to)) = kept else { return None };
    (to == at && !is_closed(&mut stream).await).then_some(stream)
}

/// True when the receiver has closed its side. Nothing but that comes from a receiver.
async fn is_closed(stream: &mut Stream) -> bool {
    let read = tokio::time::timeout(Duration::ZERO, stream.read(&mut [0; 64])).await;
    read.is_ok_and(|read| read.map_or(true, |bytes| bytes == 0))
}

/// Waits until the receiver has closed its side, which it does after it has read ours to the end.
async fn until_closed(stream: &mut Stream) -> io::Result<()> {
    let mut buffer = [0; 256];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
